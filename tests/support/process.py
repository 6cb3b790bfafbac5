# SPDX-License-Identifier: MIT
"""Processes that a test starts on loopback, each in a scratch folder of its own.

Nothing here sleeps for a guessed time: a process is ready when a connection to it succeeds, and
gone when it was waited for. Ports lie below the ephemeral range, so that no outgoing connection
can take one between its choice and its use.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LOOPBACK = "127.0.0.1"
PATIENCE = 60.0  # seconds until a start or a stop counts as a hang; no verdict depends on it
PORTS = range(12000, 32000)

_given = set()


def free_port():
    """A port of loopback that nobody listens on and that this process was not given before."""
    for _ in range(1000):
        port = random.choice(PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port found")


def scratch(name):
    return tempfile.mkdtemp(prefix=f"holdfast-{name}-")


def remove_scratch(folder):
    """Removes the folder, unless HOLDFAST_KEEP_SCRATCH asks to leave it for a look."""
    if not os.environ.get("HOLDFAST_KEEP_SCRATCH"):
        shutil.rmtree(folder, ignore_errors=True)


def spawn(arguments, log, **more):
    """Starts a program whose output, both streams, is appended to the file log."""
    with open(log, "ab") as out:
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **more)


def accepts(port, host=LOOPBACK):
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def wait_until(is_ready, processes, what, patience=PATIENCE):
    """Asks is_ready() again and again; gives up when a process died or patience is over."""
    deadline = time.monotonic() + patience
    while not is_ready():
        for process in processes:
            if process.poll() is not None:
                name = os.path.basename(process.args[0])
                raise RuntimeError(f"{what}: {name} ended with status {process.returncode} at its start")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not ready after {patience:.0f} s")
        time.sleep(0.02)


def stop(process, patience=10.0):
    """SIGTERM, then SIGKILL; returns the exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def exit_on_sigterm():
    """Lets SIGTERM unwind the program, so that fixtures stop what they started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def tail(path, lines=60):
    """The end of a log, for a failure's message."""
    try:
        with open(path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])
    except OSError as error:
        return f"({error})\n"
