# SPDX-License-Identifier: MIT
"""Holdfast as a service in the container, with a server behind it and a crowd in front.

Server (standin) and crowd are those of tests/load: they number their stanzas and judge each one.
They are on the container's network, but no services, so nothing that befalls systemd befalls them.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import certificates  # noqa: E402
import process  # noqa: E402
from container import USER  # noqa: E402
from holdfast import binary  # noqa: E402

DOMAIN = "example.org"
UNIT = "holdfast.service"
STARTTLS, TLS, UPSTREAM = 5222, 5223, 15222  # ports; the network is the container's own
PATIENCE = 120  # seconds until what does not happen counts as a hang
# What the service writes is read from the journal, all of it. LeakSanitizer would need ptrace,
# which the unit rightly forbids.
FOR_TESTS = """[Unit]
[Service]
Environment=ASAN_OPTIONS=detect_leaks=0:halt_on_error=1 UBSAN_OPTIONS=halt_on_error=1
LogRateLimitIntervalSec=0
"""
INI = f"""[holdfast]
workers = 2
[limits]
connections_per_ip = 100000
connection_rate_per_ip = 100000
[listen starttls]
address = 127.0.0.1:{STARTTLS}
transport = starttls
[listen tls]
address = 127.0.0.1:{TLS}
transport = tls
[host {DOMAIN}]
upstream = 127.0.0.1:{UPSTREAM}
upstream_logins = 10000
certificate = /etc/holdfast/{DOMAIN}.crt
private_key = /etc/holdfast/{DOMAIN}.key
"""
TROUBLES = "reset=4,finish=3,notify=1,silence=3,half=3,record=3,takeover=3"


def program(name):
    return os.path.join(os.path.dirname(os.path.abspath(binary())), name)


def figures(path, what):
    """The last line `what: a=1 b=2` of a log, as a dict."""
    with open(path, errors="replace") as log:
        lines = [line for line in log if line.startswith(what + ": ")]
    words = lines[-1].split(": ", 1)[1].split() if lines else ()
    return {name: int(value) for name, value in (word.split("=") for word in words)}


class Service:
    def __init__(self, container, folder, seed):
        self.container = container
        self.folder = folder
        self.seed = str(seed)
        self.standin = self.crowd = None
        self.rounds = 0
        self.install()

    def path(self, name):
        return os.path.join(self.folder, name)

    def install(self):
        box = self.container
        box.install("/usr/sbin/holdfast", binary())
        box.install(f"/etc/systemd/system/{UNIT}", os.path.join(ROOT, "systemd", UNIT), 0o644)
        made = certificates.make_certificate(self.folder, DOMAIN)
        self.ca = made.ca
        box.install(f"/etc/holdfast/{DOMAIN}.crt", made.chain, 0o644)
        box.install(f"/etc/holdfast/{DOMAIN}.key", made.key, 0o600)
        shutil.chown(box.path(f"etc/holdfast/{DOMAIN}.key"), USER, USER)
        box.write("/etc/holdfast/holdfast.ini", INI)
        self.drop_in("tests", FOR_TESTS)

    def drop_in(self, name, text):
        """Takes effect with the next daemon-reload."""
        self.container.write(f"/etc/systemd/system/{UNIT}.d/{name}.conf", text)

    # --- the service ---

    def property(self, name):
        return self.container.systemctl("show", "--property", name, "--value", UNIT)

    def pid(self):
        return int(self.property("MainPID"))  # 0: none

    def process(self):
        """The service's main process, as it is numbered outside."""
        with open(f"/proc/{self.container.leader}/task/{self.container.leader}/children") as list_:
            for pid in list_.read().split():
                with open(f"/proc/{pid}/status") as status:
                    names = re.search(r"NSpid:.*\t(\d+)\n", status.read())
                if names and int(names[1]) == self.pid():
                    return int(pid)
        raise RuntimeError("the service has no main process")

    def status(self):
        """What holdfastctl says; None while nobody answers."""
        socket = self.container.seen("/run/holdfast/control.sock")
        done = subprocess.run(
            (program("holdfastctl"), "-s", socket, "--json", "status"),
            capture_output=True,
            text=True,
        )
        return json.loads(done.stdout) if done.returncode == 0 else None

    def log(self, pid=None):
        """All that it has said; with a pid, that one alone."""
        whose = (f"_PID={pid}",) if pid else ()
        self.container.run("journalctl", "--sync")
        return self.container.run(
            *("journalctl", "--output=cat", "--no-pager", f"_SYSTEMD_UNIT={UNIT}", *whose)
        ).stdout

    def wait_for(self, is_so, what):
        processes = [one for one in (self.standin, self.crowd) if one]
        process.wait_until(is_so, processes, what, PATIENCE)

    def wait_for_another(self, old):
        """Until another process than the old one is up and answers; its pid."""

        def is_there():
            return (
                self.property("ActiveState") == "active"
                and self.pid() not in (0, old)
                and self.status()
            )

        self.wait_for(is_there, "the next daemon")
        return self.pid()

    # --- server and crowd ---

    def start_standin(self):
        self.standin = self.container.spawn(
            (program("standin"), "--port", str(UPSTREAM), "--domain", DOMAIN, "--seed", self.seed),
            self.path("standin.log"),
        )
        self.wait_for(lambda: self.container.listens(UPSTREAM), "standin")

    def server(self):
        """What the server has counted until now."""
        path = self.path("standin.log")
        size = os.path.getsize(path)
        self.standin.send_signal(signal.SIGUSR1)
        self.wait_for(
            lambda: os.path.getsize(path) > size and open(path, "rb").read().endswith(b"\n"),
            "the server's figures",
        )
        return figures(path, "standin")

    def start_crowd(self, clients, *more):
        """Returns when all have logged in."""
        self.rounds += 1
        self.crowd_log = self.path(f"crowd-{self.rounds}.log")
        self.crowd = self.container.spawn(
            (
                *(program("crowd"), "--ca", self.ca, "--domain", DOMAIN),
                *("--user", f"u{self.rounds}x", "--clients", str(clients)),
                *("--starttls", str(STARTTLS), "--tls", str(TLS), "--seed", self.seed),
                *("--seconds", "100000", "--patience", str(PATIENCE), "--report", "5"),
                *("--say-every", "0.5", "--away", "0.5", "--may-drop", *more),
            ),
            self.crowd_log,
        )
        self.wait_for(lambda: "phase: run" in self.crowd_says(), "the first logins")

    def crowd_says(self):
        with open(self.crowd_log, errors="replace") as log:
            return log.read()

    def end_crowd(self):
        """All come back, hear what is left and log out. What was counted; raises on a fault."""
        self.crowd.terminate()
        status = self.crowd.wait(PATIENCE * 2)
        self.crowd = None
        text = self.crowd_says()
        if status:
            raise AssertionError(f"crowd: status {status}\n" + "\n".join(text.splitlines()[-12:]))
        return figures(self.crowd_log, "crowd")

    def kill_crowd(self):
        """Its clients are gone like a machine that was switched off."""
        self.crowd.kill()
        self.crowd.wait()
        self.crowd = None

    def close(self):
        for one in (self.crowd, self.standin):
            if one and one.poll() is None:
                one.kill()
                one.wait()
