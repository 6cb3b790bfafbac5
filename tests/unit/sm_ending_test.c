/* SPDX-License-Identifier: MIT */
/*
 * How sessions end, and what becomes of what they held ("How things end").
 */
#include "tests/support/session_rig.h"

#define UNAVAILABLE "<presence type='unavailable'/>"

static void push(struct rig *r, const char *xml, enum sm_fate fate)
{
    STEP(r, SM_TO_CLIENT, .stanza = {.xml = xml, .len = strlen(xml), .fate = fate});
}

/* Deals with all that is undelivered; gives it as text. */
static const char *undelivered(struct rig *r, enum sm_undelivered_fate how)
{
    static char text[1000];
    struct sm_stanza s;
    size_t len = 0;

    while (sm_undelivered(r->s, &s)) {
        memcpy(text + len, s.xml, s.len);
        len += s.len;
        sm_undelivered_done(r->s, how);
    }
    text[len] = 0;
    return text;
}

static void returned(struct rig *r)
{
    assert_true(told(r, SM_DO_RETURN));
    sm_returned(r->s, r->now, &r->o);
}

static void an_orderly_end_goes_in_order(void **)
{
    struct rig *r = rig_new();

    push(r, "<a/>", SM_FATE_DROP);
    push(r, "<b/>", SM_FATE_KEEP);
    written(r);
    ack(r, 1);
    STEP(r, SM_CLIENT_CLOSE);
    assert_string_equal(said(r), "<a xmlns='urn:xmpp:sm:3' h='0'/>");
    assert_true(told(r, SM_DO_END_CLIENT));
    assert_int_equal(r->o.end, SM_END_CLIENT);
    assert_false(told(r, SM_DO_RETURN));

    const char *text = sent(r);
    assert_int_equal(strncmp(text, UNAVAILABLE "<iq ", strlen(UNAVAILABLE) + 4), 0);
    push(r, "<c/>", SM_FATE_KEEP); /* it was on its way */
    assert_false(told(r, SM_DO_RETURN));
    STEP(r, SM_PROBE_ANSWER, .probe = probe_of(text));
    assert_int_equal(sm_session_state(r->s), SM_ENDING);
    assert_string_equal(undelivered(r, SM_RETURNED), "<b/><c/>");
    assert_true(STEP(r, SM_PASS, .stanza = {.xml = "<error/>", .len = 8}));
    returned(r);
    assert_int_equal(sm_session_state(r->s), SM_CLOSING);
    assert_string_equal(sent(r), "<error/></stream:stream>");
    assert_true(sm_finished_sending(r->s));
    assert_false(told(r, SM_DO_OVER));
    STEP(r, SM_LINK_CLOSED, .end = SM_END_SERVER);
    assert_true(told(r, SM_DO_OVER));
    assert_int_equal(r->o.end, SM_END_CLIENT);
    assert_int_equal(sm_core_counts(r->core).returned, 2);
    assert_int_equal(sm_core_counts(r->core).ended[SM_END_CLIENT], 1);
    rig_free_clean(r);
}

static void each_wait_has_its_end(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    pass_ms(r, SM_ENDING_MS - 1);
    assert_false(told(r, SM_DO_RETURN));
    pass_ms(r, 1);
    returned(r);
    pass_ms(r, SM_ENDING_MS - 1);
    assert_false(told(r, SM_DO_OVER));
    pass_ms(r, 1);
    assert_true(told(r, SM_DO_OVER));
    rig_free_clean(r);
}

static void what_the_clients_tcp_had_counts_as_delivered(void **)
{
    struct rig *r = rig_new();

    for (int i = 0; i < 3; i++)
        push(r, "<a/>", SM_FATE_KEEP);
    written(r);
    push(r, "<b/>", SM_FATE_KEEP);
    STEP(r, SM_CLIENT_CLOSE, .count = 2);
    assert_string_equal(undelivered(r, SM_RETURNED), "<a/><b/>");
    rig_free_clean(r);
}

static void never_more_than_was_written_counts_as_delivered(void **)
{
    struct rig *r = rig_new();

    push(r, "<a/>", SM_FATE_KEEP);
    written(r);
    push(r, "<b/>", SM_FATE_KEEP);
    STEP(r, SM_CLIENT_CLOSE, .count = UINT64_MAX);
    assert_string_equal(undelivered(r, SM_RETURNED), "<b/>");
    rig_free_clean(r);
}

