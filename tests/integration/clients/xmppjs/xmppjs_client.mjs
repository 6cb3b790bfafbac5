// SPDX-License-Identifier: MIT
//
// xmpp.js as a client of the matrix; ../line_protocol.py says what the lines mean. It reconnects,
// resumes and notices silence by itself, the last with its timers made shorter here.

import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { createInterface } from "node:readline";
import tls from "node:tls";

// Before Node 20 it is not there, and xmpp.js asks for it.
globalThis.crypto ??= webcrypto;

const { client, xml } = await import("@xmpp/client");

let xmpp = null;
const sending = new Set(); // what is not yet written; xmpp.js keeps only what was, to send it again

function emit(event, more = {}) {
  process.stdout.write(JSON.stringify({ event, ...more }) + "\n");
}

// xmpp.js hands no TLS options on: the test's authority and the domain are put in below it.
function trust(ca, domain) {
  const connect = tls.connect;
  const extra = { ca: readFileSync(ca), servername: domain };
  tls.connect = (options, ...more) => connect({ ...options, ...extra }, ...more);
  syncBuiltinESMExports();
}

function arrived(stanza) {
  const { from } = stanza.attrs;
  if (stanza.is("message") && stanza.getChild("body")) {
    emit("message", { from, body: stanza.getChildText("body") });
  } else if (stanza.is("presence")) {
    emit("presence", { from, type: stanza.attrs.type ?? "" });
  }
}

async function connect({ host, port, jid, password, tls: mode, ca }) {
  const [bare, resource] = jid.split("/");
  const [username, domain] = bare.split("@");
  trust(ca, domain);
  const scheme = mode === "tls" ? "xmpps" : "xmpp";
  xmpp = client({ service: `${scheme}://${host}:${port}`, domain, resource, username, password });
  Object.assign(xmpp.streamManagement, { requestAckInterval: 2000, timeout: 3000 });
  xmpp.reconnect.delay = 300;
  xmpp.on("error", (error) => emit("log", { text: String(error) }));
  xmpp.on("disconnect", () => emit("disconnected"));
  xmpp.on("stanza", arrived);
  xmpp.on("online", () => xmpp.send(xml("presence")));
  // xmpp.js does not count what comes in one piece with <enabled/>: it is online only after that.
  xmpp.on("nonza", (element) => {
    if (element.is("enabled")) {
      setTimeout(() => emit("online", { jid: String(xmpp.jid), resumed: false }));
    }
  });
  xmpp.streamManagement.on("resumed", () => emit("online", { jid, resumed: true }));
  await xmpp.start();
}

function send({ to, body }) {
  const message = xml("message", { type: "chat", to }, xml("body", {}, body));
  const sent = xmpp.send(message).catch((error) => emit("log", { text: String(error) }));
  sending.add(sent);
  sent.then(() => sending.delete(sent));
}

const commands = {
  connect: (what) => connect(what).catch((error) => emit("log", { text: String(error) })),
  send,
  status: () => Promise.all(sending).then(() => emit("status")),
  quit: () => process.exit(0),
};

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
lines.on("close", () => process.exit(0));
