# SPDX-License-Identifier: MIT
"""What a test of this folder runs against: a server of each kind, and Holdfast in front of all.

Each server has a domain of its own, so that one Holdfast serves them all as its hosts.
"""

import certificates
import process
import servers
from holdfast import Holdfast
from kept import Kept


class World:
    """kinds: the servers' names; pairs: accounts that are each other's contacts, on every server.

    front: "holdfast", or "native" or "none" for the servers alone, with and without their own
    stream management. kept: Holdfast has a keeper, and its daemon may be killed. websocket: what
    is in front also has ws and wss. options: the servers' own, see servers.py.
    """

    def __init__(
        self, kinds, pairs, front="holdfast", kept=False, websocket=False, options=None
    ):
        self.kinds, self.pairs, self.front = list(kinds), list(pairs), front
        self.kept, self.websocket, self.options = kept, websocket, options or {}
        self.servers = {}
        self.holdfast = None
        self.folder = process.scratch("world")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            print(self.logs())
            self.close()
            raise
        return self

    def start(self):
        for name in self.kinds:
            self.servers[name] = self.server(name, f"{name}.example.org")
        for server in self.servers.values():
            server.start()
        for server in self.servers.values():
            server.wait()
        if self.front == "holdfast":
            self.start_holdfast()

    def server(self, name, domain):
        tls = None
        if self.front != "holdfast":
            tls = certificates.make_certificate(self.folder, domain)
        return servers.start(
            name,
            domain=domain,
            users=[user for pair in self.pairs for user in pair],
            contacts=self.pairs,
            sm=self.front == "native",
            tls=tls,
            websocket=self.websocket and self.front != "holdfast",
            **self.options,
        )

    def start_holdfast(self):
        first, *others = self.servers.values()
        self.holdfast = (Kept if self.kept else Holdfast)(first.port, domain=first.domain)
        for server in others:
            pair = self.holdfast.certificate(server.domain)
            host = {
                "upstream": f"{server.host}:{server.port}",
                "certificate": pair.chain,
                "private_key": pair.key,
            }
            self.holdfast.change({f"host {server.domain}": host})
        for transport in ("ws", "wss") if self.websocket else ():
            address = f"{self.holdfast.host}:{process.free_port()}"
            listener = {"address": address, "transport": transport, "origins": "*"}
            self.holdfast.change({f"listen {transport}": listener})
        # All clients come from one address.
        self.holdfast.change({"limits": {"connection_rate_per_ip": "10000"}})
        self.holdfast.start()

    def entrance(self, name):
        """Where a client of this server goes: the ports by transport (starttls, tls, ws, wss), and
        the authority's certificate."""
        if self.holdfast:
            listeners = (
                (section.split()[1], keys)
                for section, keys in self.holdfast.settings.items()
                if section.startswith("listen ")
            )
            ports = {name: int(keys["address"].rsplit(":", 1)[1]) for name, keys in listeners}
            return ports, self.holdfast.ca
        it = self.servers[name]
        ports = {"starttls": it.port, "tls": it.tls_port, "ws": it.ws_port, "wss": it.wss_port}
        return ports, it.tls.ca

    def finish(self):
        """Stops Holdfast; 1 if anything was wrong with it itself, which is printed, else 0."""
        if not self.holdfast:
            return 0
        try:
            self.holdfast.stop()
        except AssertionError as error:
            print(f"FAIL {error}")
            return 1
        return 0

    def logs(self):
        text = "".join(server.log(30) for server in self.servers.values())
        if self.holdfast:
            text += f"--- holdfast.log\n{self.holdfast.log(300)}"
        return text

    def close(self):
        if self.holdfast:
            self.holdfast.close()
        for server in self.servers.values():
            server.close()
        process.remove_scratch(self.folder)

    def __exit__(self, *_):
        self.close()
