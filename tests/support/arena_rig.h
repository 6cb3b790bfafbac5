/* SPDX-License-Identifier: MIT */
/*
 * An arena on memory of its own, with the slots that records have, and a budget that
 * knows no limit until the test sets one.
 */
#pragma once

#include "sm/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ARENA_RIG_SIZE = 4 << 20, ARENA_RIG_STONE = 56 };

static struct sm_budget budget;

static inline struct arena arena_of(size_t size)
{
    struct arena a;
    void *base = aligned_alloc(EXTENT_PAGE, size);

    assert_non_null(base);
    memset(base, 0, size);
    budget.used = 0;
    budget.max = SIZE_MAX;
    assert_int_equal(
        arena_init(&a, base, size, sizeof(struct record_slot), ARENA_RIG_STONE, &budget), 0);
    return a;
}

static inline struct arena new_arena(void)
{
    return arena_of(ARENA_RIG_SIZE);
}

/* Nothing is left taken. */
static inline void free_arena(struct arena *a)
{
    void *base = a->base;

    assert_int_equal(budget.used, 0);
    arena_clear(a);
    free(base);
}
