// SPDX-License-Identifier: MIT
//
// The node programs' side of the matrix: ../line_protocol.py says what the lines mean. The libraries
// hand no TLS options on, so the test's authority and the domain are put in below them.

import { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { createInterface } from "node:readline";
import tls from "node:tls";

export function emit(event, more = {}) {
  process.stdout.write(JSON.stringify({ event, ...more }) + "\n");
}

export function log(what) {
  emit("log", { text: String(what?.message ?? what) });
}

// From here on this authority alone is trusted, and a server must prove that it is this domain.
export function trust(ca, domain) {
  const connect = tls.connect;
  const extra = { ca: readFileSync(ca), servername: domain };
  tls.connect = (options, ...more) => connect({ ...options, ...extra }, ...more);
  syncBuiltinESMExports();
}

// Alice's account, in the parts that the libraries want.
export function account(jid) {
  const [bare, resource] = jid.split("/");
  const [username, domain] = bare.split("@");
  return { bare, username, domain, resource };
}

// Obeys until quit or the end of input; commands maps a name to a function of the command.
export function obey(commands) {
  const all = { status: () => emit("status"), quit: () => process.exit(0), ...commands };
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const command = JSON.parse(line);
    all[command.do](command);
  });
  lines.on("close", () => process.exit(0));
}
