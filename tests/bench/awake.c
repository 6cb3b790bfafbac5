/* SPDX-License-Identifier: MIT */
/* What a machine that is never idle does to the figures: README.md. */
#include "tests/bench/awake.h"

#include <sched.h>
#include <stdlib.h>

static void stay_awake(struct ev_loop *, ev_idle *, int)
{
    sched_yield();
}

void awake_begin(struct ev_loop *loop)
{
    static ev_idle awake;

    if (!getenv("BENCH_AWAKE"))
        return;
    ev_idle_init(&awake, stay_awake);
    ev_idle_start(loop, &awake);
}
