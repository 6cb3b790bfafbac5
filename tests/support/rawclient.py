# SPDX-License-Identifier: MIT
"""A plain XMPP client (asyncio) that does only what it is told: the contact of a test.

It logs in, keeps every stanza that comes, in order, and lets a test wait until what came fulfils a
condition. Requests from others are answered with an error, as a client without features does.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import ssl
import xml.etree.ElementTree as etree

STREAMS = "http://etherx.jabber.org/streams"
CLIENT = "jabber:client"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class StreamEnded(Exception):
    pass


class Reader:
    """Bytes of one stream to its elements at depth 1."""

    def __init__(self):
        self.parser = etree.XMLPullParser(("start", "end"))
        self.rest = b""
        self.depth = 0
        self.root = None

    def feed(self, data):
        """The elements that are now whole; the stream's own end is the string "end"."""
        # expat may put off a tag that comes in two pieces; up to a `>` it is given whole ones.
        data = self.rest + data
        cut = data.rfind(b">") + 1
        self.rest = data[cut:]
        self.parser.feed(data[:cut])
        whole = []
        for kind, element in self.parser.read_events():
            if kind == "start":
                self.depth += 1
                self.root = element if self.root is None else self.root
                continue
            self.depth -= 1
            if self.depth == 1:
                whole.append(element)
                self.root.remove(element)
            elif self.depth == 0:
                whole.append("end")
        return whole


