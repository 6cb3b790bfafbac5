/* SPDX-License-Identifier: MIT */
/*
 * The queue, one thing at a time; sm_record_test.c tries it at random.
 */
#include "tests/support/arena_rig.h"

static char noise[60000];

static struct sm_stanza stanza(const char *xml)
{
    return (struct sm_stanza){.xml = xml, .len = strlen(xml)};
}

static bool push(struct queue *h, const char *xml)
{
    struct sm_stanza s = stanza(xml);

    return queue_push(h, &s, true);
}

static void assert_nth(const struct queue *h, uint32_t n, const char *xml)
{
    struct sm_stanza s;

    assert_true(queue_nth(h, n, &s));
    assert_int_equal(s.len, strlen(xml));
    assert_memory_equal(s.xml, xml, s.len);
}

static void assert_ahead(const struct queue *h, const char *bytes)
{
    struct sm_text run = {.p = "", .len = 0};

    assert_int_equal(queue_ahead(h, &run), *bytes != 0);
    assert_int_equal(run.len, strlen(bytes));
    assert_memory_equal(run.p, bytes, run.len);
}

static void done_with(struct queue *h)
{
    queue_clear(h);
    free_arena(h->arena);
}

/* As a commit does it, without a record. */
static void settle(struct queue *h)
{
    queue_settle(h);
    assert_true(queue_valid(h->q, h->arena));
    queue_committed(h);
}

/* --- one thing at a time --- */

static void an_empty_queue_owns_nothing(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;
    struct sm_text run;
    struct sm_stanza s;
    bool late;

    queue_init(&h, &a, &q);
    assert_false(queue_nth(&h, 0, &s));
    assert_false(queue_ahead(&h, &run));
    assert_false(queue_fresh(&h, &run, &late));
    assert_false(late);
    assert_false(queue_within(&h));
    assert_int_equal(queue_tail(&h).len, 0);
    assert_int_equal(queue_advance(&h, 0), 0);
    queue_pop(&h, 0);
    queue_shed(&h);
    queue_rewind(&h);
    queue_mark_late(&h);
    queue_tail_drop(&h);
    queue_empty(&h);
    settle(&h);
    assert_int_equal(budget.used, 0);

    assert_true(push(&h, "<a/>"));
    settle(&h);
    assert_int_equal(budget.used, 128);
    queue_pop(&h, 1);
    assert_int_equal(budget.used, 128); /* the commit still names it */
    settle(&h);
    assert_int_equal(budget.used, 0);
    assert_int_equal(q.extent, 0);
    done_with(&h);
}

static void an_extent_never_committed_is_freed_at_once(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;

    queue_init(&h, &a, &q);
    for (int i = 0; i < 1000; i++)
        assert_true(push(&h, "<presence from='romeo@example.net/orchard'/>"));
    assert_true(budget.used <= 4 * 1000 * (44 + 24));
    assert_int_equal(budget.used, q.size);
    queue_pop(&h, 1000);
    queue_settle(&h);
    assert_int_equal(budget.used, 0);
    done_with(&h);
}

static void a_burst_does_not_keep_its_memory(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;

    queue_init(&h, &a, &q);
    for (int i = 0; i < 5000; i++)
        assert_true(push(&h, "<presence from='romeo@example.net/orchard'/>"));
    settle(&h);
    assert_true(q.size >= 5000 * 68);
    queue_pop(&h, 4999);
    settle(&h);
    assert_int_equal(q.size, 1024);
    assert_int_equal(budget.used, q.size);
    assert_nth(&h, 0, "<presence from='romeo@example.net/orchard'/>");
    done_with(&h);
}

static void a_tail_becomes_a_stanza(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;
    struct sm_stanza s = {.request = 5, .stamp_ms = 9, .flags = 0x8001, .fate = SM_FATE_REFUSE};

    queue_init(&h, &a, &q);
    assert_true(queue_tail_add(&h, "<iq ", 4));
    assert_int_equal(q.count, 0);
    assert_ahead(&h, "");
    settle(&h);
    assert_int_equal(budget.used, 128);
    assert_true(queue_tail_add(&h, "", 0));
    assert_true(queue_tail_add(&h, "id='1'/>", 8));
    assert_memory_equal(queue_tail(&h).p, "<iq id='1'/>", 12);
    assert_true(queue_push(&h, &s, true));
    assert_int_equal(queue_tail(&h).len, 0);
    assert_nth(&h, 0, "<iq id='1'/>");
    assert_true(queue_nth(&h, 0, &s));
    assert_int_equal(s.request, 5);
    assert_int_equal(s.stamp_ms, 9);
    assert_int_equal(s.flags, 0x8001);
    assert_int_equal(s.fate, SM_FATE_REFUSE);
    assert_false(s.late);
    assert_false(s.answered);
    assert_ahead(&h, "<iq id='1'/>");
    done_with(&h);
}

