# SPDX-License-Identifier: MIT
"""A WebSocket made of bytes (RFC 6455), and XMPP on it (RFC 7395).

A conversation speaks of streams whatever carries them: here `<stream:stream>` becomes `<open/>`, the
closing tag `<close/>`, and an element gets the namespaces that a stream would have given it. What comes
is held to the same: each message one element, and one that stands for itself.
"""

import base64
import hashlib
import os
import re

from namespaces import CLIENT, STREAMS
from stream import TAG, Close, Element, Item, Node, Open, Stream, Text, parse

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
PATH = "/xmpp-websocket"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
WAYS = ("whole", "trickled", "split")  # what becomes of each message that is sent


class Frame(Item):
    """What is no message: CLOSE, with its code, or PONG."""

    def __init__(self, opcode, payload):
        super().__init__(payload)
        self.opcode = opcode

    @property
    def name(self):
        return {CLOSE: "close frame", PING: "ping", PONG: "pong"}.get(self.opcode, "frame")

    def code(self):
        return int.from_bytes(self.raw[:2], "big") if len(self.raw) >= 2 else 1005

    def __str__(self):
        what = self.code() if self.opcode == CLOSE else self.raw.decode("utf-8", "backslashreplace")
        return f"({self.name} {what})"


class Fault(Exception):
    """What came is no HTTP, no WebSocket, or no XMPP on it."""


def frame(payload, opcode=TEXT, fin=True, reserved=0, mask=True, length=None):
    """The bytes of a frame; length: what its header says, if that is not true."""
    said = len(payload) if length is None else length
    head = bytes([fin << 7 | reserved << 4 | opcode])
    masked = mask << 7
    if said < 126:
        head += bytes([masked | said])
    elif said < 65536:
        head += bytes([masked | 126]) + said.to_bytes(2, "big")
    else:
        head += bytes([masked | 127]) + said.to_bytes(8, "big")
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


def upgrade(host):
    """The fields of an upgrade request."""
    return [
        ("Host", host),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode()),
        ("Sec-WebSocket-Protocol", "xmpp"),
    ]


def request(host, path=PATH, more=()):
    lines = [f"{name}: {value}" for name, value in (*upgrade(host), *more)]
    return "\r\n".join((f"GET {path} HTTP/1.1", *lines, "", "")).encode()


