# SPDX-License-Identifier: MIT
"""What is compared: HAProxy, Holdfast, servers that have stream management themselves, and nothing at all.

Each is started in front of a switchboard of its own (servers need none), and says where clients are
to go and which process is to be measured.
"""

import os

import certificates
import process
import servers
from kept import Kept
from swarm import program

DOMAIN = "example.org"
# Connections that may wait to be accepted: with few, a storm is a measure of TCP's retries.
BACKLOG = 4096


class Switchboard:
    def __init__(self):
        self.folder = process.scratch("switchboard")
        self.port = process.free_port()
        self.log = os.path.join(self.folder, "log")
        self.process = process.spawn((program("switchboard"), str(self.port), DOMAIN), self.log)
        process.wait_until(lambda: process.accepts(self.port), [self.process], "switchboard")

    def close(self):
        process.stop(self.process)
        process.remove_scratch(self.folder)


class Candidate:
    way = "tls"  # how the swarm comes
    starttls = True  # or may come
    sm = True
    workers = 1

    def __init__(self, sessions, starttls=False):
        self.sessions = sessions
        self.by_starttls = starttls
        self.behind = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def others(self):
        """Pids of processes that belong to the load, not to what is measured."""
        return [self.behind.process.pid] if self.behind else []

    def close(self):
        if self.behind:
            self.behind.close()


class Direct(Candidate):
    """The tool's own limit: the swarm talks to the switchboard."""

    name = "direct"
    way = "plain"
    starttls = False
    sm = False

    def start(self):
        self.behind = Switchboard()
        self.port = self.behind.port
        self.pid = self.behind.process.pid

    def others(self):
        return []


class HAProxy(Candidate):
    name = "haproxy"
    starttls = False
    sm = False
    process = None

    def start(self):
        self.folder = process.scratch("haproxy")
        self.behind = Switchboard()
        self.port = process.free_port()
        pair = certificates.make_certificate(self.folder, DOMAIN)
        pem = os.path.join(self.folder, "pair.pem")
        with open(pem, "w") as out:
            out.write(servers.read(pair.chain) + servers.read(pair.key))
        config = os.path.join(self.folder, "haproxy.cfg")
        with open(config, "w") as out:
            out.write(self.config(pem))
        log = os.path.join(self.folder, "log")
        self.process = process.spawn(("/usr/sbin/haproxy", "-db", "-f", config), log)
        process.wait_until(lambda: process.accepts(self.port), [self.process], "haproxy")
        self.pid = self.process.pid

    def config(self, pem):
        return "\n".join(
            (
                "global",
                f"  nbthread {self.workers}",
                "  maxconn 9900",
                "defaults",
                "  mode tcp",
                "  timeout connect 60s",
                "  timeout client 1h",
                "  timeout server 1h",
                "frontend clients",
                f"  bind 127.0.0.1:{self.port} ssl crt {pem} ssl-min-ver TLSv1.3 backlog {BACKLOG}",
                "  default_backend server",
                "backend server",
                f"  server one 127.0.0.1:{self.behind.port}",
                "",
            )
        )

    def close(self):
        if self.process:
            process.stop(self.process)
        process.remove_scratch(self.folder)
        super().close()


class Holdfast(Candidate):
    """Under its own keeper, as it is run where there is no systemd: so links are parked."""

    ack = ""
    kept = None

    def start(self):
        self.behind = Switchboard()
        self.kept = Kept(
            self.behind.port,
            DOMAIN,
            settings={
                "holdfast": {"workers": str(self.workers), "log_level": "warn"},
                "limits": {"connections_per_ip": "100000", "connection_rate_per_ip": "100000"},
                f"host {DOMAIN}": {"upstream_logins": "1000"},
                "stream-management": {"ack": self.ack, "resume_timeout": "1h"},
            },
        )
        self.kept.start()
        self.port = self.kept.starttls_port if self.by_starttls else self.kept.tls_port
        self.pid = self.kept.daemon()

    def others(self):
        return [*super().others(), self.kept.process.pid]

    def close(self):
        try:
            if self.kept:
                self.kept.stop()
        finally:
            if self.kept:
                self.kept.close()
            super().close()


class Confirmed(Holdfast):
    name = "holdfast"
    ack = "confirmed"


class Forwarded(Holdfast):
    name = "forwarded"
    ack = "forwarded"


class Confirmed2(Confirmed):
    name = "holdfast, 2 workers"
    workers = 2


class HAProxy2(HAProxy):
    name = "haproxy, 2 threads"
    workers = 2


class Native(Candidate):
    server = None
    native = None

    def start(self):
        self.folder = process.scratch("certificate")
        pair = certificates.make_certificate(self.folder, DOMAIN)
        users = [f"u{number}" for number in range(self.sessions)]
        self.native = self.server(DOMAIN, users=users, contacts=(), sm=True, tls=pair)
        self.native.start()
        self.native.wait()
        self.port = self.native.port if self.by_starttls else self.native.tls_port
        self.pid = self.native.processes[0].pid

    def close(self):
        if self.native:
            self.native.close()
        process.remove_scratch(self.folder)


class QuickProsody(servers.Prosody):
    """Passwords are hashed in one round: how long that takes is not what is measured."""

    def start(self):
        self.more["config"] = (
            'c2s_direct_tls_interfaces = { "127.0.0.1" }\n'
            f"network_settings = {{ tcp_backlog = {BACKLOG} }}"
        )
        account = servers.scram_account(servers.PASSWORD, rounds=1)
        for user in self.users:
            self.store("accounts", user, account)
        config = self.write(self.config(), "prosody.cfg.lua")
        self.run("prosody.log", "prosody", "-F", "--config", config)


class QuickEjabberd(servers.Ejabberd):
    """Accounts are made in a loop: one argument cannot name thousands."""

    def listener(self, port, direct):
        return super().listener(port, direct).removesuffix("}") + f", backlog: {BACKLOG}}}"

    def accounts(self):
        name = f'iolist_to_binary(["u", integer_to_list(I)]), <<"{self.domain}">>'
        account = f'ejabberd_auth:try_register({name}, <<"{servers.PASSWORD}">>)'
        return f"[ok = {account} || I <- lists:seq(0, {len(self.users) - 1})]."


class Prosody(Native):
    name = "prosody"
    server = QuickProsody


class Ejabberd(Native):
    name = "ejabberd"
    server = QuickEjabberd


ALL = (HAProxy, Confirmed, Forwarded, Prosody, Ejabberd)
# Of them, and of GROWN, those that are cut while they talk: servers were seen to hang then.
PROXIES = (Confirmed, Forwarded, Confirmed2)
NATIVE = (Prosody, Ejabberd)
GROWN = (HAProxy, Confirmed, HAProxy2, Confirmed2)
