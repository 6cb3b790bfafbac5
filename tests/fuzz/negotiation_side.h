/* SPDX-License-Identifier: MIT */
/*
 * A client's or a server's end of a connection: the plug, TLS where that is spoken, and both
 * directions read as streams, by expat.
 */
#pragma once

#include <openssl/ssl.h>

#include "tests/fuzz/negotiation_plugs.h"
#include "tests/fuzz/negotiation_web.h"
#include "tests/fuzz/negotiation_wire.h"

enum { SIDE_TAGS = 64 }; /* stanzas of one side that are followed */

/* A message or presence that is known by its id, and has to come exactly once. */
struct tag {
    uint32_t number;   /* in the id */
    uint32_t position; /* among all stanzas that were sent on this connection, from 1 */
    bool came;         /* to the other side */
    bool excused;      /* it was answered with an error */
};

/* What its bytes go through (negotiation_tls.h). */
enum side_tls { SIDE_CLEAR, SIDE_MOCK, SIDE_TRUE };

/* One end of a cable, the other of which is Holdfast. */
struct side {
    struct plug *plug; /* NULL: closed, and all is read */
    enum side_tls tls;
    SSL *ssl;             /* of the true kind */
    SSL_SESSION **ticket; /* where it is kept; NULL: nowhere */
    bool dials;           /* it is TLS's client */
    bool ready;           /* its handshake is done */
    struct buffer early;  /* said before the handshake was done */
    struct wire got, sent;
    struct web web; /* below these, if it comes by WebSocket */
    bool quoted;    /* the mock's last byte quotes the next */
    bool deaf;      /* its handshake failed, or what it reads would be one */
    bool hung_up;
    bool stalled; /* does not read */
    bool ever_stalled;
    struct tag tags[SIDE_TAGS]; /* of what this peer sent, in order */
    unsigned tag_count;
    uint32_t next_number;
};

/* On a fresh connection. A side is cleared before it is used again; its parsers are kept. */
void side_init(struct side *e, struct plug *p, const struct wire_reader *got,
               const struct wire_reader *sent, void *peer);
void side_clear(struct side *e);

/* TLS begins: the client's side, to that host; `ticket` is NULL or a session to resume, and is set
 * to one that can be. `newest`: version 1.3. And the server's, with a certificate. Neither is of
 * the true kind unless there is that (negotiation_tls.h). */
void side_dial(struct side *e, const char *host, SSL_SESSION **ticket, bool newest);
void side_accept(struct side *e, const char *certificate);

void side_say(struct side *e, struct span text);    /* as bytes of the stream */
void side_bytes(struct side *e, struct span bytes); /* below the stream, and above TLS */
void side_raw(struct side *e, struct span bytes);   /* below TLS */
void side_alert(struct side *e);                    /* close_notify */
void side_hang_up(struct side *e, bool reset);

/* Reads what Holdfast wrote. True if there was something. */
bool side_hear(struct side *e);
