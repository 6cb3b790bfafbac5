/* SPDX-License-Identifier: MIT */
/*
 * Who talks to Holdfast: clients and servers, what is known of each, and the sessions that came
 * of them. What they say and hear is told to the oracle (negotiation_oracle.h); what servers
 * answer is in negotiation_answer.c.
 */
#pragma once

#include "tests/fuzz/negotiation_side.h"
#include "tests/fuzz/negotiation_world.h"

enum {
    PEERS_CLIENTS = 16, /* connections of clients, in one input */
    PEERS_SERVERS = 16, /* links */
    PEERS_MODELS = 16,  /* sessions */
    PEERS_NAME = 64,
    PEERS_ASKED = 16, /* elements of stream management that are owed an answer */
};

/* A session, as the test knows it. Counts are without the number where they begin. */
struct model {
    char id[PEERS_NAME];         /* "": not resumable */
    char owner[PEERS_NAME];      /* bare JID; "": not known for sure */
    struct server_peer *server;  /* its link's; NULL: not known */
    struct client_peer *client;  /* its latest */
    uint32_t said;               /* the highest h that a client was told */
    uint32_t handled;            /* what an honest client would say */
    uint32_t delivered;          /* stanzas that ever came, … */
    uint32_t numbers[SIDE_TAGS]; /* … and their tags by place; 0: none */
    bool leaving;                /* its server saw it leave */
};

struct asked {
    char what;     /* 'e'nable, re's'ume, 'r' */
    uint32_t sent; /* stanzas in front of it */
    struct model *model;
    uint32_t h;
};

struct client_peer {
    struct side end;
    unsigned name; /* in the script */
    const char *host;
    char jid[PEERS_NAME];      /* bound */
    char account[PEERS_NAME];  /* bare; "": not known for sure */
    struct server_peer *fresh; /* of the link that its login went through */
    struct model *session;
    char request[PEERS_NAME]; /* id of the latest iq that it got */
    char from[PEERS_NAME];
    uint32_t sent;        /* stanzas */
    uint32_t counts_from; /* those behind this many count in its session … */
    uint32_t base;        /* … which had so many before */
    uint32_t limit;       /* none behind this many were taken: another connection has the session */
    struct asked asked[PEERS_ASKED];
    unsigned asked_first, asked_count;
    bool superseded;  /* another connection has its session; what it still reads is old */
    bool polite;      /* answers each <r/> … */
    bool owes;        /* … as soon as it has read all */
    bool secures;     /* it was told to proceed */
    bool may_restart; /* the next document is due */
    bool authenticated;
    bool bound;
    bool lost_count; /* it sent what cannot be read, or too much to follow */
};

struct server_peer {
    struct side end;
    enum world_host host;
    struct client_peer *client; /* whose login it is; NULL: not known */
    char mechanism[32];
    char user[PEERS_NAME]; /* who logs in, as the server reads it; "": not known */
    char resource[PEERS_NAME];
    char account[PEERS_NAME];     /* bound, as the client was told; "": not known */
    char thrown[PEERS_NAME];      /* the bare JID that it last gave to a bind */
    char request[PEERS_NAME];     /* ids of the latest iq that it got, … */
    char bind[PEERS_NAME];        /* … bind … */
    char legacy[PEERS_NAME];      /* … set of jabber:iq:auth … */
    char ping[PEERS_NAME];        /* … and ping */
    struct buffer answers;        /* what a well-behaved server would say next */
    unsigned step;                /* of the exchange */
    uint32_t last_delivered;      /* of its tags: the index of the latest that came, plus 1 */
    bool holds;                   /* does not answer by itself */
    bool authenticated;           /* it said <success/> */
    bool bound;                   /* the client was told so */
    bool bye;                     /* closes when all answers are given */
    bool told;                    /* the PROXY header was read */
    bool asked, secures, secured; /* TLS: it was asked to, it said that it will, it has */
};

/* How a client connects: bare is behind a balancer, and TLS does not begin by itself; WebSocket is
 * behind a web server or under TLS, and bare again means that nothing is asked for by itself. */
enum peers_way {
    PEERS_TLS,
    PEERS_STARTTLS,
    PEERS_TLS13,
    PEERS_BALANCED,
    PEERS_BARE,
    PEERS_WEB,
    PEERS_WEB_TLS,
    PEERS_WEB_BARE,
    PEERS_WAYS,
};

struct peers {
    struct world *world;
    uint32_t start; /* where the counters of sessions begin */
    struct client_peer clients[PEERS_CLIENTS];
    unsigned client_count;
    struct server_peer servers[PEERS_SERVERS];
    unsigned server_count;
    struct model models[PEERS_MODELS];
    unsigned model_count;
    bool mute;              /* new servers do not answer by themselves */
    bool forwards;          /* ack = forwarded */
    bool untagged_presence; /* of a client's: servers cannot tell it from Holdfast's */
};

extern struct peers peers;

/* `truly`: TLS is OpenSSL's. */
void peers_begin(enum world_kind kind, bool truly);
/* All connections end, and nothing of them is left. */
void peers_end(void);

/* A client connects, from address number `from`. NULL: there are too many. */
struct client_peer *peers_open(unsigned name, enum peers_way way, enum world_host host,
                               unsigned from);

/* The latest connection of that name; NULL: none. */
struct client_peer *peers_client(unsigned name);

/* TLS begins; `newest`: version 1.3, of the true kind. */
void peers_secure(struct client_peer *c, bool newest);

/* Runs Holdfast, and lets the others read and answer, until nobody has anything to say. */
void peers_settle(void);