/* Holdfast writes an error for the client while a stanza of the server's is cut. */
static void a_stanza_goes_before_a_tail(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;

    queue_init(&h, &a, &q);
    assert_true(push(&h, "<a/>"));
    assert_true(queue_tail_add(&h, "<half", 5));
    settle(&h);
    assert_true(push(&h, "<error/>"));
    assert_ahead(&h, "<a/><error/>");
    assert_memory_equal(queue_tail(&h).p, "<half", 5);
    assert_true(queue_tail_add(&h, "/>", 2));
    assert_true(queue_push(&h, &(struct sm_stanza){0}, true));
    assert_ahead(&h, "<a/><error/><half/>");
    assert_nth(&h, 1, "<error/>");
    settle(&h);
    done_with(&h);
}

static void what_is_pushed_into_reserved_room_does_not_fail(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;

    queue_init(&h, &a, &q);
    assert_true(push(&h, "<a/>"));
    assert_true(queue_tail_add(&h, "<half", 5));
    settle(&h); /* which keeps the tail from being moved where it is */
    assert_true(queue_reserve(&h, 20 * (4 + sizeof(struct queue_entry))));
    budget.max = 0;
    assert_true(queue_reserve(&h, 20 * (4 + sizeof(struct queue_entry))));
    for (int i = 0; i < 20; i++)
        assert_true(push(&h, "<b/>"));
    assert_false(queue_reserve(&h, 1000));
    assert_nth(&h, 20, "<b/>");
    assert_memory_equal(queue_tail(&h).p, "<half", 5);
    settle(&h);
    done_with(&h);
}

static void a_dropped_tail_that_was_committed_is_not_overwritten(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0}, committed;
    struct queue h, old = {.arena = &a, .q = &committed};

    queue_init(&h, &a, &q);
    assert_true(queue_tail_add(&h, "<half", 5));
    settle(&h);
    committed = q;
    queue_tail_drop(&h);
    assert_true(push(&h, "<other/>"));
    assert_memory_equal(queue_tail(&old).p, "<half", 5);
    assert_nth(&h, 0, "<other/>");
    queue_clear(&h);

    queue_init(&h, &a, &q);
    assert_true(queue_tail_add(&h, "<half", 5));
    settle(&h);
    committed = q;
    queue_tail_drop(&h);
    assert_true(queue_tail_add(&h, "<other", 6));
    assert_memory_equal(queue_tail(&old).p, "<half", 5);
    assert_memory_equal(queue_tail(&h).p, "<other", 6);
    settle(&h);
    committed = q;
    queue_init(&h, &a, &q); /* as after a restart */
    queue_tail_drop(&h);
    assert_true(push(&h, "<third/>"));
    assert_memory_equal(queue_tail(&old).p, "<other", 6);
    done_with(&h);
}

static void an_ack_lets_go_of_uncounted_ones_before_it(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;
    struct sm_stanza probe = stanza("<probe/>"), nothing = stanza("");

    queue_init(&h, &a, &q);
    assert_true(queue_push(&h, &probe, false));
    assert_true(push(&h, "<a/>"));
    assert_true(queue_push(&h, &probe, false));
    assert_true(queue_push(&h, &nothing, true)); /* answered here: only its place */
    assert_true(push(&h, "<b/>"));
    assert_int_equal(q.counted, 3);
    assert_ahead(&h, "<probe/><a/><probe/><b/>");
    queue_pop(&h, 1);
    assert_int_equal(q.count, 3);
    assert_ahead(&h, "<probe/><b/>");
    queue_pop(&h, 1);
    assert_int_equal(q.count, 1);
    assert_int_equal(q.counted, 1);
    assert_nth(&h, 0, "<b/>");
    settle(&h);
    done_with(&h);
}

