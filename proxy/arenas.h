/* SPDX-License-Identifier: MIT */
/*
 * The memory of the sessions: sparse memfds of full size, mapped once, sealed
 * against shrinking, and left out of core dumps.
 */
#pragma once

#include "proxy/worker.h"

struct arenas {
    void *base[SM_ARENAS];
    int fd[SM_ARENAS];
    struct sm_core *core[SM_ARENAS];
    size_t size; /* of each */
    struct sm_limits limits;
    struct sm_budget budget;
};

/* Makes all arenas anew. 0 or -errno; then nothing is left. */
[[nodiscard]] int arenas_open(struct arenas *a, const struct conf *conf, uint32_t counter_start);
void arenas_close(struct arenas *a);