static void a_client_that_closes_gets_all_its_answers(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    STEP(r, SM_CLIENT_ASK);
    STEP(r, SM_CLIENT_CLOSE);
    assert_string_equal(said(r),
                        "<a xmlns='urn:xmpp:sm:3' h='0'/><a xmlns='urn:xmpp:sm:3' h='0'/>");
    assert_int_equal(strncmp(sent(r), "<a/>", 4), 0); /* and what it sent goes out */
    rig_free_clean(r);
}

static void the_answer_to_an_earlier_probe_is_ours_and_not_the_last(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_CLIENT_ASK);
    uint64_t first = probe_of(sent(r));
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    uint64_t second = probe_of(sent(r));
    assert_true(STEP(r, SM_PROBE_ANSWER, .probe = first));
    assert_false(told(r, SM_DO_RETURN));
    assert_true(STEP(r, SM_PROBE_ANSWER, .probe = second));
    assert_true(told(r, SM_DO_RETURN));
    assert_int_equal(sm_session_view(r->s).confirmed, 1);
    rig_free_clean(r);
}

static void an_answer_that_comes_too_late_is_ours_all_the_same(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    uint64_t probe = probe_of(sent(r));
    pass_ms(r, SM_ENDING_MS);
    returned(r);
    assert_int_equal(sm_session_state(r->s), SM_CLOSING);
    assert_true(STEP(r, SM_PROBE_ANSWER, .probe = probe));
    assert_int_equal(sm_session_view(r->s).confirmed, 1);
    rig_free_clean(r);
}

static void what_comes_while_the_stream_closes_is_dealt_with_too(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    answer_probe(r);
    returned(r);
    push(r, "<late/>", SM_FATE_KEEP);
    assert_true(told(r, SM_DO_RETURN));
    assert_string_equal(undelivered(r, SM_LOST), "<late/>");
    assert_false(STEP(r, SM_PASS, .stanza = {.xml = "<error/>", .len = 8})); /* it is too late */
    sm_returned(r->s, r->now, &r->o);
    assert_int_equal(sm_session_state(r->s), SM_CLOSING);
    assert_string_equal(sent(r), "</stream:stream>");
    assert_int_equal(sm_core_counts(r->core).lost, 1);
    rig_free_clean(r);
}

static void a_dead_link_leaves_messages_for_the_next_session(void **)
{
    struct rig *r = rig_new();

    push(r, "<a/>", SM_FATE_DROP);
    push(r, "<b/>", SM_FATE_KEEP);
    push(r, "<c/>", SM_FATE_REFUSE);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    assert_true(told(r, SM_DO_END_CLIENT));
    assert_int_equal(r->o.end, SM_END_LINK);
    assert_string_equal(undelivered(r, SM_DROPPED), "<a/><c/>");
    returned(r);
    assert_true(told(r, SM_DO_OVER));
    sm_session_free(r->s, r->now);
    r->s = NULL;

    struct sm_text jid = rig_text("alice@example.org/phone");
    assert_true(sm_core_left(r->core, jid));
    rig_birth(r, &(struct sm_birth){.resumable = true});
    push(r, "<new/>", SM_FATE_KEEP);
    assert_int_equal(sm_adopt(r->s, &r->o, r->now), 1);
    assert_int_equal(sm_adopt(r->s, &r->o, r->now), 0); /* not twice in one commit */
    assert_string_equal(written(r), "<new/>[<b/>]");
    assert_false(sm_core_left(r->core, jid));
    assert_int_equal(sm_adopt(r->s, &r->o, r->now), 0);
    ack(r, 2);
    assert_int_equal(sm_core_counts(r->core).adopted, 1);
    assert_int_equal(sm_core_counts(r->core).lost, 0);
    rig_free_clean(r);
}

static void what_is_left_is_lost_when_nobody_comes(void **)
{
    struct rig *r = rig_new();

    push(r, "<b/>", SM_FATE_KEEP);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_SERVER);
    returned(r);
    sm_session_free(r->s, r->now);
    r->s = NULL;
    assert_null(sm_core_due(r->core, r->now + r->limits.resume_timeout_ms));
    assert_false(sm_core_left(r->core, rig_text("alice@example.org/phone")));
    assert_int_equal(sm_core_counts(r->core).lost, 1);
    assert_true(r->budget.used == r->used);
    rig_free(r);
}

