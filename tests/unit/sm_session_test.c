/* SPDX-License-Identifier: MIT */
/*
 * The table of a session's life as a whole, and what can be seen of it from outside.
 */
#include "tests/support/session_rig.h"

#include "sm/rules.h"

static void the_id_finds_the_session_and_no_other_does(void **)
{
    struct rig *r = rig_new();
    struct sm_id id;
    char text[SM_ID_TEXT];

    sm_session_id(r->s, text);
    assert_true(sm_id_read(&id, text, strlen(text)));
    assert_ptr_equal(sm_core_find(r->core, &id), r->s);
    id.random[15] ^= 1;
    assert_null(sm_core_find(r->core, &id));
    rig_free_clean(r);
}

static void the_identity_is_a_copy_of_all_that_was_given(void **)
{
    struct rig *r = rig_core(32u << 20);
    struct sm_identity i;

    rig_birth(r, &(struct sm_birth){.identity = {.jid = rig_text("alice@example.org/x"),
                                                 .lang = rig_text("en"),
                                                 .prefixes = rig_text(" xmlns:a='b'"),
                                                 .up_lang = rig_text("de"),
                                                 .up_prefixes = rig_text(" xmlns:c='d'")}});
    sm_commit(r->s);
    i = sm_session_identity(r->s);
    assert_memory_equal(i.account.p, "alice@example.org", i.account.len);
    assert_memory_equal(i.jid.p, "alice@example.org/x", i.jid.len);
    assert_memory_equal(i.domain.p, "example.org", i.domain.len);
    assert_int_equal(i.up_lang.len, 2);
    assert_memory_equal(i.up_lang.p, "de", 2);
    assert_int_equal(i.up_prefixes.len, 12);
    assert_memory_equal(i.up_prefixes.p, " xmlns:c='d'", 12);
    rig_free(r);
}

static void the_view_tells_both_directions_apart(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    to_client(r, "<b/>");
    to_client(r, "<cd/>");
    to_server(r, "<e/>");
    written(r);
    ack(r, 1);

    struct sm_view v = sm_session_view(r->s);
    assert_int_equal(v.state, SM_LIVE);
    assert_int_equal(v.sent, 3);
    assert_int_equal(v.acked, 1);
    assert_int_equal(v.held, 2);
    assert_int_equal(v.held_bytes, 9);
    assert_int_equal(v.taken, 1);
    assert_int_equal(v.confirmed, 0);
    assert_int_equal(v.said, 0);
    assert_int_equal(v.up_bytes, 4);
    assert_int_equal(v.max_ms, 600000);
    assert_true(v.resumable);
    assert_false(sm_session_ns2(r->s));
    rig_free(r);
}

static void what_the_caller_keeps_with_a_session_stays(void **)
{
    struct rig *r = rig_new();
    int mine;

    sm_session_set_user(r->s, &mine);
    sm_session_set_inactive(r->s, true);
    memcpy(sm_scan(r->s), "0123456789abcde", 16);
    sm_commit(r->s);
    assert_ptr_equal(sm_session_user(r->s), &mine);
    assert_ptr_equal(sm_session_core(r->s), r->core);
    assert_true(sm_session_inactive(r->s));
    sm_session_set_inactive(r->s, false);
    assert_false(sm_session_inactive(r->s));
    assert_true(sm_session_resumable(r->s));
    assert_memory_equal(sm_scan(r->s), "0123456789abcde", 16);
    rig_free_clean(r);
}

static void a_stanza_that_trickles_in_is_in_the_tail_until_it_is_whole(void **)
{
    struct rig *r = rig_new();

    assert_true(sm_tail_add(r->s, rig_text("<mess")));
    sm_commit(r->s);
    assert_true(sm_tail_add(r->s, rig_text("age/>")));
    assert_int_equal(sm_tail(r->s).len, 10);
    assert_string_equal(written(r), "");
    STEP(r, SM_REPLY, .stanza = {.xml = "<error/>", .len = 8}); /* it is whole before */
    assert_true(STEP(r, SM_TO_CLIENT, .stanza = {.fate = SM_FATE_KEEP}));
    assert_int_equal(sm_tail(r->s).len, 0);
    assert_string_equal(written(r), "<error/><message/>");
    assert_true(sm_tail_add(r->s, rig_text("<mess")));
    sm_tail_drop(r->s);
    assert_int_equal(sm_tail(r->s).len, 0);
    ack(r, 2);
    rig_free_clean(r);
}

