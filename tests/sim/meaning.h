/* SPDX-License-Identifier: MIT */
/*
 * What an item is, read in the simplest way, since all items here are the simulation's
 * or Holdfast's own; in some lives expat judges each of them as well, and the two have
 * to agree.
 */
#pragma once

#include "tests/sim/world.h"

/* False: it is no element. Spans point into raw. */
[[nodiscard]] bool meaning_of(struct world *w, struct span raw, struct item *item);
