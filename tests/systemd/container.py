# SPDX-License-Identifier: MIT
"""A container with a systemd of its own, in which Holdfast is a service like on any machine.

Its /usr is the machine's, read-only, so the programs that were just built find the libraries they
were built with, and nothing is downloaded; /etc and /var are its own and hold what we put there.
Only /usr/sbin is its own, too: that is where the unit expects Holdfast. No service of the
machine is enabled in it, and its network is a loopback of its own.
"""

import os
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import process  # noqa: E402

SYSTEMD = "/usr/lib/systemd/systemd"
SHARED = ("bin", "lib", "lib32", "lib64", "libx32", "share")  # of /usr
USER = 990  # of the service, and its group
PASSWD = """root:x:0:0:root:/root:/bin/sh
holdfast:x:{0}:{0}:Holdfast:/var/lib/holdfast:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = """root:x:0:
adm:x:4:
tty:x:5:
utmp:x:43:
systemd-journal:x:101:
holdfast:x:{0}:
nogroup:x:65534:
"""
MACHINE = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e"  # without it systemd takes the boot for a first one
GRACE = 10  # seconds, for systemd-nspawn without its container
LISTENING = "0A"  # a state in /proc/net/tcp


class Impossible(Exception):
    """Why this machine can have no such container."""


def require():
    """Raises Impossible, where it is known before anything was tried."""
    if os.geteuid() != 0:
        raise Impossible("it needs root")
    for name in ("systemd-nspawn", "nsenter", "unshare"):
        if not shutil.which(name):
            raise Impossible(f"{name} is not installed")
    if not os.path.exists(SYSTEMD):
        raise Impossible("systemd is not installed")
    if not os.path.islink("/lib"):
        raise Impossible("/lib is not in /usr")
    done = subprocess.run(
        ("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "true"),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Impossible(f"no namespaces: {done.stderr.strip()}")


class Container:
    def __init__(self, folder):
        self.root = os.path.join(folder, "root")
        self.log_file = os.path.join(folder, "nspawn.log")
        self.name = f"holdfast-{os.getpid()}"  # the folder's name may end with what a host's may not
        self.nspawn = self.leader = None
        self.furnish()

    def path(self, *names):
        """Of a file in it, as it is seen before it boots and from outside."""
        return os.path.join(self.root, *names)

    def write(self, path, text, mode=0o644):
        """Creates or replaces a file of /etc or /var."""
        place = self.path(path.lstrip("/"))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w") as out:
            out.write(text)
        os.chmod(place, mode)

    def install(self, path, source, mode=0o755):
        place = self.path(path.lstrip("/"))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy(source, place)
        os.chmod(place, mode)

    def furnish(self):
        for name in ("usr/sbin", "var", "run", "tmp", "proc", "sys", "dev", "root"):
            os.makedirs(self.path(name))
        os.chmod(self.root, 0o755)
        os.chmod(self.path("tmp"), 0o1777)
        for name in (*SHARED, "sbin"):
            if os.path.isdir(f"/usr/{name}"):
                os.makedirs(self.path("usr", name), exist_ok=True)
            if os.path.islink(f"/{name}"):
                os.symlink(f"usr/{name}", self.path(name))
        self.write("/etc/machine-id", MACHINE + "\n", 0o444)
        self.write("/etc/passwd", PASSWD.format(USER))
        self.write("/etc/group", GROUP.format(USER))
        self.install("/etc/os-release", "/usr/lib/os-release", 0o644)
        if os.path.exists("/etc/ld.so.cache"):
            self.install("/etc/ld.so.cache", "/etc/ld.so.cache", 0o644)

    # --- its life ---

    def boot(self):
        """Returns when its systemd has started all that it starts; Impossible if it does not."""
        binds = [f"--bind-ro=/usr/{name}" for name in SHARED if os.path.isdir(f"/usr/{name}")]
        self.nspawn = process.spawn(
            (
                *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
                *("--private-network", "--console=pipe", f"--machine={self.name}"),
                *(f"--directory={self.root}", *binds, "systemd.unit=basic.target"),
            ),
            self.log_file,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        try:
            process.wait_until(self.is_booted, [self.nspawn], "systemd in a container")
        except RuntimeError as error:
            raise Impossible(f"{error}: {process.tail(self.log_file, 3).strip()}") from None

    def is_booted(self):
        pid = self.nspawn.pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                for child in children.read().split():
                    if os.path.basename(os.readlink(f"/proc/{child}/exe")) == "systemd":
                        self.leader = int(child)
        except OSError:
            pass  # one that was on its way only
        if not self.leader:
            return False
        done = self.run("systemctl", "is-active", "basic.target")
        return done.stdout.strip() == "active"

    def close(self):
        """Whatever runs in it is killed with its first process; systemd-nspawn then clears up."""
        if not self.nspawn:
            return
        try:
            if self.leader and self.nspawn.poll() is None:
                os.kill(self.leader, signal.SIGKILL)
                self.nspawn.wait(GRACE)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        self.nspawn.kill()
        self.nspawn.wait()

    # --- what is done in it ---

    def run(self, *command):
        """A command to its end, in all of the container's namespaces."""
        return subprocess.run(
            ("nsenter", "--target", str(self.leader), "--all", *command),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def systemctl(self, *command):
        done = self.run("systemctl", *command)
        if done.returncode:
            raise RuntimeError(f"systemctl {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def spawn(self, command, log):
        """A program of the machine's, on the container's network."""
        return process.spawn(
            ("nsenter", "--target", str(self.leader), "--net", *command), log
        )

    def seen(self, path):
        """A path in it, as it is mounted there now, for a process outside."""
        return f"/proc/{self.leader}/root{path}"

    def listens(self, port):
        for table in ("tcp", "tcp6"):
            with open(f"/proc/{self.leader}/net/{table}") as rows:
                for row in rows.readlines()[1:]:
                    words = row.split()
                    if words[3] == LISTENING and int(words[1].rsplit(":", 1)[1], 16) == port:
                        return True
        return False
