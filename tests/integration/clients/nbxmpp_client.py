# SPDX-License-Identifier: MIT
"""nbxmpp as a client of the matrix, over TCP or WebSocket. It resumes by itself; reconnecting is the
application's."""

import logging
import sys

from gi.repository import Gio, GLib
from line_protocol import carry_out, emit
from nbxmpp.client import Client as Stream
from nbxmpp.const import ConnectionProtocol, ConnectionType
from nbxmpp.protocol import JID, Message, Presence
from nbxmpp.structs import StanzaHandler

TYPES = {
    "starttls": ConnectionType.START_TLS,
    "tls": ConnectionType.DIRECT_TLS,
    "ws": ConnectionType.PLAIN,
    "wss": ConnectionType.DIRECT_TLS,
}

logging.basicConfig(level=logging.WARNING)


class ImpatientStream(Stream):
    """Its own check of a silent network, a ping after three minutes that has ten seconds, is made
    shorter; all else is nbxmpp's."""

    def _reset_ping_timer(self):
        super()._reset_ping_timer()
        if self._ping_source_id is not None:
            GLib.source_remove(self._ping_source_id)
            self._ping_source_id = GLib.timeout_add_seconds(3, self._ping)

    def _ping(self):
        self._ping_source_id = None
        ping = self.get_module("Ping").ping
        self._ping_task = ping(self.domain, timeout=3, callback=self._on_pong)


class Client:
    def __init__(self, host, port, jid, password, tls, ca, url=None):
        trusted = Gio.TlsFileDatabase.new(ca)
        Gio.TlsBackend.get_default().set_default_database(trusted)
        who = JID.from_string(jid)
        self.stream = ImpatientStream(log_context=who.localpart)
        self.stream.set_domain(who.domain)
        self.stream.set_username(who.localpart)
        self.stream.set_resource(who.resource)
        self.stream.set_password(password)
        if url:
            self.stream.set_custom_host(url, ConnectionProtocol.WEBSOCKET, TYPES[tls])
            # It has only the URL to compare with, which names the relay, not the domain.
            self.stream.set_ignored_tls_errors({Gio.TlsCertificateFlags.BAD_IDENTITY})
        else:
            self.stream.set_custom_host(f"{host}:{port}", ConnectionProtocol.TCP, TYPES[tls])
        self.stream.subscribe("connected", self.bound)
        self.stream.subscribe("resume-successful", self.resumed)
        self.stream.subscribe("resume-failed", lambda *_: emit("log", text="resumption failed"))
        self.stream.subscribe("disconnected", self.lost)
        self.stream.subscribe("connection-failed", self.lost)
        self.stream.register_handler(StanzaHandler(name="message", callback=self.message_came))
        self.stream.register_handler(StanzaHandler(name="presence", callback=self.presence_came))
        self.stream.connect()

    def bound(self, *_):
        self.stream.send_stanza(Presence())
        emit("online", jid=str(self.stream.get_bound_jid()), resumed=False)

    def resumed(self, *_):
        emit("online", jid=str(self.stream.get_bound_jid()), resumed=True)

    def lost(self, *_):
        emit("disconnected", reason=str(self.stream.get_error()))
        GLib.timeout_add(300, self.go_again)

    def go_again(self):
        self.stream.connect()
        return GLib.SOURCE_REMOVE

    def message_came(self, _stream, message, _properties):
        if body := message.getBody():
            emit("message", **{"from": str(message.getFrom()), "body": body})

    def presence_came(self, _stream, presence, _properties):
        kind = presence.getType() or ""
        emit("presence", **{"from": str(presence.getFrom()), "type": kind})

    def send(self, to, body):
        self.stream.send_stanza(Message(to=to, body=body, typ="chat"))


def main():
    client = None
    loop = GLib.MainLoop()
    lines = Gio.DataInputStream.new(Gio.UnixInputStream.new(sys.stdin.fileno(), False))

    def connect(**how):
        nonlocal client
        client = Client(**how)

    commands = {"connect": connect, "send": lambda **what: client.send(**what)}

    def line_came(source, result):
        line, _ = source.read_line_finish_utf8(result)
        if line is None:
            loop.quit()
            return
        carry_out(line, commands)
        listen()

    def listen():
        lines.read_line_async(GLib.PRIORITY_DEFAULT, None, line_came)

    listen()
    loop.run()


main()
