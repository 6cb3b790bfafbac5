/* SPDX-License-Identifier: MIT */
/*
 * An id has one spelling, and nothing else is read as one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sm/ids.h"
#include "sm/limits.h"

static const struct sm_id sample = {
    .node = 1,
    .arena = 15,
    .slot = 0x01020304,
    .generation = 0xfffefdfc,
    .random = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255},
};

static void the_spelling_never_changes(void **)
{
    char text[SM_ID_TEXT];

    sm_id_write(&sample, text);
    assert_string_equal(text, "AQEPAQIDBP_-_fwAAQIDBAUGBwgJCgsMDQ7_");
}

static void what_was_written_is_read(void **)
{
    char text[SM_ID_TEXT];
    struct sm_id id;

    for (unsigned i = 0; i < 1000; i++) {
        struct sm_id other = sample;

        for (unsigned j = 0; j < sizeof other.random; j++)
            other.random[j] = (uint8_t)(i * 31 + j * i);
        other.slot = i * 0x9e3779b9u;
        sm_id_write(&other, text);
        assert_true(sm_id_read(&id, text, strlen(text)));
        assert_true(sm_id_same(&id, &other));
    }
}

static void nothing_else_is_read(void **)
{
    char text[SM_ID_TEXT], other[SM_ID_TEXT + 1];
    struct sm_id id;

    sm_id_write(&sample, text);
    size_t len = strlen(text);

    for (size_t cut = 0; cut < len; cut++)
        assert_false(sm_id_read(&id, text, cut));
    assert_false(sm_id_read(&id, text, len + 1)); /* its zero with it */
    snprintf(other, sizeof other, "%s=", text);
    assert_false(sm_id_read(&id, other, len + 1));
    for (size_t at = 0; at < len; at++) {
        for (int c = 0; c < 256; c++) {
            char again[SM_ID_TEXT];

            memcpy(other, text, sizeof text);
            other[at] = (char)c;
            if (sm_id_read(&id, other, len)) {
                sm_id_write(&id, again);
                assert_string_equal(again, other);
            }
        }
    }
}

static void another_version_is_not_ours(void **)
{
    struct sm_id id;

    assert_false(sm_id_read(&id, "AgEPAQIDBP_-_fwAAQIDBAUGBwgJCgsMDQ7_", 36));
    assert_false(sm_id_read(&id, "AAEPAQIDBP_-_fwAAQIDBAUGBwgJCgsMDQ7_", 36));
}

static void each_part_makes_an_id_another(void **)
{
    struct sm_id other = sample;

    assert_true(sm_id_same(&sample, &other));
    other.node++;
    assert_false(sm_id_same(&sample, &other));
    other = sample;
    other.arena++;
    assert_false(sm_id_same(&sample, &other));
    other = sample;
    other.slot ^= 1u << 31;
    assert_false(sm_id_same(&sample, &other));
    other = sample;
    other.generation ^= 1;
    assert_false(sm_id_same(&sample, &other));
    other = sample;
    other.random[15] ^= 1;
    assert_false(sm_id_same(&sample, &other));
}

/* Records name their arena by it, over restarts and versions. */
static void the_arena_of_an_account_never_changes(void **)
{
    assert_int_equal(sm_id_arena("", 0), 1);
    assert_int_equal(sm_id_arena("alice@example.org", 17), 5);
    assert_int_equal(sm_id_arena("bob@example.org", 15), 3);
}

static void accounts_are_spread_over_the_arenas(void **)
{
    unsigned count[SM_ARENAS] = {0};
    char account[32];

    for (int i = 0; i < 16000; i++) {
        int len = snprintf(account, sizeof account, "user%d@example.org", i);

        count[sm_id_arena(account, (size_t)len)]++;
    }
    for (int i = 0; i < SM_ARENAS; i++)
        assert_in_range(count[i], 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_spelling_never_changes),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(nothing_else_is_read),
        cmocka_unit_test(another_version_is_not_ours),
        cmocka_unit_test(each_part_makes_an_id_another),
        cmocka_unit_test(the_arena_of_an_account_never_changes),
        cmocka_unit_test(accounts_are_spread_over_the_arenas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
