# SPDX-License-Identifier: MIT
"""Holdfast under its own keeper, as a fixture: its daemon can be killed, and comes back by itself.

`process` is the keeper; the daemon is its only child, another one after each death.
"""

import os
import signal

import process
from holdfast import Holdfast, binary


class Kept(Holdfast):
    def command(self):
        return (binary(), "--keep", "-c", self.ini)

    def daemon(self):
        """The daemon's pid, or None while there is none."""
        keeper = self.process.pid
        with open(f"/proc/{keeper}/task/{keeper}/children") as children:
            found = children.read().split()
        return int(found[0]) if found else None

    def kill_daemon(self):
        """SIGKILL, as a crash. The pid of who died."""
        daemon = self.daemon()
        os.kill(daemon, signal.SIGKILL)
        return daemon

    def is_back(self, died):
        """Another daemon than that one serves."""
        return self.daemon() not in (None, died) and all(map(process.accepts, self.ports()))

    def whole_log(self):
        with open(self.log_file, errors="replace") as log:
            return log.read()
