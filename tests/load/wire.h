/* SPDX-License-Identifier: MIT */
/*
 * A client's connection: TCP, and TLS once it is asked for; and the ways in which it fails.
 *
 * What is put is encrypted at once, and sent when the wire is flushed, so the place of
 * its last byte among all bytes of the connection is known: what the kernel was never given cannot
 * have reached the other side. A fuse lets the wire go dead at one byte, up or down.
 */
#pragma once

#include <ev.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/load/bytes.h"

enum wire_told {
    WIRE_CONNECTED,
    WIRE_SECURE, /* the handshake is done */
    WIRE_BYTES,  /* more is in `in` */
    WIRE_BLOWN,  /* the fuse; nothing moves any more */
    WIRE_ENDED,  /* by the other side; `why` says how */
};

enum wire_end {
    WIRE_RESET,  /* RST */
    WIRE_FINISH, /* FIN */
    WIRE_NOTIFY, /* TLS close_notify, then FIN */
};

struct wire {
    struct ev_loop *loop;
    void (*tell)(struct wire *w, enum wire_told what);
    void *owner;
    int fd; /* -1 once ended */
    SSL *ssl;
    SSL_SESSION **ticket; /* where the newest is to be kept; the owner's */
    ev_io readable, writable;
    ev_timer spark; /* tells of the fuse from the loop, never from within a call */
    bool connected, secure, blown, deaf;
    struct bytes in;              /* what came, decrypted */
    struct bytes out;             /* what is not sent yet, encrypted */
    uint64_t put, sent, received; /* bytes of the connection, encrypted */
    uint64_t fuse_up, fuse_down;  /* at which it goes dead; UINT64_MAX: never */
    const char *why;
};

/* Begins to connect; w->ticket may be set then. False: not even that. `owner` is told of the rest.
 */
[[nodiscard]] bool wire_open(struct wire *w, struct ev_loop *loop, const struct sockaddr_in *to);

/* Begins TLS; what was put before has been sent in the clear. Resumes *ticket if `resumes`. */
void wire_secure(struct wire *w, SSL_CTX *ctx, const char *domain, bool resumes);

/* Puts bytes for the other side; says the place of the last of them. */
uint64_t wire_put(struct wire *w, const void *p, size_t len);
uint64_t wire_puts(struct wire *w, const char *s);
void wire_flush(struct wire *w);

/* True if a part of a TLS record waits for its rest. */
bool wire_halfway(const struct wire *w);

/* Neither reads nor writes any more; the socket stays open. */
void wire_stick(struct wire *w);

/* Ends it and lets go of all it holds. May be called twice. */
void wire_end(struct wire *w, enum wire_end how);

/* A context for clients that trust `ca`. Exits with a message if it cannot be made. */
SSL_CTX *wire_context(const char *ca);
