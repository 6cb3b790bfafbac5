/* SPDX-License-Identifier: MIT */
/*
 * The swarm, as its files share it: many clients in one process, all of one kind, which log in,
 * talk and come back on command. Their stanzas are numbered by their place in the XEP-0198 count,
 * so that what is unacknowledged need not be kept: it is written again from its number.
 */
#pragma once

#include "tests/bench/channel.h"

#include <stdint.h>

/* How what is heard is answered. */
enum talk {
    TALK_NONE, /* not at all */
    TALK_BACK, /* with a message to the other of the pair: what is in flight stays in flight */
    TALK_NEXT, /* by the next client's message to its own other: one in flight among all */
    TALK_ALL,  /* once all have heard the first, by the first's next one to each */
};

enum login {
    LOGIN_NONE,
    LOGIN_HEADER,   /* in the clear, before STARTTLS */
    LOGIN_PROCEED,  /* waits for <proceed/> */
    LOGIN_FEATURES, /* with the mechanisms */
    LOGIN_SUCCESS,
    LOGIN_AGAIN, /* waits for the features of the second stream */
    LOGIN_BIND,
    LOGIN_ENABLE, /* waits for <enabled/> or <resumed/> */
    LOGIN_LIVE,
};

struct client {
    struct swarm *swarm;
    struct channel channel;
    uint32_t number;
    enum login login;
    char id[96];          /* of the session to be resumed; empty: none */
    uint32_t said, acked; /* messages said; how many of them are acknowledged */
    uint32_t asked;       /* how many had been said at the last <r/> */
    uint32_t handled;     /* stanzas heard since <enabled/> */
    uint32_t due, heard;  /* the number of the next message; how many came */
};

struct swarm_counts {
    uint64_t said, heard, lost, doubled, again, resumed, refused, dropped;
};

struct swarm {
    struct ev_loop *loop;
    SSL_CTX *tls;
    struct sockaddr_in to;
    const char *domain, *password;
    bool starttls, plain, managed, fans;
    bool knocks; /* the clients hang up after their handshake */
    unsigned count, length, ask_every;
    struct client *clients;
    enum talk talk;
    struct swarm_counts counts;
    unsigned live, coming, next; /* clients: live, logging in, and the next one to do so */
    unsigned knocked;            /* clients that have hung up */
    unsigned at_once;            /* so many log in at a time */
    double began;
    uint32_t *waits_us; /* from said to heard, of the last WAITS_MAX messages */
    size_t waits;
    struct bytes page;
};

enum { WAITS_MAX = 1 << 20 };

/* --- login.c --- */

/* Begins to connect. */
void login_begin(struct client *c);

/* What came before the client was live. */
void login_item(struct client *c, enum scan_found found, struct text item);
void login_open(struct client *c);
void login_secure(struct client *c);

/* --- client.c --- */

void client_init(struct client *c, struct swarm *s, uint32_t number);

/* Has messages ready to be flushed: to the other of the pair, or to all. */
void client_say(struct client *c, unsigned count);

/* The session lives: what is not acknowledged is said again. */
void client_resumed(struct client *c, struct text item);
void client_live(struct client *c);

/* --- swarm.c --- */

void swarm_came(struct swarm *s, struct client *c);
void swarm_knocked(struct swarm *s, struct client *c);
void swarm_lost(struct swarm *s, struct client *c, const char *why);
uint64_t now_us(void);
