/* SPDX-License-Identifier: MIT */
/*
 * What a worker lends to everything that runs on it: its loop and clock, its
 * parser, its scratch memory, the arenas dealt to it, its lists and counters. One
 * thread uses it; nothing in it is locked.
 */
#pragma once

#include <ev.h>
#include <sys/queue.h>

#include "parser/xml.h"
#include "proxy/buffer.h"
#include "proxy/conf.h"
#include "proxy/ends.h"
#include "proxy/tls.h"
#include "sm/core.h"

struct admission;
struct client;
struct descriptors;
struct link;
struct parking;
struct resolve;
struct worker;
struct ws_reader;

enum {
    TOOLS_RECEIVE = 65536, /* bytes read from a client in one turn */
    TOOLS_PLAIN = 32768,   /* bytes decrypted at once */
    TOOLS_TEXT = 65536,
    TOOLS_CLOCKS = EV_MINPRI, /* of a turn's events, the sockets' come before those of the clocks */
};

/* clang-format off */
#define COUNTERS(X) \
    X(accepted) X(closed) X(handshakes) X(handshakes_waited) X(tls_failures) X(logins) \
    X(login_failures) X(bound) \
    X(resumptions) X(resume_refused) X(moved) X(client_bytes_in) X(client_bytes_out) \
    X(link_bytes_in) X(link_bytes_out) X(links_opened) X(links_failed) X(stanzas_in) \
    X(stanzas_out) X(stanzas_skipped) X(stanzas_lost) X(pings_answered) X(ignored) X(misplaced) \
    X(nonsense) X(edited) \
    X(replies) X(taken_over) X(refused_by_limit) X(delayed_by_limit) X(accepting_stopped) \
    X(accepts_failed) X(sessions_refused) X(turns) \
    X(unsurvivable) X(recovered) X(recovery_failed)
/* clang-format on */

struct counters {
#define X(name) uint64_t name;
    COUNTERS(X)
#undef X
    uint64_t ends[END_COUNT];
};

LIST_HEAD(clients, client);
SLIST_HEAD(movers, client);
LIST_HEAD(links, link);
TAILQ_HEAD(successors, negotiation);
TAILQ_HEAD(link_line, link);
TAILQ_HEAD(client_line, client);

/* What the server of one host is busy with, of this worker: so many logins at once, the rest in
 * line (upstream.h). */
struct gate {
    unsigned inside, most;
    unsigned called; /* out of the lines, ever */
    bool calling;    /* further up on the stack */
    struct link_line fresh, begun;
    bool warned; /* of channel binding, once */
};

struct tools {
    struct ev_loop *loop;
    struct worker *worker; /* for moving between workers only */
    unsigned index;
    const struct conf *conf;
    struct tls_keys *tls;
    struct resolve *resolve;         /* shared by all workers; it locks itself */
    struct admission *admission;     /* likewise */
    struct descriptors *descriptors; /* likewise */
    struct parking *parking;         /* NULL: no keeper, and no session outlives the process */
    struct xml *xml;
    struct sm_core *cores[SM_ARENAS]; /* those dealt to this worker; the others are NULL */
    int arena_fds[SM_ARENAS];         /* their memory */
    struct sm_orders pair[2];         /* of the batch at hand, and of the one being obeyed */
    struct sm_orders *orders;
    ev_timer sessions_timer;       /* for the earliest deadline of any session: */
    uint64_t armed_ms;             /* CLOCK_BOOTTIME; UINT64_MAX: none */
    unsigned workers;              /* in the process: an arena's worker is its number modulo this */
    struct link_line due;          /* links that are served when the turn is over … */
    unsigned due_count;            /* … so many, … */
    ev_prepare due_last;           /* … by this event, behind all others of the turn, … */
    ev_prepare due_next;           /* … or earlier, by this one */
    struct movers movers;          /* clients that go to another worker when the turn is over */
    struct gate *gates;            /* one for each host of conf */
    struct client_line handshakes; /* that wait for another turn (client_line.h) … */
    unsigned handshakes_left;      /* … as this one takes only so many more, … */
    double shake_most_s;           /* … or as many as take no longer than this; … */
    double shook_s;                /* … they took so long so far, … */
    unsigned shook;                /* … and were so many readings */
    double others_s;               /* what all else took in the turn before */
    unsigned accepts;              /* that a listener may do in this turn */
    struct clients clients;
    struct links links;
    struct clients dead_clients; /* freed at the end of the turn */
    struct links dead_links;     /* likewise, but for those that rest */
    unsigned buried;             /* clients that were freed, since their memory was given back */
    struct counters counters;
    const struct client *wire_owner; /* whose bytes are in wire */
    struct buffer wire;              /* ciphertext on its way out; empty between connections */
    const struct client *gathered_owner;
    struct buffer gathered;      /* what becomes ciphertext together; likewise */
    struct ws_reader *ws_reader; /* that connections lend each other */
    uint64_t next_id;            /* of connections and links, for the log */
    char received[TOOLS_RECEIVE];
    char plain[TOOLS_PLAIN];
    char text[TOOLS_TEXT]; /* where Holdfast's own texts are put together */
    struct buffer edited;  /* a stanza that is not carried as the bytes that came */
};

/* Gives a range of an arena's memory back to the system. */
void tools_give_back(struct tools *tools, size_t arena, size_t offset, size_t len);

/* CLOCK_BOOTTIME and CLOCK_REALTIME, milliseconds. */
uint64_t tools_now(void);
uint64_t tools_wall(void);

/* Random bytes fit for keys; the process ends if the system has none. */
void tools_random(void *p, size_t len);
