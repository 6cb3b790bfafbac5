/* SPDX-License-Identifier: MIT */
/*
 * What kind of life it is: limits, memory, network and luck, from the seed.
 */
#pragma once

#include "tests/sim/world.h"

void settings_choose(struct world *w);
/* Who has which account and resource; some have the same. */
void settings_devices(struct world *w);
/* The network is good from now on. */
void settings_calm(struct world *w);
