/* SPDX-License-Identifier: MIT */
/*
 * Most lives are ordinary in most respects and odd in some.
 */
#include "tests/sim/settings.h"

#include <stdio.h>

/* Each choice is a statement of its own: in an initializer they would come in any order. */
static void choose_limits(struct world *w, struct sm_limits *l)
{
    l->resume_timeout_ms = one_in(w, 4) ? between(w, 2000, 30000) : 600000;
    l->ack_forwarded = one_in(w, 5);
    l->request_after = between(w, 1, 10);
    l->request_idle_ms = between(w, 100, 2000);
    l->request_every_ms = between(w, 5000, 60000);
    l->ack_timeout_ms = between(w, 3000, 60000);
    l->idle_check_ms = between(w, 20000, 300000);
    l->queue_stanzas = one_in(w, 4) ? between(w, 3, 12) : 1000;
    l->queue_bytes = one_in(w, 4) ? between(w, 1500, 5000) : 16384;
    l->stanza_bytes = between(w, 1600, 3000);
    l->sessions_per_account = one_in(w, 5) ? between(w, 1, 2) : 20;
    l->counter_start = one_in(w, 8) ? below(w, 1000) : UINT32_MAX - below(w, 60);
}

/* The network and the process. */
static void choose_ways(struct world *w, struct settings *set)
{
    set->room = one_in(w, 3) ? between(w, 40, 1000) : 16384;
    set->piece = one_in(w, 2) ? between(w, 1, 300) : 8192;
    set->lag = between(w, 1, 8);
    set->expat = one_in(w, 16);
    set->parks_early = one_in(w, 2);
    set->parks_simple = one_in(w, 2);
    set->bounces = !one_in(w, 5);
}

/* What one wake-up may bring counts as 256 KB: with less memory than that no link is read. */
static void choose_memory(struct world *w, struct settings *set)
{
    set->memory = (size_t)1 << 20;
    set->large = one_in(w, 10);
    if (set->large) {
        set->limits.stanza_bytes = between(w, 6000, 7000);
        set->limits.queue_bytes = one_in(w, 2) ? 65536 : 16384;
    }
    set->short_memory = one_in(w, 6);
    if (set->short_memory)
        set->memory = between(w, 5000, 40000);
    if (set->short_memory && one_in(w, 2))
        set->memory += 262144;
}

void settings_choose(struct world *w)
{
    struct settings *set = &w->set;

    *set = (struct settings){0};
    choose_limits(w, &set->limits);
    choose_ways(w, set);
    choose_memory(w, set);
    set->devices = between(w, 1, DEVICES);
    set->accounts = between(w, 1, 2);
    set->steps = between(w, 40, 600);
    set->fault = between(w, 1, 4);
    set->pace = between(w, 2, 5);
    set->deaths = one_in(w, 2) ? 0 : between(w, 1, 4);
    set->fuse = one_in(w, 2) ? 300 : 3000;
}

void settings_devices(struct world *w)
{
    bool same = one_in(w, 6);

    for (uint32_t i = 0; i < DEVICES; i++) {
        struct device *d = &w->devices[i];

        *d = (struct device){.connection = -1, .story = -1};
        uint32_t account = i % w->set.accounts, resource = same ? i / 3 : i / w->set.accounts;

        snprintf(d->account, sizeof d->account, "a%u@" DOMAIN, account);
        snprintf(d->resource, sizeof d->resource, "r%u", resource);
        snprintf(d->jid, sizeof d->jid, "a%u@" DOMAIN "/r%u", account, resource);
    }
}

void settings_calm(struct world *w)
{
    w->set.room = 16384;
    w->set.piece = 8192;
    w->set.lag = 1000000;
}