class Web:
    """Stands where a Stream does: takes what was received, and gives items."""

    def __init__(self, asked, way="whole", head=False):
        self.buffer = bytearray()
        self.way = way
        self.head = head  # the answer to HEAD has no body, whatever length it names
        self.answer = None  # to the request, once it is whole
        self.key = re.search(rb"(?i)sec-websocket-key: *(\S*)", asked)
        self.message = b""
        self.pings = 0  # of ours, not answered yet
        self.said = Said()
        self.said.opened = True
        self.begun = 0  # bytes of what is being said that were sent

    def restart(self):
        pass

    def feed(self, data):
        self.buffer += data

    def read_answer(self):
        head, end, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        if not end:
            return None
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        length = 0 if self.head else int(fields.get("content-length", 0))
        if not status.startswith("HTTP/1.1 "):
            raise Fault(f"no HTTP: {status}")
        if len(rest) < length:
            return None
        self.buffer = bytearray(rest[length:])
        self.answer = int(status.split()[1]), fields, rest[:length]
        return self.answer

    def judge_answer(self):
        status, fields, _ = self.answer
        if status != 101:
            raise Fault(f"the answer is {status}")
        proof = hashlib.sha1(self.key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        if fields.get("sec-websocket-accept") != base64.b64encode(proof).decode():
            raise Fault("a wrong Sec-WebSocket-Accept")
        if fields.get("sec-websocket-protocol") != "xmpp":
            raise Fault("the subprotocol is not xmpp")

    def next_frame(self):
        """A whole frame: (fin, opcode, payload), or None."""
        data = self.buffer
        if len(data) < 2:
            return None
        if data[0] & 0x70 or data[1] & 0x80:
            raise Fault("reserved bits, or a mask, in a frame of a server")
        length, at = data[1] & 127, 2
        if length > 125:
            at += 2 if length == 126 else 8
            if len(data) < at:
                return None
            length = int.from_bytes(data[2:at], "big")
        if len(data) < at + length:
            return None
        payload = bytes(data[at : at + length])
        first = data[0]
        del data[: at + length]
        return bool(first & 0x80), first & 15, payload

    def take(self):
        if self.answer is None:
            return None
        while (found := self.next_frame()) is not None:
            fin, opcode, payload = found
            if opcode == PONG and self.pings:
                self.pings -= 1
                continue
            if opcode > 7:
                return Frame(opcode, payload)
            self.message += payload
            if fin:
                whole, self.message = self.message, b""
                return item_of(whole)
        return None

    def frames(self, data):
        """What a client says on a stream, as frames, in their order."""
        self.said.feed(data)
        for raw, message in self.messages():
            if self.begun:
                yield frame(raw[self.begun :], opcode=0)
            elif self.way == "split" and len(message) > 2:
                yield from self.split(message)
            else:
                yield frame(message)
            self.begun = 0
        yield from self.beginning(bytes(self.said.buffer))

    def messages(self):
        """(as said, as sent) of each item that is whole: a message each."""
        while (item := self.said.take()) is not None:
            if isinstance(item, Open):
                yield item.raw, opening(item.node)
            elif isinstance(item, Close):
                yield item.raw, f"<close xmlns='{FRAMING}'/>".encode()
            elif isinstance(item, Text) and item.raw.strip():
                yield item.raw, item.raw
            elif item.raw.strip():
                yield item.raw, item.raw if self.begun else standing_alone(item.raw)

    def split(self, message):
        third = len(message) // 3
        yield frame(message[:1], fin=False)
        yield frame(b"in between", PING)
        yield frame(message[1:third], opcode=0, fin=False)
        yield frame(b"", opcode=0, fin=False)
        yield frame(b"", PONG)
        yield frame(message[third:], opcode=0)
        self.pings += 1

    def beginning(self, part):
        """An element that is not whole: a message that goes on in the next frame. What its start tag
        lacks is known when that is whole."""
        tag = TAG.match(part)
        speaks = tag and not part.startswith((b"<stream:stream", b"<?", b"<!", b"</"))
        if self.said.opened and speaks and len(part) > self.begun:
            sent = part[self.begun :] if self.begun else standing_alone(part)
            yield frame(sent, opcode=0 if self.begun else TEXT, fin=False)
            self.begun = len(part)


class Said(Stream):
    """The client's side. It is not judged: what is said may be no XML."""

    def tag(self, tag):
        if self.depth == 0 and tag.startswith((b"<?xml", b"<stream:stream")):
            self.opened = False
        return super().tag(tag)

    def parse(self, raw):
        return None


def opening(header):
    written = "".join(
        f" {name.replace('http://www.w3.org/XML/1998/namespace ', 'xml:')}='{value}'"
        for name, value in header.attributes.items()
    )
    return f"<open xmlns='{FRAMING}'{written}/>".encode()


def standing_alone(element):
    tag = element[: element.find(b">")]
    name = re.match(rb"<[^\s/>]*", element)[0]
    if name.startswith(b"<stream:") and b"xmlns:stream=" not in tag:
        return name + b" xmlns:stream='%s'" % STREAMS.encode() + element[len(name) :]
    if re.search(rb"\sxmlns=", tag) or b":" in name:
        return element
    return name + b" xmlns='%s'" % CLIENT.encode() + element[len(name) :]


def item_of(message):
    """What a message of the server is; it has to stand for itself."""
    if not message.startswith(b"<") or message.startswith(b"<?"):
        raise Fault(f"a message that is no element: {message[:80]}")
    node = parse(message)
    if node.namespace == FRAMING and node.local == "open":
        return Open(message, Node(f"{STREAMS} stream", node.attributes))
    if node.namespace == FRAMING and node.local == "close":
        return Close(message)
    if not node.namespace:
        raise Fault(f"an element without a namespace: {message[:80]}")
    return Element(message, node)

