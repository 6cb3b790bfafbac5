/* SPDX-License-Identifier: MIT */
/*
 * A session that every process dies of is set aside; and what a process keeps for its
 * successor besides.
 */
#include "tests/support/death_rig.h"

#include "sm/deaths.h"

enum { APART_MS = DEATHS_WITHIN_MS / (DEATHS_MAX - 1) };

/* It was in work, and nothing of that was committed. */
static struct sm_recovery die_working(struct rig *r)
{
    struct sm_core_config config;
    struct sm_recovery found;

    if (r->s)
        sm_core_work(r->core, r->s);
    config = config_of(r);
    sm_core_free(r->core);
    assert_int_equal(sm_core_open(&r->core, &config, &found), 0);
    r->s = sm_core_next(r->core, NULL);
    return found;
}

static void die_often(struct rig *r, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        assert_int_equal(die_working(r).set_aside, 0);
        r->now += APART_MS;
    }
}

static void whom_five_processes_die_of_in_a_minute_is_set_aside(void **)
{
    struct rig *r = rig_new();
    struct sm_place place = sm_session_place(r->s);
    struct sm_recovery found;

    to_client(r, "<m n='1'/>");
    to_client(r, "<m n='2'/>");
    sm_commit(r->s);
    die_often(r, DEATHS_MAX - 1);
    found = die_working(r);
    assert_int_equal(found.set_aside, 1);
    assert_int_equal(found.sessions, 0);
    assert_int_equal(found.stanzas, 2);
    assert_int_equal(found.aside.slot, place.slot);
    assert_int_equal(found.aside.generation, place.generation);
    assert_memory_equal(found.jid.p, phone, found.jid.len);
    assert_int_equal(r->budget.used, 0);
    assert_int_equal(die_working(r).set_aside, 0);
    rig_free(r);
}

static void once_in_a_while_everybody_may_be_there(void **)
{
    struct rig *r = rig_new();

    die_often(r, DEATHS_MAX - 1);
    r->now++;
    die_often(r, 3);
    rig_free(r);
}

static void somebody_elses_death_ends_the_row(void **)
{
    struct rig *r = rig_new();

    for (unsigned i = 0; i < DEATHS_MAX - 1; i++)
        assert_int_equal(die_working(r).set_aside, 0);
    sm_core_work(r->core, r->s);
    r->s->changed = false;
    sm_commit(r->s); /* nobody is worked on */
    die(r);
    for (unsigned i = 0; i < DEATHS_MAX - 1; i++)
        assert_int_equal(die_working(r).set_aside, 0);
    assert_int_equal(die_working(r).set_aside, 1);
    rig_free(r);
}

/* Who was received for stays posted until it is recovered; that alone is no blame. */
static void who_is_not_reached_is_not_to_blame(void **)
{
    struct rig *r = rig_new();
    size_t staged;

    sm_core_post(r->core, r->s);
    for (unsigned i = 0; i < DEATHS_MAX; i++) {
        die(r);
        assert_ptr_equal(sm_core_posted(r->core), r->s);
    }
    for (unsigned i = 0; i < DEATHS_MAX - 1; i++) {
        assert_int_equal(recover(r, 0, 0, &staged), SM_RECOVERED);
        die(r);
    }
    assert_int_equal(recover(r, 0, 0, &staged), SM_RECOVERED);
    die_and_find(r, (struct sm_recovery){0});
    rig_free(r);
}

static void the_slots_next_session_is_not_to_blame(void **)
{
    struct rig *r = rig_new();

    for (unsigned i = 0; i < DEATHS_MAX - 1; i++)
        assert_int_equal(die_working(r).set_aside, 0);
    sm_session_free(r->s, r->now);
    rig_enable(r);
    assert_int_equal(sm_session_place(r->s).slot, 0);
    assert_int_equal(die_working(r).set_aside, 0);
    rig_free(r);
}

static void what_is_kept_is_found_again(void **)
{
    struct rig *r = rig_new();
    char long_one[SM_KEEPSAKE], bytes[SM_KEEPSAKE];

    memset(long_one, 'x', sizeof long_one);
    assert_int_equal(sm_core_kept(r->core, bytes), 0);
    sm_core_keep(r->core, long_one, sizeof long_one);
    die(r);
    assert_int_equal(sm_core_kept(r->core, bytes), sizeof long_one);
    assert_memory_equal(bytes, long_one, sizeof long_one);
    sm_core_keep(r->core, "key", 3);
    die(r);
    assert_int_equal(sm_core_kept(r->core, bytes), 3);
    assert_memory_equal(bytes, "key", 3);
    recover_as_it_was(r);
    finish(r);
}

struct kept {
    const struct sm_core *core;
    unsigned stores;
};

static void is_whole(void *arg, uint64_t, size_t)
{
    struct kept *k = arg;
    char bytes[SM_KEEPSAKE];
    size_t len = sm_core_kept(k->core, bytes);

    k->stores++;
    assert_true(len == 0 || (len == 3 && !memcmp(bytes, "one", 3)) ||
                (len == 11 && !memcmp(bytes, "another one", 11)));
}

static void it_is_kept_whole_or_not_at_all(void **)
{
    struct rig *r = rig_new();
    struct kept k = {r->core, 0};

    sm_core_keep(r->core, "one", 3);
    r->core->arena.stored = is_whole;
    r->core->arena.stored_arg = &k;
    sm_core_keep(r->core, "another one", 11);
    r->core->arena.stored = NULL;
    assert_true(k.stores >= 4);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whom_five_processes_die_of_in_a_minute_is_set_aside),
        cmocka_unit_test(once_in_a_while_everybody_may_be_there),
        cmocka_unit_test(somebody_elses_death_ends_the_row),
        cmocka_unit_test(who_is_not_reached_is_not_to_blame),
        cmocka_unit_test(the_slots_next_session_is_not_to_blame),
        cmocka_unit_test(what_is_kept_is_found_again),
        cmocka_unit_test(it_is_kept_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
