/* SPDX-License-Identifier: MIT */
/*
 * Detaching, resuming, taking over (XEP-0198, 5).
 */
#include "tests/support/session_rig.h"

static const char *resumed_with(struct rig *r, uint32_t h)
{
    static char text[200];
    char id[SM_ID_TEXT];

    sm_session_id(r->s, id);
    snprintf(text, sizeof text, "<resumed xmlns='urn:xmpp:sm:3' h='%u' previd='%s'/>", h, id);
    return text;
}

static void what_the_client_lacks_is_written_again_before_what_is_newer(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    to_client(r, "<b/>");
    to_client(r, "<c/>");
    assert_string_equal(written(r), "<a/><b/><c/>");
    gone(r);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    to_client(r, "<d/>");
    assert_string_equal(written(r), "");
    resume(r, 1);
    assert_string_equal(said(r), resumed_with(r, 0));
    assert_true(told(r, SM_DO_RESUMED));
    assert_true(told(r, SM_DO_WRITE));
    to_client(r, "<e/>");
    assert_string_equal(written(r), "[<b/>][<c/>][<d/>]<e/>");
    assert_int_equal(sm_session_view(r->s).acked, 1);
    ack(r, 5);
    assert_int_equal(sm_session_view(r->s).held, 0);
    rig_free_clean(r);
}

static void a_stanza_that_was_cut_off_comes_whole(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<abc/>");
    sm_commit(r->s);
    STEP(r, SM_CLIENT_WROTE, .count = 4);
    gone(r);
    assert_int_equal(sm_may_resume(r->s, 1), SM_RESUME_TOO_HIGH);
    resume(r, 0);
    assert_true(sm_between(r->s));
    assert_string_equal(written(r), "[<abc/>]");
    rig_free(r);
}

static void a_resumption_waits_until_the_server_has_confirmed(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    sent(r);
    gone(r);
    const char *probe = sent(r); /* one is sent at detachment */
    resume(r, 0);
    assert_int_equal(sm_session_state(r->s), SM_RESUMING);
    assert_string_equal(said(r), "");
    to_client(r, "<b/>");
    assert_string_equal(written(r), "");
    assert_false(sm_reads_client(r->s));
    assert_false(to_server(r, "<c/>")); /* nothing is taken before <resumed/> */
    STEP(r, SM_PROBE_ANSWER, .probe = probe_of(probe));
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    assert_string_equal(said(r), resumed_with(r, 1));
    assert_string_equal(written(r), "<b/>"); /* it never waited for a client */
    rig_free(r);
}

static void a_resumption_waits_two_seconds_at_most_and_says_all_that_was_taken(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    to_server(r, "<b/>");
    gone(r);
    resume(r, 0);
    pass_ms(r, SM_ACK_WAIT_MS - 1);
    assert_string_equal(said(r), "");
    pass_ms(r, 1);
    assert_string_equal(said(r), resumed_with(r, 2));
    STEP(r, SM_CLIENT_ASK);
    pass_ms(r, SM_ACK_WAIT_MS);
    assert_string_equal(said(r), "<a xmlns='urn:xmpp:sm:3' h='2'/>"); /* never lower than before */
    rig_free(r);
}

static void forwarded_resumes_at_once(void **)
{
    struct rig *r = rig_new();

    r->limits.ack_forwarded = true;
    to_server(r, "<a/>");
    gone(r);
    resume(r, 0);
    assert_string_equal(said(r), resumed_with(r, 1));
    rig_free(r);
}

static void an_h_above_what_was_written_or_below_what_was_acknowledged_is_refused(void **)
{
    struct rig *r = rig_new();

    for (int i = 0; i < 4; i++)
        to_client(r, "<a/>");
    written(r);
    ack(r, 2);
    to_client(r, "<b/>");
    gone(r);
    to_client(r, "<c/>");
    assert_int_equal(sm_may_resume(r->s, 1), SM_RESUME_TOO_LOW);
    assert_int_equal(sm_may_resume(r->s, 2), SM_RESUME_FINE);
    assert_int_equal(sm_may_resume(r->s, 4), SM_RESUME_FINE);
    assert_int_equal(sm_may_resume(r->s, 5), SM_RESUME_TOO_HIGH);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    rig_free(r);
}

static void what_was_written_on_any_connection_may_be_claimed(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    to_client(r, "<b/>");
    written(r);
    gone(r);
    resume(r, 0);
    gone(r); /* nothing was written on the second */
    assert_int_equal(sm_may_resume(r->s, 2), SM_RESUME_FINE);
    resume(r, 2);
    assert_string_equal(written(r), "");
    assert_int_equal(sm_session_view(r->s).held, 0);
    rig_free_clean(r);
}

