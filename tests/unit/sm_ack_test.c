/* SPDX-License-Identifier: MIT */
/*
 * What the client is told of its own stanzas (XEP-0198, 4; "Acknowledging").
 */
#include "tests/support/session_rig.h"

#define A(h) "<a xmlns='urn:xmpp:sm:3' h='" #h "'/>"

static void a_new_session_says_enabled_and_counts_from_zero(void **)
{
    struct rig *r = rig_core(32u << 20);

    rig_birth(r, &(struct sm_birth){.resumable = true, .max_ms = 2000});
    char id[SM_ID_TEXT], want[200];
    sm_session_id(r->s, id);
    snprintf(want, sizeof want, "<enabled xmlns='urn:xmpp:sm:3' id='%s' resume='true' max='2'/>",
             id);
    assert_string_equal(said(r), want);
    sm_commit(r->s);
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), A(0));
    rig_free(r);
}

static void the_longest_resume_time_is_the_configured_one(void **)
{
    struct rig *r = rig_core(32u << 20);

    rig_birth(r, &(struct sm_birth){.resumable = true, .max_ms = UINT64_MAX});
    assert_true(strstr(said(r), "max='600'"));
    rig_free(r);
}

static void a_session_that_cannot_be_resumed_has_no_id_and_no_time(void **)
{
    struct rig *r = rig_core(32u << 20);

    rig_birth(r, &(struct sm_birth){.ns2 = true});
    assert_string_equal(said(r), "<enabled xmlns='urn:xmpp:sm:2'/>");
    assert_int_equal(sm_may_resume(r->s, 0), SM_RESUME_NOT);
    rig_free_clean(r);
}

static void when_memory_is_short_a_session_is_born_not_resumable_and_says_nothing(void **)
{
    struct rig *r = rig_core(32u << 20);

    r->budget.used = r->budget.max / 100 * 95;
    rig_birth(r, &(struct sm_birth){.resumable = true});
    assert_false(sm_session_resumable(r->s));
    assert_string_equal(said(r), "");
    assert_int_equal(sm_core_counts(r->core).refused_births, 1);
    rig_free(r);
}

static void an_r_with_nothing_unconfirmed_is_answered_at_once(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), A(0));
    assert_string_equal(sent(r), "");
    rig_free_clean(r);
}

static void nothing_is_probed_while_nobody_waits(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<message/>");
    assert_true(told(r, SM_DO_SEND));
    assert_string_equal(sent(r), "<message/>");
    pass_ms(r, 10000);
    assert_string_equal(sent(r), "");
    rig_free_clean(r);
}

static void an_r_behind_a_stanza_is_answered_when_the_server_has_handled_it(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<message/>");
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), "");
    const char *text = sent(r);
    assert_int_equal(strncmp(text, "<message/><iq type='get' id='hf-", 32), 0);
    assert_true(STEP(r, SM_PROBE_ANSWER, .probe = probe_of(text)));
    assert_string_equal(said(r), A(1));
    assert_int_equal(sm_session_view(r->s).up_bytes, 0);
    rig_free_clean(r);
}

static void an_answer_with_another_id_confirms_nothing(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<message/>");
    STEP(r, SM_CLIENT_ASK);
    uint64_t id = probe_of(sent(r));
    assert_false(STEP(r, SM_PROBE_ANSWER, .probe = id ^ 1));
    assert_false(STEP(r, SM_PROBE_ANSWER, .probe = 0));
    assert_string_equal(said(r), "");
    assert_true(STEP(r, SM_PROBE_ANSWER, .probe = id));
    assert_true(STEP(r, SM_PROBE_ANSWER, .probe = id)); /* twice does no harm */
    assert_string_equal(said(r), A(1));
    rig_free_clean(r);
}

