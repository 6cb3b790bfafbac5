/* SPDX-License-Identifier: MIT */
/*
 * Pools: that things are apart, zeroed, and given back; and that slabs go with the last of them.
 */
#include "sm/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 1000, BYTES = 56 };

static void things_are_apart_and_zeroed(void **)
{
    struct pool p = {.size = BYTES};
    unsigned char *things[MANY];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            things[i] = pool_take(&p);
            assert_non_null(things[i]);
            assert_int_equal((uintptr_t)things[i] % _Alignof(max_align_t), 0);
            for (int at = 0; at < BYTES; at++)
                assert_int_equal(things[i][at], 0);
            memset(things[i], i, BYTES);
        }
        for (int i = 0; i < MANY; i++)
            for (int at = 0; at < BYTES; at++)
                assert_int_equal(things[i][at], i & 255);
        for (int i = 0; i < MANY; i++)
            pool_give(&p, things[(i * 7) % MANY]);
        assert_null(p.roomy); /* and the sanitizer finds no leak */
    }
}

static void room_is_used_again_before_there_is_more(void **)
{
    struct pool p = {.size = BYTES};
    void *things[MANY], *again;

    for (int i = 0; i < MANY; i++)
        things[i] = pool_take(&p);
    pool_give(&p, things[1]);
    pool_give(&p, things[MANY / 2]);
    again = pool_take(&p);
    assert_ptr_equal(again, things[MANY / 2]);
    things[MANY / 2] = again;
    things[1] = pool_take(&p);
    for (int i = 0; i < MANY; i++)
        pool_give(&p, things[i]);
    assert_null(p.roomy);
}

static void a_plain_pool_is_the_allocator(void **)
{
    struct pool p = {.size = BYTES, .plain = true};
    void *thing = pool_take(&p);

    assert_non_null(thing);
    pool_give(&p, thing);
    pool_give(&p, NULL);
    assert_null(p.roomy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(things_are_apart_and_zeroed),
        cmocka_unit_test(room_is_used_again_before_there_is_more),
        cmocka_unit_test(a_plain_pool_is_the_allocator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