static void fresh_stanzas_can_be_had_one_by_one(void **)
{
    struct rig *r = rig_new();
    struct sm_stanza one;

    to_client(r, "<a/>");
    to_client(r, "<b/>");
    sm_commit(r->s);
    assert_true(sm_unwritten_one(r->s, &one));
    assert_memory_equal(one.xml, "<a/>", 4);
    assert_int_equal(one.len, 4);
    assert_false(one.late);
    assert_int_equal(one.stamp_ms, 5);
    STEP(r, SM_CLIENT_WROTE, .count = 4);
    assert_true(sm_unwritten_one(r->s, &one));
    assert_memory_equal(one.xml, "<b/>", 4);
    STEP(r, SM_CLIENT_WROTE, .count = 4);
    assert_false(sm_unwritten_one(r->s, &one));
    rig_free(r);
}

static void a_commit_without_change_changes_nothing(void **)
{
    struct rig *r = rig_new();
    size_t used = r->budget.used;

    for (int i = 0; i < 10; i++)
        sm_commit(r->s);
    assert_true(r->budget.used == used);
    assert_true(sm_core_deadline(r->core) != UINT64_MAX); /* idle_check */
    rig_free_clean(r);
}

static void the_text_of_one_event_fits_whatever_waits(void **)
{
    struct rig *r = rig_new();

    to_server(r, "<a/>");
    for (int i = 0; i < SM_ASKS_WAITING; i++)
        STEP(r, SM_CLIENT_ASK);
    while (!sm_orders_full(&r->o))
        STEP(r, SM_CLIENT_ASK);
    answer_probe(r);
    assert_true(r->o.text_len <= sizeof r->o.text);
    said(r);
    STEP(r, SM_CLIENT_CLOSE);
    rig_free_clean(r);
}

/* --- the table --- */

/* A session in that state, with stanzas held in both directions. */
static struct rig *in_state(enum sm_state state)
{
    struct rig *r = rig_new();

    to_client(r, "<a/>");
    to_client(r, "<b/>");
    written(r);
    to_server(r, "<c/>");
    switch (state) {
    case SM_LIVE:
        break;
    case SM_HELD:
        gone(r);
        break;
    case SM_RESUMING:
        gone(r);
        resume(r, 1);
        break;
    case SM_ENDING:
        STEP(r, SM_FINISH, .end = SM_END_ORDERED);
        break;
    case SM_CLOSING:
    case SM_OVER:
    case SM_LEFT:
        STEP(r, SM_FINISH, .end = SM_END_ORDERED);
        answer_probe(r);
        sm_returned(r->s, r->now, &r->o);
        if (state != SM_CLOSING)
            STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
        break;
    }
    assert_int_equal(sm_session_state(r->s), state == SM_LEFT ? SM_OVER : state);
    r->o = (struct sm_orders){0};
    sm_commit(r->s);
    return r;
}

/* clang-format off */

/* Which events are heard in which state: a line for each event of event.h, in its order. */
static const char heard[SM_EVENT_COUNT][SM_LEFT + 1] = {
    [SM_TO_CLIENT]    = "lhrec",
    [SM_LINK_READ]    = "lhrec",
    [SM_LINK_SENT]    = "lhrec",
    [SM_PROBE_ANSWER] = "     ", /* of another session */
    [SM_LINK_CLOSED]  = "lhrec",
    [SM_TCP_ACKED]    = "lhr  ",
    [SM_TO_SERVER]    = "l    ",
    [SM_ANSWERED]     = "l    ",
    [SM_PASS]         = "lhre ",
    [SM_REPLY]        = "l    ",
    [SM_REQUEST_DONE] = "l    ",
    [SM_CLIENT_ACK]   = "l    ",
    [SM_CLIENT_ASK]   = "l    ",
    [SM_CLIENT_BYTES] = "l    ",
    [SM_CLIENT_WROTE] = "l    ",
    [SM_CLIENT_CLOSE] = "l    ",
    [SM_CLIENT_GONE]  = "l r  ",
    [SM_RESUME]       = " h   ",
    [SM_READING]      = "l    ",
    [SM_FINISH]       = "lhr  ",
    [SM_DETACH]       = "l r  ",
    [SM_DEADLINE]     = "     ", /* before its time */
};

/* clang-format on */

