# SPDX-License-Identifier: MIT
"""profanity as a client of the matrix. It is libstrophe, which it has resume and reconnect.

profanity needs a terminal, and gets one (a pty) that nobody looks at. A plugin in it carries out
the commands; a key sequence behind each wakes it up.
"""

import asyncio
import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios

from line_protocol import obey

HERE = os.path.dirname(os.path.abspath(__file__))
PLUGIN = "profanity_plugin.py"

SETTINGS = """[connection]
account=
autoping=0
autoping.timeout=3
reconnect=1
tls.certpath={authorities}

[ui]
enc.warn=false
inpblock=10
inpblock.dynamic=false
splash=false

[chatstates]
enabled=false
outtype=false

[logging]
chlog=false
rotate=false

[plugins]
load={plugin}
"""

ACCOUNT = """[{bare}]
enabled=true
jid={bare}
resource={resource}
password={password}
server={host}
port={port}
tls.policy={policy}
presence.login=online
presence.last=online
omemo.policy=manual
"""

POLICIES = {"starttls": "force", "tls": "legacy"}


class Client:
    def __init__(self, host, port, jid, password, tls, ca):
        self.folder = tempfile.mkdtemp(prefix="profanity-")
        bare, resource = jid.split("/")
        settings = SETTINGS.format(authorities=self.trust(ca), plugin=PLUGIN)
        account = ACCOUNT.format(
            **{"bare": bare, "resource": resource, "password": password},
            **{"host": host, "port": port, "policy": POLICIES[tls]},
        )
        os.makedirs(self.path("profanity", "plugins"))
        self.write(settings, "profanity", "profrc")
        self.write(account, "profanity", "accounts")
        shutil.copy(os.path.join(HERE, PLUGIN), self.path("profanity", "plugins"))
        self.log = self.write("", "log")
        self.commands = open(self.write("", "commands"), "a")
        self.terminal = self.start(bare)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, text, *names):
        with open(self.path(*names), "w") as out:
            out.write(text)
        return out.name

    def trust(self, ca):
        """A folder in which OpenSSL finds the authority by its name's hash."""
        asked = ("openssl", "x509", "-noout", "-hash", "-in", ca)
        name = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
        os.mkdir(self.path("authorities"))
        shutil.copy(ca, self.path("authorities", name + ".0"))
        return self.path("authorities")

    def start(self, account):
        events = os.dup(sys.stdout.fileno())
        os.set_inheritable(events, True)
        environment = dict(
            os.environ,
            HOME=self.folder,
            XDG_CONFIG_HOME=self.folder,
            XDG_DATA_HOME=self.folder,
            TERM="xterm",
            LC_ALL="C.UTF-8",
            HOLDFAST_COMMANDS=self.commands.name,
            HOLDFAST_EVENTS=str(events),
            HOLDFAST_LOG=self.log,
        )
        arguments = ("profanity", "-l", "DEBUG", "-f", self.log, "-a", account)
        child, terminal = pty.fork()
        if child == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it goes when its terminal does, also under nohup
            os.execvpe(arguments[0], arguments, environment)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        asyncio.get_running_loop().add_reader(terminal, self.drain)
        return terminal

    def drain(self):
        """What is drawn is of no interest, but must not fill the terminal."""
        try:
            os.read(self.terminal, 1 << 16)
        except OSError:  # profanity ended
            with open(self.log, errors="replace") as log:
                sys.stderr.writelines(log.readlines()[-30:])
            os._exit(1)

    def do(self, name, **more):
        self.commands.write(json.dumps({"do": name, **more}) + "\n")
        self.commands.flush()
        os.write(self.terminal, b"/z\r")


async def main():
    client = None

    def connect(**how):
        nonlocal client
        client = Client(**how)

    def pass_on(name):
        return lambda **what: client.do(name, **what)

    passed_on = {name: pass_on(name) for name in ("send", "status", "watch")}
    await obey({"connect": connect, **passed_on})


asyncio.run(main())
