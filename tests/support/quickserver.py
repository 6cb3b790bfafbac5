# SPDX-License-Identifier: MIT
"""A server for crowds (asyncio): it lets everybody in, answers pings, and counts bytes.

Where thousands log in at once, or one sends megabytes, the polite stand-in of the scenarios is too slow.
This one looks for the few words that a login is made of, and routes nothing: what a client shall get, a
test writes by hand.
"""

import asyncio
import base64
import re

STREAMS = "http://etherx.jabber.org/streams"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"

ITEM = re.compile(rb"<(/?)([a-z]+:?[a-z]*)([^>]*)>")
ID = re.compile(rb" id=['\"]([^'\"]*)['\"]")


class QuickLink(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.rest = b""
        self.user = None
        self.resource = None
        self.received = 0
        self.iq = b""  # the id of the request that is being read
        self.password = None  # the text of <auth/>, while it is read

    def connection_made(self, transport):
        self.transport = transport
        self.server.links.add(self)

    def connection_lost(self, _error):
        self.server.links.discard(self)
        if self.server.bound.get(self.user) is self:
            del self.server.bound[self.user]
        self.server.change.set()

    def data_received(self, data):
        self.received += len(data)
        data = self.rest + data
        end = data.rfind(b">") + 1
        self.rest = data[end:]
        if self.resource and b"<iq" not in data and b"</stream" not in data:
            return  # a flood of messages
        at = 0
        for item in ITEM.finditer(data, 0, end):
            self.item(item[1] == b"/", item[2], item[3], data[at : item.start()])
            at = item.end()

    def item(self, closing, name, attributes, text):
        if name == b"stream:stream":
            self.close() if closing else self.opened()
        elif name == b"auth" and closing:
            self.user = base64.b64decode(text).split(b"\0")[1].decode()
            self.write(f"<success xmlns='{SASL}'/>")
        elif name == b"iq" and not closing:
            found = ID.search(attributes)
            self.iq = found[1] if found else b""
        elif name == b"resource" and closing:
            self.resource = text.decode()
        elif name == b"bind" and closing:
            self.bind()
        elif name == b"ping":
            self.server.pings.append((self.user, self.iq.decode()))
            self.server.change.set()
            self.write(f"<iq type='result' id='{self.iq.decode()}'/>")

    def opened(self):
        mechanisms = f"<mechanisms xmlns='{SASL}'><mechanism>PLAIN</mechanism></mechanisms>"
        features = mechanisms if self.user is None else f"<bind xmlns='{BIND}'/>"
        self.write(
            f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}'"
            f" id='{id(self)}' from='{self.server.domain}' version='1.0'>"
            f"<stream:features>{features}</stream:features>"
        )

    def bind(self):
        jid = f"{self.user}@{self.server.domain}/{self.resource}"
        self.server.bound[self.user] = self
        self.write(
            f"<iq type='result' id='{self.iq.decode()}'>"
            f"<bind xmlns='{BIND}'><jid>{jid}</jid></bind></iq>"
        )

    def write(self, text):
        self.transport.write(text.encode())

    def close(self):
        self.server.closed += 1
        self.write("</stream:stream>")
        self.transport.close()


class QuickServer:
    def __init__(self, domain="example.org"):
        self.domain = domain
        self.links = set()
        self.bound = {}  # user -> the newest link with a resource
        self.pings = []  # (user, id), in the order in which they came
        self.closed = 0  # links whose stream was closed in order
        self.change = asyncio.Event()

    async def start(self, port):
        loop = asyncio.get_running_loop()
        self.listener = await loop.create_server(
            lambda: QuickLink(self), "127.0.0.1", port, backlog=1024
        )

    async def until(self, condition):
        while not condition():
            self.change.clear()
            await self.change.wait()

    def stop(self):
        self.listener.close()
        for link in list(self.links):
            link.transport.abort()
