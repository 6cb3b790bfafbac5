# SPDX-License-Identifier: MIT
"""What a conversation writes down, compared with what came.

Text may hold {name}: the first time it catches what stands there, afterwards it must be the same.
{*} is anything, {+} a positive integer, {2..5} an integer between, {now} a time of this minute, and
as an attribute's value {none} says that there is no such attribute. In what is sent, {name} is put
in, {x*60000} is so many x, {x%*300} is x0, x1 and so on, {\\x00} is a byte, and
{sha1 alice.stream sesame} the digest of what was caught and a text, {b64 text} the text in base64,
in which \\0 is a zero.

An expected element names what must be there; more attributes and children may be. `only` before it
says that there is nothing else; `exactly` compares the bytes. The element <_/> has any name. Behind
the element may follow: or <other/>, and <other/> (in any order), without <child/>.
"""

import base64
import calendar
import hashlib
import os
import re
import time

from namespaces import CLIENT, STREAMS
from stream import TAG, Close, Element, Gone, Open, Text, parse

HOLE = re.compile(r"\{([^{}]*)\}")
WRAP = f"<stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>"


def is_recent(stamp):
    """XEP-0082, within the last minute."""
    try:
        at = calendar.timegm(time.strptime(re.sub(r"\.\d+", "", stamp), "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return False
    return -5 < time.time() - at < 60


class Mismatch(Exception):
    pass


class Caught(dict):
    """What the holes of a conversation caught so far."""

    def fill(self, text):
        """The bytes to send."""
        out = bytearray()
        at = 0
        for hole in HOLE.finditer(text):
            out += text[at : hole.start()].encode()
            out += self.filling(hole[1])
            at = hole.end()
        return bytes(out + text[at:].encode())

    def filling(self, name):
        if match := re.fullmatch(r"(.+)\*(\d+)", name):
            many = (match[1].replace("%", str(number)) for number in range(int(match[2])))
            return "".join(many).encode()
        if match := re.fullmatch(r"\\x([0-9a-f]{2})", name):
            return bytes.fromhex(match[1])
        if name.startswith("b64 "):
            return base64.b64encode(name[4:].replace("\\0", "\0").encode())
        if name.startswith("sha1 "):
            _, caught, text = name.split()
            return hashlib.sha1((self[caught] + text).encode()).hexdigest().encode()
        if name not in self:
            raise Mismatch(f"nothing was caught as {{{name}}}")
        return self[name].encode()

    def text(self, text):
        return self.fill(text).decode()

    def match(self, pattern, text):
        """Compares text with a pattern that may have holes, and catches. False if it differs."""
        expression = ""
        names = []
        at = 0
        for hole in HOLE.finditer(pattern):
            expression += re.escape(pattern[at : hole.start()])
            expression += self.hole(hole[1], names)
            at = hole.end()
        found = re.fullmatch(expression + re.escape(pattern[at:]), text, re.DOTALL)
        if not found:
            return False
        for (name, low, high), value in zip(names, found.groups()):
            if low == "now":
                if not is_recent(value):
                    return False
                continue
            if low is not None and not low <= int(value) <= high:
                return False
            if name:
                self[name] = value
        return True

    def hole(self, name, names):
        if name == "*":
            return ".*"
        if name == "+":
            return "[1-9][0-9]*"
        if name == "now":
            names.append((None, "now", None))
            return "([0-9TZ:.-]+)"
        if match := re.fullmatch(r"(\d+)\.\.(\d+)", name):
            names.append((None, int(match[1]), int(match[2])))
            return "([0-9]+)"
        if "*" in name or name.startswith("\\"):
            return re.escape(self.filling(name).decode())
        if name in self:
            return re.escape(self[name])
        names.append((name, None, None))
        return "(.+?)"


class Expectation:
    """The right side of `sees`. check() takes an item; .left says how many more are to come."""

    def __init__(self, text):
        self.text = text
        self.mode = "some"
        for word in ("only", "exactly"):
            if text.startswith(word + " "):
                self.mode = word
                text = text.removeprefix(word + " ").lstrip()
        self.raw = text
        self.join = "or"
        self.absent = []
        self.parts = [text] if self.mode == "exactly" else self.split(text)

    def split(self, text):
        parts = []
        word = "or"
        while text:
            length = fragment_length(text)
            if word == "without":
                self.absent.append(text[:length])
            else:
                self.join = word if parts else "or"
                parts.append(text[:length])
            rest = text[length:].lstrip()
            if not rest:
                break
            word, _, text = rest.partition(" ")
            if word not in ("or", "and", "without"):
                raise Mismatch(f"what is {word!r} in an expectation?")
            text = text.lstrip()
        return parts

    @property
    def count(self):
        """How many items it takes."""
        return len(self.parts) if self.join == "and" else 1

    def take(self, item, caught):
        """Raises Mismatch, or, with `and`, crosses the matching part off."""
        reasons = []
        for part in self.parts:
            trial = Caught(caught)
            try:
                self.compare(part, item, trial)
            except Mismatch as mismatch:
                reasons.append(str(mismatch))
                continue
            caught.update(trial)
            if self.join == "and":
                self.parts.remove(part)
            return
        raise Mismatch("; ".join(dict.fromkeys(reasons)))

    def compare(self, part, item, caught):
        if part in ("end", "cut"):
            kind, wanted = Gone, None
        elif part.startswith("</"):
            kind, wanted = Close, None
        elif part == "text":
            kind, wanted = Text, None
        elif part.startswith("<stream:stream"):
            kind, wanted = Open, parse(f"{part.rstrip('/>')} xmlns:stream='{STREAMS}'/>")
        else:
            kind, wanted = Element, None
        if not isinstance(item, kind):
            raise Mismatch(f"this is no {kind.__name__.lower()}")
        if kind is Element:
            if self.mode == "exactly":
                raw = as_on_a_stream(item.raw, part)
                if not caught.match(part, raw.decode()):
                    raise Mismatch("the bytes differ" + first_difference(raw, part.encode()))
                return
            wanted = fragment(part)
        if wanted is not None:
            compare_nodes(wanted, item.node, caught, self.mode == "only")
            for absent in self.absent:
                refuse_child(fragment(absent), item.node, caught)


def as_on_a_stream(raw, expected):
    """Over WebSocket an element has one declaration more than it would have had on a stream."""
    declared = " xmlns='jabber:client'"
    name = re.match(r"<[^\s/>]*", expected)[0] + declared
    if not os.environ.get("HOLDFAST_WEB") or expected.startswith(name):
        return raw
    return raw.replace(declared.encode(), b"", 1) if raw.startswith(name.encode()) else raw


def first_difference(left, right):
    pairs = enumerate(zip(left, right))
    at = next((i for i, (a, b) in pairs if a != b), min(len(left), len(right)))
    return f" at {at}: {left[at:at + 20]!r} and {right[at:at + 20]!r}"


def fragment(text):
    return parse(WRAP + text + "</stream:stream>").nodes()[0]


def fragment_length(text):
    """Of the element, tag, or word at the beginning of the text."""
    if not text.startswith("<") or text.startswith(("<stream:stream", "</")):
        match = TAG.match(text.encode()) or re.match(rb"\S+", text.encode())
        return len(match[0].decode())
    depth = 0
    for match in re.finditer(TAG.pattern.decode(), text):
        tag = match[0]
        if tag.startswith("</"):
            depth -= 1
        elif not tag.endswith("/>"):
            depth += 1
        if depth == 0:
            return match.end()
    raise Mismatch(f"an element that does not end: {text}")


def compare_nodes(wanted, node, caught, only):
    if wanted.name != node.name and not wanted.name.endswith(" _"):
        raise Mismatch(f"<{node.name}> where <{wanted.name}> should be")
    for name, pattern in wanted.attributes.items():
        value = node.get(name)
        if pattern == "{none}":
            if value is not None:
                raise Mismatch(f"{name} should not be in <{node.local}>")
        elif value is None or not caught.match(pattern, value):
            raise Mismatch(f"{name} of <{node.local}> is {value!r}, not {pattern!r}")
    if only and set(node.attributes) - set(wanted.attributes):
        raise Mismatch(f"<{node.local}> has more attributes: {sorted(node.attributes)}")
    if wanted.text().strip() and not caught.match(wanted.text(), node.text()):
        text = node.text()[:200]
        raise Mismatch(f"the text of <{node.local}> is {text!r}, not {wanted.text()!r}")
    left = node.nodes()
    for child in wanted.nodes():
        left.remove(some_child(child, left, node, caught, only))
    if only and left:
        raise Mismatch(f"<{node.local}> has more children: {[child.local for child in left]}")


def some_child(wanted, children, parent, caught, only):
    reasons = [f"<{parent.local}> has no <{wanted.name}>"]
    for child in children:
        trial = Caught(caught)
        try:
            compare_nodes(wanted, child, trial, only)
        except Mismatch as mismatch:
            if child.name == wanted.name:
                reasons = [str(mismatch)]
            continue
        caught.update(trial)
        return child
    raise Mismatch(reasons[0])


def refuse_child(unwanted, node, caught):
    for child in node.nodes():
        try:
            compare_nodes(unwanted, child, Caught(caught), False)
        except Mismatch:
            continue
        raise Mismatch(f"<{node.local}> has a <{unwanted.name}>")
