/* SPDX-License-Identifier: MIT */
/*
 * A session and its link after the death of the process. The death between any two
 * stores is the simulation's part.
 */
#include "tests/support/death_rig.h"

/* --- sessions --- */

static void a_session_is_there_with_all_it_holds(void **)
{
    struct rig *r = rig_new();
    char id[SM_ID_TEXT], again[SM_ID_TEXT];
    struct sm_id read;
    size_t used = r->budget.used;

    sm_session_id(r->s, id);
    to_client(r, "<m n='1'/>");
    to_client(r, "<m n='2'/>");
    assert_string_equal(written(r), "<m n='1'/><m n='2'/>");
    ack(r, 1);
    sm_commit(r->s);
    size_t held = r->budget.used;

    die(r);
    assert_int_equal(r->budget.used, held);
    assert_true(held > used);
    sm_session_id(r->s, again);
    assert_string_equal(again, id);
    assert_true(sm_id_read(&read, id, strlen(id)));
    assert_ptr_equal(sm_core_find(r->core, &read), r->s);
    assert_ptr_equal(sm_core_resource(r->core, rig_text(phone)), r->s);
    assert_ptr_equal(sm_core_next_of(r->core, rig_text(alice), NULL), r->s);

    recover_as_it_was(r);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    resume(r, 1);
    assert_string_equal(written(r), "[<m n='2'/>]");
    finish(r);
}

static void its_time_runs_from_the_recovery_on_if_it_was_attached(void **)
{
    struct rig *r = rig_new();

    r->now += 5000000;
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_session_view(r->s).expires_ms, r->now + 600000);
    r->now += 1000;
    die(r);
    recover_as_it_was(r); /* and goes on, if it was detached */
    assert_int_equal(sm_session_view(r->s).expires_ms, r->now - 1000 + 600000);
    assert_int_equal(sm_core_deadline(r->core), r->now - 1000 + 600000);
    finish(r);
}

static void what_was_committed_may_have_been_written(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<m n='1'/>");
    sm_commit(r->s);
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_may_resume(r->s, 1), SM_RESUME_FINE);
    assert_int_equal(sm_may_resume(r->s, 2), SM_RESUME_TOO_HIGH);
    finish(r);
}

static void what_came_for_a_detached_session_was_not_written(void **)
{
    struct rig *r = rig_new();

    gone(r);
    to_client(r, "<m n='1'/>");
    sm_commit(r->s);
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_may_resume(r->s, 1), SM_RESUME_TOO_HIGH);
    finish(r);
}

static void what_was_not_committed_never_was(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<m n='1'/>");
    to_server(r, "<u n='1'/>");
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_session_view(r->s).held, 0);
    assert_int_equal(sm_session_view(r->s).taken, 0);
    finish(r);
}

static void one_that_was_never_committed_never_was(void **)
{
    struct rig *r = rig_core(32u << 20);

    rig_birth(r, &(struct sm_birth){.resumable = true});
    die_and_find(r, (struct sm_recovery){0});
    assert_null(r->s);
    assert_int_equal(r->budget.used, 0);
    rig_free(r);
}

static void one_that_cannot_be_resumed_ends_in_order(void **)
{
    struct rig *r = rig_core(32u << 20);

    rig_birth(r, &(struct sm_birth){0});
    sm_commit(r->s);
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_session_state(r->s), SM_ENDING);
    assert_int_equal(sm_session_end(r->s), SM_END_GONE);
    assert_true(strstr(sent(r), "<presence type='unavailable'/>"));
    finish(r);
}

/* --- the link --- */

static void what_the_kernel_has_is_not_sent_again(void **)
{
    struct rig *r = rig_new();
    size_t staged;

    to_server(r, "<u n='1'/>");
    to_server(r, "<u n='2'/>");
    sm_commit(r->s);
    die(r);
    assert_int_equal(recover(r, 0, 13, &staged), SM_RECOVERED);
    sm_commit(r->s);
    assert_true(told(r, SM_DO_SEND));
    assert_memory_equal(sent(r), "n='2'/>", 7);
    assert_int_equal(put_on_link(r), r->wire_len + 13);
    finish(r);
}

/* A byte without a stanza changes clocks only; but it may find a probe due. */
static void a_probe_is_known_whatever_event_found_it_due(void **)
{
    struct rig *r = rig_new();
    struct sm_text probe;
    size_t staged;

    to_server(r, "<u n='1'/>");
    STEP(r, SM_CLIENT_ASK);
    answer_probe(r);
    to_server(r, "<u n='2'/>");
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(sent(r), "<u n='2'/>");
    r->now += SM_PROBE_PACE_MS;
    STEP(r, SM_CLIENT_BYTES);
    sm_commit(r->s);
    assert_true(sm_unsent(r->s, &probe));
    uint64_t at = put_on_link(r);
    die(r);
    assert_int_equal(recover(r, 0, at + probe.len, &staged), SM_RECOVERED);
    finish(r);
}

