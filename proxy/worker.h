/* SPDX-License-Identifier: MIT */
/*
 * Threads: each with its loop, its listeners and the arenas dealt to it. Workers
 * share nothing on a stanza's way; what has to cross goes by mailbox.
 */
#pragma once

#include "proxy/tools.h"

enum { WORKERS_MAX = SM_ARENAS }; /* more would have no arena */

struct admission;
struct descriptors;
struct listener_set;

struct gone_host {
    SLIST_ENTRY(gone_host) next;
    struct conf_host host; /* its domain alone. Owned */
};
SLIST_HEAD(gone_hosts, gone_host);

/* The arenas and limits of the whole process; owned by main, which outlives the workers. */
struct worker_setup {
    const struct conf *conf;
    struct resolve *resolve;
    struct admission *admission;
    struct descriptors *descriptors;
    struct tls_keys *tls;
    struct sm_core *cores[SM_ARENAS];
    int arena_fds[SM_ARENAS];
    unsigned workers;
    bool keeper;            /* there is one, and it has the arenas */
    struct gone_hosts gone; /* of sessions whose host is not in the configuration any more */
    struct worker **all;    /* filled in as they are made */
};

/* A worker with its arenas and tools, not running yet. 0 or -errno. */
[[nodiscard]] int worker_new(struct worker **out, struct worker_setup *setup, unsigned index);
void worker_free(struct worker *w); /* after worker_join, or never started; NULL is allowed */

/* What it lends; for others than itself before it was started only. */
struct tools *worker_tools(struct worker *w);

/* Begins its thread. */
[[nodiscard]] int worker_start(struct worker *w);
/* Ends it: connections are closed, nothing is said. leave: what is parked is the next process's. */
void worker_stop(struct worker *w, bool leave);
/* How many sessions it ended. */
unsigned worker_join(struct worker *w);

/* Has `deed` done on the worker's thread, soon. False: no memory. */
typedef void worker_deed(struct tools *tools, void *arg);
[[nodiscard]] bool worker_post(struct worker *w, worker_deed *deed, void *arg);
