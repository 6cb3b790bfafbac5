/* SPDX-License-Identifier: MIT */
/*
 * A link: the TCP connection to the legacy server, opened for a client's login and
 * kept for its session. Link and session live and die together.
 *
 * link.c moves bytes; upstream.c finds a server to talk to. What the bytes mean is
 * decided by the handler, which is relay.c and its neighbours.
 */
#pragma once

#include <stddef.h>

#include "proxy/inflow.h"
#include "proxy/parking.h"
#include "proxy/tools.h"
#include "sm/fetch.h"
#include "sm/session.h"

enum link_phase {
    LINK_IN_LINE, /* waits for its turn to be dialed */
    LINK_DIALING,
    LINK_OPEN,
    LINK_LEAVING, /* all was said; the server's end is awaited */
    LINK_DEAD,    /* freed at the end of this turn, or when it has rested */
};

enum link_stage { /* what is expected of the server next */
                  LINK_HEADER,
                  LINK_FEATURES,
                  LINK_PROCEED, /* the answer to our own <starttls/> */
                  LINK_READY,   /* features were seen; or the server is older than XMPP 1.0 */
};

struct link_handler {
    void (*opened)(struct link *l);                   /* TCP, and TLS if direct, are up */
    void (*failed)(struct link *l);                   /* no upstream could be reached */
    void (*bytes)(struct link *l, struct span fresh); /* a loan */
    void (*closed)(struct link *l, int error);        /* EOF (0) or -errno */
    void (*drained)(struct link *l);                  /* more may be sent */
};

/* What stanzas touch comes first, as in struct client. */
struct link {
    struct tools *tools;
    const struct link_handler *handler;
    struct client *client;      /* that logs in through it, or is attached; NULL: none */
    struct sm_session *session; /* whose link it is; NULL: none yet */
    struct tls *tls;
    int fd;
    enum link_phase phase;
    bool settling; /* orders are being obeyed, further up on the stack */
    bool due;      /* something is to be written or sent when the turn is over (orders.h) */
    bool reads;
    bool broken;  /* nothing more can be sent on it */
    bool eof;     /* the server's end was seen */
    bool in_line; /* its login waits for its turn, and so does what is written to it */
    bool skips;   /* the rest of a stanza from the server for which there was no memory */
    bool over;    /* the server's closing tag or stream error was seen */
    bool departs; /* moves to another worker when this turn is over */
    uint64_t received, sent; /* bytes since connect; of the plaintext, if the link is plaintext */
    struct buffer out;       /* before the session, and ciphertext */
    struct span lang, prefixes;           /* what the server's header gives to its stanzas. Owned */
    struct span gave_lang, gave_prefixes; /* what our header gives to the client's. Owned */
    ev_io readable, writable;
    TAILQ_ENTRY(link) due_entry;

    LIST_ENTRY(link) entry;
    TAILQ_ENTRY(link) line;
    const struct conf_host *host;
    struct inflow in;    /* before the session; afterwards the tail lies in the arena */
    struct buffer early; /* written before the handshake with the server was done */
    struct span id_text; /* the server's stream id. Owned */
    struct span error;   /* the server's stream error, as the client is to see it. Owned */
    struct sockaddr_storage client_peer; /* for the PROXY header */
    struct sockaddr_storage client_local;
    uint64_t id;    /* for the log */
    size_t address; /* which of the host's addresses is being tried */
    ev_timer timer;
    struct parked parked;         /* a session's: its socket outlives the process */
    struct successors successors; /* new logins whose bind waits for its session's end */
    enum link_stage stage;
    bool gated;       /* it is its turn among the host's logins */
    bool starved;     /* the system had no descriptor for it, or no memory */
    bool counted;     /* among the descriptors taken */
    bool secured;     /* our own STARTTLS is done */
    bool modern;      /* the server's header said version 1.0 */
    bool inactive;    /* the last CSI state that was passed upstream, before there was a session */
    bool ended;       /* our closing tag was said */
    uint8_t rests;    /* dead, for so many ends of turns before its socket is closed */
    uint8_t offences; /* of the server, so many have had a line of the log */
};

/* A hint (fetch.h): the link, which may be NULL, will have something to do. */
static inline void link_fetch(const struct link *l)
{
    if (l)
        fetch(l, offsetof(struct link, entry));
}

/* Of a server's stanza, in bytes: it may fill a queue by itself, but it may always be as long as a
 * client's. */
size_t link_stanza_max(const struct conf *conf);

/* A link for the client's login, in line or dialing. NULL: no memory. */
struct link *link_new(struct client *c, const struct link_handler *handler);

/* The link of a session that an earlier process had, or of one that is no more (session NULL, to be
 * left at once). Takes fd; -1: it ended. NULL: no memory, and fd is as before. */
struct link *link_found(struct tools *tools, struct sm_session *session, int fd,
                        const struct conf_host *host, const struct link_handler *handler);

/* Sends; what the socket does not take is kept. link_flush makes the system call for what is kept.
 */
void link_write(struct link *l, struct span bytes);
/* There is no memory for what should go out: the link is good for nothing. The next read says so.
 */
void link_spoil(struct link *l);
void link_puts(struct link *l, const char *text);
void link_flush(struct link *l);

/* Sends straight from where the bytes lie: how many the socket took (for TLS: all or none). Not
 * while anything is kept. */
[[nodiscard]] size_t link_send(struct link *l, struct span bytes);
[[nodiscard]] bool link_blocked(const struct link *l);

void link_read(struct link *l, bool on);

/* Our side of TLS to the server begins; false: no memory. */
[[nodiscard]] bool link_start_tls(struct link *l, bool direct);

/* Says </stream:stream>, unless it was said before. */
void link_end_stream(struct link *l);

/* Says </stream:stream> if `word`, closes the sending side when all has left, and waits for the
 * server's end, five seconds at most. Nobody is told of anything any more. */
void link_leave(struct link *l, bool word);

/* Ends at once; freed at the end of the turn, or when it has rested (link_rests). */
void link_drop(struct link *l);
/* The same, and the server does not see it: what is parked goes on. */
void link_forsake(struct link *l);
/* True if a dead link is not to be freed in this turn. A socket that is parked stays in the loop's
 * epoll set when it is closed, and libev, which cannot take out by its number what is closed, then
 * makes the whole set anew. While it is open the loop takes it out at the event of its end. */
[[nodiscard]] bool link_rests(struct link *l);
void link_free(struct link *l); /* by the worker alone */

/* Off this worker's loop, and onto another's. */
void link_depart(struct link *l);
void link_arrive(struct link *l, struct tools *tools);
