/* SPDX-License-Identifier: MIT */
/*
 * The heap runs out at each allocation in turn: of a core, of its births, of all that
 * its sessions go through, of what they leave behind, and of a recovery. What was
 * refused changed nothing, what was lost is counted, and with memory all works again.
 */
#include "tests/support/core_rig.h"
#include "tests/support/session_story.h"

#include <errno.h>

#include "sm/recover.h"
#include "tests/support/allocation.h"

/* --- a core --- */

static void a_core_is_made_or_nothing_is_taken(void **)
{
    struct sm_core *core = NULL;
    size_t blocks = allocation_blocks();
    unsigned nth = 1;

    new_memory();
    for (;; nth++) {
        allocation_fail(nth, ALLOCATION_ONE);
        int r = try_core(&core);

        if (!allocation_relent()) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        assert_null(core);
        assert_int_equal(budget.used, 0);
        assert_int_equal(allocation_blocks(), blocks);
    }
    assert_true(nth > 10);
    free_core(core);
}

/* With the handle in hand, what still needs memory is the registry. */
static void each_admission_may_be_refused_once(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s;
    unsigned refused = 0;

    for (uint32_t i = 0; i < core->arena.slots; i++) {
        size_t before = budget.used;

        s = calloc(1, sizeof *s);
        allocation_fail(1, ALLOCATION_REST);
        int r = admit_into(core, s, romeo, orchard);

        allocation_relent();
        if (r == 0)
            continue;
        refused++;
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(budget.used, before);
        assert_int_equal(core->registry.count, i);
        assert_int_equal(admit_into(core, s, romeo, orchard), 0);
    }
    assert_true(refused > 1);
    assert_null(try_admit(core, romeo, orchard)); /* no slot is vacant */
    free_core(core);
}

static void without_memory_for_it_a_session_does_not_leave(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard);

    push(s, "<m1/>", SM_FATE_KEEP);
    core_commit(core, s, 700);
    allocation_fail(1, ALLOCATION_REST);
    assert_false(core_leave(core, s, 1000));
    allocation_relent();
    assert_int_equal(s->record.state, SM_LIVE);
    assert_int_equal(sm_core_deadline(core), 700);
    assert_ptr_equal(sm_core_find(core, id_of(s)), s);
    allocation_fail(2, ALLOCATION_REST); /* the one that it needs, and no more */
    assert_true(core_leave(core, s, 1000));
    allocation_relent();
    free(s);
    assert_true(sm_core_left(core, text(orchard)));
    free_core(core);
}

/* --- sessions --- */

static struct sm_counts as_always;

/* False: the story was at its end before the nth allocation. */
static bool fails_at(unsigned nth, enum allocation_lack lack)
{
    size_t blocks = allocation_blocks();
    struct rig *r = rig_core(32u << 20);

    allocation_fail(nth, lack);
    story(r);
    bool failed = allocation_relent();
    struct sm_counts again = story(r);

    assert_memory_equal(&again, &as_always, sizeof again);
    rig_free(r);
    assert_int_equal(allocation_blocks(), blocks);
    return failed;
}

static void a_story_told_without_memory_can_be_told_again_with_it(void **)
{
    struct rig *r = rig_core(32u << 20);

    as_always = story(r);
    rig_free(r);
    assert_true(as_always.resumed && as_always.taken_over && as_always.resent);
    assert_true(as_always.returned && as_always.dropped && as_always.left && as_always.adopted);
    assert_true(as_always.lost < as_always.left); /* only what nobody came for */
    assert_int_equal(as_always.refused_births, 0);
    for (int lack = ALLOCATION_ONE; lack <= ALLOCATION_REST; lack++) {
        unsigned nth = 1;

        while (fails_at(nth, lack))
            nth += allocation_stride();
        assert_true(nth > STORY_CROWD);
    }
}

/* The client is told what is known at once, and not later: nothing waits for the answer. */
static void without_memory_for_its_place_an_r_is_answered_at_once(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<u/>");
    allocation_fail(1, ALLOCATION_REST);
    assert_true(STEP(r, SM_CLIENT_ASK));
    assert_true(allocation_relent());
    assert_non_null(strstr(said(r), "h='0'"));
    assert_true(STEP(r, SM_CLIENT_ASK));
    assert_string_equal(said(r), "");
    answer_probe(r);
    assert_non_null(strstr(said(r), "h='1'"));
    rig_free(r);
}

/* --- a recovery --- */

static void leave(struct rig *r)
{
    rig_birth(r, &(struct sm_birth){.resumable = true});
    to_client(r, "<m/>");
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    sm_commit(r->s);
    sm_returned(r->s, r->now, &r->o);
    sm_session_free(r->s, r->now);
}

static void a_recovery_without_memory_can_be_tried_again(void **)
{
    struct rig *r = rig_new();
    struct sm_core_config config = {
        .base = r->base, .size = r->size, .limits = &r->limits, .budget = &r->budget};
    struct sm_recovery found;
    unsigned nth = 1;

    r->limits.sessions_per_account = STORY_CROWD;
    to_client(r, "<m/>");
    sm_commit(r->s);
    for (int i = 0; i < STORY_CROWD; i++)
        leave(r);
    sm_core_free(r->core);

    size_t blocks = allocation_blocks();

    for (;; nth++) {
        struct sm_core *core = NULL;

        allocation_fail(nth, ALLOCATION_ONE);
        int e = sm_core_open(&core, &config, &found);

        if (!allocation_relent()) {
            assert_int_equal(e, 0);
            r->core = core;
            break;
        }
        if (e == 0) { /* the chains may be shorter, and qsort may do without */
            sm_core_free(core);
        } else {
            assert_int_equal(e, -ENOMEM);
            assert_null(core);
        }
        assert_int_equal(r->budget.used, 0);
        assert_int_equal(allocation_blocks(), blocks);
    }
    assert_true(nth > STORY_CROWD);
    assert_int_equal(found.sessions, 1);
    assert_int_equal(found.left, STORY_CROWD);
    assert_int_equal(found.damaged, 0);
    r->s = sm_core_next(r->core, NULL);
    assert_int_equal(sm_session_view(r->s).held, 1);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_is_made_or_nothing_is_taken),
        cmocka_unit_test(each_admission_may_be_refused_once),
        cmocka_unit_test(without_memory_for_it_a_session_does_not_leave),
        cmocka_unit_test(a_story_told_without_memory_can_be_told_again_with_it),
        cmocka_unit_test(without_memory_for_its_place_an_r_is_answered_at_once),
        cmocka_unit_test(a_recovery_without_memory_can_be_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
