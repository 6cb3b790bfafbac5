# SPDX-License-Identifier: MIT
"""The part of profanity_client.py that runs within profanity, as its plugin.

Commands are lines of a file. PULL, typed behind each, has them carried out in profanity's own
thread. Events are written to an inherited descriptor.
"""

import json
import os
import re
from xml.etree import ElementTree

import prof

PULL = "/z"

events = int(os.environ["HOLDFAST_EVENTS"])
commands = open(os.environ["HOLDFAST_COMMANDS"])
log = open(os.environ["HOLDFAST_LOG"], errors="replace")


def emit(event, **more):
    data = (json.dumps({"event": event, **more}) + "\n").encode()
    while data:
        data = data[os.write(events, data) :]


def pull():
    for line in commands:
        carry_out(json.loads(line))


def carry_out(command):
    if command["do"] == "send":
        # Words behind /msg are taken apart first, which takes seconds for the long ones.
        prof.send_line(f"/msg {command['to']}")
        prof.send_line(command["body"])
    elif command["do"] == "status":
        emit("status")
    elif command["do"] == "watch":
        prof.send_line("/autoping set 2")


def was_resumed():
    """Whether libstrophe has said so since the last time: nothing else tells."""
    return any("Session resumed" in line for line in log)


def element(stanza):
    """Of the text of a stanza, whose prefixes may be declared elsewhere."""
    return ElementTree.fromstring(re.sub(r"(</?)(\w+):", r"\1", stanza))


def child(stanza, name):
    return next((one for one in stanza if one.tag.split("}")[-1] == name), None)


# What profanity calls


def prof_init(_version, _status, _account, _jid):
    prof.register_command(PULL, 0, 0, [PULL], "Carry out what waits.", [], [], pull)


def prof_on_connect(_account, jid):
    prof.send_line("/autoping set 0")
    emit("online", jid=jid, resumed=was_resumed())


def prof_on_disconnect(_account, _jid):
    emit("disconnected")


def prof_on_message_stanza_receive(text):
    message = element(text)
    body = child(message, "body")
    if body is not None:
        emit("message", **{"from": message.get("from"), "body": body.text})
    return True


def prof_on_presence_stanza_receive(text):
    presence = element(text)
    kind = presence.get("type", "")
    emit("presence", **{"from": presence.get("from"), "type": kind})
    return True
