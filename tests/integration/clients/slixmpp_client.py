# SPDX-License-Identifier: MIT
"""slixmpp as a client of the matrix. It resumes by itself; reconnecting is the application's."""

import asyncio

import slixmpp
from line_protocol import emit, obey


class Client(slixmpp.ClientXMPP):
    def __init__(self, host, port, jid, password, tls, ca):
        super().__init__(jid, password)
        self.register_plugin("xep_0198")
        self.where = (host, port)
        self.direct = tls == "tls"
        self.ca_certs = ca
        self.default_domain = self.boundjid.host
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("session_resumed", self.resumed)
        self.add_event_handler("disconnected", self.lost)
        self.add_event_handler("message", self.message_came)
        self.add_event_handler("presence", self.presence_came)
        self.add_event_handler("failed_auth", lambda _: emit("log", text="authentication failed"))
        self.add_event_handler("sm_failed", lambda _: emit("log", text="resumption failed"))

    def go(self):
        self.connect(self.where, use_ssl=self.direct, force_starttls=not self.direct)

    def started(self, _):
        self.send_presence()
        emit("online", jid=str(self.boundjid), resumed=False)

    def resumed(self, _):
        emit("online", jid=str(self.boundjid), resumed=True)

    def lost(self, _):
        emit("disconnected")
        self.loop.call_soon(self.go)

    def message_came(self, message):
        emit("message", **{"from": str(message["from"]), "body": message["body"]})

    def presence_came(self, presence):
        emit("presence", **{"from": str(presence["from"]), "type": presence["type"]})


async def main():
    client = None

    def connect(**how):
        nonlocal client
        client = Client(**how)
        client.go()

    def send(to, body):
        client.send_message(to, body, mtype="chat")

    await obey({"connect": connect, "send": send})


asyncio.run(main())
