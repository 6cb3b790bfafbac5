# SPDX-License-Identifier: MIT
"""The daemon itself: the lines that begin with `ctl`, `log` or `daemon`."""

import functools
import os
import shlex
import signal
import time

from daemon import fields, objects
from expect import Caught
from failure import Failure


class DaemonSteps:
    """Part of Run, which has what these use."""

    def control(self, command, verb, wanted):
        arguments = shlex.split(self.caught.text(command))
        if verb is None:
            status, out, err = self.daemon.control(*arguments)
            self.note("ctl", "-", f"{command}: {status} {out}{err}")
            if status != 0:
                raise Failure(f"holdfastctl {command}: exit status {status}: {err}")
            if strange := [c for line in out.splitlines() for c in line if not c.isprintable()]:
                raise Failure(f"holdfastctl {command} writes {strange[0]!r}")
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
        for word in words(wanted):
            key, _, pattern = word.partition("=")
            if key not in found:
                return False
            value = found[key]
            text = value if isinstance(value, str) else str(value).lower()
            if not trial.match(pattern, text):
                return False
        self.caught.update(trial)
        return True

    def log_lines(self):
        """All whole lines since the conversation began, with their fields."""
        text = self.daemon.log_from(self.log_read)
        text = text[: text.rfind("\n") + 1]
        self.log_read += len(text.encode())
        self.log_seen += [(line, fields(line)) for line in text.splitlines()]
        return self.log_seen

    def wait_log(self, is_it, what):
        deadline = time.monotonic() + self.patience
        looked = 0
        while True:
            lines = self.log_lines()
            for at in range(looked, len(lines)):
                if at not in self.log_taken and is_it(*lines[at]):
                    self.log_taken.add(at)
                    return
            looked = len(lines)
            if time.monotonic() > deadline:
                raise Failure(f"waited in vain for {what} in the log")
            time.sleep(0.02)

    def log_has(self, wanted):
        self.wait_log(lambda line, found: self.has(found, wanted), wanted)

    def log_counts(self, count, wanted):
        """So many lines by now."""
        found = [line for line, found in self.log_lines() if self.has(found, wanted)]
        if len(found) != int(count):
            raise Failure(f"the log has {len(found)} lines with {wanted}")

    def log_lacks(self, text):
        text = self.caught.text(text)
        for line, _ in self.log_lines():
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


@functools.lru_cache(64)
def words(text):
    return tuple(shlex.split(text))


STEPS = (
    (r"ctl (.+?) fails", DaemonSteps.control_fails),
    (r"ctl (.+?)(?: (shows|lacks) (.*))?", DaemonSteps.control),
    (r"log has (.*)", DaemonSteps.log_has),
    (r"log counts (\d+) lines? with (.*)", DaemonSteps.log_counts),
    (r"log lacks (.*)", DaemonSteps.log_lacks),
    (r"daemon reloads", DaemonSteps.reload),
    (r"daemon stops", DaemonSteps.stop_daemon),
    (r"daemon gets a new certificate for (\S+)", DaemonSteps.new_certificate),
    (r"daemon gets a key of its own for (\S+)", DaemonSteps.new_key),
)
