#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""TLS tickets outlive the daemon: a client that comes back needs no full handshake.

Thousands come back at once after a death, and each full handshake costs the daemon a signature. So a ticket
from before a SIGKILL must be accepted after it, and after the next one; but not by a daemon whose
keeper was another, for the keys are the keeper's to hold, and nobody else's.

    HOLDFAST_BIN=build/sanitized/holdfast tests/kill9/tickets.py

The last line is `N passed, N failed`.
"""

import os
import socket
import ssl
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import process  # noqa: E402
from kept import Kept  # noqa: E402

DOMAINS = ("example.org", "other.example")
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
HEADER = (
    "<stream:stream to='{}' version='1.0' xmlns='jabber:client'"
    " xmlns:stream='http://etherx.jabber.org/streams'>"
)


class Visitor:
    """A client with one ticket, the newest. Python takes a session to its own context only."""

    def __init__(self, holdfast, version, domain):
        self.holdfast = holdfast
        self.domain = domain
        self.name = f"{version.name} for {domain}"
        self.session = None
        self.tls = ssl.create_default_context(cafile=holdfast.ca)
        self.tls.minimum_version = self.tls.maximum_version = version

    def comes(self):
        """True if its ticket was accepted. There is no server behind: a stream error is the answer."""
        where = (self.holdfast.host, self.holdfast.tls_port)
        with socket.create_connection(where, timeout=process.PATIENCE) as plain:
            tls = self.tls.wrap_socket(plain, server_hostname=self.domain, session=self.session)
            tls.sendall(HEADER.format(self.domain).encode())
            while tls.recv(4096):  # a ticket of TLS 1.3 comes with what is read
                continue
            self.session, reused = tls.session, tls.session_reused
            try:
                tls.unwrap()  # OpenSSL forgets a session that was not ended in order
            except OSError:
                pass
            return reused


class Test:
    def __init__(self):
        self.results = []
        self.holdfast = Kept(process.free_port(), DOMAINS[0], settings={"limits": {"memory": "64M"}})
        made = self.holdfast.certificate(DOMAINS[1])
        keys = {"certificate": made.chain, "private_key": made.key}
        self.holdfast.change({f"host {DOMAINS[1]}": {"upstream": "127.0.0.1:1", **keys}})

    def check(self, truth, what):
        print(f"{'ok' if truth else 'FAILED':8}{what}", flush=True)
        self.results.append(truth)

    def die(self):
        died = self.holdfast.kill_daemon()
        process.wait_until(
            lambda: self.holdfast.is_back(died), [self.holdfast.process], "the next daemon"
        )

    def run(self):
        with self.holdfast:
            visitors = [
                Visitor(self.holdfast, version, domain)
                for version in VERSIONS
                for domain in DOMAINS
            ]
            for one in visitors:
                self.check(not one.comes(), f"{one.name}: at first there is no ticket")
                self.check(one.comes(), f"{one.name}: the same daemon accepts its ticket")
            for which in ("next", "third"):
                self.die()
                for one in visitors:
                    self.check(one.comes(), f"{one.name}: the {which} daemon accepts it")
            self.holdfast.stop()
            self.holdfast.start()
            for one in visitors:
                self.check(not one.comes(), f"{one.name}: with another keeper it is of no use")
                self.check(one.comes(), f"{one.name}: which gives it a new one")


def main():
    process.exit_on_sigterm()
    test = Test()
    test.run()
    passed = sum(test.results)
    print(f"{passed} passed, {len(test.results) - passed} failed")
    sys.exit(not all(test.results))


main()
