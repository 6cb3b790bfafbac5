# SPDX-License-Identifier: MIT
"""Bytes of an XMPP stream to items, for the clients and for the stand-in server alike.

An item is found by counting tags and only then given to expat, as a whole and behind the stream's
own header. So nothing depends on when expat chooses to deliver (Debian's defers what comes in
pieces), and the bytes of an item stay at hand as they came.

Items: Open (a stream header), Element (a child of the stream), Close (its end tag), Gone (the end
of the connection), and Text (bytes between elements; whitespace, if the peer is sane).
"""

import re
import xml.parsers.expat

TAG = re.compile(rb"""<[^<>"']*(?:"[^"]*"[^<>"']*|'[^']*'[^<>"']*)*>""")
SPECIAL = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>"), (b"<!", b">"))


class Node:
    """An element of XML: name and attribute names are 'namespace local' or 'local'."""

    def __init__(self, name, attributes):
        self.name = name
        self.attributes = attributes
        self.children = []  # nodes and strings

    @property
    def local(self):
        return self.name.rpartition(" ")[2]

    @property
    def namespace(self):
        return self.name.rpartition(" ")[0]

    def get(self, attribute, default=None):
        return self.attributes.get(attribute, default)

    def nodes(self):
        return [child for child in self.children if isinstance(child, Node)]

    def text(self):
        return "".join(child for child in self.children if isinstance(child, str))

    def find(self, local, namespace=None):
        for child in self.nodes():
            if child.local == local and namespace in (None, child.namespace):
                return child
        return None


class Item:
    def __init__(self, raw, node=None):
        self.raw = raw
        self.node = node

    def __str__(self):
        return self.raw.decode("utf-8", "backslashreplace")


class Open(Item):
    pass


class Element(Item):
    pass


class Close(Item):
    pass


class Text(Item):
    pass


class Gone(Item):
    def __init__(self, why):
        super().__init__(b"")
        self.why = why

    def __str__(self):
        return f"({self.why})"


def parse(document):
    """The root node of a whole document. Raises xml.parsers.expat.ExpatError."""
    root = []
    path = []

    def start(name, attributes):
        node = Node(name, attributes)
        (path[-1].children if path else root).append(node)
        path.append(node)

    def text(data):
        children = path[-1].children
        if children and isinstance(children[-1], str):
            children[-1] += data
        else:
            children.append(data)

    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: path.pop()
    parser.CharacterDataHandler = text
    parser.buffer_text = True
    parser.Parse(document, True)
    return root[0]


class Stream:
    """One direction of a stream. feed() takes what was received; take() gives the next item."""

    def __init__(self):
        self.buffer = bytearray()
        self.header = b""  # the start tag of <stream:stream>, once seen
        self.restart()

    def restart(self):
        """The next tag opens a new stream, on the same connection."""
        self.opened = False
        self.depth = 0
        self.at = 0  # where in the buffer the search goes on

    def feed(self, data):
        self.buffer += data

    def take(self):
        """The next whole item, or None if more bytes are needed."""
        while True:
            start = self.buffer.find(b"<", self.at)
            if self.depth == 0 and self.at == 0 and start != 0 and self.buffer:
                return Text(self.cut(start if start > 0 else len(self.buffer)))
            if start < 0:
                return None
            end = self.tag_end(start)
            if end < 0:
                self.at = start
                return None
            self.at = end
            item = self.tag(bytes(self.buffer[start:end]))
            if item is not None:
                return item

    def tag_end(self, start):
        for opening, closing in SPECIAL:
            if self.buffer.startswith(opening, start):
                found = self.buffer.find(closing, start + len(opening))
                return found + len(closing) if found >= 0 else -1
            if opening.startswith(bytes(self.buffer[start : start + len(opening)])):
                if len(self.buffer) - start < len(opening):
                    return -1
        match = TAG.match(self.buffer, start)
        return match.end() if match else -1

    def tag(self, tag):
        if tag.startswith((b"<!", b"<?")):
            if self.depth == 0 and not self.opened:
                return None  # the XML declaration stays with the header
            return Text(self.cut(self.at)) if self.depth == 0 else None
        if tag.startswith(b"</"):
            if self.depth == 0:
                return Close(self.cut(self.at))
            self.depth -= 1
        elif not self.opened:
            self.opened = True
            self.header = tag
            return Open(self.cut(self.at), parse(tag[:-1].rstrip(b"/") + b"/>"))
        elif not tag.endswith(b"/>"):
            self.depth += 1
        if self.depth > 0:
            return None
        raw = self.cut(self.at)
        return Element(raw, self.parse(raw))

    def cut(self, length):
        raw = bytes(self.buffer[:length])
        del self.buffer[:length]
        self.at = 0
        return raw

    def parse(self, raw):
        name = re.match(rb"<([^\s/>]+)", self.header)[1]
        return parse(self.header + raw + b"</" + name + b">").nodes()[0]


def escape(text):
    for plain, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&apos;")):
        text = text.replace(plain, written)
    return text