static void each_r_gets_its_own_a_with_the_count_at_its_place(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    to_server(r, "<b/>");
    STEP(r, SM_CLIENT_ASK);
    STEP(r, SM_CLIENT_ASK);
    to_server(r, "<c/>");
    const char *text = sent(r); /* one probe, behind the first */
    assert_true(STEP(r, SM_PROBE_ANSWER, .probe = probe_of(text)));
    assert_string_equal(said(r), A(1));
    pass_ms(r, SM_PROBE_PACE_MS);
    answer_probe(r);
    assert_string_equal(said(r), A(2) A(2));
    assert_int_equal(sm_session_view(r->s).confirmed, 3);
    assert_int_equal(sm_session_view(r->s).said, 2);
    rig_free_clean(r);
}

static void an_r_is_answered_after_two_seconds_with_what_is_confirmed(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    sent(r);
    pass_ms(r, SM_ACK_WAIT_MS - 1);
    assert_string_equal(said(r), "");
    pass_ms(r, 1);
    assert_string_equal(said(r), A(0));
    rig_free_clean(r);
}

static void probes_keep_their_pace(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    answer_probe(r);
    to_server(r, "<b/>");
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(sent(r), "<b/>");
    pass_ms(r, SM_PROBE_PACE_MS - 1);
    assert_string_equal(sent(r), "");
    pass_ms(r, 1);
    answer_probe(r);
    assert_string_equal(said(r), A(1) A(2));
    assert_int_equal(sm_core_counts(r->core).probes, 2);
    rig_free_clean(r);
}

static void beyond_so_many_waiting_the_oldest_is_answered_at_once(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    for (int i = 0; i < SM_ASKS_WAITING; i++)
        STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), "");
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), A(0));
    answer_probe(r);
    assert_int_equal(strlen(said(r)), SM_ASKS_WAITING * strlen(A(1)));
    rig_free_clean(r);
}

static void what_holdfast_answers_itself_counts_in_its_place(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_ANSWERED);
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), A(1));
    to_server(r, "<b/>");
    STEP(r, SM_ANSWERED);
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), "");
    answer_probe(r);
    assert_string_equal(said(r), A(3));
    rig_free_clean(r);
}

static void what_holdfast_answered_behind_uncounted_bytes_is_confirmed_once_those_are_sent(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_PASS, .stanza = {.xml = "<active/>", .len = 9});
    STEP(r, SM_ANSWERED);
    sm_commit(r->s);
    STEP(r, SM_LINK_SENT, .count = 3);
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), "");
    sm_commit(r->s);
    STEP(r, SM_LINK_SENT, .count = 6);
    assert_string_equal(said(r), A(1));
    rig_free(r);
}

static void what_passes_uncounted_is_sent_and_forgotten(void **)
{
    struct rig *r = rig_new();

    assert_true(STEP(r, SM_PASS, .stanza = {.xml = "<active/>", .len = 9}));
    assert_string_equal(sent(r), "<active/>");
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), A(0));
    assert_int_equal(sm_session_view(r->s).up_bytes, 0);
    rig_free_clean(r);
}

static void a_long_queue_is_probed_unasked_and_the_client_is_told(void **)
{
    struct rig *r = rig_new();
    static char big[30001];

    r->limits.queue_bytes = 40000;
    memset(big, 'x', 30000);
    to_server(r, big);
    answer_probe(r);
    assert_string_equal(said(r), A(1));
    to_server(r, "<a/>"); /* nobody waits, and the queue is short */
    pass_ms(r, 1000);
    assert_string_equal(sent(r), "<a/>");
    rig_free_clean(r);
}

static void a_client_that_sends_more_than_the_server_takes_is_not_read(void **)
{
    struct rig *r = rig_new();
    static char big[10001];

    r->limits.queue_bytes = 40000;
    memset(big, 'x', 10000);
    for (int i = 0; i < 3; i++)
        to_server(r, big);
    assert_true(sm_reads_client(r->s));
    to_server(r, big);
    assert_false(sm_reads_client(r->s));
    answer_probe(r); /* of the third: a quarter is left */
    assert_true(sm_reads_client(r->s));
    rig_free_clean(r);
}

