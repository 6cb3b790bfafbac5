# SPDX-License-Identifier: MIT
"""The show of etc/demo: Alice is cut off while Bob writes to her, with Holdfast and without.

Both ways run beside each other against one Prosody, with accounts of their own. What each side saw
becomes a timeline; with Holdfast, all must be there, once and in order, and Bob must not see her go.
Afterwards it serves, also converse.js for a browser, if npm can fetch that.
"""

import asyncio
import os
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import process
import programs
import servers
from holdfast import Holdfast
from rawclient import RawClient, StreamEnded
from relay import Relay
from servers import PASSWORD
from smclient import NotResumed, SmClient
from webpage import WebPage

DOMAIN = "localhost"
PATIENCE = 20.0  # seconds for a whole talk
NPM_PATIENCE = 60.0  # seconds for what the browser needs
COLUMN = 64
GUESTS = ("alice", "bob")  # left alone by the show, for the visitor's own clients


# How the network fails. Each takes the talk, lets Bob write number 2, and leaves Alice without a network.


async def reset(talk):
    """the connection is reset"""
    talk.relay.current().reset()
    talk.bob_says()


async def close(talk):
    """the connection is closed, as by a box in between"""
    talk.relay.current().finish()
    talk.bob_says()


async def inside(talk):
    """the connection breaks inside a stanza"""
    broken = talk.relay.stop_after(60, "down")
    talk.bob_says()
    await broken.wait()
    talk.relay.current().reset()


async def silence(talk):
    """the network goes silent, and nobody is told"""
    talk.relay.current().freeze()
    talk.bob_says()


WAYS = (reset, close, inside, silence)


class Talk:
    """One way to be cut off, with Holdfast (a Holdfast) or without (None)."""

    def __init__(self, number, cut, server, front):
        self.cut, self.server, self.front = cut, server, front
        self.alice_name, self.bob_name = names(number, front)
        self.alice_jid = f"{self.alice_name}@{server.domain}"
        self.bob_jid = f"{self.bob_name}@{server.domain}"
        self.begin = time.monotonic()
        self.lines = []
        self.said = 0
        self.seen = 0  # presences of Alice's that Bob had before the cut
        self.online = []  # clients to be dropped at the end
        self.phones = []  # those of them that were Alice's
        self.relay = Relay(front.starttls_port if front else server.port)
        self.faults = []

    def note(self, who, text):
        self.lines.append(f"{time.monotonic() - self.begin:5.2f} s  {who:5}  {text}")

    def phone(self):
        where = (self.server.host, self.relay.port, self.server.domain)
        return SmClient(*where, "starttls", self.front.ca) if self.front else RawClient(*where)

    def bob_says(self):
        self.said += 1
        self.note("Bob", f"writes message {self.said}")
        self.bob.message(self.jid, f"message {self.said}")

    def heard(self):
        return [text for phone in self.phones for text in phone.messages(self.bob_jid)]

    async def play(self):
        try:
            async with asyncio.timeout(PATIENCE):
                await self.relay.start()
                await self.talk()
        except (TimeoutError, StreamEnded, NotResumed, OSError) as error:
            self.faults.append(f"it broke off: {error or 'nothing came any more'}")
        for one in self.online:
            one.abort()
        await self.relay.close()
        self.judge()

    async def talk(self):
        self.bob = RawClient(self.server.host, self.server.port, self.server.domain)
        await self.bob.log_in(self.bob_name, PASSWORD, "desk")
        self.online.append(self.bob)
        self.bob.send("<presence/>")
        await self.log_in()
        await self.bob.until(lambda: "" in self.bob.presences(self.alice_jid))
        self.bob_says()
        await self.alice.until(lambda: self.heard())
        self.seen = len(self.bob.presences(self.alice_jid))
        self.note("Alice", "reads message 1")
        self.note("", f"-- {self.cut.__doc__}")
        await self.cut(self)
        self.bob_says()
        await self.bob.ask("<ping xmlns='urn:xmpp:ping'/>")  # the server has taken them
        await self.come_back()
        self.bob_says()
        await self.alice.until(lambda: f"message {self.said}" in self.heard())
        for text in self.heard()[1:]:
            self.note("Alice", f"reads {text}")
        self.alice.message(self.bob.jid, "here I am")
        await self.bob.until(lambda: self.bob.messages(self.alice_jid))
        self.note("Bob", "reads her answer")

    async def log_in(self):
        self.alice = self.phone()
        await self.alice.log_in(self.alice_name, PASSWORD, "phone")
        self.online.append(self.alice)
        self.phones.append(self.alice)
        self.jid = self.alice.jid
        say = self.alice.say if self.front else self.alice.send
        say("<presence/>")
        self.note("Alice", "logs in" + (", and has a session to resume" if self.front else ""))

    async def come_back(self):
        if self.front:
            await self.alice.come_back()
            self.note("Alice", "comes back: <resumed/>")
        else:
            await self.log_in()

    def judge(self):
        want = [f"message {n + 1}" for n in range(self.said)]
        heard = self.heard()
        lost = [text for text in want if text not in heard]
        seen = self.bob.presences(self.alice_jid)[self.seen :] if self.online else []
        if lost:
            self.faults.append(f"lost: {', '.join(lost)}")
        elif heard != want:
            self.faults.append(f"not once and in order: {', '.join(heard)}")
        if "unavailable" in seen:
            self.faults.append("Bob saw her go offline")
        elif seen:
            self.faults.append("Bob saw her log in anew")
        for fault in self.faults or ["nothing lost, nothing twice; Bob noticed nothing"]:
            self.lines.append(f"      =>  {fault}")


