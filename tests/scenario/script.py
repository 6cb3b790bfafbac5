# SPDX-License-Identifier: MIT
"""Reads a file of conversations.

A line that begins with `==` opens a conversation and is its title; `#` begins a comment; an
indented line goes on where the line before ended. Before the first conversation stand settings that
all of them share, and each may begin with its own:

    config SECTION KEY = VALUE      of the daemon; SECTION `host` is the conversation's own
    option --counter-start 5        of the daemon's command line
    alone                           with a daemon that no other conversation uses
    transports as written           each client says itself how it comes: not for `run --web`
    activate NAME                   hands the socket of [listen NAME] over (LISTEN_FDS)
    descriptors 128                 so many may the daemon have open
    patience 30                     seconds until a wait counts as a failure
    together 12                     so many at once, beside all others, for they mostly wait

Lists and definitions of steps may stand anywhere: see words.py.
"""

import re

from words import Step, Words


class Conversation:
    def __init__(self, path, line, title, shared):
        self.path = path
        self.line = line
        self.title = title
        self.steps = []
        self.settings = list(shared.settings) if shared else []  # (section, key, value)
        self.options = list(shared.options) if shared else []
        self.activated = list(shared.activated) if shared else []
        self.descriptors = shared.descriptors if shared else None
        self.patience = shared.patience if shared else 10
        self.together = shared.together if shared else None
        self.alone = shared.alone if shared else False
        self.own_transports = shared.own_transports if shared else False

    @property
    def tags(self):
        return set(re.findall(r"@(\w+)", self.title))

    def daemon_key(self):
        """Conversations with the same key can share a daemon."""
        rest = [setting for setting in self.settings if setting[0] != "host"]
        return tuple(rest), tuple(self.options), tuple(self.activated), self.descriptors

    def setting(self, text):
        """True if the line is a setting."""
        word, _, rest = text.partition(" ")
        if word == "config":
            match = re.fullmatch(r"(.+?) (\w+) = (.*)", rest)
            if not match:
                raise SyntaxError(f"config SECTION KEY = VALUE, not {text!r}")
            self.settings.append(match.groups())
        elif word == "option":
            self.options += rest.split()
        elif text == "alone":
            self.alone = True
        elif text == "transports as written":
            self.own_transports = True
        elif word == "activate":
            self.activated.append(rest)
        elif word in ("descriptors", "patience", "together"):
            setattr(self, word, int(rest))
        else:
            return False
        return True


def read(path):
    shared = Conversation(path, 0, "", None)
    found = []
    words = Words()
    steps = None  # to which the next one belongs
    for number, text in lines(path):
        current = found[-1] if found else shared
        try:
            if text.startswith("=="):
                found.append(Conversation(path, number, text[2:].strip(), shared))
                steps = found[-1].steps
            elif text.startswith("=>"):
                steps = words.defined[text[2:].strip()] = []
            elif not words.take(text) and not current.setting(text):
                if steps is None:
                    raise SyntaxError(f"a step before the first conversation: {text!r}")
                steps.append(Step(number, text))
        except SyntaxError as error:
            raise SyntaxError(f"{path}:{number}: {error}") from None
    for conversation in found:
        conversation.steps = words.expanded(conversation.steps)
    return found


def lines(path):
    """(number, text) of each line, with what follows it indented."""
    number, text = 0, ""
    with open(path, encoding="utf-8") as script:
        for at, line in enumerate(script, 1):
            line = line.rstrip("\n")
            if line.strip() == "" or line.lstrip().startswith("#"):
                continue
            if line[0] in " \t":
                text = joined(text, line.strip())
                continue
            if text:
                yield number, text
            number, text = at, line.rstrip()
    if text:
        yield number, text


def joined(text, more):
    """Elements are joined as they stand; inside a tag, and between words, a space comes between."""
    inside = text.rfind("<") > text.rfind(">")
    if inside or not text.endswith(">") or not more.startswith("<"):
        return f"{text} {more}"
    return text + more