class RawClient:
    """tls: None, "starttls" or "tls"; ca: the authority's certificate, for both."""

    def __init__(self, host, port, domain, tls=None, ca=None):
        self.host, self.port, self.domain = host, port, domain
        self.tls, self.ca = tls, ca
        self.jid = None
        self.stanzas = []  # every stanza of the established stream, as elements
        self.ended = False
        self.change = asyncio.Event()
        self.features = None
        self.reading = self.output = None
        self.last_id = 0

    # The stream, before stanzas

    def context(self):
        return ssl.create_default_context(cafile=self.ca) if self.tls else None

    async def connect(self):
        """Up to the first features, and through TLS if it is wanted."""
        direct = self.tls == "tls"
        self.input, self.output = await asyncio.open_connection(
            self.host,
            self.port,
            ssl=self.context() if direct else None,
            server_hostname=self.domain if direct else None,
        )
        await self.open_stream()
        if self.tls == "starttls":
            self.send(f"<starttls xmlns='{TLS}'/>")
            await self.expect("proceed")
            await self.output.start_tls(self.context(), server_hostname=self.domain)
            await self.open_stream()

    async def open_stream(self):
        self.reader, self.waiting = Reader(), []
        self.send(
            f"<?xml version='1.0'?><stream:stream to='{self.domain}' version='1.0'"
            f" xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>"
        )
        self.features = await self.expect("features")

    async def element(self):
        while not self.waiting:
            data = await self.input.read(65536)
            if not data:
                raise StreamEnded("the server closed the connection")
            self.waiting += self.reader.feed(data)
        return self.waiting.pop(0)

    async def expect(self, name):
        element = await self.element()
        if element == "end" or local_name(element) != name:
            raise StreamEnded(f"expected <{name}/>, got {show(element)}")
        return element

    def send(self, xml):
        self.output.write(xml.encode() if isinstance(xml, str) else xml)

    async def authenticate(self, user, password, mechanism="PLAIN"):
        if mechanism == "PLAIN":
            self.sasl("auth", f"\0{user}\0{password}".encode(), " mechanism='PLAIN'")
        else:
            await self.scram(user, password, mechanism)
        await self.expect("success")
        await self.open_stream()

    async def scram(self, user, password, mechanism):
        digest = mechanism[len("SCRAM-") :].replace("-", "").lower()
        nonce = base64.b64encode(os.urandom(18)).decode()
        first = f"n={user},r={nonce}"
        self.sasl("auth", ("n,," + first).encode(), f" mechanism='{mechanism}'")
        challenge = base64.b64decode((await self.expect("challenge")).text).decode()
        given = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac(
            digest, password.encode(), base64.b64decode(given["s"]), int(given["i"])
        )
        key = hmac.digest(salted, b"Client Key", digest)
        last = f"c=biws,r={given['r']}"
        signed = ",".join((first, challenge, last)).encode()
        signature = hmac.digest(hashlib.new(digest, key).digest(), signed, digest)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        self.sasl("response", f"{last},p={base64.b64encode(proof).decode()}".encode())

    def sasl(self, name, payload, attributes=""):
        text = base64.b64encode(payload).decode()
        self.send(f"<{name} xmlns='{SASL}'{attributes}>{text}</{name}>")

    async def bind(self, resource):
        self.send(
            f"<iq type='set' id='bind'><bind xmlns='{BIND}'>"
            f"<resource>{resource}</resource></bind></iq>"
        )
        result = await self.expect("iq")
        self.jid = result.findtext(f".//{{{BIND}}}jid")
        if not self.jid:
            raise StreamEnded(f"bind failed: {show(result)}")
        self.start_reading()

    async def log_in(self, user, password, resource, mechanism="PLAIN"):
        await self.connect()
        await self.authenticate(user, password, mechanism)
        await self.bind(resource)

    # Stanzas

    def start_reading(self):
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        try:
            while (element := await self.element()) != "end":
                self.came(element)
                self.change.set()
        except (StreamEnded, OSError, etree.ParseError):
            pass
        self.ended = True
        self.change.set()

    def came(self, element):
        self.stanzas.append(element)
        self.answer(element)

    def answer(self, element):
        if local_name(element) == "iq" and element.get("type") in ("get", "set"):
            asker = element.get("from", self.domain)
            self.send(
                f"<iq type='error' id='{element.get('id')}' to='{asker}'>"
                f"<error type='cancel'><service-unavailable xmlns='{STANZAS}'/></error></iq>"
            )

    async def until(self, condition):
        """Waits until condition() holds; what is true is looked at anew after each stanza."""
        while not (found := condition()):
            if self.ended:
                raise StreamEnded("the stream ended while a stanza was awaited")
            self.change.clear()
            await self.change.wait()
        return found

    async def ask(self, payload, kind="get", to=None):
        """Sends a request and returns its answer. To the own server it is also a barrier."""
        self.last_id += 1
        name = f"ask-{self.last_id}"
        to = f" to='{to}'" if to else ""
        self.send(f"<iq type='{kind}' id='{name}'{to}>{payload}</iq>")

        def answers():
            return [s for s in self.stanzas if s.get("id") == name and local_name(s) == "iq"]

        return (await self.until(answers))[0]

    async def roster(self):
        result = await self.ask("<query xmlns='jabber:iq:roster'/>")
        return {item.get("jid"): item.get("subscription") for item in result[0]}

    def message(self, to, body):
        text = body.replace("&", "&amp;").replace("<", "&lt;")
        self.send(f"<message type='chat' to='{to}'><body>{text}</body></message>")

    def from_account(self, kind, sender):
        return [s for s in self.stanzas if local_name(s) == kind and bare(s.get("from")) == sender]

    def messages(self, sender):
        """The bodies of the messages that came from this account, in order."""
        bodies = [
            stanza.findtext(f"{{{CLIENT}}}body")
            for stanza in self.from_account("message", sender)
            if stanza.get("type") != "error"
        ]
        return [body for body in bodies if body is not None]

    def bounces(self, sender):
        """How many messages to this account came back as an error."""
        return sum(s.get("type") == "error" for s in self.from_account("message", sender))

    def presences(self, sender):
        """The types of the presences that came from this account; available is ""."""
        return [stanza.get("type", "") for stanza in self.from_account("presence", sender)]

    async def close(self):
        """Ends the stream in order and waits for the server to do the same."""
        if not self.ended:
            self.send("</stream:stream>")
            if self.reading:
                await asyncio.wait([self.reading], timeout=5)
        self.abort()

    def abort(self):
        if self.reading:
            self.reading.cancel()
        if self.output:
            self.output.transport.abort()


def local_name(element):
    return element.tag.rsplit("}", 1)[-1]


def bare(jid):
    return (jid or "").split("/", 1)[0]


def show(element):
    return element if isinstance(element, str) else etree.tostring(element, "unicode")
