/* SPDX-License-Identifier: MIT */
/*
 * Finding against a plain array, and every allocation failing in turn.
 */
#include "sm/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/allocation.h"

enum { NODES = 1000 };

static struct registry r;
static struct registry_node nodes[NODES];
static char names[NODES][48];

/* Four sessions an account, two a full JID. */
static const uint64_t key[2] = {1, 2};

static struct registry_node *node(uint32_t i)
{
    struct registry_node *n = &nodes[i];

    snprintf(names[i], sizeof names[i], "user%u@example.org/%u", i / 4, i / 2);
    *n = (struct registry_node){.slot = i};
    n->account = (struct sm_text){.p = names[i], .len = strcspn(names[i], "/")};
    n->jid = (struct sm_text){.p = names[i], .len = strlen(names[i])};
    return n;
}

static void add_all(void)
{
    assert_int_equal(registry_init(&r, NODES, key), 0);
    for (uint32_t i = 0; i < NODES; i++)
        assert_int_equal(registry_add(&r, node(i)), 0);
}

static struct sm_text text(const char *s)
{
    return (struct sm_text){.p = s, .len = strlen(s)};
}

static void the_hash_never_changes(void **)
{
    assert_true(registry_hash("", 0) == 0xcbf29ce484222325);
    assert_true(registry_hash("foobar", 6) == 0x85944171f73967e8);
}

static void each_is_found_in_the_order_of_coming(void **)
{
    add_all();
    for (uint32_t i = 0; i < NODES; i++) {
        struct registry_node *n = NULL;
        uint32_t of = i / 4 * 4, at = i / 2 * 2;

        assert_ptr_equal(registry_slot(&r, i), &nodes[i]);
        for (uint32_t j = 0; j < 4; j++) {
            n = registry_next_of(&r, nodes[i].account, n);
            assert_ptr_equal(n, &nodes[of + j]);
        }
        assert_null(registry_next_of(&r, nodes[i].account, n));
        n = registry_next_at(&r, nodes[i].jid, NULL);
        assert_ptr_equal(n, &nodes[at]);
        n = registry_next_at(&r, nodes[i].jid, n);
        assert_ptr_equal(n, &nodes[at + 1]);
        assert_null(registry_next_at(&r, nodes[i].jid, n));
    }
    assert_null(registry_next_of(&r, text("user1@example.or"), NULL));
    assert_null(registry_next_of(&r, text(""), NULL));
    assert_null(registry_next_at(&r, text("user1@example.org"), NULL));
    assert_null(registry_slot(&r, NODES));
    assert_null(registry_slot(&r, UINT32_MAX));
    registry_clear(&r);
}

static void what_was_dropped_is_not_found(void **)
{
    struct registry_node *n = NULL;
    uint32_t count = 0;

    add_all();
    for (uint32_t i = 0; i < NODES; i += 2)
        registry_drop(&r, &nodes[i]);
    while ((n = registry_next(&r, n))) {
        assert_int_equal(n->slot % 2, 1);
        count++;
    }
    assert_int_equal(count, NODES / 2);
    n = registry_next_of(&r, nodes[0].account, NULL);
    assert_ptr_equal(n, &nodes[1]);
    assert_ptr_equal(registry_next_of(&r, nodes[0].account, n), &nodes[3]);
    assert_ptr_equal(registry_next_at(&r, nodes[2].jid, NULL), &nodes[3]);
    registry_clear(&r);
}

/* The heap against the plain times: raised, lowered, taken off and dropped at random. */
static void each_is_due_when_its_true_deadline_has_come(void **)
{
    static uint64_t want[NODES];
    static bool there[NODES];
    uint64_t now = 1000;

    add_all();
    memset(there, 1, sizeof there);
    for (uint32_t i = 0; i < NODES; i++)
        want[i] = UINT64_MAX;
    assert_true(registry_deadline(&r) == UINT64_MAX);
    assert_null(registry_due(&r, UINT64_MAX - 1));
    srand(1);
    for (int step = 0; step < 100000; step++) {
        uint32_t i = (uint32_t)rand() % NODES;
        struct registry_node *n;

        switch (rand() % 20) {
        case 0:
            if (there[i])
                registry_drop(&r, &nodes[i]);
            else
                assert_int_equal(registry_add(&r, node(i)), 0);
            there[i] = !there[i];
            want[i] = UINT64_MAX;
            break;
        case 1:
            now += (uint64_t)rand() % 100;
            while ((n = registry_due(&r, now))) {
                assert_true(want[n->slot] <= now);
                want[n->slot] = UINT64_MAX;
            }
            for (uint32_t j = 0; j < NODES; j++) {
                assert_true(want[j] > now);
                assert_true(registry_deadline(&r) <= want[j]);
            }
            break;
        default:
            if (!there[i])
                break;
            want[i] = rand() % 8 ? now + (uint64_t)rand() % 1000 : UINT64_MAX;
            registry_set_deadline(&r, &nodes[i], want[i]);
        }
    }
    registry_clear(&r);
}

