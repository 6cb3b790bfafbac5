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

/* Notes that the process which had the arena is dead. True if that makes DEATHS_MAX in a row within
 * DEATHS_WITHIN_MS, and the same session was posted at each. now_ms: CLOCK_BOOTTIME. */
[[nodiscard]] bool deaths_note(struct arena *a, uint64_t now_ms);
