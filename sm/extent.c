/* SPDX-License-Identifier: MIT */
/*
 * A block of order o is free as a whole if its number is in the set of that order.
 * Two free halves never stay apart: giving merges upwards, taking splits downwards.
 */
#include "sm/extent.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { SPARE_KEPT = 65536 / EXTENT_PAGE };

/* --- sets --- */

/* All levels lie in one allocation, which level[0] begins. */
int extent_set_init(struct extent_set *s, uint64_t limit)
{
    uint64_t words = 0, n = limit;
    uint32_t levels = 0;

    *s = (struct extent_set){.limit = limit};
    if (!limit)
        return 0;
    do {
        assert(levels < EXTENT_LEVELS);
        n = (n + 63) / 64;
        words += n;
        levels++;
    } while (n > 1);

    uint64_t *word = calloc(words, sizeof *word);

    if (!word)
        return -ENOMEM;
    n = limit;
    for (uint32_t i = 0; i < levels; i++) {
        n = (n + 63) / 64;
        s->level[i] = word;
        word += n;
    }
    s->levels = levels;
    return 0;
}

void extent_set_clear(struct extent_set *s)
{
    free(s->level[0]);
    *s = (struct extent_set){0};
}

bool extent_set_has(const struct extent_set *s, uint64_t n)
{
    return n < s->limit && s->level[0][n / 64] >> (n % 64) & 1;
}

void extent_set_add(struct extent_set *s, uint64_t n)
{
    assert(n < s->limit);
    for (uint32_t i = 0; i < s->levels; i++, n /= 64) {
        uint64_t *word = &s->level[i][n / 64];
        bool known = *word;

        *word |= UINT64_C(1) << (n % 64);
        if (known)
            return;
    }
}

void extent_set_drop(struct extent_set *s, uint64_t n)
{
    assert(n < s->limit);
    for (uint32_t i = 0; i < s->levels; i++, n /= 64) {
        uint64_t *word = &s->level[i][n / 64];

        *word &= ~(UINT64_C(1) << (n % 64));
        if (*word)
            return;
    }
}

uint64_t extent_set_least(const struct extent_set *s)
{
    uint64_t n = 0;

    if (!s->limit || !s->level[s->levels - 1][0])
        return EXTENT_NONE;
    for (uint32_t i = s->levels; i-- > 0;)
        n = n * 64 + (uint64_t)__builtin_ctzll(s->level[i][n]);
    return n;
}

uint64_t extent_set_greatest(const struct extent_set *s)
{
    uint64_t n = 0;

    if (!s->limit || !s->level[s->levels - 1][0])
        return EXTENT_NONE;
    for (uint32_t i = s->levels; i-- > 0;)
        n = n * 64 + 63 - (uint64_t)__builtin_clzll(s->level[i][n]);
    return n;
}

/* --- blocks --- */

static struct extent_set *of_order(struct extents *e, unsigned order)
{
    return &e->free[order - EXTENT_MIN_ORDER];
}

static unsigned order_of(size_t size)
{
    assert(size && !(size & (size - 1)));
    unsigned order = (unsigned)__builtin_ctzll(size);

    assert(order >= EXTENT_MIN_ORDER && order <= EXTENT_MAX_ORDER);
    return order;
}

int extents_init(struct extents *e, uint64_t len)
{
    int r = 0;

    *e = (struct extents){.len = len, .spare_kept = SPARE_KEPT};
    for (unsigned o = EXTENT_MIN_ORDER; o <= EXTENT_MAX_ORDER && !r; o++)
        r = extent_set_init(of_order(e, o), len >> o);
    if (!r)
        r = extent_set_init(&e->spare, len / EXTENT_PAGE);
    if (r < 0) {
        extents_clear(e);
        return r;
    }

    for (uint64_t at = 0; len - at >= (UINT64_C(1) << EXTENT_MIN_ORDER);) {
        unsigned o = EXTENT_MAX_ORDER;

        while (at & ((UINT64_C(1) << o) - 1) || (UINT64_C(1) << o) > len - at)
            o--;
        extent_set_add(of_order(e, o), at >> o);
        at += UINT64_C(1) << o;
    }
    return 0;
}

