# SPDX-License-Identifier: MIT
"""Holdfast itself as a fixture: the binary that HOLDFAST_BIN names, in a scratch folder.

The configuration has a STARTTLS listener, a direct TLS listener and one host; settings change or
add to it, section by section. Leaving the fixture stops Holdfast with SIGTERM and fails if it died
before, if it did not end with status 0, or if a sanitizer wrote anything.

    with servers.start("prosody") as server, Holdfast(server.port) as holdfast:
        holdfast.starttls_port, holdfast.tls_port, holdfast.ca
"""

import os
import re
import signal

import certificates
import process

SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:")


class Holdfast:
    """upstream: the server's port, or its whole `upstream` setting.

    settings: {"stream-management": {"resume_timeout": "5s"}, "host other.org": {...}, ...}; a value
    of None removes the key, a section of None the section. certificate(domain) makes more
    certificates for more hosts.
    """

    def __init__(self, upstream, domain="example.org", settings=None):
        self.host = process.LOOPBACK
        self.domain = domain
        self.folder = process.scratch("daemon")
        self.starttls_port = process.free_port()
        self.tls_port = process.free_port()
        self.ca = certificates.make_authority(self.folder)
        self.ini = self.path("holdfast.ini")
        self.log_file = self.path("holdfast.log")
        self.runtime_dir = self.path("run")
        self.state_dir = self.path("state")
        os.mkdir(self.runtime_dir, 0o700)
        os.mkdir(self.state_dir, 0o700)
        self.settings = self.defaults(upstream)
        self.change(settings or {})
        self.process = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def certificate(self, domain):
        return certificates.make_certificate(self.folder, domain)

    def defaults(self, upstream):
        certificate = self.certificate(self.domain)
        if isinstance(upstream, int):
            upstream = f"{self.host}:{upstream}"
        return {
            "holdfast": {
                "workers": "2",
                "runtime_dir": self.runtime_dir,
                "state_dir": self.state_dir,
                "log_level": "debug",
            },
            "listen starttls": {
                "address": f"{self.host}:{self.starttls_port}",
                "transport": "starttls",
            },
            "listen tls": {"address": f"{self.host}:{self.tls_port}", "transport": "tls"},
            f"host {self.domain}": {
                "upstream": upstream,
                "certificate": certificate.chain,
                "private_key": certificate.key,
            },
        }

    def change(self, settings):
        """Merges into the settings; takes effect with the next write_configuration()."""
        for section, keys in settings.items():
            if keys is None:
                self.settings.pop(section, None)
                continue
            merged = self.settings.setdefault(section, {})
            merged.update(keys)
            for key in [key for key, value in merged.items() if value is None]:
                del merged[key]

    def write_configuration(self):
        with open(self.ini, "w") as out:
            for section, keys in self.settings.items():
                out.write(f"[{section}]\n")
                out.writelines(f"{key} = {value}\n" for key, value in keys.items())
                out.write("\n")

    def ports(self):
        """The ports of all listeners, from their addresses."""
        sections = [keys for name, keys in self.settings.items() if name.startswith("listen ")]
        addresses = " ".join(keys.get("address", "") for keys in sections).split()
        return [int(address.rsplit(":", 1)[1]) for address in addresses if "." in address]

    def command(self):
        return (binary(), "-c", self.ini)

    def start(self):
        self.write_configuration()
        environment = dict(os.environ)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        self.process = process.spawn(
            self.command(), self.log_file, cwd=self.folder, env=environment
        )
        try:
            process.wait_until(
                lambda: all(process.accepts(port) for port in self.ports()),
                [self.process],
                "holdfast",
            )
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.log()}") from None

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        """SIGKILL, as a crash; start() again brings it back on the same ports."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self, lines=200):
        return process.tail(self.log_file, lines)

    def complaints(self):
        """What is wrong with the run so far, as a list of sentences."""
        found = []
        if self.process is not None and self.process.poll() is not None:
            found.append(f"holdfast died with status {self.process.returncode}")
        with open(self.log_file, errors="replace") as log:
            text = log.read()
        if match := SANITIZER.search(text):
            found.append("a sanitizer reports:\n" + text[max(0, match.start() - 200) :][:6000])
        return found

    def stop(self):
        """Stops it in order and raises if anything was wrong, now or before."""
        if self.process is None:
            return
        found = self.complaints()
        status = process.stop(self.process, patience=process.PATIENCE)
        self.process = None
        if not found:
            found = self.complaints()
        if status != 0 and not found:
            found.append(f"holdfast ended with status {status} on SIGTERM")
        if found:
            raise AssertionError("\n".join(found))

    def close(self):
        if self.process is not None:
            process.stop(self.process)
            self.process = None
        process.remove_scratch(self.folder)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            self.stop()
        except AssertionError:
            kind = kind or AssertionError
            raise
        finally:
            if kind is not None:
                print(f"--- holdfast.log\n{self.log()}")
            self.close()


def binary():
    path = os.environ.get("HOLDFAST_BIN")
    if not path:
        raise RuntimeError("HOLDFAST_BIN must name the holdfast program")
    return path
