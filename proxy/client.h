/* SPDX-License-Identifier: MIT */
/*
 * A connection: one client's transport and how far its login is. It lives until
 * the network drops it or Holdfast ends it; the session goes on without it.
 *
 * client.c moves bytes: socket, PROXY header, TLS. What they mean is decided by the
 * handler, which is relay.c and its neighbours.
 */
#pragma once

#include "parser/sasl.h"
#include "proxy/tools.h"
#include "proxy/websocket.h"
#include "sm/fetch.h"
#include "sm/login.h"

enum client_phase {
    CLIENT_OPEN,
    CLIENT_LINGERING, /* all was said; its end is awaited, what it sends is dropped */
    CLIENT_DEAD,      /* freed at the end of the turn */
};

struct client_handler {
    /* Plaintext came; a loan. */
    void (*bytes)(struct client *c, struct span plain);
    /* The transport ended, in a way that was not ours. */
    void (*ended)(struct client *c, enum end end);
    /* All that was written has left; more may be. */
    void (*drained)(struct client *c);
    /* The login took too long. */
    void (*late)(struct client *c);
};

/* What is only needed until the client is bound or has resumed. */
struct negotiation {
    struct client *client;
    TAILQ_ENTRY(negotiation) successor;
    struct link *awaited; /* it is among that link's successors; NULL: of none */
    struct sasl sasl;
    struct span account;  /* bare JID as SASL showed it, prepared; absent if unseen. Owned */
    struct span bind_id;  /* of the bind request that waits for its answer. Owned */
    struct span resource; /* that it asks for; absent: none. Owned */
    struct span previd;   /* of the <resume/> being worked on. Owned */
    uint32_t resume_h;
    bool ns2;          /* the <resume/> came in urn:xmpp:sm:2 */
    bool resume_waits; /* to be taken up on arrival at the right worker */
    bool bind_waits;   /* likewise; or for the end of the old session, whose link is awaited */
    bool probing;      /* a throw-away bind is on its way */
    bool exchanging;   /* the server's answer to <auth/>, <response/> or <abort/> is awaited */
    uint8_t aborted;   /* failures still to come from the server that are not the client's */
    bool iq_auth;      /* XEP-0078 is on its way; its id is bind_id */
    bool thrown;       /* the fresh link was bound to a throw-away resource: `jid` */
};

/* A moment of writing: all stanzas up to number `stanza` lie in the first `wire` bytes. */
struct client_mark {
    uint64_t wire;
    uint32_t stanza; /* as XEP-0198 counts, modulo 2^32 */
};

enum { CLIENT_MARKS = 8 };

/* Whether a stanza of the session's link can stand below this client's header as it is. */
enum client_fit {
    CLIENT_FIT_UNKNOWN,
    CLIENT_FITS,
    CLIENT_FITS_NOT,
};

/* Each stanza is some connection's, out of thousands, and the processor's caches have forgotten it
 * since its last one: so what stanzas touch lies together, and what only beginnings and ends touch
 * lies behind it. */
struct client {
    struct tools *tools;
    const struct client_handler *handler;
    struct link *link; /* fresh, or the session's; NULL before and after */
    struct tls *tls;
    struct websocket *web; /* NULL: it speaks XMPP's own streams */
    int fd;
    enum client_phase phase;
    enum login_state login;
    bool failed;     /* something could not be kept for it: it ends as soon as that is safe */
    bool broken;     /* nothing more can be sent to it */
    bool busy;       /* the server's answer is awaited: nothing more is taken */
    bool frozen;     /* taken over: nothing more is taken, ever */
    bool asks;       /* an <r/> is to follow the stanzas */
    bool closing;    /* it sent its closing tag, and the server's is awaited */
    bool unread;     /* the session wants it not to be read: the server is too slow */
    bool taking;     /* its items are being taken, further up on the stack */
    bool goes_on;    /* something it waited for has come */
    bool present;    /* it sent its first available presence */
    bool hands_over; /* messages that an ended session left may be handed over now */
    bool moves;      /* to another worker, when this turn is over (moves_to) */
    bool expects_proxy;
    bool delayed;    /* its address connects too fast: nothing is read yet */
    bool in_line;    /* it shakes hands, and is not read until … */
    bool has_turn;   /* … it has its turn, or … */
    bool was_let_go; /* … it may go unless time is up */
    uint8_t mark;    /* of marks, the newest */
    enum client_fit fit : 8;
    size_t share; /* bytes of its session that may still be written before others have their turn */
    uint64_t wire_out; /* bytes given to the kernel */
    struct buffer out; /* ciphertext (or plaintext before TLS) that the socket did not take */
    struct buffer say; /* text that waits for the end of a half-written stanza */
    struct inflow in;
    struct span said_lang; /* what the client's own header gives to its stanzas. Owned */
    struct span said_prefixes;
    struct span lang; /* what the header given to this client gives to its. Owned */
    struct span prefixes;
    ev_io readable, writable;
    struct client_mark marks[CLIENT_MARKS]; /* the latest, in a ring */

