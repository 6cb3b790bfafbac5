/* SPDX-License-Identifier: MIT */
/*
 * What the client has, and when it is asked (XEP-0198, 4; "Asking", "Full queues").
 */
#include "sm/queue.h"
#include "tests/support/session_rig.h"

static struct rig *asking_after(uint32_t stanzas)
{
    struct rig *r = rig_new();

    r->limits.request_after = stanzas;
    return r;
}

static void stanzas_are_written_in_order_and_held_until_acknowledged(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    to_client(r, "<b/>");
    assert_true(told(r, SM_DO_WRITE));
    assert_string_equal(written(r), "<a/><b/>");
    assert_int_equal(sm_session_view(r->s).held, 2);
    assert_true(ack(r, 1));
    assert_int_equal(sm_session_view(r->s).held, 1);
    assert_int_equal(sm_session_view(r->s).held_bytes, 4);
    assert_true(ack(r, 2));
    assert_int_equal(sm_session_view(r->s).held, 0);
    rig_free_clean(r);
}

static void an_ack_of_stanzas_never_written_ends_the_session_and_says_both_counts(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    written(r);
    to_client(r, "<b/>");
    ack(r, 2);
    assert_true(told(r, SM_DO_TOO_HIGH));
    assert_int_equal(r->o.h_claimed, 2);
    assert_int_equal(r->o.h_sent, 1);
    assert_true(told(r, SM_DO_END_CLIENT));
    assert_int_equal(r->o.end, SM_END_ACK);
    assert_int_equal(sm_session_state(r->s), SM_ENDING);
    rig_free_clean(r);
}

static void an_old_ack_is_ignored(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    to_client(r, "<b/>");
    written(r);
    assert_true(ack(r, 2));
    assert_true(ack(r, 1));
    assert_true(ack(r, 2));
    assert_int_equal(sm_session_view(r->s).acked, 2);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    rig_free_clean(r);
}

static void an_ack_of_the_farthest_number_is_too_high(void **)
{
    struct rig *r = rig_new();

    ack(r, 0x7fffffff);
    assert_true(told(r, SM_DO_TOO_HIGH));
    rig_free_clean(r);
}

static void half_a_stanza_is_not_written_yet(void **)
{
    struct rig *r = rig_new();
    struct sm_text run;
    struct sm_stanza one;

    to_client(r, "<abc/>");
    sm_commit(r->s);
    assert_true(sm_between(r->s));
    STEP(r, SM_CLIENT_WROTE, .count = 3);
    assert_false(sm_between(r->s));
    assert_true(sm_unwritten(r->s, &run, &one));
    assert_int_equal(run.len, 3);
    assert_memory_equal(run.p, "c/>", 3);
    ack(r, 1);
    assert_true(told(r, SM_DO_TOO_HIGH));
    rig_free(r);
}

static void the_client_is_asked_after_so_many_stanzas(void **)
{
    struct rig *r = asking_after(3);

    to_client(r, "<a/>");
    to_client(r, "<b/>");
    assert_false(told(r, SM_DO_ASK));
    to_client(r, "<c/>");
    assert_true(told(r, SM_DO_ASK));
    for (int i = 0; i < 9; i++)
        to_client(r, "<d/>");
    assert_false(told(r, SM_DO_ASK)); /* one at a time */
    written(r);
    ack(r, 3);
    assert_true(told(r, SM_DO_ASK)); /* nine more came since */
    rig_free(r);
}

/* XEP-0352: a phone whose screen is off sleeps through what can wait. */
static void an_inactive_client_is_asked_less(void **)
{
    struct rig *r = rig_new();

    r->limits.request_after = 3;
    sm_session_set_inactive(r->s, true);
    for (int i = 0; i < 29; i++)
        to_client(r, "<message/>");
    pass_ms(r, 5000);
    assert_false(told(r, SM_DO_ASK));
    to_client(r, "<message/>");
    assert_true(told(r, SM_DO_ASK));
    rig_free(r);
}