def names(number, front):
    side = "with" if front else "without"
    return f"alice-{side}-{number}", f"bob-{side}-{number}"


def beside(left, right):
    """Two timelines as columns."""
    rows = max(len(left), len(right))
    columns = [lines + [""] * (rows - len(lines)) for lines in (left, right)]
    return "\n".join(f"{a:{COLUMN}}{b}".rstrip() for a, b in zip(*columns))


async def show(server, front):
    """True if all went well with Holdfast."""
    faults = []
    for number, cut in enumerate(WAYS):
        talks = [Talk(number, cut, server, one) for one in (front, None)]
        await asyncio.gather(*(talk.play() for talk in talks))
        print(f"\n--- {number + 1}. {cut.__doc__}\n")
        print(beside(["WITH HOLDFAST", ""] + talks[0].lines, ["WITHOUT", ""] + talks[1].lines))
        sys.stdout.flush()
        faults += talks[0].faults
    print(f"\nWith Holdfast: {'; '.join(faults) if faults else 'all went well.'}")
    return not faults


def web_page():
    """What serves converse.js to a browser; without npm or the network a sentence instead."""
    print("\nfetching converse.js", flush=True)
    try:
        folder = programs.npm_install("converse", programs.NPM_PACKAGE, NPM_PATIENCE)
    except FileNotFoundError:
        return "no converse.js for a browser: npm is not installed"
    except (OSError, RuntimeError):
        return "no converse.js for a browser: npm could not fetch it"
    return WebPage(os.path.join(folder, "node_modules"), host=DOMAIN)


def in_a_browser(front, web):
    if isinstance(web, str):
        return f"    {web}\n"
    return (
        f"    {web.address(front.websocket)}\n"
        "        converse.js, for a browser on this machine; have it accept the certificate first, at\n"
        f"        https://{DOMAIN}:{front.tls_port}/.well-known/host-meta.json\n"
    )


def serve(front, web):
    control = os.path.join(os.path.dirname(os.environ["HOLDFAST_BIN"]), "holdfastctl")
    control += f" -s {os.path.join(front.runtime_dir, 'control.sock')}"
    print(
        f"\nHoldfast goes on serving. Connect a client of your own, as {GUESTS[0]}@{DOMAIN} or"
        f" {GUESTS[1]}@{DOMAIN},\nwith the password {PASSWORD}:\n\n"
        f"    {front.host} port {front.starttls_port}    STARTTLS\n"
        f"    {front.host} port {front.tls_port}    TLS from the first byte, or WebSocket\n"
        f"{in_a_browser(front, web)}\n"
        f"The certificate's authority is {front.ca};\n"
        f"what Holdfast sees: {control} sessions\n"
        "(with `detach ID` instead of `sessions` it cuts one of them off);\n"
        f"its log: {front.log_file}\n\nCtrl-C ends it.",
        flush=True,
    )
    try:
        while front.is_alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        print()


def holdfast(server):
    """Browsers find the WebSocket on the TLS port."""
    front = Holdfast(server.port, DOMAIN, {"holdfast": {"log_level": "info"}})
    front.websocket = f"wss://{DOMAIN}:{front.tls_port}{servers.WEBSOCKET_PATH}"
    front.change({f"host {DOMAIN}": {"websocket_url": front.websocket}})
    return front


def main():
    once = sys.argv[1:] == ["--once"]
    if sys.argv[1:] and not once:
        print("usage: etc/demo [--once]", file=sys.stderr)
        return 2
    process.exit_on_sigterm()
    pairs = [names(number, front) for number in range(len(WAYS)) for front in (True, False)]
    pairs.append(GUESTS)
    users = [user for pair in pairs for user in pair]
    with servers.start("prosody", domain=DOMAIN, users=users, contacts=pairs) as server:
        with holdfast(server) as front:
            fine = asyncio.run(show(server, front))
            if not once:
                serve(front, web_page())
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
