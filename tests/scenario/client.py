# SPDX-License-Identifier: MIT
"""A client made of bytes: nothing is sent or read but what a conversation says.

TLS runs over memory, so that what goes out in one write is known, and a connection can be cut in
any way, between any two bytes. Nothing is read from the socket but by next_item().
"""

import select
import socket
import ssl
import time

import websocket
from stream import Gone, Stream


class Silence(Exception):
    """Nothing came in time."""


class Client:
    """note(who, direction, text) is told of everything on the wire."""

    def __init__(self, name, note):
        self.name = name
        self.note = note
        self.sock = None
        self.tls = None
        self.context = None
        self.stream = Stream()
        self.records = []  # what each TLS record held
        self.last = None  # what was read last
        self.gone = None
        self.seen = 0  # stanzas seen since <enabled/>
        self.counting = False
        self.answering = False  # answers every <r/> it reads
        self.web = None  # a WebSocket, once it is asked for; it is `stream`, too
        self.gathered = None  # bytes that are not sent yet, while it holds back

    def connect(self, address, source=None, before=b""):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family)
        if source:
            self.sock.bind((source, 0))
        self.sock.settimeout(10)
        self.sock.connect(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if before:
            self.sock.sendall(before)

    def start_tls(self, ca, name, alpn=None, session=None, version=None):
        """session: of an earlier connection, to be resumed; version: '1.2' to go no higher."""
        if session is not None:
            self.context = session[0]
        else:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.context.check_hostname = False
            self.context.load_verify_locations(ca)
        if version:
            name_of = f"TLSv{version.replace('.', '_')}"
            self.context.maximum_version = getattr(ssl.TLSVersion, name_of)
        if alpn:
            self.context.set_alpn_protocols(alpn.split(","))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(
            self.incoming,
            self.outgoing,
            server_hostname=name,
            session=session[1] if session is not None else None,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.push()
                self.pull(deadline)
        self.push()
        self.tls = tls
        self.stream = Stream()

    def upgrade(self, host, way="whole", path=websocket.PATH, more=()):
        """Asks for a WebSocket; the answer is read and not judged: (status, fields, body)."""
        asked = websocket.request(host, path, more)
        self.begin_web(asked, way)
        self.note(self.name, ">", asked.decode("latin-1"))
        self.put(asked)
        return self.read_answer(time.monotonic() + 10)

    def begin_web(self, asked, way, method="GET"):
        self.web = self.stream = websocket.Web(asked, way, method == "HEAD")

    def read_answer(self, deadline):
        """To an HTTP request."""
        while self.web.read_answer() is None:
            if self.gone:
                raise ConnectionError(self.gone)
            if self.tls is None or not self.decrypt():
                self.pull(deadline)
        self.note(self.name, "<", str(self.web.answer))
        return self.web.answer

    def address(self):
        return address(self.sock)

    def chose(self):
        """What ALPN agreed on."""
        return self.tls and self.tls.selected_alpn_protocol()

    def peer_names(self):
        return [value for _, value in self.tls.getpeercert().get("subjectAltName", ())]

    def send(self, data):
        if self.sock is None:
            raise Silence("not connected")
        self.note(self.name, ">", data.decode("utf-8", "backslashreplace"))
        if self.web is not None:
            for frame in self.web.frames(data):
                self.put_frame(frame)
            return
        if self.tls is None:
            self.sock.sendall(data)
            return
        self.tls.write(data)
        self.push()

    def on_the_wire(self, data):
        """As the transport carries it, inside TLS."""
        return data if self.web is None else b"".join(self.web.frames(data))

    def put_frame(self, frame):
        if self.web.way != "trickled":
            self.put(frame)
            return
        for byte in frame:
            self.put(bytes([byte]))

    def sealed(self, data):
        """The bytes that bring these to the other side."""
        if self.tls is None:
            return data
        self.tls.write(data)
        return self.outgoing.read()

    def put(self, data):
        """Like send, and nobody is told."""
        if self.gathered is not None:
            self.gathered += data
        else:
            self.sock.sendall(self.sealed(data))

    def hear(self):
        """What has come by now."""
        self.pull(time.monotonic() + 1)
        if self.tls is not None:
            self.decrypt()

    def push(self):
        data = self.outgoing.read()
        if data:
            self.sock.sendall(data)

    def pull(self, deadline):
        """Some bytes from the network, into TLS or the stream."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.sock], [], [], left)[0]:
            raise Silence("nothing came")
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("end of the connection")
        if self.context is not None:
            self.incoming.write(data)
        else:
            self.stream.feed(data)

    def next_item(self, deadline):
        while True:
            item = self.stream.take()
            if item is None and self.tls is not None and self.decrypt():
                continue
            if item is None and self.gone is None:
                try:
                    self.pull(deadline)
                except OSError as error:
                    self.gone = str(error)
                continue
            if item is None:
                left = bytes(self.stream.buffer).decode("utf-8", "backslashreplace")
                item = Gone(f"{self.gone}, and no item is {left}" if left else self.gone)
            self.note(self.name, "<", str(item))
            self.last = item
            return item

    def decrypt(self):
        got = False
        try:
            while data := self.tls.read(65536):
                self.stream.feed(data)
                self.records.append(data)
                got = True
            self.gone = self.gone or "TLS close_notify"
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.gone = f"TLS: {error}"
        return got

    def restart(self):
        self.stream.restart()

    def cut(self, how):
        """rst, fin, alert (close_notify and FIN), record (half a TLS record, then RST), garbage
        (a TLS record that is none; the end is the other side's), silence."""
        self.note(self.name, "-", f"(cuts: {how})")
        if how == "silence":
            return
        if how == "garbage":
            self.sock.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            return
        if how == "record":
            self.tls.write(b"<message><body>never")
            record = self.outgoing.read()
            self.sock.sendall(record[: len(record) // 2])
        if how == "alert":
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass
            self.push()
        if how in ("fin", "alert"):
            self.sock.shutdown(socket.SHUT_WR)
        else:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.close()

    def close(self):
        if self.sock is not None:
            self.sock.close()
            self.sock = None


def address(sock):
    """Its own, as the daemon's log writes it."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
