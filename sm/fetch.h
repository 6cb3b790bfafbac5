/* SPDX-License-Identifier: MIT */
/*
 * Among thousands of connections and sessions, none is in the processor's caches when its turn
 * comes. Whoever knows early what will be touched asks for it, and waits for nothing.
 */
#pragma once

#include <stddef.h>

enum { FETCH_LINE = 64 };

/* For writing, too. Nothing happens where no memory is. */
static inline void fetch(const void *p, size_t len)
{
    for (size_t at = 0; at < len; at += FETCH_LINE)
        __builtin_prefetch((const char *)p + at, 1);
}
