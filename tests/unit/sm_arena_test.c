/* SPDX-License-Identifier: MIT */
/*
 * The allocator against a map of bytes, the layout, and the two ways to write.
 */
#include "tests/support/arena_rig.h"

#include <errno.h>

enum { SIZE = ARENA_RIG_SIZE, SLOT = sizeof(struct record_slot), STONE = ARENA_RIG_STONE };

static void done_with(struct arena *a)
{
    void *base = a->base;

    arena_clear(a);
    assert_int_equal(budget.used, 0);
    free(base);
}

static void an_extent_is_the_least_power_of_two(void **)
{
    assert_int_equal(extent_size(0), 128);
    assert_int_equal(extent_size(128), 128);
    assert_int_equal(extent_size(129), 256);
    assert_int_equal(extent_size(4096), 4096);
    assert_int_equal(extent_size(4097), 8192);
    assert_int_equal(extent_size((size_t)1 << EXTENT_MAX_ORDER), (size_t)1 << EXTENT_MAX_ORDER);
    assert_int_equal(extent_size(((size_t)1 << EXTENT_MAX_ORDER) + 1), 0);
    assert_int_equal(extent_size(SIZE_MAX), 0);
}

static void the_parts_do_not_overlap(void **)
{
    struct arena a = arena_of(SIZE);

    assert_true(a.staging_at >= 4096);
    assert_int_equal(a.slots_at, a.staging_at + ARENA_STAGING);
    assert_true(a.stones_at >= a.slots_at + (uint64_t)a.slots * SLOT);
    assert_true(a.data_at >= a.stones_at + (uint64_t)a.stones * STONE);
    assert_int_equal(a.data_at % 4096, 0);
    assert_true(a.slots > 400);
    assert_true(a.stones > 1000);
    done_with(&a);
}

static void a_large_arena_has_full_tables(void **)
{
    size_t size = (size_t)2 << 30;
    struct arena a;
    char *base = aligned_alloc(4096, size); /* its pages are not touched but the first */

    memset(base, 0, 4096);
    budget.used = 0;
    budget.max = SIZE_MAX;
    assert_int_equal(arena_init(&a, base, size, SLOT, STONE, &budget), 0);
    assert_int_equal(a.slots, ARENA_SLOTS_MAX);
    assert_int_equal(a.stones, SM_TOMBSTONES);
    uint64_t at = arena_take(&a, (size_t)1 << EXTENT_MAX_ORDER);

    assert_true(at && at + ((size_t)1 << EXTENT_MAX_ORDER) <= size);
    assert_int_equal((at - a.data_at) % ((size_t)1 << EXTENT_MAX_ORDER), 0);
    arena_give(&a, at, (size_t)1 << EXTENT_MAX_ORDER);
    done_with(&a);
}

static void a_small_one_is_refused(void **)
{
    static char nothing[4096];
    struct arena a;

    for (size_t size = 0; size <= 128 << 10; size += 4096)
        assert_int_equal(arena_init(&a, nothing, size, SLOT, STONE, &budget), -EINVAL);
    a = arena_of(256 << 10);
    assert_true(arena_take(&a, 30000));
    done_with(&a);
}

/* --- taking and giving --- */

static void all_of_it_can_be_taken_and_given(void **)
{
    struct arena a = arena_of(SIZE);
    size_t room = a.size - a.data_at, count = 0;
    uint64_t *at = calloc(room / 128 + 1, sizeof *at);

    while ((at[count] = arena_take(&a, 1)))
        count++;
    assert_int_equal(count, room / 128);
    assert_int_equal(budget.used, count * 128);
    assert_int_not_equal(count % 7919, 0); /* then i * 7919 comes to each place once */
    for (size_t i = 0; i < count; i++)
        arena_give(&a, at[(i * 7919) % count], 128);
    uint64_t half = arena_take(&a, (size_t)2 << 20);

    assert_true(half); /* all grew together again */
    arena_give(&a, half, (size_t)2 << 20);
    free(at);
    done_with(&a);
}

enum { MAP = SIZE / 128, KEPT = 500 };
static struct kept {
    uint64_t at;
    size_t size;
} kept[KEPT];
static bool map[MAP];

