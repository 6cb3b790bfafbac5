/* SPDX-License-Identifier: MIT */
/* For the swarm and the switchboard: not to sleep. */
#pragma once

#include <ev.h>

/* With BENCH_AWAKE set, the loop never sleeps. A sleeper is woken by whoever sends to it, and at
 * the sender's expense: the slower a candidate, the more often. Who never sleeps costs all of them
 * the same. */
void awake_begin(struct ev_loop *loop);
