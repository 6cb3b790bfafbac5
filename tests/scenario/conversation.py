# SPDX-License-Identifier: MIT
"""Does what a conversation says, line by line; README.md explains the language.

Each kind of line is a method of one of its three parts, which end with a table of them. What was
said on all sides is kept, and is what a failure shows.
"""

import os
import re
import shlex
import threading
import time
import traceback
from xml.parsers.expat import ExpatError

import client_steps
import cut_steps
import daemon_steps
import pressure_steps
import sasl
import server_steps
import web_steps
import websocket
from client import Silence
from expect import Caught, Mismatch
from failure import Failure, unasked
from namespaces import SHORT
from standin import Standin
from stream import Gone

SHOWN = 2000  # characters of an item in the transcript

FAILURES = (Failure, websocket.Fault, Mismatch, Silence, OSError, sasl.Refused, SyntaxError, ExpatError)


class Run(
    client_steps.ClientSteps,
    server_steps.ServerSteps,
    daemon_steps.DaemonSteps,
    pressure_steps.PressureSteps,
    cut_steps.CutSteps,
    web_steps.WebSteps,
):
    """One conversation, run once. server is the stand-in, or None where a real one serves."""

    def __init__(self, script, domain, real=False):
        self.script = script
        self.domain = domain
        self.way = os.environ.get("HOLDFAST_WEB")  # instead of TCP, and how its messages are cut
        self.transcript = []
        self.server = None if real else Standin(domain, self.note)
        self.daemon = None
        self.clients = {}
        self.caught = Caught()
        self.began = time.monotonic()
        self.patience = script.patience
        self.log_start = 0
        self.log_taken = set()
        self.log_read = 0  # bytes of the log that are in log_seen
        self.log_seen = []  # its lines, with their fields
        self.tls_sessions = {}
        self.stream_ids = set()
        self.fresh = None  # the link that the script named last
        self.named = set()
        self.held = {}  # kind -> how many answers held back the script knows of
        self.guests = []
        self.had = 0  # descriptors of the daemon, when they were counted
        self.stopped = threading.Event()

    def note(self, who, direction, text):
        if len(text) > SHOWN:
            text = f"{text[:SHOWN // 2]} … {text[-SHOWN // 2:]} ({len(text)} characters)"
        verbs = {">": "says", "<": "hears", "-": "does"}
        if "/" in who or " " in who:
            verbs |= {">": "brought the server", "<": "takes from the server"}
        arrow = verbs[direction]
        self.transcript.append(f"{time.monotonic() - self.began:7.3f}  {who} {arrow}: {text}")

    def run(self, daemon):
        """None, or the text of a failure."""
        self.daemon = daemon
        self.log_start = self.log_read = daemon.log_size()
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
            self.stopped.set()
            for client in (*self.clients.values(), *self.guests):
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
            "--- the conversation\n" + "\n".join(self.transcript) + "\n"
            f"--- the daemon's log\n{log}"
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
                text = f"{mismatch}\n    expected {expectation.text}\n    came {item}"
                raise Failure(text) from None


STEPS = (
    web_steps.STEPS
    + pressure_steps.STEPS
    + cut_steps.STEPS
    + client_steps.STEPS
    + server_steps.STEPS
    + daemon_steps.STEPS
)