    LIST_ENTRY(client) entry;
    SLIST_ENTRY(client) moving; /* among the worker's movers */
    TAILQ_ENTRY(client) line;   /* of handshakes */
    const struct conf_listen *listen;
    const struct conf_host *host;   /* chosen by the first header behind TLS */
    struct negotiation *login_data; /* NULL when done */
    struct span jid;                /* full JID, once bound. Owned */
    uint64_t id;                    /* for the log: unique in the process */
    uint64_t began_ms;
    uint64_t login_by_ms;          /* it has to have logged in by then (client_entry.h) */
    struct admission_place *place; /* among its address's connections that have not authenticated */
    struct sockaddr_storage peer;
    ev_timer timer;
    unsigned moves_to;      /* that worker */
    bool promised;          /* a descriptor is kept for the link of its login */
    bool expects_forwarded; /* its address stands in its HTTP request */
    bool header_given;      /* a stream header went to the client: a stream error may follow */
    bool modern;            /* its header said version 1.0 */
    uint8_t offences;       /* of them, so many have had a line of the log */
};

/* A hint (fetch.h): the client, which may be NULL, will be written to. */
static inline void client_fetch(const struct client *c)
{
    if (c)
        fetch(c, offsetof(struct client, marks));
}

/* Takes the socket, also on failure. NULL if there is no memory. */
struct client *client_new(struct tools *tools, int fd, const struct conf_listen *listen,
                          const struct sockaddr_storage *peer,
                          const struct client_handler *handler);

/* Sends; what the socket does not take now is kept. client_flush makes the system call.
 *
 * What client_write sends is bytes of a stream or of HTTP; what the other two send is XML: whole
 * elements of Holdfast's own, or one that stands for itself where the client has a WebSocket
 * (client_stands_alone). There each becomes a message. */
void client_write(struct client *c, struct span bytes);
void client_say(struct client *c, struct span elements);
void client_send(struct client *c, struct span element);
void client_flush(struct client *c);

/* The closing tag, or what stands for it; for a WebSocket a Close frame with that code. */
void client_say_close(struct client *c);
void client_close_frame(struct client *c, uint16_t code);

/* A WebSocket's last ping is answered, if it was not yet and the socket takes something. */
void client_pong(struct client *c);

/* True if what is sent to it inherits nothing from a stream's header (RFC 7395, 3.3.3). */
static inline bool client_stands_alone(const struct client *c)
{
    return c->web;
}

/* True if TLS comes before everything else, and has not begun. */
static inline bool client_owes_tls(const struct client *c)
{
    return !c->tls && (c->listen->transport == CONF_TLS || c->listen->transport == CONF_WSS);
}

/* Bytes that wait for client_flush. */
[[nodiscard]] size_t client_unflushed(const struct client *c);

/* Notes that all stanzas up to this number have been written; and, by what the client's TCP has
 * acknowledged, up to which number they have reached it: false if nothing is known. */
void client_wrote(struct client *c, uint32_t stanza);
[[nodiscard]] bool client_reached(const struct client *c, uint32_t *stanza);

/* Memory for its bytes was lacking: it ends, as soon as nobody on the stack holds it. */
void client_failed(struct client *c);

/* True if the socket takes no more for now. */
[[nodiscard]] bool client_blocked(const struct client *c);

/* From now on TLS; false: no memory. */
[[nodiscard]] bool client_start_tls(struct client *c);

/* Starts or stops reading the socket. */
void client_read(struct client *c, bool on);

/* Everything was said: flushes, closes the sending side, and waits a little for the client's end,
 * so that what was said arrives. */
void client_finish(struct client *c);

/* Closes at once. The memory is freed at the end of the turn. */
void client_drop(struct client *c);
void client_free(struct client *c); /* by the worker alone */

/* Off this worker's loop, and onto another's. */
void client_leave(struct client *c);
void client_arrive(struct client *c, struct tools *tools);

/* Its bind waits until that link's session has ended, or no longer. */
void client_succeed(struct client *c, struct link *old);
void client_succeed_no_more(struct negotiation *n);

/* Frees login_data: the login is done. */
void client_login_done(struct client *c);
