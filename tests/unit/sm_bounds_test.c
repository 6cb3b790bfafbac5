/* SPDX-License-Identifier: MIT */
/*
 * What keeps a session, and all sessions together, from growing: where memory ends,
 * somebody is read no further, or what is held goes by its policy.
 */
#include "tests/support/session_rig.h"

static const char STANZA[] =
    "<message><body>0123456789012345678901234567890123456789</body></message>";

/* Errors that Holdfast writes itself are queued, too, and a client can ask for as many as it likes.
 */
static void a_client_that_acknowledges_nothing_gets_only_so_many_answers(void **)
{
    struct rig *r = rig_new();
    unsigned answers = 0;

    r->limits.queue_bytes = 65536;
    while (sm_reads_client(r->s) && answers < 100000) {
        assert_true(STEP(r, SM_ANSWERED));
        assert_true(
            STEP(r, SM_REPLY, .stanza = {.xml = STANZA, .len = sizeof STANZA - 1, .stamp_ms = 5}));
        sm_commit(r->s);
        r->o.text_len = 0;
        answers++;
    }
    assert_true(answers < 5000);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    rig_free(r);
}

static void a_session_that_ends_and_is_full_waits_no_longer(void **)
{
    struct rig *r = rig_new();

    r->limits.queue_stanzas = 10;
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    for (int i = 0; i < 9; i++)
        to_client(r, STANZA);
    assert_false(told(r, SM_DO_RETURN));
    to_client(r, STANZA);
    assert_true(told(r, SM_DO_RETURN));
    rig_free(r);
}

static void what_was_dealt_with_while_the_stream_closes_makes_room(void **)
{
    struct rig *r = rig_new();
    struct sm_stanza one;

    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    for (int i = 0; i < 1000; i++) {
        to_client(r, STANZA);
        while (sm_undelivered(r->s, &one))
            sm_undelivered_done(r->s, SM_RETURNED);
        if (!i)
            sm_returned(r->s, r->now, &r->o);
        sm_commit(r->s);
        assert_true(sm_session_view(r->s).held <= 1);
    }
    assert_int_equal(sm_core_counts(r->core).returned, 1000);
    rig_free(r);
}

/* An attached session's link is read only if what one wake-up may bring has room. */
static void without_room_for_a_wake_up_the_link_is_not_read(void **)
{
    struct rig *r = rig_new();

    assert_true(sm_reads_link(r->s));
    r->budget.max = r->budget.used + SM_STAGING;
    assert_false(sm_reads_link(r->s));
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    assert_false(sm_reads_link(r->s));
    r->budget.max = 32u << 20;
    assert_true(sm_reads_link(r->s));
    rig_free(r);
}

static void lose_link(struct rig *r)
{
    struct sm_stanza one;

    to_client(r, STANZA);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    while (sm_undelivered(r->s, &one))
        sm_undelivered_done(r->s, SM_LOST);
    sm_returned(r->s, r->now, &r->o);
    sm_commit(r->s);
    sm_session_free(r->s, r->now);
    r->s = NULL;
}

/* Nobody may ever come for what is left behind: it must not keep new sessions out. */
static void little_is_left_behind_where_memory_is_short(void **)
{
    struct rig *r = rig_new();

    lose_link(r);
    assert_true(sm_core_left(r->core, rig_text("alice@example.org/phone")));
    assert_int_equal(sm_core_counts(r->core).left, 1);
    rig_birth(r, &(struct sm_birth){.resumable = true,
                                    .identity.jid = rig_text("alice@example.org/desk")});
    sm_commit(r->s);
    for (int i = 0; i < 900; i++)
        to_client(r, STANZA);
    sm_commit(r->s);
    r->budget.max = r->budget.used + r->budget.used / 4;
    lose_link(r);
    assert_false(sm_core_left(r->core, rig_text("alice@example.org/desk")));
    assert_int_equal(sm_core_counts(r->core).lost, 901);
    rig_free(r);
}

static void what_cannot_be_adopted_whole_stays_where_it_is(void **)
{
    struct rig *r = rig_new();
    size_t max = r->budget.max;

    lose_link(r);
    rig_birth(r, &(struct sm_birth){.resumable = true});
    sm_commit(r->s);
    r->budget.max = r->budget.used;
    assert_int_equal(sm_adopt(r->s, &r->o, r->now), 0);
    assert_true(sm_core_left(r->core, rig_text("alice@example.org/phone")));
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    r->budget.max = max;
    assert_int_equal(sm_adopt(r->s, &r->o, r->now), 1);
    sm_commit(r->s);
    assert_false(sm_core_left(r->core, rig_text("alice@example.org/phone")));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_acknowledges_nothing_gets_only_so_many_answers),
        cmocka_unit_test(a_session_that_ends_and_is_full_waits_no_longer),
        cmocka_unit_test(what_was_dealt_with_while_the_stream_closes_makes_room),
        cmocka_unit_test(without_room_for_a_wake_up_the_link_is_not_read),
        cmocka_unit_test(little_is_left_behind_where_memory_is_short),
        cmocka_unit_test(what_cannot_be_adopted_whole_stays_where_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
