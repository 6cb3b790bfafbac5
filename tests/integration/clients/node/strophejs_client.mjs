// SPDX-License-Identifier: MIT
//
// strophe.js as a client of the matrix, with its own stream management. Reconnecting is the
// application's; what it would do to notice silence, too.

import { account, emit, log, obey, trust } from "./line_protocol.mjs";
import { $msg, $pres, Strophe } from "strophe.js";

const AGAIN = 300; // milliseconds until it connects once more

let connection = null;

Strophe.setLogLevel(Strophe.LogLevel.WARN);
Strophe.log = (_level, text) => log(text);

function message(stanza) {
  const body = stanza.getElementsByTagName("body")[0];
  if (body) emit("message", { from: stanza.getAttribute("from"), body: body.textContent });
  return true;
}

function presence(stanza) {
  emit("presence", { from: stanza.getAttribute("from"), type: stanza.getAttribute("type") ?? "" });
  return true;
}

// It forgets its handlers when a connection ends.
function listen() {
  connection.addHandler(message, null, "message");
  connection.addHandler(presence, null, "presence");
}

function changed(status, go) {
  if (status === Strophe.Status.CONNECTED) {
    listen();
    if (!connection.hasResumed()) connection.send($pres());
  } else if (status === Strophe.Status.DISCONNECTED) {
    emit("disconnected");
    setTimeout(go, AGAIN);
  }
}

function connect({ jid, password, ca, url }) {
  trust(ca, account(jid).domain);
  connection = new Strophe.Connection(url, { enableStreamManagement: true });
  const online = (resumed) => setTimeout(() => emit("online", { jid: connection.jid, resumed }));
  connection.sm.onEnabled = () => online(false);
  connection.sm.onResumed = () => online(true);
  const go = () => connection.connect(jid, password, (status) => changed(status, go));
  go();
}

function send({ to, body }) {
  connection.send($msg({ to, type: "chat" }).c("body").t(body));
  connection.flush();
}

obey({ connect, send });
