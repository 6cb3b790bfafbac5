/* SPDX-License-Identifier: MIT */
/*
 * Holdfast as it runs: settings from a file, arenas, and two workers, whose loops are run
 * in turn on this thread instead of two of their own. Nothing in it is a stand-in.
 *
 * There is a world for each set of settings. It outlives an input, and at an input's
 * end everything in it must be as at the beginning.
 */
#pragma once

#include "proxy/arenas.h"
#include "proxy/descriptors.h"

enum { WORLD_WORKERS = 2 };

/* Two sets of settings: the usual ones with small queues, and one where everything is tight. */
enum world_kind { WORLD_USUAL, WORLD_TIGHT, WORLD_KINDS };

/* The hosts of both, by number; their servers listen on WORLD_PORT + number. */
enum { WORLD_PORT = 7000 };

/* The ports of its listeners; those of the other kinds' are so much higher. */
enum {
    WORLD_CLEAR = 5222,
    WORLD_SECURE = 5223,
    WORLD_BALANCED = 5224,
    WORLD_WEB = 5225,
    WORLD_WEB_SECURE = 5226,
    WORLD_NEXT = 10
};

enum world_host { WORLD_PLAIN, WORLD_STARTTLS, WORLD_TLS, WORLD_TOLD, WORLD_HOSTS };
extern const char *const world_hosts[WORLD_HOSTS];

struct world {
    struct conf *conf;
    struct arenas arenas;
    struct descriptors descriptors;
    struct worker_setup setup;
    struct worker *workers[WORLD_WORKERS];
    uint64_t settled_ms; /* when both loops had nothing to do */
    size_t used;         /* of the budget, with no session */
};

/* Makes it at first; and its workers, if they were stopped. */
struct world *world_enter(enum world_kind kind);

/* Runs both loops until nothing happens any more. It must end while time stands still. */
void world_settle(struct world *w);

/* Time passes, in steps, with what is due. */
void world_pass(struct world *w, uint64_t ms);

/* As at SIGTERM. */
void world_stop(struct world *w);

/* All connections are gone: so must be whatever they brought with them. */
void world_leave(struct world *w);

/* What worker number `index` lends: for looking. */
struct tools *world_tools(struct world *w, unsigned index);

/* The certificate of all hosts, with its key, as a file. */
const char *world_certificate(void);