static void the_client_is_asked_after_a_burst(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    written(r);
    pass_ms(r, 600);
    to_client(r, "<b/>");
    written(r);
    pass_ms(r, 999);
    assert_false(told(r, SM_DO_ASK));
    pass_ms(r, 1);
    assert_true(told(r, SM_DO_ASK));
    ack(r, 2);
    pass_ms(r, 10000);
    assert_false(told(r, SM_DO_ASK)); /* nothing is unacknowledged */
    rig_free_clean(r);
}

static void the_first_stanza_after_a_long_time_is_not_asked_for_at_once(void **)
{
    struct rig *r = rig_new();

    pass_ms(r, 200000);
    to_client(r, "<a/>");
    written(r);
    pass_ms(r, 999);
    assert_false(told(r, SM_DO_ASK));
    pass_ms(r, 1);
    assert_true(told(r, SM_DO_ASK));
    rig_free(r);
}

static void a_client_that_acknowledges_by_itself_is_not_asked(void **)
{
    struct rig *r = rig_new();

    for (uint32_t i = 1; i < 100; i++) {
        to_client(r, "<a/>");
        written(r);
        STEP(r, SM_CLIENT_BYTES);
        ack(r, i);
        pass_ms(r, 5000);
        assert_false(told(r, SM_DO_ASK));
    }
    rig_free_clean(r);
}

static void what_it_does_not_acknowledge_is_asked_for_from_time_to_time(void **)
{
    struct rig *r = asking_after(2);

    to_client(r, "<a/>");
    to_client(r, "<b/>");
    written(r);
    assert_true(told(r, SM_DO_ASK));
    STEP(r, SM_CLIENT_BYTES);
    ack(r, 0);
    assert_true(told(r, SM_DO_ASK)); /* perhaps it was asked before all was written */
    ack(r, 0);
    pass_ms(r, 59999);
    assert_false(told(r, SM_DO_ASK));
    pass_ms(r, 1);
    assert_true(told(r, SM_DO_ASK));
    rig_free(r);
}

static void a_silent_client_is_asked(void **)
{
    struct rig *r = rig_new();

    pass_ms(r, 200000);
    STEP(r, SM_CLIENT_BYTES);
    pass_ms(r, 299999);
    assert_false(told(r, SM_DO_ASK));
    pass_ms(r, 1);
    assert_true(told(r, SM_DO_ASK));
    rig_free(r);
}

static void an_unanswered_r_detaches(void **)
{
    struct rig *r = asking_after(1);

    to_client(r, "<a/>");
    written(r);
    pass_ms(r, 30000);
    STEP(r, SM_CLIENT_BYTES); /* restarts the clock */
    pass_ms(r, 59999);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    pass_ms(r, 1);
    assert_true(told(r, SM_DO_DETACH));
    assert_false(told(r, SM_DO_END_CLIENT));
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    rig_free(r);
}

static void an_unanswered_r_ends_what_cannot_be_resumed(void **)
{
    struct rig *r = rig_core(32u << 20);

    r->limits.request_after = 1;
    rig_birth(r, &(struct sm_birth){0});
    to_client(r, "<a/>");
    written(r);
    pass_ms(r, 60000);
    assert_true(told(r, SM_DO_DETACH));
    assert_int_equal(sm_session_end(r->s), SM_END_GONE);
    rig_free_clean(r);
}

static void the_clock_stands_still_while_the_client_is_not_read(void **)
{
    struct rig *r = asking_after(1);

    to_client(r, "<a/>");
    written(r);
    pass_ms(r, 59000);
    STEP(r, SM_READING, .count = 0);
    pass_ms(r, 600000);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    STEP(r, SM_READING, .count = 1);
    pass_ms(r, 59999);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    pass_ms(r, 1);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    rig_free(r);
}

