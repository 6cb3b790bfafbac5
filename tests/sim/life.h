/* SPDX-License-Identifier: MIT */
/*
 * One life: some devices, their sessions one after another, everything that may go
 * wrong with them, and the end of all of it.
 */
#pragma once

#include "tests/sim/world.h"

/* What a job needs for all its lives, one after another. */
struct world *life_world(void);
void life_world_free(struct world *w);

/* False: something was violated, and was said. */
[[nodiscard]] bool life_lives(struct world *w, uint64_t seed, bool tracing);

/* The seed of the life in hand, for whoever reports a crash. */
extern uint64_t life_seed;
