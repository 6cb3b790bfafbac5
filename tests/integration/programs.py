# SPDX-License-Identifier: MIT
"""How each client program of the matrix is built and started.

What is built lies in a cache outside the tree (HOLDFAST_TEST_CACHE, or below ~/.cache), in a
folder named by what it was built from, so that a change of the source builds it anew.
"""

import hashlib
import os
import shutil
import subprocess

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
XMPPJS = ("package.json", "package-lock.json", ".npmrc", "xmppjs_client.mjs")
PYTHON = "/usr/bin/python3"  # Debian's own, which has Debian's libraries


def source(*names):
    return os.path.join(CLIENTS, *names)


def cache(name, *sources):
    """A folder for what is made from these files."""
    digest = hashlib.sha256()
    for path in sources:
        with open(path, "rb") as file:
            digest.update(file.read())
    base = os.environ.get("HOLDFAST_TEST_CACHE") or os.path.expanduser("~/.cache/holdfast-tests")
    folder = os.path.join(base, f"{name}-{digest.hexdigest()[:16]}")
    os.makedirs(folder, exist_ok=True)
    return folder


def strophe_program():
    return os.path.join(cache("strophe", source("strophe_client.c")), "strophe_client")


def xmppjs_folder():
    return cache("xmppjs", *(source("xmppjs", name) for name in XMPPJS))


def command(client):
    if client == "strophe":
        return (strophe_program(),)
    if client == "xmppjs":
        return ("node", os.path.join(xmppjs_folder(), XMPPJS[-1]))
    return (PYTHON, source(f"{client}_client.py"))


def build(client):
    if client == "strophe" and not os.path.exists(strophe_program()):
        build_strophe()
    if client == "xmppjs" and not os.path.exists(os.path.join(xmppjs_folder(), "built")):
        build_xmppjs()


def build_strophe():
    asked = ("pkg-config", "--cflags", "--libs", "libstrophe")
    flags = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    made = strophe_program()
    warnings = ("-std=gnu2x", "-Wall", "-Wextra", "-Werror", "-g", "-O1")
    compiler = os.environ.get("CC", "cc")
    subprocess.run(
        (compiler, *warnings, source("strophe_client.c"), "-o", made + ".new", *flags), check=True
    )
    os.rename(made + ".new", made)


def build_xmppjs():
    folder = xmppjs_folder()
    for name in XMPPJS:
        shutil.copy(source("xmppjs", name), folder)
    install = ("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"npm ci: {done.stdout}{done.stderr}")
    with open(os.path.join(folder, "built"), "w"):
        pass
