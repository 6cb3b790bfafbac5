/* SPDX-License-Identifier: MIT */
/*
 * The stand-in for a legacy server, as its files share it: what was asked for, what was counted,
 * the links.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/load/accounts.h"
#include "tests/load/words.h"

/* What the summary shows, in this order. */
#define STANDIN_COUNTS(X)                                                                          \
    X(links)          /* accepted */                                                               \
    X(open)           /* of them, now */                                                           \
    X(logins)         /* by SASL */                                                                \
    X(bound)          /* of them, those that bound a resource */                                   \
    X(unbound)        /* links that ended in order without having bound */                         \
    X(unbound_abrupt) /* the same without a closing tag */                                         \
    X(closed)         /* bound links that ended in order */                                        \
    X(abrupt)         /* bound links that ended without a closing tag */                           \
    X(unavailable)    /* unavailable presences from bound links */                                 \
    X(conflicts)      /* bound links that gave way to another of the same JID */                   \
    X(messages)       /* from clients, without errors */                                           \
    X(errors)         /* messages of type error from clients */                                    \
    X(passed)         /* messages passed to somebody who was there */                              \
    X(kept)           /* messages kept for somebody who was not */                                 \
    X(echoed)                                                                                      \
    X(pings)  /* with numbers */                                                                   \
    X(probes) /* pings without */                                                                  \
    X(ended)  /* by mischief; so the next four */                                                  \
    X(resets) /* of them, so many by RST */                                                        \
    X(urgents)                                                                                     \
    X(stalls)                                                                                      \
    X(full) /* of them, those behind which much had to wait */                                     \
    X(bytes_in)                                                                                    \
    X(bytes_out)                                                                                   \
    X(faults)

struct standin_counts {
#define X(name) uint64_t name;
    STANDIN_COUNTS(X)
#undef X
};

struct link;

struct standin {
    struct ev_loop *loop;
    const char *domain;
    double lag_s;    /* mean of the pauses before a link is read; 0: none */
    bool may_vanish; /* bound links may end without a closing tag */
    bool mischief;   /* SIGUSR2 asks for it; links without a session may vanish */
    struct dice dice;
    struct accounts *accounts;
    struct standin_counts counts;
    struct link *links; /* all */
    struct link *dirty; /* those with something to send, until the end of the turn */
};

/* Says what is wrong, and counts it. */
void standin_fault(struct standin *s, const char *jid, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes the socket. */
void link_new(struct standin *s, int fd);
void link_free(struct link *l);

/* Puts bytes for the peer; they go at the end of the turn. */
void link_put(struct link *l, const void *p, size_t len);

/* Sends what was put; frees links that are over. Once a turn. */
void links_flush(struct standin *s);

/* What a bound client said: passes it on, answers it, counts it. */
void route(struct standin *s, struct account *from, struct text item);

/* Does something to some links that are in good order. */
void mischief(struct standin *s);

/* The account's client is gone, as its presence said or as its link ended. */
void route_gone(struct account *from);