static void forwarded_says_what_is_taken_at_once(void **)
{
    struct rig *r = rig_new();

    r->limits.ack_forwarded = true;
    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    assert_string_equal(said(r), A(1));
    assert_string_equal(sent(r), "<a/>");
    assert_int_equal(sm_session_view(r->s).up_bytes, 4);
    pass_ms(r, 1000);
    assert_true(told(r, SM_DO_CHECK_TCP));
    STEP(r, SM_TCP_ACKED, .count = 3);
    assert_int_equal(sm_session_view(r->s).confirmed, 0);
    pass_ms(r, 1000);
    assert_true(told(r, SM_DO_CHECK_TCP));
    STEP(r, SM_TCP_ACKED, .count = 4);
    assert_int_equal(sm_session_view(r->s).confirmed, 1);
    pass_ms(r, 10000);
    assert_false(told(r, SM_DO_CHECK_TCP));
    rig_free_clean(r);
}

static void the_bytes_before_the_session_are_not_its_own(void **)
{
    struct rig *r = rig_core(32u << 20);

    r->limits.ack_forwarded = true;
    rig_birth(r, &(struct sm_birth){.resumable = true, .link_sent = 1000});
    to_server(r, "<a/>");
    sent(r);
    STEP(r, SM_TCP_ACKED, .count = 1003);
    assert_int_equal(sm_session_view(r->s).confirmed, 0);
    STEP(r, SM_TCP_ACKED, .count = 1004);
    assert_int_equal(sm_session_view(r->s).confirmed, 1);
    rig_free_clean(r);
}

static void a_silent_link_is_dead_after_the_probe_timeout(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    sent(r);
    pass_ms(r, SM_PROBE_TIMEOUT_MS - 1);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    pass_ms(r, 1);
    assert_int_equal(sm_session_end(r->s), SM_END_PROBE);
    assert_true(told(r, SM_DO_END_CLIENT));
    assert_true(told(r, SM_DO_RETURN));
    assert_false(told(r, SM_DO_UNCONFIRMED)); /* nothing was said of it */
    rig_free_clean(r);
}

/* Memory was short, so nobody looked whether the server had answered; then there is some again. */
static void a_link_that_was_not_read_gets_its_time_from_when_it_is(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    sent(r);
    r->budget.used += r->budget.max;
    STEP(r, SM_CLIENT_BYTES);
    pass_ms(r, SM_PROBE_TIMEOUT_MS - 1);
    r->budget.used -= r->budget.max;
    pass_ms(r, 1);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    pass_ms(r, SM_PROBE_TIMEOUT_MS);
    assert_int_equal(sm_session_end(r->s), SM_END_PROBE);
    rig_free_clean(r);
}

static void the_same_if_it_is_read_since_its_client_is_gone(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    sent(r);
    r->budget.used += r->budget.max;
    STEP(r, SM_CLIENT_BYTES);
    pass_ms(r, SM_PROBE_TIMEOUT_MS - 1);
    gone(r); /* of the detached the link is always read */
    pass_ms(r, SM_PROBE_TIMEOUT_MS - 1);
    assert_int_equal(sm_session_state(r->s), SM_HELD);
    pass_ms(r, 1);
    assert_int_equal(sm_session_end(r->s), SM_END_PROBE);
    r->budget.used -= r->budget.max;
    rig_free_clean(r);
}

static void a_link_that_talked_only_before_the_probe_is_dead(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_LINK_READ, .count = 10);
    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    answer_probe(r);
    STEP(r, SM_LINK_READ, .count = 10);
    to_server(r, "<b/>");
    STEP(r, SM_CLIENT_ASK);
    pass_ms(r, SM_PROBE_PACE_MS);
    sent(r);
    pass_ms(r, SM_PROBE_TIMEOUT_MS);
    assert_int_equal(sm_session_end(r->s), SM_END_PROBE);
    rig_free_clean(r);
}

static void a_link_that_talks_but_does_not_answer_is_trusted_by_its_tcp(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    size_t len = strlen(sent(r));
    STEP(r, SM_LINK_READ, .count = 10);
    pass_ms(r, SM_PROBE_TIMEOUT_MS);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    assert_true(told(r, SM_DO_WARN_PROBE));
    assert_true(told(r, SM_DO_CHECK_TCP));
    said(r);
    STEP(r, SM_CLIENT_ASK);
    STEP(r, SM_TCP_ACKED, .count = len);
    assert_string_equal(said(r), A(1));
    pass_ms(r, 10 * SM_PROBE_TIMEOUT_MS);
    assert_false(told(r, SM_DO_WARN_PROBE)); /* once is enough */
    rig_free_clean(r);
}

