# SPDX-License-Identifier: MIT
"""One connection from Holdfast to the stand-in server, in a thread of its own.

What others want of it they put in line as deeds, and the thread does them; so nothing of a link is
locked but its inbox, which has what the script has not looked at yet.
"""

import collections
import hashlib
import os
import re
import select
import socket
import ssl
import threading
import xml.parsers.expat

import sasl
from namespaces import (
    BIND,
    CLIENT,
    PING,
    SASL,
    SESSION,
    SM,
    STANZAS,
    STREAM_ERRORS,
    STREAMS,
    TLS,
)
from stream import Close, Element, Gone, Open, Stream, Text, escape

PASSWORD = "sesame"
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"


class Link:
    """One TCP connection from Holdfast. inbox has what the script has not looked at yet."""

    def __init__(self, server, sock, number):
        self.server = server
        self.sock = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.stream = Stream()
        self.inbox = collections.deque()
        self.everything = []  # all items, for looking back
        self.out = bytearray()
        self.deeds = collections.deque()
        self.wake_in, self.wake_out = socket.socketpair()
        self.reading = True
        self.alive = True
        self.mute = False  # nothing more is said
        self.cut = server.cut  # [so many bytes more may be said, then: rst or fin]
        self.finished = False
        self.secure = False
        self.user = None
        self.resource = None
        self.available = False
        self.exchange = None
        self.peer = sock.getpeername()[0]
        self.proxied = None  # the PROXY header that came first
        self.id = ""  # of the stream
        self.legacy = False  # no version in the client's header

    # --- for other threads ---

    @property
    def bare(self):
        return f"{self.user}@{self.server.bind_domain}"

    @property
    def jid(self):
        return f"{self.bare}/{self.resource}"

    @property
    def name(self):
        if self.user is None:
            return f"link {self.number}"
        return f"{self.user}/{self.resource}" if self.resource else f"{self.user}'s login"

    def start(self):
        threading.Thread(target=self.run, daemon=True).start()

    def do(self, deed):
        self.deeds.append(deed)
        try:
            self.wake_out.send(b"!")
        except OSError:
            pass

    def send(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.do(lambda: self.queue(data))

    def reset(self):
        """RST. What waits to be sent is sent before, as far as the kernel takes it."""
        self.flush()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.gone("reset by the stand-in")

    def hang_up(self):
        self.flush()
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close_stream(self):
        self.queue(b"</stream:stream>")
        self.hang_up()

    # --- the thread ---

    def run(self):
        try:
            self.begin()
            while self.alive and not self.finished:
                self.turn()
        except (OSError, ssl.SSLError) as error:
            self.gone(str(error))
        except xml.parsers.expat.ExpatError as error:
            self.server.violation(f"{self.name}: not well-formed: {error}")
            self.gone("not well-formed")
        finally:
            self.wake_in.close()
            self.wake_out.close()

    def finish(self):
        self.finished = True
        self.gone("the conversation is over")

    def begin(self):
        if self.server.proxy != "no":
            self.proxied = self.proxy_header()
        if self.server.tls == "direct":
            self.secure_now()
        self.reading = self.server.tls != "silent"
        self.sock.setblocking(False)

    def proxy_header(self):
        header = b""
        if self.server.proxy == "v1":
            while not header.endswith(b"\r\n"):
                header += self.sock.recv(1) or b"\r\n"
            if not header.startswith(b"PROXY "):
                self.server.violation(f"no PROXY v1 header but {header!r}")
            return header.decode()
        header = self.sock.recv(16, socket.MSG_WAITALL)
        if not header.startswith(PROXY_V2):
            self.server.violation(f"no PROXY v2 header but {header!r}")
            return ""
        rest = self.sock.recv(int.from_bytes(header[14:16], "big"), socket.MSG_WAITALL)
        family = socket.AF_INET if header[13] == 0x11 else socket.AF_INET6
        size = 4 if family == socket.AF_INET else 16
        source, target = (socket.inet_ntop(family, rest[i * size : (i + 1) * size]) for i in (0, 1))
        ports = [int.from_bytes(rest[at : at + 2], "big") for at in (2 * size, 2 * size + 2)]
        name = "TCP4" if family == socket.AF_INET else "TCP6"
        return f"PROXY {name} {source} {target} {ports[0]} {ports[1]}\r\n"

    def secure_now(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.certificate.chain, self.server.certificate.key)
        self.sock.setblocking(True)
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.sock.setblocking(False)
        self.secure = True

    def turn(self):
        readable, _, _ = select.select(
            [self.sock, self.wake_in] if self.reading else [self.wake_in],
            [self.sock] if self.out else [],
            [],
        )
        if self.wake_in in readable:
            self.wake_in.recv(4096)
        while self.deeds and self.alive:
            self.deeds.popleft()()
        if self.alive:
            self.flush()
        if self.alive and self.sock in readable and self.reading:
            self.receive()

    def queue(self, data):
        if self.alive and not self.mute:
            self.server.note(self.name, "<", data.decode("utf-8", "backslashreplace"))
            self.out += data

    def flush(self):
        try:
            while self.out:
                size = min(int(self.server.chunk or len(self.out)), self.allowed())
                if not size:
                    self.fall_silent()
                    return
                size = self.sock.send(self.out[:size])
                del self.out[:size]
                if self.cut:
                    self.cut[0] -= size
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass

    def allowed(self):
        return self.cut[0] if self.cut else len(self.out)

    def fall_silent(self):
        """It has said all that it may, and ends in the midst of what it wanted to say."""
        self.out.clear()
        self.mute = True
        if self.cut[1] == "rst":
            self.reset()
        else:
            self.hang_up()

    def receive(self):
        while self.alive:
            try:
                data = self.sock.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            if not data:
                self.flush()
                self.gone("end of the connection")
                return
            self.stream.feed(data)
            while self.alive and (item := self.stream.take()) is not None:
                self.take(item)
            if not self.secure or not self.sock.pending():
                return

    def gone(self, why):
        if not self.alive:
            return
        self.alive = False
        if self.available:
            self.available = False
            self.server.broadcast(self, self.unavailable())
        self.sock.close()
        if not self.server.closed:
            self.server.note(self.name, ">", f"({why})")
        self.show(Gone(why))

    def unavailable(self):
        return f"<presence from='{self.jid}' type='unavailable'/>"

    def show(self, item):
        """Lays the item before the script."""
        with self.server.changed:
            self.inbox.append(item)
            self.server.changed.notify_all()

    # --- what comes ---

    def take(self, item):
        self.server.note(self.name, ">", str(item))
        self.everything.append(item)
        if isinstance(item, Open):
            self.opened(item.node)
        elif isinstance(item, Element):
            self.element(item)
        elif isinstance(item, Close):
            self.show(item)
            self.server.answer("closes", self, self.close_after)
        elif isinstance(item, Text) and item.raw.strip():
            self.server.violation(f"{self.name}: between stanzas: {item}")

    def close_after(self):
        self.close_stream()
        self.gone("closed in order")

    def opened(self, header):
        server = self.server
        if header.name != f"{STREAMS} stream":
            server.violation(f"{self.name}: a strange stream header")
        self.legacy = server.version == "" or header.get("version") is None
        server.answer("headers", self, lambda: self.open(header))

    def open(self, header):
        server = self.server
        version = f" version='{server.version}'" if not self.legacy else ""
        self.id = os.urandom(8).hex()
        self.queue(
            f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'"
            f" id='{self.id}' from='{server.domain}'{version} {server.header}>".encode()
        )
        if header.get("to") != server.domain:
            self.queue(stream_error("host-unknown"))
            self.hang_up()
        elif not self.legacy:
            server.answer("features", self, self.say_features)

    def say_features(self):
        self.queue(f"<stream:features>{self.features()}</stream:features>".encode())

    def features(self):
        server = self.server
        if server.tls == "starttls" and not self.secure:
            return f"<starttls xmlns='{TLS}'><required/></starttls>"
        if self.user is None:
            names = "".join(f"<mechanism>{name}</mechanism>" for name in server.mechanisms.split())
            return f"<mechanisms xmlns='{SASL}'>{names}</mechanisms>{server.login_features}"
        return f"<bind xmlns='{BIND}'><required/></bind>{server.features}"

    def element(self, element):
        node = element.node
        if node.namespace in SM:
            self.server.violation(f"{self.name}: stream management reached the server: {element}")
        elif node.namespace == TLS and node.local == "starttls":
            self.queue(f"<proceed xmlns='{TLS}'/>".encode())
            self.flush()
            self.alone("<starttls/>")
            self.stream.restart()
            self.secure_now()
        elif node.namespace == SASL:
            self.authenticate(node)
        elif node.local == "iq" and self.handled(element):
            pass
        elif self.resource is None:
            self.show(element)
            self.queue(stream_error("not-authorized"))
            self.hang_up()
        else:
            self.show(element)
            self.stanza(element)

    def alone(self, what):
        """Holdfast must not send ahead of an answer, but for its goodbye: servers choke on it."""
        if self.stream.buffer not in (b"", b"</stream:stream>"):
            self.server.violation(f"{self.name}: bytes behind {what} that was not answered yet")

    def authenticate(self, node):
        try:
            if node.local == "auth":
                self.exchange = sasl.server(node.get("mechanism"), self.server.domain, PASSWORD)
                next(self.exchange)
                if node.get("mechanism") == "PLAIN" and not node.text():
                    self.queue(f"<challenge xmlns='{SASL}'/>".encode())
                    return
            elif node.local != "response" or self.exchange is None:
                raise sasl.Refused("aborted")
            challenge = self.exchange.send(sasl.decode(node.text()))
            answer = f"<challenge xmlns='{SASL}'>{sasl.encode(challenge)}</challenge>"
            self.queue(answer.encode())
        except StopIteration as done:
            user, data = done.value
            self.server.answer("logins", self, lambda: self.admit(user, data))
        except (sasl.Refused, KeyError, ValueError) as why:
            self.exchange = None
            reason = str(why) if isinstance(why, sasl.Refused) else "malformed-request"
            self.queue(f"<failure xmlns='{SASL}'><{reason}/></failure>".encode())

    def admit(self, user, data):
        aliases = dict(pair.split(":") for pair in self.server.aliases.split())
        with self.server.changed:
            self.user = aliases.get(user, user)
            self.server.changed.notify_all()
        self.alone("<auth/>")
        text = sasl.encode(data) if data else ""
        self.queue(f"<success xmlns='{SASL}'>{text}</success>".encode())
        self.stream.restart()

    def handled(self, element):
        """True for the iq requests that a server answers out of its own knowledge."""
        server = self.server
        node = element.node
        kind = node.get("type")
        child = node.nodes()[0] if node.nodes() else None
        if kind not in ("get", "set") or child is None:
            return False
        if child.namespace == "jabber:iq:auth" and self.user is None:
            self.old_login(node, child)
        elif child.namespace == BIND and self.user is not None:
            self.alone("<bind/>")
            server.answer("binds", self, lambda: self.bind(node, child))
        elif child.namespace == PING and node.get("to", server.domain) == server.domain:
            if "pings by hand" in server.holding:
                self.show(element)
                return True
            server.answer("pings", self, lambda: self.queue(result(node, self.ping_from(node))))
        else:
            return False
        return True

    def ping_from(self, node):
        return f" from='{node.get('to')}'" if node.get("to") else ""

    def bind(self, node, request):
        wanted = request.find("resource")
        resource = wanted.text() if wanted is not None and wanted.text() else os.urandom(4).hex()
        old = self.server.bound(self.user, resource)
        if self.resource is not None or (old and self.server.conflict == "refuse"):
            self.queue(stanza_error(node, "cancel", "conflict"))
            return
        if old and self.server.conflict == "rename":
            resource += "-2"
        for link in old if self.server.conflict == "replace" else ():
            link.do(link.replaced)
        with self.server.changed:
            self.resource = resource
            self.server.changed.notify_all()
        jid = f"<bind xmlns='{BIND}'><jid>{escape(self.jid)}</jid></bind>"
        self.queue(result(node, content=jid))

    def replaced(self):
        self.queue(stream_error("conflict"))
        self.hang_up()
        self.gone("replaced by a new login")

    def old_login(self, node, query):
        """XEP-0078: a password in the clear, or its digest, which hangs on the stream's id."""
        username, password = query.find("username"), query.find("password")
        resource, digest = query.find("resource"), query.find("digest")
        secret = hashlib.sha1((self.id + PASSWORD).encode()).hexdigest()
        known = (password is not None and password.text() == PASSWORD) or (
            digest is not None and digest.text() == secret
        )
        if node.get("type") == "get":
            name = f"<username>{escape(username.text())}</username>" if username is not None else ""
            fields = f"{name}<password/><digest/><resource/>"
            self.queue(result(node, content=f"<query xmlns='jabber:iq:auth'>{fields}</query>"))
        elif not known or resource is None:
            self.queue(stanza_error(node, "auth", "not-authorized"))
        else:
            for link in self.server.bound(username.text(), resource.text()):
                link.do(link.replaced)
            with self.server.changed:
                self.user, self.resource = username.text(), resource.text()
                self.server.changed.notify_all()
            self.queue(result(node))

    def stanza(self, element):
        node = element.node
        if node.namespace != CLIENT or node.local not in ("message", "presence", "iq"):
            return
        if node.local == "presence" and node.get("to") is None:
            self.presence(node, element.raw)
        elif node.local == "iq" and node.get("to", self.bare) in (self.server.domain, self.bare):
            if node.get("type") in ("get", "set"):
                self.server.answer("iqs", self, lambda: self.own_iq(node))
        else:
            self.server.route(self, element)

    def own_iq(self, node):
        child = node.nodes()[0] if node.nodes() else None
        namespace = child.namespace if child is not None else ""
        if namespace in ("jabber:iq:roster", "urn:test:echo"):
            self.queue(result(node, content=f"<query xmlns='{namespace}'/>"))
        elif namespace == SESSION:
            self.queue(result(node))
        else:
            self.queue(stanza_error(node, "cancel", "service-unavailable"))

    def presence(self, node, raw):
        if node.get("type") not in (None, "unavailable"):
            return
        was, self.available = self.available, node.get("type") is None
        if was or self.available:
            self.server.broadcast(self, stamped(raw, self.jid))
        if self.available:
            with self.server.changed:
                stored = self.server.offline.pop(self.user, [])
            for message in stored:
                self.queue(message)


def stamped(raw, jid):
    """The stanza with its sender, as a server writes it; all other bytes as they came."""
    name = re.match(rb"<[^\s/>]+", raw)[0]
    start = raw[: raw.index(b">")]
    for quote in (b"'", b'"'):
        mark = b" from=" + quote
        if mark in start:
            at = start.index(mark)
            end = start.index(quote, at + len(mark))
            raw = raw[:at] + raw[end + 1 :]
            break
    return name + f" from='{escape(jid)}'".encode() + raw[len(name) :]


def result(node, attributes="", content=""):
    iq = f"<iq type='result' id='{escape(node.get('id', ''))}'{attributes}"
    return (f"{iq}>{content}</iq>" if content else f"{iq}/>").encode()


def stanza_error(node, kind, condition):
    sender = f" from='{escape(node.get('to'))}'" if node.get("to") else ""
    return (
        f"<{node.local} type='error' id='{escape(node.get('id', ''))}'{sender}>"
        f"<error type='{kind}'><{condition} xmlns='{STANZAS}'/></error></{node.local}>"
    ).encode()


def stream_error(condition):
    return (
        f"<stream:error><{condition} xmlns='{STREAM_ERRORS}'/></stream:error></stream:stream>"
    ).encode()