static void a_slow_client_that_still_takes_bytes_is_not_detached(void **)
{
    struct rig *r = asking_after(1);

    to_client(r, "<abcdefgh/>");
    for (int i = 0; i < 11; i++) {
        pass_ms(r, 50000);
        STEP(r, SM_CLIENT_WROTE, .count = 1); /* the <r/> stands behind it */
    }
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    to_client(r, "<b/>");
    for (int i = 0; i < 3; i++) {
        pass_ms(r, 20000);
        STEP(r, SM_CLIENT_WROTE, .count = 1); /* that is behind the <r/> */
    }
    pass_ms(r, 1);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    rig_free(r);
}

static void a_full_queue_stops_the_link_and_asks(void **)
{
    struct rig *r = rig_new();

    r->limits.queue_stanzas = 4;
    for (int i = 0; i < 3; i++)
        to_client(r, "<a/>");
    assert_true(sm_reads_link(r->s));
    assert_false(told(r, SM_DO_ASK));
    to_client(r, "<a/>");
    assert_false(sm_reads_link(r->s));
    assert_true(told(r, SM_DO_ASK));
    written(r);
    ack(r, 1);
    assert_false(sm_reads_link(r->s)); /* not before a quarter is free */
    ack(r, 2);
    assert_true(sm_reads_link(r->s));
    rig_free(r);
}

static void a_full_queue_by_bytes_does_the_same(void **)
{
    struct rig *r = rig_new();
    static char big[5001];

    memset(big, 'x', 5000);
    r->limits.queue_bytes = 10000;
    to_client(r, big);
    assert_true(sm_reads_link(r->s));
    to_client(r, big);
    assert_false(sm_reads_link(r->s));
    written(r);
    ack(r, 1);
    assert_true(sm_reads_link(r->s));
    rig_free(r);
}

static void the_memory_of_all_stops_the_link_of_the_attached_only(void **)
{
    struct rig *r = rig_new();
    size_t used = r->budget.used;

    r->budget.used = r->budget.max;
    assert_false(sm_reads_link(r->s));
    gone(r);
    assert_true(sm_reads_link(r->s));
    r->budget.used = used;
    rig_free_clean(r);
}

static void a_client_with_a_full_queue_is_read_a_bit_further(void **)
{
    struct rig *r = rig_new();
    static char big[10001];

    memset(big, 'x', 10000);
    r->limits.queue_stanzas = 1;
    r->limits.queue_bytes = 20000;
    to_client(r, "<a/>");
    for (int i = 0; i < 8; i++) {
        assert_true(sm_reads_client(r->s)); /* its <a/> may lie there */
        to_server(r, big);
    }
    assert_true(sm_reads_client(r->s));
    to_server(r, big);
    assert_false(sm_reads_client(r->s));
    STEP(r, SM_READING, .count = 0);
    pass_ms(r, 60000); /* nobody reads anybody: that has an end */
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    rig_free(r);
}

/* What would make room in its queue is an answer that nobody reads, and memory is full of such
 * queues.
 */
static void a_client_that_waits_for_memory_is_detached_in_the_end(void **)
{
    struct rig *r = rig_new();
    static char big[10001];

    memset(big, 'x', 10000);
    r->limits.queue_bytes = 20000;
    to_server(r, big);
    to_server(r, big);
    assert_false(sm_reads_client(r->s));
    STEP(r, SM_READING, .count = 0);
    r->budget.used += r->budget.max;
    pass_ms(r, r->limits.idle_check_ms);
    assert_true(told(r, SM_DO_ASK));
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    pass_ms(r, 60000);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    r->budget.used -= r->budget.max;
    rig_free(r);
}

