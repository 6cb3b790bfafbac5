# SPDX-License-Identifier: MIT
"""A daemon that stands still for moments at random, as on a machine that has too much to do.

What a conversation takes for granted about who is first, it must have waited for: this finds where it has
not, and what the daemon makes of clocks that run while it stands.
"""

import contextlib
import os
import random
import signal
import threading

LONGEST_S = 0.1  # that it stands still; and at most half of that goes between two times


def pids(process):
    """Of the daemon; and, where that is a keeper, of the one that it keeps."""
    if process is None or process.poll() is not None:
        return []
    try:
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as children:
            return [process.pid, *map(int, children.read().split())]
    except OSError:
        return []


def send(targets, what):
    for pid in targets:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


@contextlib.contextmanager
def stuttering(daemon):
    over = threading.Event()

    def stutter():
        while not over.wait(random.random() * LONGEST_S / 2):
            if not daemon.standing.acquire(blocking=False):
                continue  # a conversation has it stand still
            stopped = pids(daemon.process)
            send(stopped, signal.SIGSTOP)
            over.wait(random.random() * LONGEST_S)
            send(stopped, signal.SIGCONT)
            daemon.standing.release()

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