static void an_ack_never_cuts_off_what_is_half_written(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<abc/>");
    to_client(r, "<def/>");
    written(r);
    gone(r);
    resume(r, 0);
    sm_commit(r->s);
    STEP(r, SM_CLIENT_WROTE, .count = 2);
    assert_true(ack(r, 2)); /* it has both from the first connection */
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    assert_int_equal(sm_session_view(r->s).held, 2);
    sm_commit(r->s);
    STEP(r, SM_CLIENT_WROTE, .count = 4);
    assert_string_equal(written(r), "[<def/>]");
    rig_free(r);
}

static void a_takeover_freezes_the_old_connection_first(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    written(r);
    STEP(r, SM_CLIENT_ASK); /* its answer is not for the new one */
    gone(r);
    resume(r, 0);
    assert_string_equal(said(r), resumed_with(r, 0));
    assert_string_equal(written(r), "[<a/>]");
    assert_int_equal(sm_core_counts(r->core).taken_over, 1);
    gone(r);
    sm_commit(r->s);
    resume(r, 1);
    assert_int_equal(sm_core_counts(r->core).taken_over, 1);
    assert_int_equal(sm_core_counts(r->core).resumed, 2);
    rig_free(r);
}

static void a_later_resumption_wins_over_one_that_waits(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    written(r);
    to_server(r, "<b/>");
    gone(r);
    resume(r, 0);
    assert_int_equal(sm_session_state(r->s), SM_RESUMING);
    assert_int_equal(sm_may_resume(r->s, 1), SM_RESUME_FINE);
    gone(r);
    resume(r, 1);
    answer_probe(r);
    assert_string_equal(said(r), resumed_with(r, 1));
    assert_string_equal(written(r), "");
    rig_free(r);
}

static void waiting_requests_are_forgotten_with_their_connection(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    gone(r);
    answer_probe(r);
    assert_string_equal(said(r), "");
    resume(r, 0);
    assert_string_equal(said(r), resumed_with(r, 1));
    rig_free_clean(r);
}

static void nobody_resumes_for_so_long_and_it_ends(void **)
{
    struct rig *r = rig_new();

    gone(r);
    pass_ms(r, 599999);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    assert_int_equal(sm_may_resume(r->s, 0), SM_RESUME_FINE);
    pass_ms(r, 1);
    assert_int_equal(sm_session_end(r->s), SM_END_EXPIRED);
    assert_false(told(r, SM_DO_END_CLIENT));
    assert_int_equal(sm_may_resume(r->s, 0), SM_RESUME_NOT);
    rig_free_clean(r);
}

static void the_time_counts_from_the_last_connection(void **)
{
    struct rig *r = rig_core(32u << 20);

    rig_birth(r, &(struct sm_birth){.resumable = true, .max_ms = 5000});
    gone(r);
    pass_ms(r, 4000);
    resume(r, 0);
    pass_ms(r, 100000);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    gone(r);
    assert_int_equal(sm_session_view(r->s).expires_ms, r->now + 5000);
    pass_ms(r, 4999);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    pass_ms(r, 1);
    assert_int_equal(sm_session_state(r->s), SM_ENDING);
    rig_free_clean(r);
}

static void without_resumption_the_end_of_the_connection_is_the_end(void **)
{
    struct rig *r = rig_core(32u << 20);

    rig_birth(r, &(struct sm_birth){0});
    gone(r);
    assert_int_equal(sm_session_end(r->s), SM_END_GONE);
    assert_false(told(r, SM_DO_END_CLIENT));
    rig_free_clean(r);
}

static void the_administrator_detaches(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_DETACH);
    assert_true(told(r, SM_DO_DETACH));
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    assert_false(gone(r)); /* the connection's end is no news then */
    rig_free(r);
}

static void resent_stanzas_are_asked_for(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    gone(r);
    pass_ms(r, 1000);
    resume(r, 0);
    written(r);
    assert_false(told(r, SM_DO_ASK));
    pass_ms(r, 1000);
    assert_true(told(r, SM_DO_ASK));
    r->limits.request_after = 1;
    gone(r);
    resume(r, 0);
    assert_true(told(r, SM_DO_ASK));
    rig_free(r);
}

static void a_detached_session_that_is_full_ends_with_all_that_it_held(void **)
{
    struct rig *r = rig_new();
    struct sm_stanza out;
    int n = 0;

    r->limits.queue_stanzas = 3;
    gone(r);
    for (int i = 0; i < 3; i++)
        to_client(r, "<a/>");
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    to_client(r, "<a/>");
    assert_int_equal(sm_session_end(r->s), SM_END_QUEUE);
    for (; sm_undelivered(r->s, &out); n++)
        sm_undelivered_done(r->s, SM_RETURNED);
    assert_int_equal(n, 4);
    rig_free_clean(r);
}

