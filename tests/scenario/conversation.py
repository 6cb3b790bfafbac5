# SPDX-License-Identifier: MIT
"""Does what a conversation says, line by line; README.md explains the language.

Each kind of line is a method, named in the table at the end. What was said on all sides is kept,
and is what a failure shows.
"""

import os
import re
import shlex
import signal
import time
import traceback
from xml.parsers.expat import ExpatError

import sasl
from client import Client, Silence
from daemon import fields, objects
from expect import Caught, Expectation, Mismatch
from standin import PASSWORD, Standin
from stream import CLIENT, STREAMS, Close, Element, Gone, Open, Stream, Text

SM = ("urn:xmpp:sm:2", "urn:xmpp:sm:3")
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
# Names for what would be long: {sm} in a conversation is urn:xmpp:sm:3.
SHORT = {
    "{sm}": "urn:xmpp:sm:3",
    "{stanzas}": "urn:ietf:params:xml:ns:xmpp-stanzas",
    "{streams}": "urn:ietf:params:xml:ns:xmpp-streams",
    "{sasl}": SASL,
    "{tls}": TLS,
    "{bind}": BIND,
    "{csi}": "urn:xmpp:csi:0",
    "{ping}": "urn:xmpp:ping",
    "{delay}": "urn:xmpp:delay",
    "{header}": f"version='1.0' xmlns='{CLIENT}' xmlns:stream='{STREAMS}'",
}
SHOWN = 2000  # characters of an item in the transcript


class Failure(Exception):
    pass


FAILURES = (Failure, Mismatch, Silence, OSError, sasl.Refused, SyntaxError, ExpatError)


