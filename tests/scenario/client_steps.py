# SPDX-License-Identifier: MIT
"""What the clients of a conversation say, see and do: the lines that begin with a client's name."""

import time

import sasl
import websocket
from client import Client
from expect import Expectation
from failure import Failure
from namespaces import BIND, CLIENT, SASL, SM, STREAMS, TLS
from standin import PASSWORD
from stream import Element, Gone, Open


class ClientSteps:
    """Part of Run, which has what these use."""

    def client(self, name):
        if name not in self.clients:
            raise Failure(f"{name} is not connected")
        return self.clients[name]

    def connect(self, name, listener, options):
        options = self.options(options)
        if self.way and listener in (None, "tls", "starttls"):
            listener = "wss"
        old = self.clients.get(name)
        client = Client(name, self.note)
        if old:
            if old.gone is not None:
                old.close()
            client.seen, client.counting = old.seen, old.counting
            self.clients[f"{name} before {len(self.clients)}"] = old
        self.clients[name] = client
        address = self.daemon.addresses[listener or "starttls"]
        self.note(name, "-", f"(connects to {listener or 'starttls'})")
        client.connect(
            address, options.get("source"), self.caught.fill(options.get("before", ""))
        )
        self.caught[f"{name}.peer"] = client.address()
        transport = self.transport(listener)
        raw = options.get("raw")  # yes: nothing but TCP; http: TLS, and no request yet
        if transport in ("tls", "wss") and raw in (None, "http"):
            self.handshake(client, options)
        if raw is None and (transport in ("ws", "wss") or client.chose() == "http/1.1"):
            fields = {"Origin": "origin", "X-Forwarded-For": "for"}
            more = [(field, options[key]) for field, key in fields.items() if key in options]
            way = options.get("way", self.way or "whole")
            client.upgrade(self.domain, way, options.get("path", websocket.PATH), more)
            client.web.judge_answer()

    def transport(self, listener):
        return self.daemon.settings[f"listen {listener or 'starttls'}"].get("transport", "starttls")

    def handshake(self, client, options):
        user = user_of(client.name)
        reused = self.tls_sessions.get(user) if "reuse" in options else None
        sni = options.get("sni", self.domain)
        client.start_tls(
            self.daemon.ca, sni or None, options.get("alpn"), reused, options.get("version")
        )

    def open(self, name, options):
        client = self.client(name)
        options = self.options(options)
        attributes = {
            "to": options.get("to", self.domain),
            "version": options.get("version", "1.0"),
            "xmlns": options.get("xmlns", CLIENT),
            "xmlns:stream": options.get("stream", STREAMS),
            "xml:lang": options.get("lang", ""),
            "from": options.get("from", ""),
        }
        written = " ".join(f"{key}='{value}'" for key, value in attributes.items() if value)
        client.send(f"<?xml version='1.0'?><stream:stream {written}>".encode())
        header = self.next(client)
        if not isinstance(header, Open):
            raise Failure("no stream header came")
        self.caught[f"{name}.stream"] = header.node.get("id", "")
        if not header.node.get("id") or header.node.get("from") != attributes["to"]:
            raise Failure("a stream header without id, or from somebody else")
        if header.node.get("id") in self.stream_ids:
            raise Failure("the id of an earlier stream")
        self.stream_ids.add(header.node.get("id"))

    def start_tls(self, name, options):
        client = self.client(name)
        client.send(f"<starttls xmlns='{TLS}'/>".encode())
        self.see(client, f"<proceed xmlns='{TLS}'/>")
        self.handshake(client, self.options(options))

    def arrive(self, name, options):
        """Everything up to the features after authentication."""
        before = len(self.transcript)
        self.negotiate(name, options)
        self.transcript[before:] = [
            line for line in self.transcript[before:] if f"  {name} " not in line
        ]

    def negotiate(self, name, options):
        given = self.options(options)
        listener = given.get("listener", "wss" if self.way else "starttls")
        self.connect(name, listener, options)
        if self.transport(listener) == "starttls":
            self.open(name, "")
            self.see(self.client(name), "<stream:features/>")
            self.start_tls(name, options)
        header = " ".join(f"{key}='{given[key]}'" for key in ("lang", "to") if key in given)
        self.open(name, header)
        self.see(self.client(name), "<stream:features/>")
        self.authenticate(name, options)
        self.open(name, header)
        self.see(self.client(name), "<stream:features/>")

    def authenticate(self, name, options):
        if not self.exchange(name, self.options(options)):
            raise Failure("the authentication failed")

    def fail_to_authenticate(self, name, options):
        if self.exchange(name, self.options(options)):
            raise Failure("the authentication succeeded")

    def exchange(self, name, options):
        client = self.client(name)
        mechanism = options.get("mechanism", "PLAIN")
        side = sasl.client(
            mechanism,
            options.get("user", user_of(name)),
            options.get("password", PASSWORD),
            self.domain,
            options.get("authzid", ""),
        )
        first = sasl.encode(next(side)) if mechanism != "DIGEST-MD5" else ""
        client.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>".encode())
        if mechanism == "DIGEST-MD5":
            next(side)
        while True:
            item = self.next(client)
            if not isinstance(item, Element) or item.node.namespace != SASL:
                raise Failure(f"in the authentication came {item}")
            if item.node.local == "failure":
                return False
            data = sasl.decode(item.node.text())
            if item.node.local == "success":
                if data:
                    side.send(data) if mechanism == "DIGEST-MD5" else finish(side, data)
                return True
            answer = sasl.encode(side.send(data)) if data or mechanism == "DIGEST-MD5" else ""
            answer = "" if answer == "=" else answer
            client.send(f"<response xmlns='{SASL}'>{answer}</response>".encode())

    def bind(self, name, resource):
        client = self.client(name)
        asked = f"<resource>{resource}</resource>" if resource else ""
        client.send(
            f"<iq type='set' id='bind'><bind xmlns='{BIND}'>{asked}</bind></iq>".encode()
        )
        self.caught.pop(name, None)
        self.see(
            client,
            f"<iq type='result' id='bind'><bind xmlns='{BIND}'><jid>{{{name}}}</jid></bind></iq>",
        )

    def be_present(self, name):
        self.client(name).send(b"<presence/>")
        if self.server is None:
            self.round_trip(name)
            return
        user, _, rest = self.caught[name].partition("@")
        self.server_sees(f"{user}/{rest.partition('/')[2]}", "<presence/>")

    def round_trip(self, name):
        """The server dealt with all before; what it sent meanwhile is skipped."""
        client = self.client(name)
        client.send(b"<iq type='get' id='trip'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.see(client, "<iq type='{*}' id='trip'/>", skipping=True)

    def log_in(self, name, resource, options):
        self.arrive(name, options)
        self.bind(name, resource)
        self.be_present(name)

    def enable(self, name, options):
        given = {"resume": "true", "ns": "3", **self.options(options)}
        client = self.client(name)
        wish = f" max='{given['max']}'" if "max" in given else ""
        namespace = f"urn:xmpp:sm:{given['ns']}"
        client.send(f"<enable xmlns='{namespace}' resume='{given['resume']}'{wish}/>".encode())
        self.caught.pop(f"{name}.id", None)
        self.see(client, f"<enabled xmlns='{namespace}' resume='true' id='{{{name}.id}}'/>")

    def resume(self, name, options):
        given = self.options(options)
        self.arrive(name, options)
        client = self.client(name)
        id_of = name if f"{name}.id" in self.caught else user_of(name)
        previd = given.get("id", self.caught.get(f"{id_of}.id"))
        h = given.get("h", str(client.seen))
        client.send(f"<resume xmlns='urn:xmpp:sm:3' h='{h}' previd='{previd}'/>".encode())
        self.caught.pop(f"{name}.h", None)
        self.see(client, f"<resumed xmlns='urn:xmpp:sm:3' previd='{previd}' h='{{{name}.h}}'/>")
        client.seen, client.counting = int(h), True

    def say(self, name, text):
        self.client(name).send(self.caught.fill(text))

    def trickle(self, name, text):
        client = self.client(name)
        for byte in self.caught.fill(text):
            client.send(bytes([byte]))

    def next(self, client, deadline=None):
        item = client.next_item(deadline or time.monotonic() + self.patience)
        if isinstance(item, Element):
            node = item.node
            if node.namespace == SASL and node.local == "success":
                client.restart()
            elif node.namespace in SM and node.local == "enabled":
                client.seen, client.counting = 0, True
            elif client.answering and node.namespace in SM and node.local == "r":
                client.send(f"<a xmlns='{node.namespace}' h='{client.seen}'/>".encode())
            elif client.counting and node.namespace == CLIENT:
                client.seen += node.local in ("message", "presence", "iq")
        return item

    def see(self, client, text, skipping=False):
        """The next thing that comes must be this, or, skipping, one of the next."""
        expectation = Expectation(text)
        deadline = time.monotonic() + self.patience
        for _ in range(expectation.count):
            self.until(lambda: self.next(client, deadline), expectation, skipping)

    def sees(self, name, finally_, text):
        self.see(self.client(name), text, bool(finally_))

    def sees_nothing_behind(self, name):
        """What was seen last ended its TLS record."""
        client = self.client(name)
        if not any(record.endswith(client.last.raw) for record in client.records):
            raise Failure(f"it did not end a record: {client.last}")

    def answers(self, name):
        """From now on, whenever it is read."""
        self.client(name).answering = True

    def cut(self, name, how):
        self.client(name).cut(how)

    def is_detached(self, name):
        """Holdfast noticed: its log has a line about it that was not looked at yet."""
        user = f"{user_of(name)}@{self.domain}"
        sids = set()

        def is_it(line, found):
            if found.get("event") == "session_start" and found.get("jid", "").startswith(user):
                sids.add(found.get("sid"))
            return found.get("event") == "detached" and found.get("sid") in sids

        self.wait_log(is_it, f"the detachment of {user}")

    def tls_is(self, name, what):
        client = self.client(name)
        if what.startswith("for ") and what[4:] not in client.peer_names():
            raise Failure(f"the certificate is for {client.peer_names()}")
        if what == "reused" and not client.tls.session_reused:
            raise Failure("a full TLS handshake was needed")
        if what.startswith("ALPN ") and client.tls.selected_alpn_protocol() != what[5:]:
            raise Failure(f"ALPN chose {client.tls.selected_alpn_protocol()}")

    def tls_differs(self, name, other):
        """The server showed another certificate."""
        mine, theirs = (self.client(one).tls.getpeercert(True) for one in (name, other))
        if mine == theirs:
            raise Failure("the certificates are the same")

    def keep_tls(self, name):
        client = self.client(name)
        self.tls_sessions[user_of(name)] = (client.context, client.tls.session)

    def is_refused(self, name, listener, options):
        """The connection or its handshake does not succeed."""
        try:
            self.connect(name, listener, options)
            item = self.next(self.client(name))
        except OSError as error:
            self.note(name, "-", f"({error})")
            return
        if not isinstance(item, Gone):
            raise Failure(f"not refused, but {item}")


def user_of(name):
    return name.rstrip("0123456789")


def finish(side, data):
    """SCRAM's client has nothing to answer to the server's signature, but judges it."""
    try:
        side.send(data)
    except StopIteration:
        pass


WHO = r"(?!server\b|ctl\b|log\b|daemon\b)([a-z]+\d*)"

STEPS = (
    (WHO + r": (.*)", ClientSteps.say),
    (WHO + r" trickles: (.*)", ClientSteps.trickle),
    (WHO + r" sees nothing behind it in its record", ClientSteps.sees_nothing_behind),
    (WHO + r" (finally )?sees (.*)", ClientSteps.sees),
    (WHO + r" connects(?: to (\w+))?( .*=.*)?", ClientSteps.connect),
    (WHO + r" cannot connect(?: to (\w+))?( .*=.*)?", ClientSteps.is_refused),
    (WHO + r" opens( .*)?", ClientSteps.open),
    (WHO + r" starts TLS( .*)?", ClientSteps.start_tls),
    (WHO + r" arrives( .*)?", ClientSteps.arrive),
    (WHO + r" authenticates( .*)?", ClientSteps.authenticate),
    (WHO + r" fails to authenticate( .*)?", ClientSteps.fail_to_authenticate),
    (WHO + r" binds(?: (\S+))?", ClientSteps.bind),
    (WHO + r" is present", ClientSteps.be_present),
    (WHO + r" logs in as (\S+)( .*)?", ClientSteps.log_in),
    (WHO + r" enables( .*)?", ClientSteps.enable),
    (WHO + r" resumes( .*)?", ClientSteps.resume),
    (WHO + r" cuts (rst|fin|alert|record|garbage|silence)", ClientSteps.cut),
    (WHO + r" answers every r", ClientSteps.answers),
    (WHO + r" is detached", ClientSteps.is_detached),
    (WHO + r" keeps the TLS session", ClientSteps.keep_tls),
    (WHO + r"'s TLS differs from (\w+)'s", ClientSteps.tls_differs),
    (WHO + r"'s TLS is (for .*|reused|ALPN .*)", ClientSteps.tls_is),
)
