# SPDX-License-Identifier: MIT
"""A headless Chromium, driven by chromedriver's HTTP interface (W3C WebDriver).

Its profile and its home are in a scratch folder; it trusts the given authority, put into that
home's NSS database, and finds every *.example.org on loopback. Calls block.
"""

import base64
import json
import os
import subprocess
import urllib.error
import urllib.request

import process

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's reference (W3C)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    " --disable-background-networking --disable-component-update --disable-default-apps"
    " --disable-dev-shm-usage --disable-extensions --no-default-browser-check --no-proxy-server"
    " --window-size=1200,900"
).split()


class BrowserError(Exception):
    pass


class Browser:
    """patience: seconds that a page may take until what is waited for is there; a guard."""

    def __init__(self, ca, patience):
        self.folder = process.scratch("browser")
        self.patience = patience
        self.port = process.free_port()
        self.log_file = os.path.join(self.folder, "chromedriver.log")
        self.driver = self.session = None
        self.trust(ca)

    def trust(self, ca):
        store = os.path.join(self.folder, ".pki", "nssdb")
        os.makedirs(store)
        database = ("certutil", "-d", f"sql:{store}")
        for step in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "test", "-i", ca)):
            subprocess.run((*database, *step), check=True, capture_output=True)

    def start(self):
        environment = dict(os.environ, HOME=self.folder, TMPDIR=self.folder, LANG="C.UTF-8")
        self.driver = process.spawn(
            ("chromedriver", f"--port={self.port}"), self.log_file, env=environment
        )
        process.wait_until(lambda: process.accepts(self.port), [self.driver], "chromedriver")
        flags = [
            *FLAGS,
            f"--user-data-dir={os.path.join(self.folder, 'profile')}",
            "--host-resolver-rules=MAP *.example.org 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]
        options = {"goog:chromeOptions": {"args": flags}, "goog:loggingPrefs": {"browser": "ALL"}}
        given = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self.session = f"/session/{given['sessionId']}"
        self.ask("POST", f"{self.session}/timeouts", {"script": int(self.patience * 1000)})

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://{process.LOOPBACK}:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with straight.open(request, timeout=self.patience + 30) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise BrowserError(f"{value['error']}: {value['message'].splitlines()[0]}") from None
        except OSError as error:
            raise BrowserError(str(error)) from None

    def act(self, path, body):
        return self.ask("POST", self.session + path, body)

    def open(self, url):
        self.act("/url", {"url": url})

    def reload(self):
        self.act("/refresh", {})

    def run(self, script, *arguments):
        """What the body of a function returns; it may be a promise."""
        return self.act("/execute/sync", {"script": script, "args": list(arguments)})

    def until(self, condition, *arguments):
        """Waits until this expression of JavaScript is true of the page, and returns it."""
        script = f"""
            const given = arguments;
            return new Promise((done) => {{
                const ask = (...arguments) => ({condition});
                const watch = new MutationObserver(look);
                function look() {{
                    const found = ask(...given);
                    if (found) {{ watch.disconnect(); done(found); }}
                }}
                watch.observe(document, {{
                    subtree: true, childList: true, characterData: true, attributes: true,
                }});
                look();
            }});"""
        return self.run(script, *arguments)

    def find(self, selector):
        """The element that this selector finds first, once it can be seen."""
        self.until(
            "[...document.querySelectorAll(arguments[0])].some((e) => e.checkVisibility())", selector
        )
        found = self.act("/elements", {"using": "css selector", "value": selector})
        seen = [one for one in found if self.run("return arguments[0].checkVisibility()", one)]
        return seen[0][ELEMENT]

    def click(self, selector):
        self.act(f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.act(f"/element/{self.find(selector)}/value", {"text": text})

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.ask("GET", self.session + "/screenshot")))

    def console(self):
        entries = self.act("/se/log", {"type": "browser"})
        return [f"{entry['level']} {entry['message']}" for entry in entries]

    def close(self):
        if self.session:
            try:
                self.ask("DELETE", self.session)
            except BrowserError:
                pass
        if self.driver:
            process.stop(self.driver)
        process.remove_scratch(self.folder)