static void what_was_received_is_staged(void **)
{
    struct rig *r = rig_new();
    size_t staged;

    sm_core_post(r->core, r->s);
    memcpy(sm_core_staging(r->core), "<m n='1'/>", 10);
    die(r);
    assert_ptr_equal(sm_core_posted(r->core), r->s);
    assert_int_equal(recover(r, 10, 0, &staged), SM_RECOVERED);
    assert_int_equal(staged, 10);
    assert_memory_equal(sm_core_staging(r->core), "<m n='1'/>", 10);
    assert_int_equal(received(r), 10);
    sm_commit(r->s);
    assert_null(sm_core_posted(r->core));
    finish(r);
}

static void numbers_that_cannot_be_end_that_session(void **)
{
    static const struct {
        uint64_t received, sent;
        bool posted;
    } wrong[] = {{10, 0, false},
                 {0, 11, false},
                 {0, 11, true},
                 {SM_STAGING + 1, 0, true},
                 {UINT64_MAX, 0, true}};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rig *r = rig_new();
        size_t staged;

        to_client(r, "<m n='1'/>");
        to_server(r, "<u n='1'/>");
        sm_commit(r->s);
        if (wrong[i].posted)
            sm_core_post(r->core, r->s);
        die(r);
        assert_int_equal(recover(r, wrong[i].received, wrong[i].sent, &staged),
                         SM_RECOVERED_MISMATCH);
        assert_int_equal(staged, 0);
        sm_commit(r->s);
        assert_int_equal(sm_session_end(r->s), SM_END_LINK);
        assert_true(told(r, SM_DO_RETURN));
        assert_string_equal(sent(r), "");
        sm_returned(r->s, r->now, &r->o);
        assert_true(told(r, SM_DO_OVER));
        sm_session_free(r->s, r->now);
        r->s = NULL;
        assert_true(sm_core_left(r->core, rig_text(phone))); /* the message is not lost */
        rig_free(r);
    }
}

static void without_a_socket_it_ends(void **)
{
    struct rig *r = rig_new();
    size_t staged;

    die(r);
    assert_int_equal(sm_recover(r->s, NULL, r->now, &r->o, &staged), SM_RECOVERED_NO_LINK);
    assert_int_equal(sm_session_state(r->s), SM_ENDING);
    assert_true(told(r, SM_DO_RETURN));
    finish(r);
}

static void a_stanza_half_received_goes_on(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_LINK_READ, .count = 4);
    assert_true(sm_tail_add(r->s, rig_text("<m n")));
    memcpy(sm_scan(r->s), "scanner of mine", 16);
    sm_commit(r->s);
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_tail(r->s).len, 4);
    assert_memory_equal(sm_scan(r->s), "scanner of mine", 16);
    assert_true(sm_tail_add(r->s, rig_text("='1'/>")));
    assert_true(STEP(r, SM_TO_CLIENT, .stanza = {.fate = SM_FATE_KEEP}));
    resume(r, 0);
    assert_string_equal(written(r), "[<m n='1'/>]");
    finish(r);
}

/* --- acknowledgements --- */

static void what_was_said_is_never_taken_back(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<u n='1'/>");
    STEP(r, SM_CLIENT_ASK);
    answer_probe(r);
    assert_string_equal(said(r), "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    to_server(r, "<u n='2'/>");
    sent(r);
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_session_view(r->s).said, 1);
    assert_int_equal(sm_session_view(r->s).taken, 2);
    resume(r, 0);
    pass_ms(r, SM_ACK_WAIT_MS);
    assert_non_null(strstr(said(r), "h='2'"));
    finish(r);
}

static void the_server_is_asked_again_for_what_is_not_confirmed(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<u n='1'/>");
    sent(r);
    die(r);
    recover_as_it_was(r);
    pass_ms(r, SM_PROBE_PACE_MS);
    answer_probe(r);
    assert_int_equal(sm_session_view(r->s).confirmed, 1);
    finish(r);
}

static void a_detached_session_goes_on_asking_and_sending(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<u n='1'/>");
    gone(r);
    sm_commit(r->s); /* the probe waits for its pace in vain */
    r->s->record.flags &= (uint16_t)~RECORD_PROBE_OUT;
    r->s->changed = true;
    sm_commit(r->s);
    die(r);
    recover_as_it_was(r);
    assert_true(told(r, SM_DO_SEND));
    pass_ms(r, SM_PROBE_PACE_MS);
    const char *second = strstr(sent(r), "'hf-") + 1;
    assert_non_null(strstr(second, "'hf-"));
    finish(r);
}

