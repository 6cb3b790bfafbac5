/* SPDX-License-Identifier: MIT */
/*
 * The memory of the sessions: sparse memfds of full size, mapped once, sealed
 * against shrinking, and left out of core dumps.
 */
#pragma once

#include "proxy/keeper.h"
#include "proxy/worker.h"

struct arenas {
    void *base[SM_ARENAS];
    int fd[SM_ARENAS];
    bool kept[SM_ARENAS]; /* the keeper gave it, and has it still */
    struct sm_core *core[SM_ARENAS];
    size_t size[SM_ARENAS];
    struct sm_limits limits;
    struct sm_budget budget;
    uint32_t sessions, left, damaged; /* found when they were opened: as in struct sm_recovery */
};

/* Those that a keeper gave back, with what is in them, and the others anew. 0; -EBUSY: another
 * process uses one; -EPROTO: one has another program's layout; other -errno; then nothing is left,
 * and what was given back is as it was. What is no arena is logged, and begun anew. */
[[nodiscard]] int arenas_open(struct arenas *a, const struct conf *conf, uint32_t counter_start,
                              struct keeper_gifts *gifts);
/* Hands those to the keeper that it has not, and waits for the proof. 0 or -errno. */
[[nodiscard]] int arenas_keep(const struct arenas *a);
void arenas_close(struct arenas *a);