class Run:
    """One conversation, run once. server is the stand-in, or None where a real one serves."""

    def __init__(self, script, domain, real=False):
        self.script = script
        self.domain = domain
        self.transcript = []
        self.server = None if real else Standin(domain, self.note)
        self.daemon = None
        self.clients = {}
        self.caught = Caught()
        self.began = time.monotonic()
        self.patience = script.patience
        self.log_start = 0
        self.log_taken = set()
        self.tls_sessions = {}
        self.stream_ids = set()

    def note(self, who, direction, text):
        if len(text) > SHOWN:
            text = f"{text[:SHOWN // 2]} … {text[-SHOWN // 2:]} ({len(text)} characters)"
        arrow = {">": "says", "<": "hears", "-": "does"}[direction]
        if "/" in who or " " in who:
            arrow = {">": "brought the server", "<": "takes from the server", "-": "does"}[direction]
        self.transcript.append(f"{time.monotonic() - self.began:7.3f}  {who} {arrow}: {text}")

    def run(self, daemon):
        """None, or the text of a failure."""
        self.daemon = daemon
        self.log_start = daemon.log_size()
        step = None
        try:
            for step in self.script.steps:
                text = self.spelt_out(step.text)
                self.transcript.append(f"{'':9}{self.script.path}:{step.line}: {text[:200]}")
                self.step(text)
            self.check()
        except FAILURES as why:
            return self.report(step, why)
        except Exception:  # a fault of the runner: the others go on
            return self.report(step, traceback.format_exc())
        finally:
            for client in self.clients.values():
                client.close()
            if self.server:
                self.server.stop()
        return None

    def spelt_out(self, text):
        for short, long in SHORT.items():
            text = text.replace(short, long)
        return text.replace("example.org", self.domain).replace("EXAMPLE.ORG", self.domain.upper())

    def check(self):
        if self.server and self.server.violations:
            raise Failure("; ".join(self.server.violations))
        if complaints := self.daemon.complaints():
            raise Failure("; ".join(complaints))

    def report(self, step, why):
        seen = self.server.violations if self.server else ()
        violations = "".join(f"violation: {text}\n" for text in seen)
        log = "\n".join(self.own_log()[-150:])
        return (
            f"{self.script.path}:{step.line}: {step.text}\n"
            f"    {type(why).__name__}: {why}\n{violations}"
            f"--- the conversation\n" + "\n".join(self.transcript) + f"\n--- the daemon's log\n{log}"
        )

    def own_log(self):
        """The lines about this conversation: its host, and what these name."""
        lines = self.daemon.log_from(self.log_start).splitlines()
        ids = set()
        for line in lines:
            if self.domain in line:
                ids |= set(re.findall(r"\b(?:conn|link|sid)=\S+", line))
        mine = re.compile("|".join(rf"\b{re.escape(one)}(?=\s|$)" for one in ids) or "$^")
        return [line for line in lines if self.domain in line or mine.search(line)]

    def step(self, text):
        for pattern, method in STEPS:
            if match := re.fullmatch(pattern, text, re.DOTALL):
                method(self, *match.groups())
                return
        raise SyntaxError(f"not understood: {text}")

    def options(self, text):
        given = dict(word.partition("=")[::2] for word in shlex.split(text or ""))
        return {
            key: value if key == "before" else self.caught.text(value)
            for key, value in given.items()
        }

    # --- clients ---

    def client(self, name):
        if name not in self.clients:
            raise Failure(f"{name} is not connected")
        return self.clients[name]

    def connect(self, name, listener, options):
        options = self.options(options)
        old = self.clients.get(name)
        client = Client(name, self.note)
        if old:
            client.seen, client.counting = old.seen, old.counting
            self.clients[f"{name} before {len(self.clients)}"] = old
        self.clients[name] = client
        address = self.daemon.addresses[listener or "starttls"]
        self.note(name, "-", f"(connects to {listener or 'starttls'})")
        client.connect(
            address, options.get("source"), self.caught.fill(options.get("before", ""))
        )
        if self.transport(listener) == "tls":
            self.handshake(client, options)

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
        listener = given.get("listener", "starttls")
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

    def until(self, take, expectation, skipping):
        while True:
            try:
                item = take()
            except Silence:
                raise Failure(f"waited in vain for {expectation.text}") from None
            if unasked(item, expectation):
                continue
            try:
                expectation.take(item, self.caught)
                return
            except Mismatch as mismatch:
                if skipping and not isinstance(item, Gone):
                    continue
                raise Failure(f"{mismatch}\n    expected {expectation.text}\n    came {item}") from None

    def sees(self, name, finally_, text):
        self.see(self.client(name), text, bool(finally_))

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

    # --- the server ---

    def server_has(self, name, value):
        if not hasattr(self.server, name):
            raise SyntaxError(f"the stand-in has no {name}")
        self.server.certificate = self.daemon.certificates[self.domain]
        setattr(self.server, name, self.caught.text(value))

    def server_lets_see(self, contact, user):
        self.server.contacts.add((user, contact))

    def server_holds(self, kind):
        self.server.hold(kind)

    def server_releases(self, kind):
        self.server.release(kind)

    def link(self, reference):
        """The newest link so called; those that live come first."""
        links = list(self.server.links)
        reference = self.caught.text(reference)
        if match := re.fullmatch(r"link (\d+)", reference):
            found = [link for link in links if link.number == int(match[1])]
        elif reference.endswith("'s login"):
            user = reference.removesuffix("'s login")
            found = [link for link in links if link.user == user and link.resource is None]
        else:
            user, _, resource = reference.partition("/")
            found = [
                link
                for link in links
                if link.user == user and link.resource and resource in ("", link.resource)
            ]
        living = [link for link in found if link.alive]
        return (living or found or [None])[-1]

    def wait_server(self, is_so, what):
        deadline = time.monotonic() + self.patience
        with self.server.changed:
            while (found := is_so()) is None or found is False:
                if self.server.violations:
                    raise Failure("; ".join(self.server.violations))
                if not self.server.changed.wait(deadline - time.monotonic()):
                    raise Failure(f"waited in vain for {what}")
        return found

    def wait_link(self, reference):
        return self.wait_server(lambda: self.link(reference), f"a link of {reference}")

    def server_sees(self, reference, text, skipping=False):
        expectation = Expectation(text)
        link = self.wait_link(reference)

        def take():
            self.wait_server(lambda: bool(link.inbox), f"{reference} to bring {text}")
            return link.inbox.popleft()

        for _ in range(expectation.count):
            self.until(take, expectation, skipping)

    def server_sees_from(self, finally_, reference, text):
        self.server_sees(reference, text, bool(finally_))

    def server_says(self, reference, text):
        self.wait_link(reference).send(self.caught.fill(text))

    def server_cuts(self, reference, how):
        link = self.wait_link(reference)
        deeds = {"rst": link.reset, "fin": link.hang_up, "close": link.close_stream}
        link.do(deeds[how])

    def server_stops_reading(self, reference):
        self.read_link(self.wait_link(reference), False)

    def server_reads(self, reference):
        self.read_link(self.wait_link(reference), True)

    def read_link(self, link, reading):
        def deed():
            link.reading = reading

        link.do(deed)

    def server_keeps(self, user, text):
        expectation = Expectation(text)
        self.wait_server(lambda: bool(self.server.offline[user]), f"a message kept for {user}")
        stream = Stream()
        stream.feed(f"<stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>".encode())
        stream.take()
        with self.server.changed:
            stream.feed(self.server.offline[user].pop(0))
        self.until(stream.take, expectation, False)

    def server_keeps_nothing(self, user):
        if self.server.offline[user]:
            raise Failure(f"the server keeps {self.server.offline[user]}")

    def server_counts(self, count):
        self.wait_server(lambda: len(self.server.links) >= int(count), f"{count} links")
        if len(self.server.links) != int(count):
            raise Failure(f"{len(self.server.links)} links were made")

    def server_was_told(self, reference, text):
        """The PROXY header of the link."""
        link = self.wait_link(reference)
        if not link.proxied or not self.caught.match(text, link.proxied.strip()):
            raise Failure(f"the PROXY header is {link.proxied!r}")

    def server_reached(self, reference, address):
        link = self.wait_link(reference)
        if link.peer != address:
            raise Failure(f"{link.name} came from {link.peer}")

    def server_refuses(self):
        self.server.refuse()

    def server_listens(self):
        self.server.start(self.server.port)

    # --- the daemon ---

    def control(self, command, verb, wanted):
        arguments = shlex.split(self.caught.text(command))
        if verb is None:
            status, out, err = self.daemon.control(*arguments)
            self.note("ctl", "-", f"{command}: {status} {out}{err}")
            if status != 0:
                raise Failure(f"holdfastctl {command}: exit status {status}: {err}")
            return
        deadline = time.monotonic() + self.patience
        while True:
            status, out, err = self.daemon.control("--json", *arguments)
            shown = any(self.has(found, wanted) for found in objects(out))
            if shown == (verb == "shows"):
                self.note("ctl", "-", f"{command} {verb} {wanted}")
                return
            if time.monotonic() > deadline:
                raise Failure(f"holdfastctl {command} gives {status}: {out}{err}")
            time.sleep(0.05)

    def control_fails(self, command):
        status, out, err = self.daemon.control(*shlex.split(self.caught.text(command)))
        self.note("ctl", "-", f"{command}: {status} {out}{err}")
        if status == 0:
            raise Failure(f"holdfastctl {command} succeeded")

    def has(self, found, wanted):
        """wanted is `key=value …`; a value may have holes."""
        trial = Caught(self.caught)
        for word in shlex.split(wanted):
            key, _, pattern = word.partition("=")
            if key not in found:
                return False
            value = found[key]
            text = value if isinstance(value, str) else str(value).lower()
            if not trial.match(pattern, text):
                return False
        self.caught.update(trial)
        return True

    def wait_log(self, is_it, what):
        deadline = time.monotonic() + self.patience
        while True:
            for at, line in enumerate(self.daemon.log_from(self.log_start).splitlines()):
                if is_it(line, fields(line)) and at not in self.log_taken:
                    self.log_taken.add(at)
                    return
            if time.monotonic() > deadline:
                raise Failure(f"waited in vain for {what} in the log")
            time.sleep(0.02)

    def log_has(self, wanted):
        self.wait_log(lambda line, found: self.has(found, wanted), wanted)

    def log_lacks(self, text):
        text = self.caught.text(text)
        for line in self.daemon.log_from(self.log_start).splitlines():
            if text in line:
                raise Failure(f"the log has {text!r}: {line}")

    def reload(self):
        self.daemon.process.send_signal(signal.SIGHUP)

    def stop_daemon(self):
        """In order; nothing else can come in this conversation."""
        self.daemon.stop()

    def new_certificate(self, domain):
        self.daemon.certificate(domain)

    def new_key(self, domain):
        """One that does not fit the certificate."""
        made = self.daemon.certificate("spoilt.test")
        os.replace(made.key, self.daemon.certificates[domain].key)