static void a_probe_is_not_overdue_because_nobody_listened(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<u n='1'/>");
    STEP(r, SM_CLIENT_ASK);
    sent(r);
    r->now += SM_PROBE_TIMEOUT_MS * 2;
    die(r);
    recover_as_it_was(r);
    pass_ms(r, SM_PROBE_TIMEOUT_MS - 1);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    pass_ms(r, 1);
    assert_int_equal(sm_session_end(r->s), SM_END_PROBE);
    finish(r);
}

/* --- the end --- */

static void an_end_goes_on_where_it_was(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<m n='1'/>");
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    sent(r);
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_session_state(r->s), SM_ENDING);
    assert_false(told(r, SM_DO_RETURN));
    assert_true(STEP(r, SM_PROBE_ANSWER, .probe = probe_of(r->wire)));
    sm_commit(r->s);
    die(r); /* the answer is known, and what it brought about is not done */
    recover_as_it_was(r);
    assert_true(told(r, SM_DO_RETURN));
    sm_returned(r->s, r->now, &r->o);
    sm_commit(r->s);
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_session_state(r->s), SM_CLOSING);
    assert_string_equal(sent(r), "</stream:stream>");
    STEP(r, SM_LINK_CLOSED, .end = SM_END_SERVER);
    sm_commit(r->s);
    die(r);
    recover_as_it_was(r);
    assert_true(told(r, SM_DO_OVER));
    assert_int_equal(sm_session_end(r->s), SM_END_ORDERED);
    finish(r);
}

static void its_waits_begin_anew(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    sent(r);
    r->now += SM_ENDING_MS;
    die(r);
    recover_as_it_was(r);
    assert_int_equal(sm_core_deadline(r->core), r->now + SM_ENDING_MS);
    finish(r);
}

static void what_came_too_late_to_be_returned_is_left(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    answer_probe(r);
    sm_returned(r->s, r->now, &r->o);
    to_client(r, "<m n='1'/>");
    STEP(r, SM_LINK_CLOSED, .end = SM_END_SERVER);
    assert_int_equal(sm_session_state(r->s), SM_OVER);
    sm_commit(r->s);
    die(r);
    recover_as_it_was(r);
    sm_session_free(r->s, r->now);
    r->s = NULL;
    assert_true(sm_core_left(r->core, rig_text(phone)));
    rig_free(r);
}

static void a_link_that_was_dead_stays_dead(void **)
{
    struct rig *r = rig_new();
    struct sm_stanza stanza;

    to_server(r, "<u n='1'/>");
    gone(r);
    resume(r, 0);
    pass_ms(r, SM_ACK_WAIT_MS); /* said, and not confirmed */
    sm_commit(r->s);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    sm_commit(r->s);
    die(r);
    recover_as_it_was(r);
    assert_true(told(r, SM_DO_UNCONFIRMED));
    assert_true(told(r, SM_DO_RETURN));
    assert_true(sm_unconfirmed(r->s, &stanza));
    assert_memory_equal(stanza.xml, "<u n='1'/>", stanza.len);
    assert_string_equal(sent(r), "");
    finish(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_there_with_all_it_holds),
        cmocka_unit_test(its_time_runs_from_the_recovery_on_if_it_was_attached),
        cmocka_unit_test(what_was_committed_may_have_been_written),
        cmocka_unit_test(what_came_for_a_detached_session_was_not_written),
        cmocka_unit_test(what_was_not_committed_never_was),
        cmocka_unit_test(one_that_was_never_committed_never_was),
        cmocka_unit_test(one_that_cannot_be_resumed_ends_in_order),
        cmocka_unit_test(what_the_kernel_has_is_not_sent_again),
        cmocka_unit_test(a_probe_is_known_whatever_event_found_it_due),
        cmocka_unit_test(what_was_received_is_staged),
        cmocka_unit_test(numbers_that_cannot_be_end_that_session),
        cmocka_unit_test(without_a_socket_it_ends),
        cmocka_unit_test(a_stanza_half_received_goes_on),
        cmocka_unit_test(what_was_said_is_never_taken_back),
        cmocka_unit_test(the_server_is_asked_again_for_what_is_not_confirmed),
        cmocka_unit_test(a_detached_session_goes_on_asking_and_sending),
        cmocka_unit_test(a_probe_is_not_overdue_because_nobody_listened),
        cmocka_unit_test(an_end_goes_on_where_it_was),
        cmocka_unit_test(its_waits_begin_anew),
        cmocka_unit_test(what_came_too_late_to_be_returned_is_left),
        cmocka_unit_test(a_link_that_was_dead_stays_dead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