static void uncounted_ones_that_were_sent_are_shed(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;
    struct sm_stanza probe = stanza("<probe/>");

    queue_init(&h, &a, &q);
    assert_true(queue_push(&h, &probe, false));
    assert_true(queue_push(&h, &probe, false));
    assert_true(push(&h, "<a/>"));
    assert_true(queue_push(&h, &probe, false));
    queue_advance(&h, 15);
    queue_shed(&h);
    assert_int_equal(q.count, 3);
    queue_advance(&h, 13);
    queue_shed(&h);
    assert_int_equal(q.count, 2); /* the last one waits for <a/> before it */
    queue_pop(&h, 1);
    queue_shed(&h);
    assert_int_equal(q.count, 0);
    done_with(&h);
}

static void the_cursor_tells_what_it_passes(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;
    struct sm_stanza nothing = stanza("");

    queue_init(&h, &a, &q);
    assert_true(queue_push(&h, &nothing, true));
    assert_int_equal(q.passed, 1); /* no byte has to go before it */
    assert_true(push(&h, "<a/>"));
    assert_true(push(&h, "<bc/>"));
    assert_true(queue_push(&h, &nothing, true));
    assert_true(push(&h, "<d/>"));
    assert_int_equal(queue_advance(&h, 3), 0);
    assert_true(queue_within(&h));
    assert_ahead(&h, "><bc/><d/>");
    assert_int_equal(queue_advance(&h, 1), 1);
    assert_false(queue_within(&h));
    assert_int_equal(queue_advance(&h, 5), 2);
    assert_int_equal(queue_advance(&h, 4), 1);
    assert_int_equal(q.passed, 5);
    assert_ahead(&h, "");
    queue_pop(&h, 2);
    assert_int_equal(q.passed, 3);
    queue_rewind(&h);
    assert_int_equal(q.passed, 0);
    assert_ahead(&h, "<bc/><d/>");
    queue_advance(&h, 2);
    queue_pop(&h, 1); /* acknowledged though only half of it was written again */
    assert_false(queue_within(&h));
    assert_ahead(&h, "<d/>");
    assert_int_equal(q.passed, 1);
    settle(&h);
    done_with(&h);
}

static void assert_fresh(const struct queue *h, const char *bytes, bool late)
{
    struct sm_text run = {.p = "", .len = 0};
    bool is_late;

    assert_int_equal(queue_fresh(h, &run, &is_late), *bytes != 0);
    assert_int_equal(run.len, strlen(bytes));
    assert_memory_equal(run.p, bytes, run.len);
    assert_int_equal(is_late, late);
}

static void a_fresh_run_ends_before_a_late_stanza(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;
    struct sm_stanza adopted = stanza("<old/>");
    struct sm_stanza s;

    adopted.late = true;
    queue_init(&h, &a, &q);
    assert_fresh(&h, "", false);
    assert_true(push(&h, "<a/>"));
    assert_true(push(&h, "<b/>"));
    queue_mark_late(&h);
    assert_true(push(&h, "<c/>"));
    assert_true(queue_push(&h, &adopted, true));
    assert_true(push(&h, "<d/>"));
    assert_fresh(&h, "", true);
    queue_advance(&h, 2);
    assert_fresh(&h, "/>", false); /* the rest of the one that the cursor is in */
    queue_advance(&h, 2);
    assert_fresh(&h, "", true);
    queue_advance(&h, 4);
    assert_fresh(&h, "<c/>", false);
    queue_advance(&h, 1);
    assert_fresh(&h, "c/>", false);
    queue_advance(&h, 3);
    assert_fresh(&h, "", true);
    queue_advance(&h, 6);
    assert_fresh(&h, "<d/>", false);
    queue_rewind(&h);
    queue_pop(&h, 1);
    assert_fresh(&h, "", true);
    queue_pop(&h, 1);
    assert_fresh(&h, "<c/>", false);
    assert_true(queue_nth(&h, 0, &s) && !s.late);
    assert_true(queue_nth(&h, 1, &s) && s.late);
    queue_pop(&h, 2);
    assert_int_equal(q.marked, 0);
    assert_fresh(&h, "<d/>", false);
    done_with(&h);
}