static void a_deadline_raised_again_and_again_comes_once(void **)
{
    add_all();
    for (uint64_t at = 10; at < 100; at++)
        registry_set_deadline(&r, &nodes[3], at);
    assert_int_equal(r.heap_count, 1);
    assert_null(registry_due(&r, 98));
    assert_int_equal(registry_deadline(&r), 99);
    assert_ptr_equal(registry_due(&r, 99), &nodes[3]);
    assert_null(registry_due(&r, 1000));
    assert_true(registry_deadline(&r) == UINT64_MAX);
    registry_clear(&r);
}

static void the_largest_is_in_the_first_list(void **)
{
    static size_t bytes[NODES];

    add_all();
    assert_null(registry_largest(&r));
    memset(bytes, 0xff, sizeof bytes);
    srand(2);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)rand() % NODES;
        bool held = rand() % 3, any = false;
        size_t most = 0;

        bytes[i] = held ? (size_t)rand() >> rand() % 31 : SIZE_MAX;
        registry_set_held(&r, &nodes[i], held, bytes[i]);
        if (step % 100)
            continue;
        for (uint32_t j = 0; j < NODES; j++) {
            if (bytes[j] == SIZE_MAX)
                continue;
            any = true;
            most = bytes[j] > most ? bytes[j] : most;
        }
        size_t found = 0;
        struct registry_node *n = registry_largest(&r);

        assert_int_equal(n != NULL, any);
        for (; n; n = n->size_next)
            found = bytes[n->slot] > found ? bytes[n->slot] : found;
        assert_int_equal(found, most);
    }
    registry_set_held(&r, &nodes[0], true, SIZE_MAX); /* beyond all classes */
    assert_ptr_equal(registry_largest(&r), &nodes[0]);
    for (uint32_t i = 0; i < NODES; i++)
        registry_drop(&r, &nodes[i]);
    assert_null(registry_largest(&r));
    registry_clear(&r);
}

static void every_allocation_may_fail(void **)
{
    for (unsigned nth = 1;; nth++) {
        allocation_fail(nth, ALLOCATION_ONE);
        if (registry_init(&r, NODES, key) < 0) {
            assert_true(allocation_relent());
            continue;
        }
        for (uint32_t i = 0; i < NODES; i++) {
            struct registry_node *n = node(i);

            if (registry_add(&r, n) < 0) {
                assert_null(registry_slot(&r, i));
                assert_int_equal(r.count, i);
                assert_int_equal(registry_add(&r, n), 0);
            }
            registry_set_deadline(&r, n, NODES - i);
        }
        bool failed = allocation_relent();

        for (uint32_t i = 0; i < NODES; i++) {
            assert_ptr_equal(registry_next_of(&r, nodes[i].account, NULL), &nodes[i / 4 * 4]);
            assert_ptr_equal(registry_due(&r, i + 1), &nodes[NODES - i - 1]);
        }
        registry_clear(&r);
        if (!failed) {
            assert_true(nth > 10);
            return;
        }
    }
}

static void right_after_a_drop_an_add_cannot_fail(void **)
{
    add_all();
    registry_drop(&r, &nodes[7]);
    allocation_fail(1, ALLOCATION_REST);
    assert_int_equal(registry_add(&r, node(7)), 0);
    allocation_relent();
    registry_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_never_changes),
        cmocka_unit_test(each_is_found_in_the_order_of_coming),
        cmocka_unit_test(what_was_dropped_is_not_found),
        cmocka_unit_test(each_is_due_when_its_true_deadline_has_come),
        cmocka_unit_test(a_deadline_raised_again_and_again_comes_once),
        cmocka_unit_test(the_largest_is_in_the_first_list),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(right_after_a_drop_an_add_cannot_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
