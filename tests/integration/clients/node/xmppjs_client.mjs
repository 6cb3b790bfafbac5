// SPDX-License-Identifier: MIT
//
// xmpp.js as a client of the matrix, over TCP or WebSocket. It reconnects, resumes and notices silence
// by itself, the last with its timers made shorter here.

import { webcrypto } from "node:crypto";
import { account, emit, log, obey, trust } from "./line_protocol.mjs";
import ws from "ws";

// Before Node 20 the one is not there, and before Node 22 the other; xmpp.js asks for both.
globalThis.crypto ??= webcrypto;
globalThis.WebSocket = ws;

const { client, xml } = await import("@xmpp/client");

const SCHEMES = { starttls: "xmpp", tls: "xmpps" };

let xmpp = null;
const sending = new Set(); // what is not yet written; xmpp.js keeps only what was, to send it again

function arrived(stanza) {
  const { from } = stanza.attrs;
  if (stanza.is("message") && stanza.getChild("body")) {
    emit("message", { from, body: stanza.getChildText("body") });
  } else if (stanza.is("presence")) {
    emit("presence", { from, type: stanza.attrs.type ?? "" });
  }
}

async function connect({ host, port, jid, password, tls, ca, url }) {
  const { username, domain, resource } = account(jid);
  trust(ca, domain);
  const service = url ?? `${SCHEMES[tls]}://${host}:${port}`;
  xmpp = client({ service, domain, resource, username, password });
  Object.assign(xmpp.streamManagement, { requestAckInterval: 2000, timeout: 3000 });
  xmpp.reconnect.delay = 300;
  xmpp.on("error", log);
  xmpp.on("disconnect", () => emit("disconnected"));
  xmpp.on("stanza", arrived);
  // xmpp.js does not count what comes in one piece with <enabled/>: it is online only after that. Over
  // WebSocket, where the answer to its presence easily does, that waits, too.
  if (!url) xmpp.on("online", () => xmpp.send(xml("presence")));
  xmpp.on("nonza", (element) => {
    if (element.is("enabled")) {
      setTimeout(() => {
        if (url) xmpp.send(xml("presence"));
        emit("online", { jid: String(xmpp.jid), resumed: false });
      });
    }
  });
  xmpp.streamManagement.on("resumed", () => emit("online", { jid, resumed: true }));
  await xmpp.start();
}

function send({ to, body }) {
  const message = xml("message", { type: "chat", to }, xml("body", {}, body));
  const sent = xmpp.send(message).catch(log);
  sending.add(sent);
  sent.then(() => sending.delete(sent));
}

obey({
  connect: (what) => connect(what).catch(log),
  send,
  status: () => Promise.all(sending).then(() => emit("status")),
});
