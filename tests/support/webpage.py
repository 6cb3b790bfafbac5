# SPDX-License-Identifier: MIT
"""A small HTTP server on loopback: converse.js and the page that it is in.

modules: the folder in which npm has put converse.js; host: what the page's address calls this
machine, which makes its Origin. The page is clients/converse/index.html.
"""

import http.server
import json
import os
import threading
import urllib.parse

import process

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "..", "integration", "clients", "converse", "index.html")


class Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path):
        path = urllib.parse.urlsplit(path).path
        return PAGE if path == "/" else super().translate_path(path)

    def log_message(self, *_):
        pass


class WebPage:
    def __init__(self, modules, port=None, host=process.LOOPBACK):
        self.host = host
        dist = os.path.join(modules, "converse.js")

        def handler(*arguments):
            return Handler(*arguments, directory=dist)

        address = (process.LOOPBACK, port or process.free_port())
        self.server = http.server.ThreadingHTTPServer(address, handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def address(self, websocket, **settings):
        """The page that logs in at this WebSocket; settings as converse.js names them."""
        asked = {"url": websocket} | ({"settings": json.dumps(settings)} if settings else {})
        query = urllib.parse.urlencode(asked, safe=":/")
        return f"http://{self.host}:{self.server.server_port}/?{query}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