void extents_clear(struct extents *e)
{
    for (unsigned o = EXTENT_MIN_ORDER; o <= EXTENT_MAX_ORDER; o++)
        extent_set_clear(of_order(e, o));
    extent_set_clear(&e->spare);
    *e = (struct extents){0};
}

size_t extent_size(size_t len)
{
    if (len > UINT64_C(1) << EXTENT_MAX_ORDER)
        return 0;
    if (len <= UINT64_C(1) << EXTENT_MIN_ORDER)
        return UINT64_C(1) << EXTENT_MIN_ORDER;
    return UINT64_C(1) << (64 - __builtin_clzll(len - 1));
}

static void use_pages(struct extents *e, uint64_t at, size_t size)
{
    uint64_t last = (at + size - 1) / EXTENT_PAGE;

    for (uint64_t page = at / EXTENT_PAGE; page <= last && e->spare_pages; page++) {
        if (extent_set_has(&e->spare, page)) {
            extent_set_drop(&e->spare, page);
            e->spare_pages--;
            e->stirred = true;
        }
    }
}

/* Splits the free block of that order until the one at `at` is of order `to`, and takes that. */
static void carve(struct extents *e, uint64_t at, unsigned order, unsigned to)
{
    extent_set_drop(of_order(e, order), at >> order);
    while (order > to) {
        order--;
        extent_set_add(of_order(e, order), (at >> order) ^ 1);
    }
    use_pages(e, at, UINT64_C(1) << to);
}

uint64_t extents_take(struct extents *e, size_t size)
{
    unsigned to = order_of(size);

    for (unsigned o = to; o <= EXTENT_MAX_ORDER; o++) {
        uint64_t n = extent_set_least(of_order(e, o));

        if (n != EXTENT_NONE) {
            carve(e, n << o, o, to);
            return n << o;
        }
    }
    return EXTENT_NONE;
}

bool extents_claim(struct extents *e, uint64_t at, size_t size)
{
    unsigned to = order_of(size);

    if (at & (size - 1))
        return false;
    for (unsigned o = to; o <= EXTENT_MAX_ORDER; o++) {
        if (extent_set_has(of_order(e, o), at >> o)) {
            carve(e, at, o, to);
            return true;
        }
    }
    return false;
}

void extents_give(struct extents *e, uint64_t at, size_t size)
{
    unsigned order = order_of(size);
    uint64_t n = at >> order;

    assert(!(at & (size - 1)) && at < e->len);
    while (order < EXTENT_MAX_ORDER && extent_set_has(of_order(e, order), n ^ 1)) {
        extent_set_drop(of_order(e, order), n ^ 1);
        order++;
        n /= 2;
    }
    assert(!extent_set_has(of_order(e, order), n)); /* given twice */
    extent_set_add(of_order(e, order), n);

    if (UINT64_C(1) << order < EXTENT_PAGE)
        return;
    for (uint64_t page = at / EXTENT_PAGE; page <= (at + size - 1) / EXTENT_PAGE; page++) {
        extent_set_add(&e->spare, page);
        e->spare_pages++;
    }
    e->stirred = true;
}

bool extents_spare(struct extents *e, uint64_t *at, size_t *len)
{
    if (e->stirred)
        e->spare_kept = SPARE_KEPT;
    if (e->spare_pages <= e->spare_kept) {
        if (!e->stirred)
            e->spare_kept /= 2;
        e->stirred = false;
        return false;
    }

    uint64_t page = extent_set_greatest(&e->spare) + 1;
    size_t run = 0;

    while (page && e->spare_pages > e->spare_kept && extent_set_has(&e->spare, page - 1)) {
        page--;
        run++;
        extent_set_drop(&e->spare, page);
        e->spare_pages--;
    }
    *at = page * EXTENT_PAGE;
    *len = run * EXTENT_PAGE;
    return true;
}
