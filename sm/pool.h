/* SPDX-License-Identifier: MIT */
/*
 * Things of one size that live long, side by side.
 *
 * A session outlives its connections, and TLS has a hundred pieces of memory for each of
 * these. Were what stays to lie between them, nothing of what they leave could go
 * back to the system. So what stays has slabs of its own, which come and go as a whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pool_slab;

struct pool {
    size_t size;             /* bytes of a thing */
    struct pool_slab *roomy; /* slabs with room, whose things come and go; owned */
    bool plain;              /* each is the allocator's: then checkers of memory see it */
};

#ifdef HOLDFAST_POOLS
#define POOL(bytes)                                                                                \
    {                                                                                              \
        .size = (bytes)                                                                            \
    }
#else
#define POOL(bytes)                                                                                \
    {                                                                                              \
        .size = (bytes), .plain = true                                                             \
    }
#endif

/* Zeroed; NULL: no memory. Of the caller until pool_give, which takes NULL, too. */
[[nodiscard]] void *pool_take(struct pool *p);
void pool_give(struct pool *p, void *thing);
