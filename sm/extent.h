/* SPDX-License-Identifier: MIT */
/*
 * Which parts of an arena's data area are in use: a buddy allocator whose books
 * lie in the heap. It never touches the memory that it deals out, and it can be
 * rebuilt after a restart by claiming what the records name.
 *
 * Of the blocks that fit best, always the lowest: so what is in use stays together,
 * and the pages behind it can be given back to the system.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXTENT_MIN_ORDER = 7,  /* 128 bytes: an identity. */
    EXTENT_MAX_ORDER = 26, /* 64 MiB */
    EXTENT_ORDERS = EXTENT_MAX_ORDER - EXTENT_MIN_ORDER + 1,
    EXTENT_PAGE = 4096,
    EXTENT_LEVELS = 6,
};
#define EXTENT_NONE UINT64_MAX

/* A set of numbers below a limit that gives its least and its greatest in a few steps. */
struct extent_set {
    uint64_t
        *level[EXTENT_LEVELS]; /* 0: a bit for a number; above: a bit for a word that is not 0 */
    uint32_t levels;
    uint64_t limit;
};

/* Empty, for numbers below limit. 0 or -ENOMEM. */
[[nodiscard]] int extent_set_init(struct extent_set *s, uint64_t limit);
void extent_set_clear(struct extent_set *s);
void extent_set_add(struct extent_set *s, uint64_t n);
void extent_set_drop(struct extent_set *s, uint64_t n);
[[nodiscard]] bool extent_set_has(const struct extent_set *s, uint64_t n);
/* EXTENT_NONE: it is empty. */
[[nodiscard]] uint64_t extent_set_least(const struct extent_set *s);
[[nodiscard]] uint64_t extent_set_greatest(const struct extent_set *s);

struct extents {
    struct extent_set free[EXTENT_ORDERS]; /* blocks of that order, by their number */
    struct extent_set spare;               /* pages that hold nothing and were in use before */
    size_t spare_pages;
    size_t spare_kept; /* so many of them stay for reuse */
    bool stirred;      /* pages became spare or were used again, since that was last looked at */
    uint64_t len;
};

/* All of len bytes free. 0 or -ENOMEM. */
[[nodiscard]] int extents_init(struct extents *e, uint64_t len);
void extents_clear(struct extents *e);

/* The least power of two that holds len, at least 128; 0 if there is none so large. */
[[nodiscard]] size_t extent_size(size_t len);

/* A block of that size (a power of two as extent_size gives it), aligned to it; EXTENT_NONE: none
 * is free. */
[[nodiscard]] uint64_t extents_take(struct extents *e, size_t size);
/* Takes this very block. False, and nothing changed, if it is not a block or not wholly free. */
[[nodiscard]] bool extents_claim(struct extents *e, uint64_t at, size_t size);
void extents_give(struct extents *e, uint64_t at, size_t size);

/* A run of pages that were in use and hold nothing; the highest first. 64 KB of such pages stay for
 * reuse, and each time that it was false and nothing was stirred since, half of these. False: none.
 */
[[nodiscard]] bool extents_spare(struct extents *e, uint64_t *at, size_t *len);