static bool same(const struct sm_view *a, const struct sm_view *b)
{
    return a->state == b->state && a->sent == b->sent && a->acked == b->acked &&
           a->taken == b->taken && a->confirmed == b->confirmed && a->said == b->said &&
           a->held == b->held && a->held_bytes == b->held_bytes && a->up_bytes == b->up_bytes &&
           a->since_ms == b->since_ms && a->expires_ms == b->expires_ms;
}

static void an_event_without_a_row_changes_nothing(void **)
{
    for (int state = SM_LIVE; state <= SM_CLOSING; state++) {
        for (int type = 0; type < SM_EVENT_COUNT; type++) {
            struct rig *r = in_state((enum sm_state)state);
            struct sm_view before = sm_session_view(r->s), after;
            bool expected = heard[type][state] != ' ';

            bool known = rig_step(r, (struct sm_event){
                                         .type = (enum sm_event_type)type,
                                         .stanza = {.xml = "<x/>", .len = 4},
                                         .h = 1,
                                         .end = SM_END_LINK,
                                     });
            if (known != expected)
                print_error("state %d, event %d\n", state, type);
            assert_int_equal(known, expected);
            after = sm_session_view(r->s);
            if (!known) {
                assert_true(same(&before, &after));
                assert_int_equal(r->o.todo, 0);
                assert_int_equal(r->o.text_len, 0);
            }
            rig_free(r);
        }
    }
}

/* But for what its last order to send brings about. */
static void nothing_is_heard_when_it_is_over(void **)
{
    struct rig *r = in_state(SM_OVER);

    for (int type = 0; type < SM_EVENT_COUNT; type++)
        assert_int_equal(rig_step(r, (struct sm_event){.type = (enum sm_event_type)type}),
                         type == SM_LINK_SENT);
    sm_returned(r->s, r->now, &r->o);
    assert_int_equal(sm_session_state(r->s), SM_OVER);
    rig_free(r);
}

/* Random events, in any order: whatever a peer does, no assertion fails, and all ends. */
static void no_order_of_events_breaks_a_session(void **)
{
    uint32_t random = 1;

    for (int life = 0; life < 3000; life++) {
        struct rig *r = in_state((enum sm_state)(life % 4));

        for (int step = 0; step < 40; step++) {
            random = random * 1664525 + 1013904223;
            struct sm_event e = {
                .type = (enum sm_event_type)((random >> 20) % SM_EVENT_COUNT),
                .stanza = {.xml = "<x/>", .len = 4, .fate = random >> 9 & 1, .request = 1},
                .count = random >> 10 & 1,
                .h = random >> 11 & 3,
                .end = SM_END_LINK,
            };
            struct sm_text bytes;
            struct sm_stanza one;

            if (e.type == SM_LINK_SENT && !sm_unsent(r->s, &bytes))
                continue; /* those three would be the caller's mistake */
            if (e.type == SM_CLIENT_WROTE && !sm_unwritten(r->s, &bytes, &one))
                continue;
            if (e.type == SM_RESUME && sm_may_resume(r->s, e.h) != SM_RESUME_FINE)
                continue;
            rig_step(r, e);
            if (random >> 12 & 1)
                pass_ms(r, random >> 16 & 0x7fff);
            while (r->o.todo & SM_DO_RETURN && sm_undelivered(r->s, &one))
                sm_undelivered_done(r->s, SM_DROPPED);
            if (told(r, SM_DO_RETURN))
                sm_returned(r->s, r->now, &r->o);
            if (sm_orders_full(&r->o))
                said(r);
        }
        if (r->o.todo & SM_DO_OVER)
            assert_int_equal(sm_session_state(r->s), SM_OVER);
        sm_session_free(r->s, r->now);
        r->s = NULL;
        rig_free(r);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_id_finds_the_session_and_no_other_does),
        cmocka_unit_test(the_identity_is_a_copy_of_all_that_was_given),
        cmocka_unit_test(the_view_tells_both_directions_apart),
        cmocka_unit_test(what_the_caller_keeps_with_a_session_stays),
        cmocka_unit_test(a_stanza_that_trickles_in_is_in_the_tail_until_it_is_whole),
        cmocka_unit_test(fresh_stanzas_can_be_had_one_by_one),
        cmocka_unit_test(a_commit_without_change_changes_nothing),
        cmocka_unit_test(the_text_of_one_event_fits_whatever_waits),
        cmocka_unit_test(an_event_without_a_row_changes_nothing),
        cmocka_unit_test(nothing_is_heard_when_it_is_over),
        cmocka_unit_test(no_order_of_events_breaks_a_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