def user_of(name):
    return name.rstrip("0123456789")


def finish(side, data):
    """SCRAM's client has nothing to answer to the server's signature, but judges it."""
    try:
        side.send(data)
    except StopIteration:
        pass


def unasked(item, expectation):
    """What may always come between: an <r/>, a keepalive, and before the end the closing words."""
    if isinstance(item, Text):
        return expectation.text != "text" and not item.raw.strip()
    if isinstance(item, Close):
        return expectation.text == "end"
    if isinstance(item, Element) and item.node.namespace in SM:
        if item.node.local == "r":
            return "<r " not in expectation.text
        return item.node.local == "a" and expectation.text in ("end", "</stream:stream>")
    return False


WHO = r"(?!server\b|ctl\b|log\b)([a-z]+\d*)"
LINK = r"(link \d+|[a-z]+'s login|[a-z]+(?:/\S+)?)"

STEPS = (
    (WHO + r": (.*)", Run.say),
    (WHO + r" trickles: (.*)", Run.trickle),
    (WHO + r" (finally )?sees (.*)", Run.sees),
    (WHO + r" connects(?: to (\w+))?( .*=.*)?", Run.connect),
    (WHO + r" cannot connect(?: to (\w+))?( .*=.*)?", Run.is_refused),
    (WHO + r" opens( .*)?", Run.open),
    (WHO + r" starts TLS( .*)?", Run.start_tls),
    (WHO + r" arrives( .*)?", Run.arrive),
    (WHO + r" authenticates( .*)?", Run.authenticate),
    (WHO + r" fails to authenticate( .*)?", Run.fail_to_authenticate),
    (WHO + r" binds(?: (\S+))?", Run.bind),
    (WHO + r" is present", Run.be_present),
    (WHO + r" logs in as (\S+)( .*)?", Run.log_in),
    (WHO + r" enables( .*)?", Run.enable),
    (WHO + r" resumes( .*)?", Run.resume),
    (WHO + r" cuts (rst|fin|alert|record|silence)", Run.cut),
    (WHO + r" answers every r", Run.answers),
    (WHO + r" is detached", Run.is_detached),
    (WHO + r" keeps the TLS session", Run.keep_tls),
    (WHO + r"'s TLS differs from (\w+)'s", Run.tls_differs),
    (WHO + r"'s TLS is (for .*|reused|ALPN .*)", Run.tls_is),
    (r"server has (\w+) = ?(.*)", Run.server_has),
    (r"server lets (\w+) see (\w+)", Run.server_lets_see),
    (r"server holds (.+)", Run.server_holds),
    (r"server releases (.+)", Run.server_releases),
    (r"server to " + LINK + r": (.*)", Run.server_says),
    (r"server (finally )?sees from " + LINK + r" (.*)", Run.server_sees_from),
    (r"server cuts " + LINK + r" (rst|fin|close)", Run.server_cuts),
    (r"server stops reading " + LINK, Run.server_stops_reading),
    (r"server reads " + LINK, Run.server_reads),
    (r"server keeps nothing for (\w+)", Run.server_keeps_nothing),
    (r"server keeps for (\w+) (.*)", Run.server_keeps),
    (r"server counts (\d+) links?", Run.server_counts),
    (r"server was told by " + LINK + r" (.*)", Run.server_was_told),
    (r"server was reached by " + LINK + r" from (\S+)", Run.server_reached),
    (r"server refuses connections", Run.server_refuses),
    (r"server listens again", Run.server_listens),
    (r"ctl (.+?) fails", Run.control_fails),
    (r"ctl (.+?)(?: (shows|lacks) (.*))?", Run.control),
    (r"log has (.*)", Run.log_has),
    (r"log lacks (.*)", Run.log_lacks),
    (r"daemon reloads", Run.reload),
    (r"daemon stops", Run.stop_daemon),
    (r"daemon gets a new certificate for (\S+)", Run.new_certificate),
    (r"daemon gets a key of its own for (\S+)", Run.new_key),
)
