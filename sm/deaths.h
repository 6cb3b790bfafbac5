/* SPDX-License-Identifier: MIT */
/*
 * The deaths that an arena saw, and which session was being worked on at each: one that
 * kills every process that takes it over must not do so for ever.
 *
 * A death is noted by the successor, when it opens the arena. Whatever else killed the
 * process in between ends the row: only who was there each time is to blame.
 */
#pragma once

#include "sm/arena.h"

enum { DEATHS_MAX = 5, DEATHS_WITHIN_MS = 60000 };

/* A session's slot and generation in one word, never 0. */
static inline uint64_t deaths_name(uint32_t slot, uint32_t generation)
{
    return (uint64_t)generation << 32 | (slot + 1);
}

/* That session is worked on from now on; or not any more, if it was this slot's. */
void deaths_begin(struct arena *a, uint64_t name);
void deaths_end(struct arena *a, uint32_t slot);

/* Notes that the process which had the arena is dead; nobody is worked on now. The name of who was
 * worked on at each of the last DEATHS_MAX deaths, all within DEATHS_WITHIN_MS; 0: nobody was.
 * now_ms: CLOCK_BOOTTIME. */
[[nodiscard]] uint64_t deaths_note(struct arena *a, uint64_t now_ms);
