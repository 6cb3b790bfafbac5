# SPDX-License-Identifier: MIT
"""How each client program of the matrix is built and started.

What is built lies in a cache outside the tree (HOLDFAST_TEST_CACHE, or below ~/.cache), in a
folder named by what it was built from, so that a change of the source builds it anew.
"""

import collections
import hashlib
import os
import shutil
import subprocess

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
ROOT = os.path.abspath(os.path.join(CLIENTS, "..", "..", ".."))
NODE = {name: f"{name}_client.mjs" for name in ("xmppjs", "stanza", "strophejs")}
NPM_PACKAGE = ("package.json", "package-lock.json", ".npmrc")
PYTHON = "/usr/bin/python3"  # Debian's own, which has Debian's libraries

# What is compiled: its source, its library's name for pkg-config, how.
Compiled = collections.namedtuple("Compiled", "file library standard variable compiler")
COMPILED = {
    "strophe": Compiled("strophe_client.c", "libstrophe", "gnu2x", "CC", "cc"),
    "gloox": Compiled("gloox_client.cpp", "gloox", "gnu++17", "CXX", "c++"),
}


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


def compiled(client):
    name, _ = os.path.splitext(COMPILED[client].file)
    return os.path.join(
        cache(client, source(COMPILED[client].file), source("line_protocol.h")), name
    )


def node_files():
    return (*NPM_PACKAGE, "line_protocol.mjs", *NODE.values())


def command(client):
    if client in COMPILED:
        return (compiled(client),)
    if client in NODE:
        return ("node", os.path.join(npm_folder("node", node_files()), NODE[client]))
    return (PYTHON, source(f"{client}_client.py"))


def build(client):
    if client in COMPILED and not os.path.exists(compiled(client)):
        compile_program(client)
    if client in NODE:
        npm_install("node", node_files())


def compile_program(client):
    one, made = COMPILED[client], compiled(client)
    asked = ("pkg-config", "--cflags", "--libs", one.library)
    flags = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    compiler = os.environ.get(one.variable, one.compiler)
    warnings = (f"-std={one.standard}", "-Wall", "-Wextra", "-Werror", "-g", "-O1")
    subprocess.run(
        (compiler, *warnings, f"-I{ROOT}", source(one.file), "-o", made + ".new", *flags),
        check=True,
    )
    os.rename(made + ".new", made)


def npm_folder(name, files):
    return cache(name, *(source(name, file) for file in files))


def npm_install(name, files, patience=None):
    """The folder with these files of clients/name and what its package-lock.json says.

    patience: seconds that npm may take, and then it asks only once for each file.
    """
    folder = npm_folder(name, files)
    built = os.path.join(folder, "built")
    if os.path.exists(built):
        return folder
    for file in files:
        shutil.copy(source(name, file), folder)
    install = ("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    if patience:
        install += ("--fetch-retries=0",)
    try:
        done = subprocess.run(
            install, cwd=folder, capture_output=True, text=True, timeout=patience
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"npm ci: not done after {error.timeout:.0f} s") from None
    if done.returncode != 0:
        raise RuntimeError(f"npm ci: {done.stdout}{done.stderr}")
    with open(built, "w"):
        pass
    return folder
