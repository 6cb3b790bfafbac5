# SPDX-License-Identifier: MIT
"""A TLS client that asks for new keys (KeyUpdate, RFC 8446, 4.6.3), as no library lets a script do.

Each request is answered by TLS itself, before any XMPP: so it is OpenSSL that is driven here, over
memory as in client.py.
"""

import ctypes
import socket

CRYPTO = ctypes.CDLL("libcrypto.so.3")
SSL = ctypes.CDLL("libssl.so.3")
ANSWER_TOO = 1  # SSL_KEY_UPDATE_REQUESTED
ROOM = 1 << 20

for library, name in (
    (SSL, "TLS_client_method"),
    (SSL, "SSL_CTX_new"),
    (SSL, "SSL_new"),
    (CRYPTO, "BIO_s_mem"),
    (CRYPTO, "BIO_new"),
):
    getattr(library, name).restype = ctypes.c_void_p


def made(value):
    return ctypes.c_void_p(value)


class KeyAsker:
    """Has a handshake behind it, and takes as little of what it is sent as TCP allows."""

    def __init__(self, address):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.sock.settimeout(10)
        self.sock.connect(address)
        context = made(SSL.SSL_CTX_new(made(SSL.TLS_client_method())))
        self.ssl = made(SSL.SSL_new(context))
        self.incoming, self.outgoing = (
            made(CRYPTO.BIO_new(made(CRYPTO.BIO_s_mem()))) for _ in range(2)
        )
        SSL.SSL_set_bio(self.ssl, self.incoming, self.outgoing)
        SSL.SSL_set_connect_state(self.ssl)
        self.room = ctypes.create_string_buffer(ROOM)
        while SSL.SSL_do_handshake(self.ssl) != 1:
            self.sock.sendall(self.written())
            data = self.sock.recv(65536)
            CRYPTO.BIO_write(self.incoming, data, len(data))
        self.sock.sendall(self.written())

    def written(self):
        size = CRYPTO.BIO_read(self.outgoing, self.room, ROOM)
        return self.room.raw[: max(0, size)]

    def requests(self, count):
        for _ in range(count):
            SSL.SSL_key_update(self.ssl, ANSWER_TOO)
            if SSL.SSL_do_handshake(self.ssl) != 1:
                raise OSError("no KeyUpdate can be written")
        return self.written()

    def close(self):
        self.sock.close()
