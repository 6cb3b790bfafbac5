# SPDX-License-Identifier: MIT
"""aioxmpp as a client of the matrix. It reconnects, resumes and notices silence by itself."""

import asyncio
import warnings
from datetime import timedelta

warnings.simplefilter("ignore")

import aioxmpp  # noqa: E402
import aioxmpp.connector  # noqa: E402
import aioxmpp.dispatcher  # noqa: E402
from line_protocol import emit, obey  # noqa: E402

CONNECTORS = {
    "starttls": aioxmpp.connector.STARTTLSConnector,
    "tls": aioxmpp.connector.XMPPOverTLSConnector,
}


class Client:
    def __init__(self, host, port, jid, password, tls, ca):
        def trusting():
            context = aioxmpp.security_layer.default_ssl_context()
            context.load_verify_locations(ca)
            return context

        self.client = aioxmpp.PresenceManagedClient(
            aioxmpp.JID.fromstr(jid),
            aioxmpp.make_security_layer(password, ssl_context_factory=trusting),
            override_peer=[(host, port, CONNECTORS[tls]())],
        )
        # Its own check of a silent network, a minute by default.
        self.client.stream.soft_timeout = timedelta(seconds=3)
        self.client.stream.round_trip_time = timedelta(seconds=3)
        self.client.on_stream_established.connect(self.established)
        self.client.on_stream_resumed.connect(self.resumed)
        self.client.on_stream_suspended.connect(self.suspended)
        self.client.on_failure.connect(self.failed)
        messages = self.client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
        messages.register_callback(None, None, self.message_came)
        presences = self.client.summon(aioxmpp.dispatcher.SimplePresenceDispatcher)
        for kind in (aioxmpp.PresenceType.AVAILABLE, aioxmpp.PresenceType.UNAVAILABLE):
            presences.register_callback(kind, None, self.presence_came)
        self.client.presence = aioxmpp.PresenceState(True)

    def established(self):
        emit("online", jid=str(self.client.local_jid), resumed=False)

    def resumed(self):
        emit("online", jid=str(self.client.local_jid), resumed=True)

    def suspended(self, reason=None):
        emit("disconnected", reason=str(reason))

    def failed(self, error):
        """It stops for good if it writes just as the connection goes; its session is still good."""
        emit("log", text=f"failure: {error}")
        asyncio.get_running_loop().call_later(0.3, self.client.start)

    def message_came(self, message):
        emit("message", **{"from": str(message.from_), "body": message.body.any()})

    def presence_came(self, presence):
        emit("presence", **{"from": str(presence.from_), "type": presence.type_.value})

    def send(self, to, body):
        message = aioxmpp.Message(aioxmpp.MessageType.CHAT, to=aioxmpp.JID.fromstr(to))
        message.body[None] = body
        self.client.enqueue(message)


async def main():
    client = None

    def connect(**how):
        nonlocal client
        client = Client(**how)

    await obey({"connect": connect, "send": lambda **what: client.send(**what)})


asyncio.run(main())