static void a_replaced_session_ends_in_order_and_keeps_its_messages(void **)
{
    struct rig *r = rig_new();

    push(r, "<a/>", SM_FATE_KEEP);
    push(r, "<b/>", SM_FATE_REFUSE);
    push(r, "<c/>", SM_FATE_KEEP);
    gone(r);
    STEP(r, SM_FINISH, .end = SM_END_REPLACED);
    answer_probe(r);
    assert_string_equal(undelivered(r, SM_RETURNED), "<b/>");
    returned(r);
    assert_string_equal(sent(r), "</stream:stream>");
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    assert_true(told(r, SM_DO_OVER));
    sm_session_free(r->s, r->now);
    rig_birth(r, &(struct sm_birth){.resumable = true});
    assert_int_equal(sm_adopt(r->s, &r->o, r->now), 2);
    assert_string_equal(written(r), "[<a/>][<c/>]");
    rig_free_clean(r);
}

static void what_was_returned_before_the_link_died_is_not_left_as_well(void **)
{
    struct rig *r = rig_new();
    struct sm_stanza out;

    for (int i = 0; i < 3; i++)
        push(r, i ? "<b/>" : "<a/>", SM_FATE_KEEP);
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    answer_probe(r);
    assert_true(sm_undelivered(r->s, &out));
    sm_undelivered_done(r->s, SM_RETURNED);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    assert_string_equal(undelivered(r, SM_LOST), "");
    returned(r);
    sm_session_free(r->s, r->now);
    rig_birth(r, &(struct sm_birth){.resumable = true});
    assert_int_equal(sm_adopt(r->s, &r->o, r->now), 2);
    assert_string_equal(written(r), "[<b/>][<b/>]");
    rig_free_clean(r);
}

static void what_was_said_but_not_confirmed_is_given_back(void **)
{
    struct rig *r = rig_new();
    struct sm_stanza out;

    to_server(r, "<a/>");
    STEP(r, SM_ANSWERED);
    STEP(r, SM_PASS, .stanza = {.xml = "<active/>", .len = 9});
    to_server(r, "<b/>");
    gone(r);
    resume(r, 0);
    pass_ms(r, SM_ACK_WAIT_MS); /* <resumed h='3'/> */
    to_server(r, "<c/>");
    STEP(r, SM_LINK_SENT, .count = 2);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    assert_true(told(r, SM_DO_UNCONFIRMED));
    assert_true(sm_unconfirmed(r->s, &out));
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.xml, "<a/>", 4);
    assert_true(sm_unconfirmed(r->s, &out));
    assert_memory_equal(out.xml, "<b/>", 4);
    assert_false(sm_unconfirmed(r->s, &out));
    assert_int_equal(sm_core_counts(r->core).unconfirmed, 2);
    assert_true(sm_sends_within(r->s)); /* <a/>, half of it */
    rig_free_clean(r);
}

static void a_conflict_hands_over_while_attached(void **)
{
    struct rig *r = rig_new();

    push(r, "<a/>", SM_FATE_KEEP);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_CONFLICT);
    assert_true(told(r, SM_DO_END_CLIENT));
    assert_string_equal(undelivered(r, SM_DROPPED), "");
    returned(r);
    sm_session_free(r->s, r->now);
    r->s = NULL;
    assert_true(sm_core_left(r->core, rig_text("alice@example.org/phone")));
    rig_free(r);
}

static void an_ended_session_leaves_its_h_to_its_owner(void **)
{
    struct rig *r = rig_new();
    struct sm_id id;
    char text[SM_ID_TEXT];
    uint32_t h = 99;

    to_server(r, "<a/>");
    to_server(r, "<b/>");
    STEP(r, SM_CLIENT_ASK);
    answer_probe(r);
    to_server(r, "<c/>");
    sm_session_id(r->s, text);
    assert_true(sm_id_read(&id, text, strlen(text)));
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    sm_session_free(r->s, r->now);
    r->s = NULL;
    assert_false(sm_core_tombstone(r->core, &id, rig_text("bob@example.org"), r->now, &h));
    assert_true(sm_core_tombstone(r->core, &id, rig_text("alice@example.org"), r->now, &h));
    assert_int_equal(h, 2);
    rig_free(r);
}

static void a_session_freed_right_after_birth_leaves_nothing(void **)
{
    struct rig *r = rig_core(32u << 20);
    struct sm_id id;
    char text[SM_ID_TEXT];
    uint32_t h;

    rig_birth(r, &(struct sm_birth){.resumable = true});
    sm_session_id(r->s, text);
    assert_true(sm_id_read(&id, text, strlen(text)));
    sm_session_free(r->s, r->now);
    r->s = NULL;
    assert_false(sm_core_tombstone(r->core, &id, rig_text("alice@example.org"), r->now, &h));
    assert_true(r->budget.used == r->used);
    rig_free(r);
}

