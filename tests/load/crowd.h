/* SPDX-License-Identifier: MIT */
/*
 * The crowd, as its files share it: what was asked for, what was counted, and the phases of a run.
 */
#pragma once

#include <ev.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/load/words.h"

struct client;
struct stream;

/* Troubles, as they are named on the command line, each with its usual weight. */
#define TROUBLES(X)                                                                                \
    X(reset, 4)    /* RST */                                                                       \
    X(finish, 3)   /* FIN */                                                                       \
    X(notify, 1)   /* TLS close_notify, then FIN, without a closing tag */                         \
    X(silence, 3)  /* reads and writes no more; the socket stays open for a while */               \
    X(half, 3)     /* inside a stanza */                                                           \
    X(record, 3)   /* inside a TLS record */                                                       \
    X(takeover, 3) /* resumes on a new connection while the old one is fine */                     \
    X(logout, 1)   /* closing tag; logs in again later */

enum trouble {
#define X(name, weight) TROUBLE_##name,
    TROUBLES(X)
#undef X
        TROUBLE_COUNT,
};

struct options {
    const char *domain, *ca, *user;
    struct sockaddr_in starttls, tls; /* port 0: not used */
    unsigned clients;
    double seconds;   /* of talk and trouble */
    double say_every; /* seconds, of one client, on average; so the next three */
    double cut_every;
    double away;
    double linger;   /* a silent socket stays open for so long */
    double fuse;     /* the share of connections that go dead at a random byte */
    double gather;   /* first logins a second */
    double report;   /* seconds between two lines of figures; 0: none */
    double patience; /* seconds without an end in sight that count as a hang */
    bool echo;       /* each talks to the server's echo, not to another client */
    bool prompt;     /* nobody stays away much longer than others */
    bool may_drop;   /* the other side may drop connections, and refuse new ones */
    bool may_end;    /* the server may end links, and so sessions */
    uint64_t seed;
    unsigned len_max; /* bytes of the longest messages */
    unsigned weights[TROUBLE_COUNT];
};

/* What the summary shows, in this order; the troubles come behind. */
#define CROWD_COUNTS(X)                                                                            \
    X(connects) /* connections begun */                                                            \
    X(refused)  /* of them, refused */                                                             \
    X(tickets)  /* TLS sessions that were resumed */                                               \
    X(logins)   /* sessions begun */                                                               \
    X(resumed)                                                                                     \
    X(cuts)      /* connections that failed, in any way */                                         \
    X(blown)     /* of them, at a fuse's byte */                                                   \
    X(dropped)   /* connections that the other side ended, unasked */                              \
    X(conflicts) /* connections taken over, and told so */                                         \
    X(stale)     /* resumptions of closed sessions, rightly refused */                             \
    X(lost)      /* sessions that were refused, and must not be */                                 \
    X(told)      /* streams that ended because the server had ended the link */                    \
    X(ended)     /* sessions that did */                                                           \
    X(doubted)   /* messages that came back as it is not known whether they were heard */          \
    X(logouts)                                                                                     \
    X(said) /* numbered messages */                                                                \
    X(heard)                                                                                       \
    X(returned)                                                                                    \
    X(pings)                                                                                       \
    X(pongs)                                                                                       \
    X(acks)  /* counts heard */                                                                    \
    X(again) /* stanzas said again at resumptions */                                               \
    X(gone)  /* unavailable presences of the other client */                                       \
    X(faults)

struct crowd_counts {
#define X(name) uint64_t name;
    CROWD_COUNTS(X)
#undef X
    uint64_t troubles[TROUBLE_COUNT];
};

enum phase {
    PHASE_GATHER, /* all log in */
    PHASE_RUN,    /* talk and trouble */
    PHASE_CALM,   /* no more of either: all come back, and hear what is left */
    PHASE_LEAVE,  /* all log out */
};

struct crowd {
    struct ev_loop *loop;
    struct options options;
    struct crowd_counts counts;
    enum phase phase;
    ev_tstamp phase_began, began;
    SSL_CTX *tls;
    struct words *words;
    struct client *clients; /* options.clients of them */
    struct stream *dead;    /* to be freed at the end of the turn */
    struct bytes page;      /* for what is being written */
};

/* Says what is wrong with whom, and counts it. */
void crowd_fault(struct crowd *crowd, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads the command line; exits with the usage if it makes no sense. */
void options_read(struct options *o, int argc, char **argv);
