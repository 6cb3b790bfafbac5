# SPDX-License-Identifier: MIT
"""When a conversation did not go as written, and what may come without being written."""

from namespaces import SM
from stream import Close, Element, Text
from websocket import CLOSE, Frame


class Failure(Exception):
    pass


def unasked(item, expectation):
    """What may always come between: an <r/>, a keepalive, and before the end the closing words."""
    if isinstance(item, Text):
        return expectation.text != "text" and not item.raw.strip()
    if isinstance(item, Close):
        return expectation.text == "end"
    if isinstance(item, Frame):
        return item.opcode == CLOSE and expectation.text == "end"
    if isinstance(item, Element) and item.node.namespace in SM:
        if item.node.local == "r":
            return "<r " not in expectation.text
        return item.node.local == "a" and expectation.text in ("end", "</stream:stream>")
    return False
