/* SPDX-License-Identifier: MIT */
/*
 * Most lives are ordinary in most respects and odd in some.
 */
#include "tests/sim/settings.h"

#include <stdio.h>

static struct sm_limits limits_of(struct world *w)
{
    return (struct sm_limits){
        .resume_timeout_ms = one_in(w, 4) ? between(w, 2000, 30000) : 600000,
        .ack_forwarded = one_in(w, 5),
        .request_after = between(w, 1, 10),
        .request_idle_ms = between(w, 100, 2000),
        .request_every_ms = between(w, 5000, 60000),
        .ack_timeout_ms = between(w, 3000, 60000),
        .idle_check_ms = between(w, 20000, 300000),
        .queue_stanzas = one_in(w, 4) ? between(w, 3, 12) : 1000,
        .queue_bytes = one_in(w, 4) ? between(w, 1500, 5000) : 16384,
        .stanza_bytes = between(w, 1600, 3000),
        .sessions_per_account = one_in(w, 5) ? between(w, 1, 2) : 20,
        .counter_start = one_in(w, 8) ? below(w, 1000) : UINT32_MAX - below(w, 60),
    };
}

void settings_choose(struct world *w)
{
    struct settings *set = &w->set;

    *set = (struct settings){
        .limits = limits_of(w),
        .memory = (size_t)1 << 20,
        .devices = between(w, 1, DEVICES),
        .accounts = between(w, 1, 2),
        .steps = between(w, 40, 420),
        .room = one_in(w, 3) ? between(w, 40, 1000) : 16384,
        .piece = one_in(w, 2) ? between(w, 1, 300) : 8192,
        .lag = between(w, 1, 8),
        .fault = between(w, 6, 80),
        .deaths = one_in(w, 2) ? 0 : between(w, 1, 4),
        .fuse = one_in(w, 2) ? 300 : 3000,
        .expat = one_in(w, 16),
        .parks_early = one_in(w, 2),
        .parks_simple = one_in(w, 2),
        .bounces = !one_in(w, 5),
    };
    if (one_in(w, 6)) { /* what one wake-up may bring counts as 256 KB; with less no link is read */
        set->short_memory = true;
        set->memory = between(w, 5000, 40000) + (one_in(w, 2) ? 262144 : 0);
    }
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
