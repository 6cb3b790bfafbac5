/* SPDX-License-Identifier: MIT */
/*
 * The process: the caller of sm/, which obeys its orders as proxy/ does, between
 * sockets of the simulated kernel. All of it is gone when the process dies.
 *
 *     holder.c         what may be done next, deadlines, memory
 *     holder_orders.c  a batch: the commit, then the deeds; writing to clients
 *     holder_down.c    the server's bytes as items
 *     holder_up.c      the client's bytes as items
 *     holder_login.c   bind, enable, resume, messages handed over
 *     holder_ends.c    how connections and sessions end
 */
#pragma once

#include "proxy/inflow.h"
#include "sm/session.h"
#include "tests/sim/kernel.h"

enum { MARKS = 8, RANDOM_BYTES = 24 };

enum hold_phase {
    HOLD_FREE,
    HOLD_OPEN,
    HOLD_LEAVING, /* all was said; the peer's end is awaited */
};

enum hold_login {
    HOLD_AUTHENTICATED,
    HOLD_BOUND,
    HOLD_SESSION, /* by <enable/> or <resume/> */
};

struct hold_mark {
    uint64_t wire;   /* bytes given to the kernel when … */
    uint32_t stanza; /* … all up to this one had been written */
};

struct hold_connection {
    struct holder *h;
    struct hold_link *link;
    struct inflow in;
    struct buffer out, say;
    struct hold_mark marks[MARKS];
    uint64_t wire_out;
    uint64_t late_ms; /* a deadline; 0: none */
    struct sm_id previd;
    uint32_t resume_h;
    unsigned mark;
    size_t share; /* bytes that may still be written to it in this turn */
    int socket;
    enum hold_phase phase;
    enum hold_login login;
    bool busy, frozen, asks, closing, unread, taking, goes_on, present, hands_over, bind_waits;
    bool enable_waits, blocked; /* the socket takes no more */
    bool enable_simple, enable_ns2;
    uint64_t enable_max_ms;
};

struct hold_link {
    struct holder *h;
    struct hold_connection *client;
    struct sm_session *session;
    struct inflow in;        /* before the session */
    struct buffer out;       /* the same */
    uint64_t received, sent; /* since connect */
    uint64_t leave_ms;
    int socket;
    int story;
    enum hold_phase phase;
    bool over, eof, broken, reads, skips, inactive, settling;
};

struct holder {
    struct world *w;
    struct sm_core *core;
    struct sm_budget budget;
    struct sm_orders pair[2], *orders;
    struct hold_link links[LINKS];                   /* by socket */
    struct hold_connection connections[CONNECTIONS]; /* the same */
    struct buffer edited;
    char text[2048]; /* for an answer */
};

/* --- holder.c --- */

/* A process on fresh memory. */
struct holder *holder_new(struct world *w);
/* A process without a core yet. */
struct holder *holder_empty(struct world *w);
void holder_free(struct holder *h);
/* Does something of what may be done; false: there is nothing to do. */
bool holder_turn(struct world *w);
/* When it wants to be woken; UINT64_MAX: never. */
uint64_t holder_deadline(const struct holder *h);
/* Gives unused pages back, and looks again at links that were not read for want of memory. */
void holder_housekeeping(struct holder *h);
/* The administrator ends it, or its connection. */
void holder_finish(struct hold_link *l);
void holder_detach(struct hold_link *l);

/* The link's socket has a place in the process. */
struct hold_link *holder_link(struct holder *h, int socket, int story);
struct story *holder_story(const struct hold_link *l);

/* --- holder_orders.c --- */

bool holder_tell(struct hold_link *l, struct sm_event event);
/* Commits and obeys until nothing is left to do. The session may be gone afterwards. */
void holder_obey(struct hold_link *l);
void holder_commit(struct hold_link *l);
void holder_send(struct hold_link *l);
/* Bytes for the server that count nowhere: through the session, if there is one. */
void holder_pass(struct hold_link *l, struct span text);
void holder_link_write(struct hold_link *l, struct span bytes);
void holder_link_flush(struct hold_link *l);
void holder_say(struct hold_link *l, struct span text);
void holder_serve(struct hold_link *l);
void holder_write(struct hold_connection *c, struct span bytes);
void holder_puts(struct hold_connection *c, const char *text);
void holder_flush(struct hold_connection *c);
bool holder_blocked(const struct hold_connection *c);
/* Room for one stanza with what an edit may add. */
struct sink holder_sink(struct holder *h, size_t len);
/* Drops orders that nobody is to obey. */
void holder_take_back(struct holder *h);

/* --- holder_down.c --- */

void holder_link_readable(struct hold_link *l);
/* A session's bytes; of those behind a recovery the session knows already. */
void holder_session_bytes(struct hold_link *l, struct span fresh, bool known);
uint32_t holder_request(const struct item *item, struct span peer);

/* --- holder_up.c --- */

void holder_readable(struct hold_connection *c);
void holder_go_on(struct hold_connection *c);
/* More may be written to it. */
void holder_drained(struct hold_connection *c);

/* --- holder_login.c --- */

void holder_bind(struct hold_connection *c);
void holder_bind_now(struct hold_connection *c);
void holder_enable(struct hold_connection *c, const struct item *item);
/* If that is waited for, and nothing stands before it any more. */
void holder_enable_now(struct hold_connection *c);
void holder_resume(struct hold_connection *c, const struct item *item);
void holder_hand_over(struct hold_connection *c);
struct sm_text holder_account(const struct hold_connection *c);
struct sm_text holder_jid(const struct hold_connection *c);

/* --- holder_ends.c --- */

enum hold_end {                 /* of a connection; what becomes of its session */
                END_LOST,       /* it is held */
                END_TAKEN_OVER, /* it is another connection's by now */
                END_ERROR,      /* it ends */
                END_OVER,       /* it has ended */
};

void holder_end(struct hold_connection *c, enum hold_end end, const char *error);
/* A half-written stanza forbids any word. */
void holder_end_connection(struct hold_connection *c, const char *error, bool speaks);
void holder_closed(struct hold_connection *c); /* its closing tag came */
void holder_drop(struct hold_connection *c);
void holder_attached(struct hold_link *l, enum sm_end end);
void holder_server_over(struct hold_link *l, enum sm_end end);
void holder_unconfirmed(struct hold_link *l);
void holder_return(struct hold_link *l);
void holder_over(struct hold_link *l);
void holder_leave(struct hold_link *l, bool word);
void holder_leaving(struct hold_link *l);