static void both_counters_pass_the_wrap_across_a_resumption(void **)
{
    struct rig *r = rig_core(32u << 20);

    r->limits.counter_start = UINT32_MAX - 1;
    rig_enable(r);
    for (int i = 0; i < 4; i++) {
        to_client(r, "<a/>");
        to_server(r, "<b/>");
    }
    written(r);
    gone(r);
    answer_probe(r);
    assert_int_equal(sm_may_resume(r->s, UINT32_MAX - 2), SM_RESUME_TOO_LOW);
    assert_int_equal(sm_may_resume(r->s, 3), SM_RESUME_TOO_HIGH);
    resume(r, 1);
    assert_string_equal(said(r), resumed_with(r, 2));
    assert_int_equal(sm_session_view(r->s).held, 1);
    rig_free(r);
}

/* A client that was told in <resumed/> of stanzas that the server never took: said, and not
 * confirmed.
 */
static struct rig *told_too_much(bool memory)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    gone(r);
    resume(r, 0);
    pass_ms(r, SM_ACK_WAIT_MS);
    assert_true(told(r, SM_DO_RESUMED));
    assert_int_equal(sm_session_view(r->s).said, 1);
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    pass_ms(r, SM_ENDING_MS);
    r->budget.max = memory ? r->budget.max : 0;
    while (!memory && STEP(r, SM_PASS, .stanza = {.xml = "<error/>", .len = 8}))
        ;
    sm_returned(r->s, r->now, &r->o);
    assert_int_equal(sm_session_state(r->s), memory ? SM_CLOSING : SM_OVER);
    return r;
}

static void what_a_server_never_took_is_lost_with_a_word(void **)
{
    struct rig *r = told_too_much(true);
    struct sm_stanza one;

    pass_ms(r, SM_ENDING_MS);
    assert_int_equal(sm_session_state(r->s), SM_OVER);
    assert_true(told(r, SM_DO_UNCONFIRMED));
    assert_true(sm_unconfirmed(r->s, &one));
    assert_memory_equal(one.xml, "<a/>", 4);
    assert_false(sm_unconfirmed(r->s, &one));
    assert_int_equal(sm_core_counts(r->core).unconfirmed, 1);
    rig_free_clean(r);

    r = told_too_much(true);
    sent(r);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    assert_true(told(r, SM_DO_UNCONFIRMED));
    rig_free_clean(r);

    r = told_too_much(false); /* not even for our closing tag */
    assert_true(told(r, SM_DO_UNCONFIRMED));
    rig_free_clean(r);

    r = told_too_much(true); /* it closes by itself, and has not read ours */
    STEP(r, SM_LINK_CLOSED, .end = SM_END_SERVER);
    assert_true(told(r, SM_DO_UNCONFIRMED));
    rig_free_clean(r);
}

static void what_a_server_took_before_it_closed_is_not_lost(void **)
{
    struct rig *r = told_too_much(true);

    sent(r);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_SERVER);
    assert_true(told(r, SM_DO_OVER));
    assert_false(told(r, SM_DO_UNCONFIRMED));
    rig_free_clean(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_client_lacks_is_written_again_before_what_is_newer),
        cmocka_unit_test(a_stanza_that_was_cut_off_comes_whole),
        cmocka_unit_test(a_resumption_waits_until_the_server_has_confirmed),
        cmocka_unit_test(a_resumption_waits_two_seconds_at_most_and_says_all_that_was_taken),
        cmocka_unit_test(forwarded_resumes_at_once),
        cmocka_unit_test(an_h_above_what_was_written_or_below_what_was_acknowledged_is_refused),
        cmocka_unit_test(what_was_written_on_any_connection_may_be_claimed),
        cmocka_unit_test(an_ack_never_cuts_off_what_is_half_written),
        cmocka_unit_test(a_takeover_freezes_the_old_connection_first),
        cmocka_unit_test(a_later_resumption_wins_over_one_that_waits),
        cmocka_unit_test(waiting_requests_are_forgotten_with_their_connection),
        cmocka_unit_test(nobody_resumes_for_so_long_and_it_ends),
        cmocka_unit_test(the_time_counts_from_the_last_connection),
        cmocka_unit_test(without_resumption_the_end_of_the_connection_is_the_end),
        cmocka_unit_test(the_administrator_detaches),
        cmocka_unit_test(resent_stanzas_are_asked_for),
        cmocka_unit_test(a_detached_session_that_is_full_ends_with_all_that_it_held),
        cmocka_unit_test(both_counters_pass_the_wrap_across_a_resumption),
        cmocka_unit_test(what_a_server_never_took_is_lost_with_a_word),
        cmocka_unit_test(what_a_server_took_before_it_closed_is_not_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