static void what_was_not_dealt_with_is_counted_as_lost(void **)
{
    struct rig *r = rig_new();

    push(r, "<a/>", SM_FATE_DROP);
    push(r, "<b/>", SM_FATE_KEEP);
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    sm_session_free(r->s, r->now);
    r->s = NULL;
    assert_int_equal(sm_core_counts(r->core).lost, 2);
    rig_free(r);
}

/* --- without memory --- */

static void without_memory_a_stanza_of_the_client_is_not_taken(void **)
{
    struct rig *r = rig_new();
    size_t used = r->budget.used;

    r->budget.used = r->budget.max;
    to_server(r, "<a/>");
    assert_int_equal(sm_session_end(r->s), SM_END_MEMORY);
    assert_int_equal(sm_session_view(r->s).taken, 0);
    assert_true(told(r, SM_DO_END_CLIENT));
    returned(r); /* at once: there is no memory for anything that could be awaited */
    assert_true(told(r, SM_DO_OVER));
    r->budget.used = used;
    rig_free_clean(r);
}

static void without_memory_a_stanza_for_the_client_is_counted_and_the_session_ends(void **)
{
    struct rig *r = rig_new();
    size_t used = r->budget.used;

    gone(r);
    r->budget.used = r->budget.max;
    push(r, "<a/>", SM_FATE_KEEP);
    assert_int_equal(sm_session_end(r->s), SM_END_MEMORY);
    assert_int_equal(sm_core_counts(r->core).lost, 1);
    r->budget.used = used;
    rig_free_clean(r);
}

static void without_memory_for_a_probe_it_is_tried_again(void **)
{
    struct rig *r = rig_new();
    static char big[100];

    memset(big, 'x', sizeof big - 1);
    to_server(r, big);
    sent(r);
    size_t used = r->budget.used;
    r->budget.used = r->budget.max;
    STEP(r, SM_CLIENT_ASK);
    pass_ms(r, SM_ACK_WAIT_MS - 1);
    r->budget.used = used;
    STEP(r, SM_CLIENT_ASK);
    pass_ms(r, SM_PROBE_PACE_MS);
    answer_probe(r);
    assert_true(strstr(said(r), "<a xmlns='urn:xmpp:sm:3' h='1'/>"));
    rig_free_clean(r);
}

/* The server did not read for so long; what it has not got by now it gets once. */
static void what_is_unsent_when_a_session_is_over_is_sent_once(void **)
{
    struct rig *r = rig_new();

    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    pass_ms(r, SM_ENDING_MS);
    sm_returned(r->s, r->now, &r->o);
    pass_ms(r, SM_ENDING_MS);
    assert_int_equal(sm_session_state(r->s), SM_OVER);
    assert_true(told(r, SM_DO_SEND));
    const char *text = strstr(sent(r), "</stream:stream>");

    assert_non_null(text);
    assert_string_equal(text, "</stream:stream>");
    assert_true(told(r, SM_DO_OVER));
    rig_free_clean(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_orderly_end_goes_in_order),
        cmocka_unit_test(each_wait_has_its_end),
        cmocka_unit_test(what_the_clients_tcp_had_counts_as_delivered),
        cmocka_unit_test(never_more_than_was_written_counts_as_delivered),
        cmocka_unit_test(a_client_that_closes_gets_all_its_answers),
        cmocka_unit_test(the_answer_to_an_earlier_probe_is_ours_and_not_the_last),
        cmocka_unit_test(an_answer_that_comes_too_late_is_ours_all_the_same),
        cmocka_unit_test(what_comes_while_the_stream_closes_is_dealt_with_too),
        cmocka_unit_test(a_dead_link_leaves_messages_for_the_next_session),
        cmocka_unit_test(what_is_left_is_lost_when_nobody_comes),
        cmocka_unit_test(a_replaced_session_ends_in_order_and_keeps_its_messages),
        cmocka_unit_test(what_was_returned_before_the_link_died_is_not_left_as_well),
        cmocka_unit_test(what_was_said_but_not_confirmed_is_given_back),
        cmocka_unit_test(a_conflict_hands_over_while_attached),
        cmocka_unit_test(an_ended_session_leaves_its_h_to_its_owner),
        cmocka_unit_test(a_session_freed_right_after_birth_leaves_nothing),
        cmocka_unit_test(what_was_not_dealt_with_is_counted_as_lost),
        cmocka_unit_test(without_memory_a_stanza_of_the_client_is_not_taken),
        cmocka_unit_test(without_memory_a_stanza_for_the_client_is_counted_and_the_session_ends),
        cmocka_unit_test(without_memory_for_a_probe_it_is_tried_again),
        cmocka_unit_test(what_is_unsent_when_a_session_is_over_is_sent_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
