# SPDX-License-Identifier: MIT
"""The SASL mechanisms of the scenarios, both sides of them.

A mechanism is a generator of messages (bytes): it yields what to send and is sent what came. The
server's ends by returning the name of the user, or raises Refused.
"""

import base64
import hashlib
import hmac
import os
import re


class Refused(Exception):
    pass


def encode(data):
    """As the text of a SASL element: empty data is '='."""
    return base64.b64encode(data).decode() or "="


def decode(text):
    return b"" if text.strip() in ("", "=") else base64.b64decode(text)


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def fields(message):
    return dict(part.split("=", 1) for part in message.split(","))


# --- the client's side ---


def client(mechanism, user, password, domain, authzid=""):
    if mechanism == "PLAIN":
        return client_plain(user, password, authzid)
    if mechanism.startswith("SCRAM-"):
        return client_scram(mechanism, user, password, authzid)
    if mechanism == "DIGEST-MD5":
        return client_digest(user, password, domain, authzid)
    return client_token(user)


def client_plain(user, password, authzid):
    yield f"{authzid}\0{user}\0{password}".encode()


def client_token(user):
    """A mechanism that nobody has heard of: the account cannot be seen in it."""
    yield base64.b85encode(f"{user}:secret".encode())


def scram_hash(mechanism):
    return mechanism.removeprefix("SCRAM-").removesuffix("-PLUS").replace("-", "").lower()


def client_scram(mechanism, user, password, authzid):
    name = scram_hash(mechanism)
    gs2 = "y," + (f"a={authzid}" if authzid else "") + ","
    bare = f"n={user},r={os.urandom(9).hex()}"
    first = (yield (gs2 + bare).encode()).decode()
    given = fields(first)
    final = f"c={base64.b64encode(gs2.encode()).decode()},r={given['r']}"
    salted = hashlib.pbkdf2_hmac(
        name, password.encode(), base64.b64decode(given["s"]), int(given["i"])
    )
    key = hmac.digest(salted, b"Client Key", name)
    signed = f"{bare},{first},{final}".encode()
    proof = xor(key, hmac.digest(hashlib.new(name, key).digest(), signed, name))
    outcome = yield f"{final},p={base64.b64encode(proof).decode()}".encode()
    expected = hmac.digest(hmac.digest(salted, b"Server Key", name), signed, name)
    if base64.b64decode(fields(outcome.decode())["v"]) != expected:
        raise Refused("the server's signature is wrong")


def digest_response(start, user, realm, password, nonce, cnonce, uri, authzid):
    def h(text):
        return hashlib.md5(text if isinstance(text, bytes) else text.encode()).hexdigest()

    secret = hashlib.md5(f"{user}:{realm}:{password}".encode()).digest()
    a1 = secret + f":{nonce}:{cnonce}".encode() + (f":{authzid}".encode() if authzid else b"")
    return h(f"{h(a1)}:{nonce}:00000001:{cnonce}:auth:{h(start + ':' + uri)}")


def directives(text):
    found = re.findall(r'([a-z-]+)=(?:"([^"]*)"|([^,]*))', text)
    return {name: quoted or plain for name, quoted, plain in found}


def client_digest(user, password, domain, authzid):
    given = directives((yield b"").decode())
    realm = given.get("realm", domain)
    cnonce = os.urandom(8).hex()
    uri = f"xmpp/{domain}"
    response = digest_response(
        "AUTHENTICATE", user, realm, password, given["nonce"], cnonce, uri, authzid
    )
    said = (
        f'username="{user}",realm="{realm}",nonce="{given["nonce"]}",cnonce="{cnonce}",nc=00000001,'
        f'qop=auth,digest-uri="{uri}",response={response},charset=utf-8'
    )
    yield (said + (f',authzid="{authzid}"' if authzid else "")).encode()
    yield b""


# --- the server's side: the first message is the initial response ---


def server(mechanism, domain, password):
    if mechanism == "PLAIN":
        return server_plain(password)
    if mechanism.startswith("SCRAM-"):
        return server_scram(mechanism, password)
    if mechanism == "DIGEST-MD5":
        return server_digest(domain, password)
    return server_token()


def server_plain(password):
    """Ignores the authzid, as Prosody does: to refuse it is Holdfast's part."""
    parts = (yield).decode().split("\0")
    if len(parts) != 3 or parts[2] != password:
        raise Refused("not-authorized")
    return parts[1], None


def server_token():
    try:
        user, _, secret = base64.b85decode((yield)).decode().partition(":")
    except ValueError:
        raise Refused("not-authorized") from None
    if secret != "secret":
        raise Refused("not-authorized")
    return user, None


def server_scram(mechanism, password):
    name = scram_hash(mechanism)
    initial = (yield).decode()
    flag, _, bare = initial.split(",", 2)
    if flag not in ("n", "y"):
        raise Refused("malformed-request")
    gs2 = initial[: -len(bare)]
    salt = os.urandom(9)
    nonce = fields(bare)["r"] + os.urandom(9).hex()
    first = f"r={nonce},s={base64.b64encode(salt).decode()},i=1000"
    final = (yield first.encode()).decode()
    without_proof = final.rpartition(",p=")[0]
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, 1000)
    key = hmac.digest(salted, b"Client Key", name)
    signed = f"{bare},{first},{without_proof}".encode()
    proof = xor(key, hmac.digest(hashlib.new(name, key).digest(), signed, name))
    given = fields(final)
    if base64.b64decode(given["p"]) != proof or base64.b64decode(given["c"]) != gs2.encode():
        raise Refused("not-authorized")
    signature = hmac.digest(hmac.digest(salted, b"Server Key", name), signed, name)
    return fields(bare)["n"], b"v=" + base64.b64encode(signature)


def server_digest(domain, password):
    yield
    nonce = os.urandom(12).hex()
    said = f'realm="{domain}",nonce="{nonce}",qop="auth",charset=utf-8,algorithm=md5-sess'
    given = directives((yield said.encode()).decode())

    def answer(start):
        return digest_response(
            start,
            given["username"],
            given.get("realm", domain),
            password,
            nonce,
            given["cnonce"],
            given["digest-uri"],
            given.get("authzid"),
        )

    if given["response"] != answer("AUTHENTICATE"):
        raise Refused("not-authorized")
    yield b"rspauth=" + answer("").encode()
    return given["username"], None
