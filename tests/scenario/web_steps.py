# SPDX-License-Identifier: MIT
"""What a WebSocket has below its streams: HTTP requests and their answers, and frames.

A request is written as method, path and fields; `FIELD: VALUE & FIELD: VALUE` changes the fields that
an upgrade has, and a field without a value is left out.
"""

import shlex
import time

import websocket
from expect import Caught, Mismatch
from failure import Failure, unasked
from pressure_steps import repeated
from stream import Gone

KINDS = {"close frame": websocket.CLOSE, "ping": websocket.PING, "pong": websocket.PONG}


class WebSteps:
    """Part of Run, which has what these use."""

    def fields(self, text):
        """Pairs, in their order; a name may come twice."""
        filled = self.caught.fill(text or "").decode("latin-1")
        pairs = (one.partition(":") for one in filled.split(" & ") if one.strip())
        return [(name.strip(), value.strip()) for name, _, value in pairs]

    def ask(self, name, listener, method, path, changed):
        """A request on a connection of its own."""
        if listener or name not in self.clients:
            self.connect(name, listener or "wss", "raw=http")
        fields = [("Host", self.domain)]
        changed = self.fields(changed)
        kept = [one for one in fields if one[0].lower() not in {key.lower() for key, _ in changed}]
        self.request(name, method, path, kept + changed)

    def ask_upgrade(self, name, listener, way, path, changed):
        if listener or name not in self.clients:
            self.connect(name, listener or "wss", "raw=http")
        changed = self.fields(changed)
        names = {key.lower() for key, _ in changed}
        fields = [one for one in websocket.upgrade(self.domain) if one[0].lower() not in names]
        self.request(name, "GET", path or websocket.PATH, fields + changed, way or "whole")

    def request(self, name, method, path, fields, way="whole"):
        lines = [f"{key}: {value}" for key, value in fields if value != ""]
        path = self.caught.text(path)
        version = "" if " HTTP/" in path else " HTTP/1.1"
        asked = "\r\n".join((f"{method} {path}{version}", *lines, "", "")).encode("latin-1")
        client = self.client(name)
        client.begin_web(asked, way, method)
        self.note(name, ">", asked.decode("latin-1"))
        client.put(asked)

    def is_answered(self, name, status, with_, without):
        client = self.client(name)
        found, fields, _ = client.read_answer(time.monotonic() + self.patience)
        if status != "{*}" and found != int(status):
            raise Failure(f"the answer is {found}")
        for key, value in (one.partition(": ")[::2] for one in (with_ or "").split(" & ") if one):
            if not self.caught.match(value, fields.get(key.lower(), "")):
                raise Failure(f"{key} is {fields.get(key.lower())!r}")
        for key in (without or "").split(" & "):
            if key and key.lower() in fields:
                raise Failure(f"the answer has {key}: {fields[key.lower()]}")
        if found == 101:
            client.web.judge_answer()

    def is_told(self, name, text):
        """All of the answer's body."""
        body = self.client(name).web.answer[2].decode().strip()
        if not self.caught.match(text, body):
            raise Failure(f"the body is {body!r}")

    def put_bytes(self, name, text):
        data = self.caught.fill(text)
        self.note(name, ">", f"(bytes) {data!r}"[:400])
        self.client(name).put(data)

    def put_frame(self, name, options, payload):
        self.note(name, ">", f"(frame {options or ''}) {payload}"[:400])
        self.client(name).put(self.made_frame(options, payload))

    def made_frame(self, options, payload):
        """Options as frame() has them."""
        given = dict(word.partition("=")[::2] for word in shlex.split(options or ""))
        data = self.caught.fill(payload or "")
        settings = {key: int(given[key]) for key in ("opcode", "reserved", "length") if key in given}
        for key in ("fin", "mask"):
            if key in given:
                settings[key] = given[key] == "yes"
        return websocket.frame(data, **settings)

    def close_frame(self, name, code, reason):
        payload = int(code).to_bytes(2, "big") + (reason or "").encode() if code else b""
        self.note(name, ">", f"(Close {code})")
        self.client(name).put(websocket.frame(payload, websocket.CLOSE))

    def hold_back(self, name):
        self.client(name).gathered = bytearray()

    def let_go(self, name, trickling):
        client = self.client(name)
        data, client.gathered = bytes(client.gathered), None
        for at in range(0, len(data), 1 if trickling else len(data)):
            client.put(data[at : at + 1] if trickling else data)

    def see_frame(self, name, finally_, kind, said):
        """A Close with that code, or a pong with that payload."""
        client = self.client(name)
        deadline = time.monotonic() + self.patience
        while True:
            item = self.next(client, deadline)
            if isinstance(item, websocket.Frame) and item.opcode == KINDS[kind]:
                found = str(item.code()) if kind == "close frame" else item.raw.decode()
                if not said or Caught(self.caught).match(said.strip(), found):
                    return
                if not finally_:
                    raise Mismatch(f"the {kind} says {found!r}")
            elif isinstance(item, Gone) or not (finally_ or unasked(item, NOTHING)):
                raise Failure(f"no {kind} but {item}")

    def flood_frames(self, name, megabytes, options, payload):
        """Nothing that comes is read meanwhile."""
        piece = repeated(self.made_frame(options, payload))
        self.note(name, ">", f"({megabytes} MB of frames {options}: {payload[:200]})")
        for _ in range((int(megabytes) << 20) // len(piece)):
            self.client(name).put(piece)


class Nothing:
    text = ""


NOTHING = Nothing()
WHO = r"(?!server\b|ctl\b|log\b|daemon\b)([a-z]+\d*)"
KIND = "(close frame|ping|pong)"

STEPS = (
    (
        WHO + r" asks(?: (?:at|to) (\w+))? for a WebSocket(?: in way (\w+))?(?: at (\S+))?(?: with (.*))?",
        WebSteps.ask_upgrade,
    ),
    (WHO + r" asks(?: at (\w+))?: ([A-Z]+) (\S+(?: HTTP/\S+)?)(?: with (.*))?", WebSteps.ask),
    (WHO + r" is answered (\d+|\{\*\})(?: with (.*?))?(?: without (.*))?", WebSteps.is_answered),
    (WHO + r" is told: ?(.*)", WebSteps.is_told),
    (WHO + r" puts: (.*)", WebSteps.put_bytes),
    (WHO + r" frames((?: \w+=\w+)*):(?: (.*))?", WebSteps.put_frame),
    (WHO + r" sends a Close(?: of (\d+))?(?: for (.*))?", WebSteps.close_frame),
    (WHO + r" holds back", WebSteps.hold_back),
    (WHO + r" lets go( byte by byte)?", WebSteps.let_go),
    (WHO + r" (finally )?sees " + KIND + r"( .*)?", WebSteps.see_frame),
    (WHO + r" floods with (\d+) MB of frames((?: \w+=\w+)*):(?: (.*))?", WebSteps.flood_frames),
)