static void a_link_that_is_not_read_is_not_blamed_for_its_silence(void **)
{
    struct rig *r = rig_new();

    r->limits.queue_stanzas = 1;
    r->limits.ack_timeout_ms = UINT32_MAX;
    to_client(r, "<m/>");
    assert_false(sm_reads_link(r->s));
    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    sent(r);
    pass_ms(r, 3 * SM_PROBE_TIMEOUT_MS + 5);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    written(r);
    ack(r, 1);
    assert_true(sm_reads_link(r->s));
    pass_ms(r, SM_PROBE_TIMEOUT_MS - 1);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    pass_ms(r, 1);
    assert_int_equal(sm_session_end(r->s), SM_END_PROBE);
    rig_free_clean(r);
}

static void a_count_passes_the_wrap(void **)
{
    struct rig *r = rig_core(32u << 20);

    r->limits.counter_start = UINT32_MAX - 1;
    rig_enable(r);
    for (int i = 0; i < 4; i++)
        to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    answer_probe(r);
    assert_string_equal(said(r), A(2));
    for (int i = 0; i < 4; i++)
        to_client(r, "<b/>");
    written(r);
    assert_true(ack(r, UINT32_MAX));
    assert_int_equal(sm_session_view(r->s).held, 3);
    assert_true(ack(r, 1));
    assert_int_equal(sm_session_view(r->s).held, 1);
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    rig_free(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_session_says_enabled_and_counts_from_zero),
        cmocka_unit_test(the_longest_resume_time_is_the_configured_one),
        cmocka_unit_test(a_session_that_cannot_be_resumed_has_no_id_and_no_time),
        cmocka_unit_test(when_memory_is_short_a_session_is_born_not_resumable_and_says_nothing),
        cmocka_unit_test(an_r_with_nothing_unconfirmed_is_answered_at_once),
        cmocka_unit_test(nothing_is_probed_while_nobody_waits),
        cmocka_unit_test(an_r_behind_a_stanza_is_answered_when_the_server_has_handled_it),
        cmocka_unit_test(an_answer_with_another_id_confirms_nothing),
        cmocka_unit_test(each_r_gets_its_own_a_with_the_count_at_its_place),
        cmocka_unit_test(an_r_is_answered_after_two_seconds_with_what_is_confirmed),
        cmocka_unit_test(probes_keep_their_pace),
        cmocka_unit_test(beyond_so_many_waiting_the_oldest_is_answered_at_once),
        cmocka_unit_test(what_holdfast_answers_itself_counts_in_its_place),
        cmocka_unit_test(
            what_holdfast_answered_behind_uncounted_bytes_is_confirmed_once_those_are_sent),
        cmocka_unit_test(what_passes_uncounted_is_sent_and_forgotten),
        cmocka_unit_test(a_long_queue_is_probed_unasked_and_the_client_is_told),
        cmocka_unit_test(a_client_that_sends_more_than_the_server_takes_is_not_read),
        cmocka_unit_test(forwarded_says_what_is_taken_at_once),
        cmocka_unit_test(the_bytes_before_the_session_are_not_its_own),
        cmocka_unit_test(a_silent_link_is_dead_after_the_probe_timeout),
        cmocka_unit_test(a_link_that_was_not_read_gets_its_time_from_when_it_is),
        cmocka_unit_test(the_same_if_it_is_read_since_its_client_is_gone),
        cmocka_unit_test(a_link_that_talked_only_before_the_probe_is_dead),
        cmocka_unit_test(a_link_that_talks_but_does_not_answer_is_trusted_by_its_tcp),
        cmocka_unit_test(a_link_that_is_not_read_is_not_blamed_for_its_silence),
        cmocka_unit_test(a_count_passes_the_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