static void an_answer_is_marked_for_good(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0};
    struct queue h;
    struct sm_stanza s;

    queue_init(&h, &a, &q);
    assert_true(push(&h, "<a/>"));
    assert_true(push(&h, "<b/>"));
    queue_mark_answered(&h, 1);
    for (int i = 0; i < 100; i++)
        assert_true(push(&h, "<c/>")); /* it moves with the queue */
    assert_true(queue_nth(&h, 0, &s) && !s.answered);
    assert_true(queue_nth(&h, 1, &s) && s.answered);
    assert_true(queue_nth_counted(&h, 1));
    done_with(&h);
}

static void without_memory_nothing_changes(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0}, before;
    struct queue h;
    struct sm_stanza large = {.xml = noise, .len = 60000}, tail = {0};
    int refused = 0;

    queue_init(&h, &a, &q);
    budget.max = 0;
    assert_false(push(&h, "<a/>"));
    assert_false(queue_tail_add(&h, "<", 1));
    assert_int_equal(q.extent, 0);
    budget.max = 128;
    assert_true(push(&h, "<a/>"));
    before = q;
    for (int i = 0; i < 2; i++) {
        assert_false(queue_push(&h, &large, true));
        assert_false(queue_tail_add(&h, noise, 60000));
        large.len = SIZE_MAX - 4 * i; /* no sum of lengths may wrap */
        assert_false(queue_push(&h, &large, true));
        assert_false(queue_tail_add(&h, noise, SIZE_MAX - 200 * i));
        assert_memory_equal(&q, &before, sizeof q);
        assert_nth(&h, 0, "<a/>");
        large.len = 60000;
    }
    while (queue_tail_add(&h, "x", 1))
        refused++;
    assert_int_equal(refused, 128 - 4 - 2 * 24); /* room is kept for the tail's own entry */
    assert_true(queue_push(&h, &tail, true));
    assert_int_equal(q.count, 2);
    budget.max = 1024;
    assert_true(push(&h, "<b/>")); /* there is no room for growth, but for this */
    done_with(&h);
}

static void what_is_wrong_in_a_record_is_seen(void **)
{
    struct arena a = new_arena();
    struct sm_queue q = {0}, bad;
    struct queue h;

    queue_init(&h, &a, &q);
    assert_true(queue_valid(&q, &a));
    bad = q;
    bad.count = 1;
    assert_false(queue_valid(&bad, &a));
    assert_true(push(&h, "<a/>"));
    assert_true(push(&h, "<bcd/>"));
    assert_true(queue_tail_add(&h, "<", 1));
    assert_true(queue_valid(&q, &a));

    uint32_t *field = &bad.size, *end = &bad.reserved;

    for (; field < end; field++) {
        static const uint32_t wrong[] = {1, 5, 64, 0x7fffffff, 0xffffffff};

        if (field == &bad.late)
            continue; /* two numbers are right */
        for (int i = 0; i < 5; i++) {
            bad = q;
            *field ^= wrong[i];
            if (field == &bad.tail && bad.tail <= 128 - 10 - 2 * 24)
                continue; /* some are right */
            if (field == &bad.cursor && (bad.cursor == 1 || bad.cursor == 4))
                continue;
            assert_false(queue_valid(&bad, &a));
        }
    }
    bad = q;
    bad.late = 3;
    assert_false(queue_valid(&bad, &a));
    bad = q;
    bad.extent += 64;
    assert_false(queue_valid(&bad, &a));
    bad.extent = UINT64_MAX - 127;
    assert_false(queue_valid(&bad, &a));
    done_with(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_owns_nothing),
        cmocka_unit_test(an_extent_never_committed_is_freed_at_once),
        cmocka_unit_test(a_burst_does_not_keep_its_memory),
        cmocka_unit_test(a_tail_becomes_a_stanza),
        cmocka_unit_test(a_stanza_goes_before_a_tail),
        cmocka_unit_test(what_is_pushed_into_reserved_room_does_not_fail),
        cmocka_unit_test(a_dropped_tail_that_was_committed_is_not_overwritten),
        cmocka_unit_test(an_ack_lets_go_of_uncounted_ones_before_it),
        cmocka_unit_test(uncounted_ones_that_were_sent_are_shed),
        cmocka_unit_test(the_cursor_tells_what_it_passes),
        cmocka_unit_test(a_fresh_run_ends_before_a_late_stanza),
        cmocka_unit_test(an_answer_is_marked_for_good),
        cmocka_unit_test(without_memory_nothing_changes),
        cmocka_unit_test(what_is_wrong_in_a_record_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