static void an_answered_request_is_known_at_the_end(void **)
{
    struct rig *r = rig_new();
    struct sm_stanza out;

    STEP(r, SM_TO_CLIENT,
         .stanza = {.xml = "<iq/>", .len = 5, .request = 7, .fate = SM_FATE_REFUSE});
    STEP(r, SM_TO_CLIENT,
         .stanza = {.xml = "<iq/>", .len = 5, .request = 8, .fate = SM_FATE_REFUSE});
    written(r);
    STEP(r, SM_REQUEST_DONE, .stanza = {.request = 8});
    STEP(r, SM_REQUEST_DONE, .stanza = {.request = 9});
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    assert_true(sm_undelivered(r->s, &out));
    assert_false(out.answered);
    sm_undelivered_done(r->s, SM_RETURNED);
    assert_true(sm_undelivered(r->s, &out));
    assert_true(out.answered);
    sm_undelivered_done(r->s, SM_DROPPED);
    assert_false(sm_undelivered(r->s, &out));
    rig_free_clean(r);
}

/* However many requests wait: an answer is looked for among those that came last, and no further.
 */
static void not_all_requests_are_searched_for_each_answer(void **)
{
    struct rig *r = rig_new();
    struct sm_stanza out;

    for (uint32_t i = 0; i <= QUEUE_REQUESTS_LOOKED; i++)
        STEP(r, SM_TO_CLIENT,
             .stanza = {.xml = "<iq/>", .len = 5, .request = 1000 + i, .fate = SM_FATE_REFUSE});
    written(r);
    STEP(r, SM_REQUEST_DONE, .stanza = {.request = 1000});
    STEP(r, SM_REQUEST_DONE, .stanza = {.request = 1001});
    STEP(r, SM_REQUEST_DONE, .stanza = {.request = 1000 + QUEUE_REQUESTS_LOOKED});
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    for (uint32_t i = 0; i <= QUEUE_REQUESTS_LOOKED; i++) {
        assert_true(sm_undelivered(r->s, &out));
        assert_int_equal(out.answered, i == 1 || i == QUEUE_REQUESTS_LOOKED);
        sm_undelivered_done(r->s, SM_DROPPED);
    }
    rig_free_clean(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(stanzas_are_written_in_order_and_held_until_acknowledged),
        cmocka_unit_test(an_ack_of_stanzas_never_written_ends_the_session_and_says_both_counts),
        cmocka_unit_test(an_old_ack_is_ignored),
        cmocka_unit_test(an_ack_of_the_farthest_number_is_too_high),
        cmocka_unit_test(half_a_stanza_is_not_written_yet),
        cmocka_unit_test(the_client_is_asked_after_so_many_stanzas),
        cmocka_unit_test(an_inactive_client_is_asked_less),
        cmocka_unit_test(the_client_is_asked_after_a_burst),
        cmocka_unit_test(the_first_stanza_after_a_long_time_is_not_asked_for_at_once),
        cmocka_unit_test(a_client_that_acknowledges_by_itself_is_not_asked),
        cmocka_unit_test(what_it_does_not_acknowledge_is_asked_for_from_time_to_time),
        cmocka_unit_test(a_silent_client_is_asked),
        cmocka_unit_test(an_unanswered_r_detaches),
        cmocka_unit_test(an_unanswered_r_ends_what_cannot_be_resumed),
        cmocka_unit_test(the_clock_stands_still_while_the_client_is_not_read),
        cmocka_unit_test(a_slow_client_that_still_takes_bytes_is_not_detached),
        cmocka_unit_test(a_full_queue_stops_the_link_and_asks),
        cmocka_unit_test(a_full_queue_by_bytes_does_the_same),
        cmocka_unit_test(the_memory_of_all_stops_the_link_of_the_attached_only),
        cmocka_unit_test(a_client_with_a_full_queue_is_read_a_bit_further),
        cmocka_unit_test(a_client_that_waits_for_memory_is_detached_in_the_end),
        cmocka_unit_test(an_answered_request_is_known_at_the_end),
        cmocka_unit_test(not_all_requests_are_searched_for_each_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
