#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real web servers in front of Holdfast's ws listener: nginx, and HAProxy with X-Forwarded-For and with the PROXY protocol.

Runs the conversations of fronts.txt (tests/scenario explains them) behind each of them. Prints a line for
each and, last, `N passed, N failed`.

    HOLDFAST_BIN=build/holdfast tests/integration/fronts.py [FRONT ...]
"""

import concurrent.futures
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../scenario", "../support"):
    sys.path.insert(0, os.path.join(HERE, folder))

import process  # noqa: E402
import script  # noqa: E402
from conversation import Run  # noqa: E402
from daemon import Daemon  # noqa: E402

NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    server {{
        listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key};
        location /xmpp-websocket {{ proxy_pass http://127.0.0.1:{behind}; proxy_read_timeout 15m; }}
        location /impatient {{ proxy_pass http://127.0.0.1:{behind}/xmpp-websocket; proxy_read_timeout 4s; }}
        location /.well-known/ {{ proxy_pass http://127.0.0.1:{behind}; }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 200
defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend web
    bind 127.0.0.1:{port} ssl crt {folder}/pair.pem
    use_backend impatient if {{ path /impatient }}
    default_backend patient
backend patient
    timeout tunnel 15m
    {forward}
    server holdfast 127.0.0.1:{behind} {proxy}
backend impatient
    timeout tunnel 4s
    {forward}
    http-request set-path /xmpp-websocket
    server holdfast 127.0.0.1:{behind} {proxy}
"""

# name: program, configuration, Holdfast's listener
FRONTS = {
    "nginx": ("/usr/sbin/nginx", NGINX, "behind"),
    "haproxy": ("/usr/sbin/haproxy", HAPROXY, "behind"),
    "haproxy-proxy": ("/usr/sbin/haproxy", HAPROXY, "proxied"),
}


class Front:
    def __init__(self, name, daemon, certificate):
        self.program, configuration, self.listen = FRONTS[name]
        self.folder = process.scratch("front")
        self.port = process.free_port()
        forwards = self.listen == "behind"
        self.config = os.path.join(self.folder, "config")
        with open(self.config, "w") as out:
            out.write(
                configuration.format(
                    folder=self.folder,
                    port=self.port,
                    behind=daemon.addresses[self.listen][1],
                    chain=certificate.chain,
                    key=certificate.key,
                    forward="option forwardfor" if forwards else "",
                    proxy="" if forwards else "send-proxy-v2",
                )
            )
        with open(os.path.join(self.folder, "pair.pem"), "w") as out:
            for part in (certificate.chain, certificate.key):
                with open(part) as pem:
                    out.write(pem.read())
        self.process = None

    def start(self):
        flag = ("-c",) if self.program.endswith("nginx") else ("-db", "-f")
        log = os.path.join(self.folder, "log")
        self.process = process.spawn((self.program, *flag, self.config), log, start_new_session=True)
        process.wait_until(lambda: process.accepts(self.port), [self.process], self.program)

    def die(self):
        """All of its processes at once, without a word."""
        os.killpg(self.process.pid, 9)
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.die()
        process.remove_scratch(self.folder)


class FrontRun(Run):
    front = None

    def step(self, text):
        if text == "the front dies":
            self.front.die()
        elif text == "the front starts":
            self.front.start()
        elif text == "the daemon sees where alice is":
            peer = self.caught["alice.peer"]
            if self.front.listen == "behind":
                peer = peer.partition(":")[0] + ":0"  # X-Forwarded-For has no port
            super().step(f"log has event=accepted listen={self.front.listen} peer={peer}")
        else:
            super().step(text)


def run(name, conversation, at):
    """None, or the text of a failure."""
    one = FrontRun(conversation, f"f{at}.test")
    one.server.start()
    host = {"upstream": f"127.0.0.1:{one.server.port}"}
    host |= {key: value for section, key, value in conversation.settings if section == "host"}
    daemon = Daemon({one.domain: host}, *conversation.daemon_key())
    front = None
    try:
        daemon.start()
        front = one.front = Front(name, daemon, daemon.certificates[one.domain])
        front.start()
        daemon.addresses["front"] = ("127.0.0.1", front.port)
        daemon.settings["listen front"] = {"transport": "wss"}
        failure = one.run(daemon)
        daemon.stop()
        return failure
    except (RuntimeError, AssertionError) as why:
        return f"{why}\n{daemon.log()}"
    finally:
        if front:
            front.close()
        daemon.close()


def main():
    process.exit_on_sigterm()
    names = sys.argv[1:] or list(FRONTS)
    conversations = script.read(os.path.join(HERE, "fronts.txt"))
    count = {True: 0, False: 0}
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        cells = [(name, one) for name in names for one in conversations]
        futures = [executor.submit(run, *cell, at) for at, cell in enumerate(cells)]
        for (name, one), future in zip(cells, futures):
            failure = future.result()
            count[failure is None] += 1
            print(("ok      " if failure is None else "FAILED  ") + f"{name}: {one.title}")
            if failure:
                print(failure)
            sys.stdout.flush()
    print(f"{count[True]} passed, {count[False]} failed")
    return 1 if count[False] or not count[True] else 0


if __name__ == "__main__":
    sys.exit(main())