static void mark(const struct kept *k, bool to)
{
    for (uint64_t i = k->at / 128; i < (k->at + k->size) / 128; i++) {
        assert_int_equal(map[i], !to);
        map[i] = to;
    }
}

static void no_byte_is_dealt_out_twice(void **)
{
    struct arena a = arena_of(SIZE);
    size_t used = 0;

    srand(1);
    memset(map, 0, sizeof map);
    memset(kept, 0, sizeof kept);
    for (int i = 0; i < 200000; i++) {
        struct kept *k = &kept[rand() % KEPT];

        if (k->at) {
            mark(k, false);
            arena_give(&a, k->at, k->size);
            used -= k->size;
            k->at = 0;
            continue;
        }
        k->size = extent_size((size_t)1 << rand() % 17);
        k->at = arena_take(&a, k->size);
        if (!k->at)
            continue;
        assert_true(arena_holds(&a, k->at, k->size));
        assert_true(k->at >= a.data_at && k->at + k->size <= SIZE);
        mark(k, true);
        used += k->size;
        assert_int_equal(budget.used, used);
    }
    done_with(&a);
}

/* A recovery takes what the records name, and nothing that they do not name is lost. */
static void claiming_all_again_leaves_the_same_free(void **)
{
    struct arena a = arena_of(SIZE), b;

    srand(2);
    memset(kept, 0, sizeof kept);
    for (int i = 0; i < 20000; i++) {
        struct kept *k = &kept[rand() % KEPT];

        if (k->at)
            arena_give(&a, k->at, k->size);
        k->size = extent_size((size_t)1 << rand() % 15);
        k->at = arena_take(&a, k->size);
    }
    size_t used = a.used; /* which arena_of forgets */

    b = arena_of(SIZE);
    budget.used = used;
    for (int i = 0; i < KEPT; i++) {
        if (!kept[i].at)
            continue;
        assert_true(arena_claim(&b, kept[i].at, kept[i].size));
        assert_false(arena_claim(&b, kept[i].at, kept[i].size));
        assert_false(arena_claim(&b, kept[i].at, 128));
    }
    budget.max = SIZE_MAX;
    assert_int_equal(b.used, a.used);
    for (size_t size = (size_t)1 << 22; size >= 128; size /= 2) {
        uint64_t one, two;

        do {
            one = arena_take(&a, size);
            two = arena_take(&b, size);
            assert_int_equal(one, two);
        } while (one);
    }
    void *base = a.base;

    arena_clear(&a);
    free(base);
    done_with(&b);
}

static void only_well_formed_places_are_held(void **)
{
    struct arena a = arena_of(SIZE);

    assert_true(arena_holds(&a, a.data_at, 128));
    assert_true(arena_holds(&a, a.data_at + 4096, 4096));
    assert_false(arena_holds(&a, a.data_at + 128, 4096));
    assert_false(arena_holds(&a, a.data_at, 64));
    assert_false(arena_holds(&a, a.data_at, 129));
    assert_false(arena_holds(&a, a.data_at, 0));
    assert_false(arena_holds(&a, a.data_at - 128, 128));
    assert_false(arena_holds(&a, 0, 128));
    assert_true(arena_holds(&a, SIZE - 128, 128));
    assert_false(arena_holds(&a, SIZE, 128));
    assert_false(arena_holds(&a, UINT64_MAX - 127, 128));
    assert_false(arena_holds(&a, a.data_at, (size_t)1 << 26));
    assert_false(arena_claim(&a, a.data_at + 64, 128));
    done_with(&a);
}

static void beyond_the_budget_nothing_is_dealt_out(void **)
{
    struct arena a = arena_of(SIZE);

    budget.max = 1024;
    assert_int_equal(arena_take(&a, 1025), 0);
    assert_int_equal(budget.used, 0);
    uint64_t at = arena_take(&a, 1024);

    assert_true(at);
    assert_int_equal(arena_take(&a, 1), 0);
    assert_int_equal(arena_take_slot(&a, SLOT), UINT32_MAX);
    arena_give(&a, at, 1024);
    assert_int_equal(arena_take_slot(&a, SLOT), 0);
    assert_int_equal(arena_take(&a, 512), 0);
    budget.max = 0; /* made smaller: nothing must wrap */
    assert_int_equal(arena_take(&a, 1), 0);
    assert_int_equal(budget.used, SLOT);
    done_with(&a);
}

