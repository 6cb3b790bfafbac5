/* SPDX-License-Identifier: MIT */
/*
 * The process's death, behind any store and any system call, and its next life.
 *
 * At that instant the arena is copied, and from then on no system call has an effect;
 * so what the dead process was doing can run to its end on the old memory, and is
 * forgotten with it.
 */
#pragma once

#include "tests/sim/world.h"

/* Sometimes: the stores and calls until the process dies are counted from now on. */
void death_threatens(struct world *w);

/* The same where it is most dangerous: it dies within the next few stores. */
void death_looms(struct world *w);

/* If the process is dead: its successor takes over what is in the arena and in the kernel. May die
 * in doing so, again and again. */
void death_follows(struct world *w);

/* It dies now, in the middle of nothing. */
void death_now(struct world *w);
