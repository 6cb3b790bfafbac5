// SPDX-License-Identifier: MIT
//
// stanza as a client of the matrix. It reconnects and resumes by itself; its check of a silent
// connection, every five minutes with fifteen seconds, is made shorter here.

import { createClient } from "stanza";
import { account, emit, log, obey, trust } from "./line_protocol.mjs";

let xmpp = null;
const sending = new Set(); // what is not yet handed to the WebSocket

console.error = log; // stanza reports errors of its transport there

function connect({ jid, password, ca, url }) {
  trust(ca, account(jid).domain);
  const transports = { websocket: url, bosh: false };
  xmpp = createClient({ jid, password, transports, autoReconnect: true, maxReconnectBackoff: 0.3 });
  xmpp.sasl.disable("DIGEST-MD5"); // it begins with "=", which jabberd2 takes for broken base64
  xmpp.enableKeepAlive({ interval: 3, timeout: 3 });
  xmpp.on("stream:error", (error) => log(`stream error: ${error.condition}`));
  xmpp.on("disconnected", () => emit("disconnected"));
  xmpp.on("session:started", () => xmpp.sendPresence());
  xmpp.on("message", ({ from, body }) => body && emit("message", { from, body }));
  xmpp.on("presence", ({ from, type }) => emit("presence", { from, type: type ?? "" }));
  xmpp.on("sm", ({ type }) => {
    if (type === "enabled" || type === "resumed") {
      setTimeout(() => emit("online", { jid: xmpp.jid, resumed: type === "resumed" }));
    }
  });
  xmpp.connect();
}

function send({ to, body }) {
  const sent = xmpp.send("message", { to, body, type: "chat" }).catch(log);
  sending.add(sent);
  sent.then(() => sending.delete(sent));
}

obey({ connect, send, status: () => Promise.all(sending).then(() => emit("status")) });
