# SPDX-License-Identifier: MIT
"""Alice in a browser: converse.js, used as a person does, seen from a cell as its player.

She fills in the form, clicks upon Bob and types. What she has heard is what the page shows of him
now. Only that a session was enabled or resumed is taken from below (clients/converse/index.html).
"""

import asyncio
import collections

from player import PlayerDied
from webdriver import Browser, BrowserError

ENTER = "\ue007"
LOOK = 0.05  # seconds between two looks at the page
SEEN = """
    const { wire, jid } = document.documentElement.dataset;
    const chats = [...document.querySelectorAll("converse-chat-message .chat-msg")]
        .filter((message) => message.checkVisibility())
        .map((message) => [
            message.querySelector(".chat-msg__error") ? "error" : message.dataset.from.split("/")[0],
            [...message.querySelectorAll(".chat-msg__text")].map((e) => e.innerText).join().trim(),
        ]);
    return [performance.timeOrigin, jid, wire.split(" ").filter(Boolean), chats];
"""
STORED = """
    const [text] = arguments;
    const all = (request) => new Promise((done, fail) => {
        request.onsuccess = () => done(request.result);
        request.onerror = () => fail(request.error);
    });
    for (;;) {
        for (const { name } of await indexedDB.databases()) {
            const database = await all(indexedDB.open(name));
            const found = [];
            for (const store of database.objectStoreNames) {
                found.push(...await all(database.transaction(store).objectStore(store).getAll()));
            }
            database.close();
            const it = (value) => value?.body?.trim() === text || value?.message?.trim() === text;
            if (found.some((value) => it(typeof value === "string" ? JSON.parse(value) : value))) {
                return;
            }
        }
        await new Promise((again) => setTimeout(again, 20));
    }
"""


class Page:
    """web: a WebPage; bob: whom to talk to."""

    def __init__(self, web, ca, bob, patience):
        self.web, self.bob = web, bob
        self.browser = Browser(ca, patience)
        self.orders = collections.deque()
        self.wanted = asyncio.Event()
        self.change = asyncio.Event()
        self.events = []
        self.shown = []  # (from, text) as the page has it
        self.life, self.wire = None, 0  # which load of the page it is, and what was seen of its own
        self.failure = None
        self.jid = None

    async def start(self, _log):
        await asyncio.to_thread(self.browser.start)
        self.living = asyncio.create_task(self.live())

    async def live(self):
        """The browser does one thing at a time: what was ordered, or else it is looked at."""
        try:
            while True:
                while self.orders:
                    await asyncio.to_thread(self.orders.popleft())
                if self.jid:
                    await asyncio.to_thread(self.look)
                self.change.set()
                self.wanted.clear()
                if not self.orders:
                    try:
                        await asyncio.wait_for(self.wanted.wait(), LOOK)
                    except TimeoutError:
                        pass
        except BrowserError as error:
            self.failure = str(error)
            self.change.set()

    def look(self):
        life, jid, wire, self.shown = self.browser.run(SEEN)
        self.jid = jid or self.jid
        if life != self.life:
            self.life, self.wire = life, 0
        for word in wire[self.wire :]:
            if word == "failed":
                self.events.append({"event": "log", "text": "failed"})
            else:
                resumed = word == "resumed"
                self.events.append({"event": "online", "jid": self.jid, "resumed": resumed})
        self.wire = len(wire)

    # What a cell asks of its player

    def do(self, name, **what):
        self.orders.append(lambda: getattr(self, name)(**what))
        self.wanted.set()

    def connect(self, jid, password, url, **_):
        # The page finds the domain on loopback, and so its certificate is right.
        url = url.replace("127.0.0.1", jid.split("@")[1].split("/")[0])
        self.browser.open(self.web.address(url, ping_interval=3))
        self.browser.type("input[name=jid]", jid.split("/")[0])
        self.browser.type("input[name=password]", password)
        self.browser.click("converse-login-form [type=submit]")
        self.browser.click(f".open-chat[data-jid='{self.bob}']")
        self.jid = jid

    def send(self, to, body):
        number = self.browser.run("return Number(document.documentElement.dataset.sent)")
        self.browser.type(".chat-textarea", body.strip() + ENTER)
        self.browser.until("document.documentElement.dataset.sent > arguments[0]", number)

    def reload(self):
        """Once what the page shows is stored: converse.js writes a moment after it acknowledges."""
        self.look()
        for _, text in self.shown:
            self.browser.run(STORED, text)
        self.browser.reload()

    async def settle(self):
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.orders.append(lambda: loop.call_soon_threadsafe(done.set))
        self.wanted.set()
        await self.until(done.is_set)

    async def until(self, condition):
        while not (found := condition()):
            if self.failure:
                raise PlayerDied(f"the browser: {self.failure}")
            self.change.clear()
            await self.change.wait()
        return found

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def messages(self, sender, session=None):
        return [text for who, text in self.shown if who == sender]

    async def screenshot(self, path):
        await asyncio.to_thread(self.browser.screenshot, path)

    async def kill(self):
        self.living.cancel()
        await asyncio.gather(self.living, return_exceptions=True)
        await asyncio.to_thread(self.browser.close)
