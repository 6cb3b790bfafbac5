#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""converse.js in headless Chromium over wss: cut off in the middle of a talk, or the page reloaded.

The cells are those of the matrix, but Alice is a page that is used as a person does, and what she
heard is what it shows. A screenshot of each cell's end is left in HOLDFAST_ARTIFACTS, or else in a
folder that is named. Prints a line for each cell and, last, `N passed, N failed`.

    HOLDFAST_BIN=build/holdfast tests/integration/browser.py [--server S] [--cut C]

--front native leaves Holdfast out and uses the server's own stream management and WebSocket.
"""

import argparse
import asyncio
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import process  # noqa: E402
import programs  # noqa: E402
from cell import CUTS, HANG, Cell, Habits, alice_name, bob_name, heard_exactly, names  # noqa: E402
from matrix import report  # noqa: E402
from page import Page  # noqa: E402
from webdriver import BrowserError  # noqa: E402
from webpage import WebPage  # noqa: E402
from world import World  # noqa: E402

CLIENT = "converse"
# It says its presence again after a resumption.
HABITS = Habits(websocket=True, repeats_presence=True)
SERVERS = ("prosody", "ejabberd")
# After a reload converse.js resumes, but writes a resource of its own choice into `from`, which
# ejabberd ends the stream for (invalid-from), also if nothing is in front of it. So there it has to
# be logged in anew, with nothing lost.
ANEW = {("ejabberd", "reload"), ("ejabberd", "reload-unheard")}


class BrowserCell(Cell):
    def __init__(self, *arguments, web, pictures):
        super().__init__(*arguments)
        self.tls = "wss"
        self.web, self.pictures = web, pictures

    def player(self):
        return Page(self.web, self.ca, self.bob_jid, HANG)

    def bob_says(self, count, phase="", length=0):
        """With an id each, as people's clients do; by it converse.js knows what it has already."""
        for _ in range(count):
            body = self.by_bob.next(phase, length).strip()
            self.bob.send(
                f"<message type='chat' id='{body}' to='{self.alice_full}'><body>{body}</body></message>"
            )

    async def come_back_reloaded(self):
        if (self.server.name, self.cut) not in ANEW:
            await self.come_back()
            return
        known = len(self.alice.of("online"))
        self.bob_says(3)
        await self.server_is_done()
        self.step = "Alice logs in anew"
        self.relay.let_in()
        logins = await self.alice.until(
            lambda: [one for one in self.alice.of("online")[known:] if not one["resumed"]]
        )
        self.alice_full, self.anew = logins[0]["jid"], True

    async def reload(self):
        """The page is loaded anew while Bob writes; its WebSocket ends with 1001, <close/> or not."""
        self.relay.shut()
        self.bob_says(3)
        await self.alice_hears_all()
        self.alice.do("reload")
        self.step = "the page is loaded anew"
        await self.alice.settle()
        await self.come_back_reloaded()

    async def reload_unheard(self):
        """The same, but what Alice said last did not arrive, nor that her old connection ended."""
        self.relay.shut()
        self.relay.current().freeze(down=False)
        self.alice_says(2, "flight")
        self.bob_says(3, "flight")
        self.step = "Alice hears Bob just before the page is loaded anew"
        await self.alice_hears_all()
        self.alice.do("reload")
        await self.alice.settle()
        await self.come_back_reloaded()

    def verdict(self):
        faults = super().verdict()
        if self.alice:
            own = self.alice.messages(self.alice_jid)
            if sorted(own) != sorted(name.strip() for name in self.by_alice.said):
                faults.append(f"the page shows of Alice's own: {' '.join(own)}")
            if self.alice.messages("error"):
                faults.append("the page shows an error")
        return faults

    def verdict_on_alice(self):
        """Logged in anew: what is not shown has come back to Bob, who knows it then.

        Natively ejabberd also returns what was shown, but not acknowledged before it ended the stream.
        """
        if not self.anew:
            return super().verdict_on_alice()
        said, shown = self.by_bob.said, names(self.alice.messages(self.bob_jid))
        ends = shown + self.returned()
        either = [name for name in said for _ in range(ends.count(name))]
        faults = heard_exactly("Alice or, as an error, Bob", said, either)
        faults += heard_exactly("Alice", [name for name in said if name in shown], shown)
        return faults

    def verdict_on_bounces(self):
        return [] if self.anew else super().verdict_on_bounces()

    def returned(self):
        came = self.bob.from_account("message", self.alice_jid)
        return [stanza.get("id") for stanza in came if stanza.get("type") == "error"]

    async def leave(self):
        """What the person sees at the end is kept."""
        name = f"{self.server.name}-{self.cut}.png"
        try:
            await self.alice.screenshot(os.path.join(self.pictures, name))
        except BrowserError as error:
            print(f"no screenshot: {error}")

    ways = {name: CUTS[name] for name in ("reset", "close", "silence", "kill")} | {
        "reload": reload,
        "reload-unheard": reload_unheard,
    }


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", choices=SERVERS, action="append")
    parser.add_argument("--cut", choices=BrowserCell.ways, action="append")
    parser.add_argument("--front", choices=("holdfast", "native"), default="holdfast")
    given = parser.parse_args()
    given.server = given.server or list(SERVERS)
    given.cut = given.cut or list(BrowserCell.ways)
    if given.front == "native" and "kill" in given.cut:
        given.cut.remove("kill")  # there is no daemon
    return given


async def run_cells(world, given, cuts, web, pictures):
    """How many passed and failed. One at a time: a browser alone has enough to do for two cores."""
    failed, cells = 0, []
    for server in given.server:
        ports, ca = world.entrance(server)
        for cut in cuts:
            it = (CLIENT, world.servers[server], cut, HABITS, (), ports, ca, world.holdfast)
            cells.append(BrowserCell(*it, web=web, pictures=pictures))
    for cell in cells:
        begin = time.monotonic()
        log = os.path.join(world.folder, f"{cell.server.name}-{cell.cut}.log")
        faults = await cell.play(log)
        report(cell, faults, time.monotonic() - begin, log)
        failed += bool(faults)
    for cell in cells:
        if cell.bob:
            await cell.bob.close()
    return len(cells) - failed, failed


def run_world(given, cuts, web, pictures, kept=False):
    if not cuts:
        return 0, 0
    pairs = [(alice_name(CLIENT, cut), bob_name(CLIENT, cut)) for cut in cuts]
    options = {"password_format": "scram"}  # what converse.js keeps for a reload needs the same salt
    with World(given.server, pairs, given.front, kept, True, options) as world:
        passed, failed = asyncio.run(run_cells(world, given, cuts, web, pictures))
        failed += world.finish()
        if failed:
            print(world.logs())
    return passed, failed


def main():
    process.exit_on_sigterm()
    given = arguments()
    pictures = os.environ.get("HOLDFAST_ARTIFACTS") or process.scratch("screenshots")
    os.makedirs(pictures, exist_ok=True)
    modules = os.path.join(programs.npm_install(CLIENT, programs.NPM_PACKAGE), "node_modules")
    web = WebPage(modules)
    others = [cut for cut in given.cut if cut != "kill"]
    passed, failed = run_world(given, others, web, pictures)
    kill = [cut for cut in given.cut if cut == "kill"]
    more = run_world(given, kill, web, pictures, kept=True)
    web.close()
    print(f"screenshots: {pictures}")
    print(f"{passed + more[0]} passed, {failed + more[1]} failed")
    return 1 if failed + more[1] else 0


if __name__ == "__main__":
    sys.exit(main())