static void what_is_given_up_for_it_does_not_count_against_it(void **)
{
    struct arena a = arena_of(SIZE);
    uint64_t small, large;

    budget.max = 4096;
    small = arena_take(&a, 1024);
    assert_true(small);
    assert_false(arena_affords(&a, 4096, 0));
    assert_int_equal(arena_take_instead(&a, 4096, 0), 0);
    assert_true(arena_affords(&a, 4096, 1024));
    large = arena_take_instead(&a, 4096, 1024);
    assert_true(large);
    assert_int_equal(budget.used, 5120);
    arena_give(&a, small, 1024);
    assert_int_equal(budget.used, 4096);
    assert_false(arena_affords(&a, 8192, 4096));
    arena_give(&a, large, 4096);
    done_with(&a);
}

static void slots_are_dealt_out_from_the_lowest(void **)
{
    struct arena a = arena_of(SIZE);

    for (uint32_t i = 0; i < a.slots; i++)
        assert_int_equal(arena_take_slot(&a, SLOT), i);
    assert_int_equal(arena_take_slot(&a, SLOT), UINT32_MAX);
    assert_int_equal(budget.used, (size_t)a.slots * SLOT);
    arena_give_slot(&a, 77, SLOT);
    arena_give_slot(&a, 5, SLOT);
    assert_true(arena_claim_slot(&a, 5, SLOT));
    assert_false(arena_claim_slot(&a, 5, SLOT));
    assert_false(arena_claim_slot(&a, a.slots, SLOT));
    assert_int_equal(arena_take_slot(&a, SLOT), 77);
    done_with(&a);
}

/* --- pages for the system --- */

static void pages_never_used_are_not_spare(void **)
{
    struct arena a = arena_of(SIZE);
    size_t at, len;

    assert_false(arena_spare(&a, &at, &len));
    arena_give(&a, arena_take(&a, 65536), 65536);
    assert_false(arena_spare(&a, &at, &len)); /* so much is kept for reuse */
    done_with(&a);
}

static void pages_that_hold_nothing_any_more_are_spare_once(void **)
{
    struct arena a = arena_of(SIZE);
    uint64_t low = arena_take(&a, 65536), high = arena_take(&a, (size_t)1 << 20);
    size_t at, len;

    arena_give(&a, high, (size_t)1 << 20);
    assert_true(arena_spare(&a, &at, &len));
    assert_int_equal(at, high + 65536);
    assert_int_equal(len, (1 << 20) - 65536);
    assert_false(arena_spare(&a, &at, &len));
    arena_give(&a, low, 65536);
    assert_true(arena_spare(&a, &at, &len));
    assert_int_equal(len, 65536);
    assert_false(arena_spare(&a, &at, &len));
    done_with(&a);
}

/* As a timer asks: until there is no more. */
static size_t spare_now(struct arena *a)
{
    size_t at, len, sum = 0;

    while (arena_spare(a, &at, &len))
        sum += len;
    return sum;
}

static void what_is_kept_for_reuse_and_not_used_is_spare_bit_by_bit(void **)
{
    struct arena a = arena_of(SIZE);

    arena_give(&a, arena_take(&a, 65536), 65536);
    assert_int_equal(spare_now(&a), 0);
    assert_int_equal(spare_now(&a), 0); /* it was not stirred since */
    assert_int_equal(spare_now(&a), 32768);
    assert_int_equal(spare_now(&a), 16384);
    arena_give(&a, arena_take(&a, 65536), 65536);
    assert_int_equal(spare_now(&a), 0);
    for (int i = 0; i < 7; i++)
        (void)spare_now(&a);
    assert_int_equal(a.extents.spare_pages, 0);
    done_with(&a);
}

/* Spare pages are none of those that hold something; gives how many bytes. */
static size_t spare_beside(struct arena *a, const uint64_t *at, int count)
{
    size_t from, len, sum = 0;

    while (arena_spare(a, &from, &len)) {
        assert_true(from % 4096 == 0 && len && len % 4096 == 0);
        for (int i = 0; i < count; i++)
            assert_false(at[i] && at[i] >= from && at[i] < from + len);
        sum += len;
    }
    return sum;
}

