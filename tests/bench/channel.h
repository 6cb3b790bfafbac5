/* SPDX-License-Identifier: MIT */
/*
 * A client's connection, for speed: TCP, and TLS straight over the socket. One recv and one send
 * a wake-up where that is enough; the wire of tests/load, which can be cut at any byte, costs more.
 */
#pragma once

#include <ev.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "tests/load/bytes.h"
#include "tests/load/scan.h"

enum channel_told {
    CHANNEL_OPEN,   /* connected */
    CHANNEL_SECURE, /* the handshake is done */
    CHANNEL_BYTES,  /* more is in `in` */
    CHANNEL_ENDED,  /* by the other side, or refused */
};

struct channel {
    struct ev_loop *loop;
    void (*tell)(struct channel *c, enum channel_told what);
    void *owner;
    int fd; /* -1: not open */
    SSL *ssl;
    bool connected, secure;
    ev_io readable, writable;
    struct scan scan; /* where the stream in `in` stands */
    struct bytes in;  /* decrypted */
    struct bytes out; /* to be encrypted and sent with the next flush */
};

/* Begins to connect; the owner is told of the rest. False: there is no socket. */
[[nodiscard]] bool channel_open(struct channel *c, struct ev_loop *loop,
                                const struct sockaddr_in *to);

/* Begins TLS; what was put before has to be sent. */
void channel_secure(struct channel *c, SSL_CTX *ctx, const char *domain);

/* The next item in `in`; messages are found faster than by scan_next alone. */
enum scan_found channel_next(struct channel *c, struct text *out);

/* Sends what is in `out`, now or as soon as there is room. */
void channel_flush(struct channel *c);

/* Closes the socket without a word, as a failing network would. May be called twice. */
void channel_cut(struct channel *c);

/* A context for clients: TLS 1.3, no tickets, and certificates are not looked at. */
SSL_CTX *channel_context(void);

/* The next item of a stream, for both sides: a message ends at its own end tag. */
enum scan_found items_next(struct scan *s, struct bytes *in, struct text *out);