static void a_page_with_anything_in_it_is_not_spare(void **)
{
    struct arena a = arena_of(SIZE);
    enum { COUNT = 8192 };
    static uint64_t at[COUNT];
    static bool full[SIZE / 4096];
    int pages = 0;

    for (int i = 0; i < COUNT; i++)
        at[i] = arena_take(&a, 128);
    for (int i = 0; i < COUNT; i++) {
        if (i % 32 == 7 && i < COUNT / 2)
            continue;
        arena_give(&a, at[i], 128);
        at[i] = 0;
    }
    for (int i = 0; i < COUNT; i++) {
        if (at[i] && !full[at[i] / 4096]) {
            full[at[i] / 4096] = true;
            pages++;
        }
    }
    assert_int_equal(spare_beside(&a, at, COUNT), COUNT * 128 - pages * 4096 - 65536);
    done_with(&a);
}

static void a_page_in_use_again_is_not_spare(void **)
{
    struct arena a = arena_of(SIZE);
    enum { COUNT = 400 };
    static uint64_t at[COUNT];

    for (int i = 0; i < COUNT; i++)
        at[i] = arena_take(&a, 4096);
    for (int i = 0; i < COUNT; i++)
        arena_give(&a, at[i], 4096);
    memset(at, 0, sizeof at);
    for (int i = 0; i < COUNT / 2; i++)
        at[i] = arena_take(&a, 128 << i % 6);
    assert_true(spare_beside(&a, at, COUNT) > (size_t)2 << 17);
    done_with(&a);
}

/* --- writing --- */

static int stores;

static void count_store(void *, uint64_t at, size_t len)
{
    assert_true(len <= 8);
    assert_int_equal(at / 8, (at + len - 1) / 8);
    stores++;
}

static void each_store_is_seen(void **)
{
    struct arena a = arena_of(SIZE);
    uint64_t at = arena_take(&a, 128);

    a.stored = count_store;
    stores = 0;
    arena_put(&a, at + 3, "0123456789abcdef", 16);
    assert_int_equal(stores, 3);
    assert_memory_equal(arena_at(&a, at + 3), "0123456789abcdef", 16);
    arena_commit(&a, at + 32, 77);
    assert_int_equal(stores, 4);
    assert_int_equal(arena_word(&a, at + 32), 77);
    arena_put(&a, at, "", 0);
    assert_int_equal(stores, 4);
    a.stored = NULL;
    arena_put(&a, at + 3, "x", 1);
    assert_memory_equal(arena_at(&a, at + 3), "x123", 4);
    done_with(&a);
}

static void a_post_stands_until_it_is_taken_back(void **)
{
    struct arena a = arena_of(SIZE);

    assert_int_equal(arena_posted(&a), 0);
    arena_post(&a, UINT64_MAX);
    assert_int_equal(arena_posted(&a), UINT64_MAX);
    arena_post(&a, 0);
    assert_int_equal(arena_posted(&a), 0);
    done_with(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extent_is_the_least_power_of_two),
        cmocka_unit_test(the_parts_do_not_overlap),
        cmocka_unit_test(a_large_arena_has_full_tables),
        cmocka_unit_test(a_small_one_is_refused),
        cmocka_unit_test(all_of_it_can_be_taken_and_given),
        cmocka_unit_test(no_byte_is_dealt_out_twice),
        cmocka_unit_test(claiming_all_again_leaves_the_same_free),
        cmocka_unit_test(only_well_formed_places_are_held),
        cmocka_unit_test(beyond_the_budget_nothing_is_dealt_out),
        cmocka_unit_test(what_is_given_up_for_it_does_not_count_against_it),
        cmocka_unit_test(slots_are_dealt_out_from_the_lowest),
        cmocka_unit_test(pages_never_used_are_not_spare),
        cmocka_unit_test(pages_that_hold_nothing_any_more_are_spare_once),
        cmocka_unit_test(what_is_kept_for_reuse_and_not_used_is_spare_bit_by_bit),
        cmocka_unit_test(a_page_with_anything_in_it_is_not_spare),
        cmocka_unit_test(a_page_in_use_again_is_not_spare),
        cmocka_unit_test(each_store_is_seen),
        cmocka_unit_test(a_post_stands_until_it_is_taken_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
