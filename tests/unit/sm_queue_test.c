/* SPDX-License-Identifier: MIT */
/*
 * The queue against a plain array, by itself and in a record: after every single
 * store, what the selector names must be what was committed last.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sm/record.h"

enum { SIZE = 4 << 20, HELD_MAX = 64, NOISE = 1 << 16 };

static struct sm_budget budget;
static char noise[NOISE];

static struct arena new_arena(void)
{
    struct arena a;
    void *base = aligned_alloc(4096, SIZE);

    memset(base, 0, SIZE);
    budget.used = 0;
    budget.max = SIZE_MAX;
    assert_int_equal(
        arena_init(&a, base, SIZE, sizeof(struct record_slot), 56, &budget), 0);
    for (int i = 0; i < NOISE; i++)
        noise[i] = (char)(i * 7 + i / 251);
    return a;
}

static void free_arena(struct arena *a)
{
    void *base = a->base;

    assert_int_equal(budget.used, 0); /* nothing is left taken */
    arena_clear(a);
    free(base);
}

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
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
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
    assert_int_equal(refused, 128 - 4 - 2 * 24); /* there is always room for the tail's own entry */
    assert_true(queue_push(&h, &tail, true));
    assert_int_equal(q.count, 2);
    budget.max = 1024;
    assert_true(push(&h, "<b/>")); /* there is no room for growth, but for this */
    queue_clear(&h);
    free_arena(&a);
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
    queue_clear(&h);
    free_arena(&a);
}

/* --- the model --- */

struct held {
    uint32_t seed; /* its bytes are those of the noise from there on */
    uint32_t len;
    uint64_t stamp_ms;
    uint32_t request;
    uint16_t flags;
    uint8_t fate;
    bool counted, marked, answered;
};

struct model {
    struct held held[HELD_MAX];
    uint32_t count, late, cursor; /* the cursor from the oldest byte on */
    uint32_t tail_seed, tail_len;
};

struct world {
    struct arena arena;
    uint32_t slot;
    struct sm_record record;
    struct queue queue[2];
    struct model working[2], committed[2];
    uint64_t commits, checks;
};

static void check(const struct queue *h, const struct model *m)
{
    uint32_t at = 0, passed = 0;
    struct sm_stanza s;

    assert_int_equal(h->q->count, m->count);
    for (uint32_t n = 0; n < m->count; n++) {
        const struct held *want = &m->held[n];

        assert_true(queue_nth(h, n, &s));
        assert_int_equal(s.len, want->len);
        if (want->len) /* one by one is slow under a sanitizer, and this is the hot spot */
            assert_true(!memcmp(s.xml, noise + want->seed, want->len));
        assert_true(s.stamp_ms == want->stamp_ms && s.request == want->request &&
                    s.flags == want->flags && s.fate == want->fate &&
                    s.late == (want->marked || n < m->late) && s.answered == want->answered &&
                    queue_nth_counted(h, n) == want->counted);
        at += want->len;
        passed += at <= m->cursor;
    }
    assert_int_equal(queue_bytes(h), at);
    assert_int_equal(h->q->cursor - h->q->start, m->cursor);
    assert_int_equal(h->q->passed, passed);
    assert_int_equal(queue_tail(h).len, m->tail_len);
    if (m->tail_len)
        assert_memory_equal(queue_tail(h).p, noise + m->tail_seed, m->tail_len);
}

/* What a successor would find if the process died here. */
static void after_each_store(void *arg, uint64_t, size_t)
{
    struct world *w = arg;
    const struct sm_record *r = record_read(&w->arena, w->slot);
    struct sm_record copy;

    w->checks++;
    if (!r) {
        assert_int_equal(w->commits, 0);
        return;
    }
    bool flipped = r->commit == w->commits + 1;

    assert_true(flipped || r->commit == w->commits);
    copy = *r;
    if (w->checks % 16 == 0)
        assert_true(record_valid(&w->arena, w->slot));
    for (int i = 0; i < 2; i++) {
        struct queue h = {.arena = &w->arena, .q = i ? &copy.up : &copy.down};

        check(&h, flipped ? &w->working[i] : &w->committed[i]);
    }
}

static void commit(struct world *w)
{
    for (int i = 0; i < 2; i++)
        queue_settle(&w->queue[i]);
    record_commit(&w->arena, w->slot, &w->record);
    w->commits++;
    memcpy(w->committed, w->working, sizeof w->committed);
    for (int i = 0; i < 2; i++)
        queue_committed(&w->queue[i]);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)rand() % n;
}

static uint32_t some_len(void)
{
    return below(20) ? below(10) ? below(200) : 0 : below(6000);
}

static void model_push(struct queue *h, struct model *m, bool of_tail)
{
    struct held *n = &m->held[m->count];

    if (m->count == HELD_MAX || (of_tail && !m->tail_len))
        return;
    *n = (struct held){.seed = of_tail ? m->tail_seed : below(NOISE - 6000),
                       .len = of_tail ? m->tail_len : some_len(),
                       .stamp_ms = (uint64_t)rand() << 31,
                       .request = below(3) ? 0 : (uint32_t)rand(),
                       .flags = (uint16_t)rand(),
                       .fate = (uint8_t)below(3),
                       .counted = below(5),
                       .marked = !below(8)};
    struct sm_stanza s = {.xml = of_tail ? NULL : noise + n->seed,
                          .len = of_tail ? 0 : n->len,
                          .stamp_ms = n->stamp_ms,
                          .request = n->request,
                          .flags = n->flags,
                          .fate = n->fate,
                          .late = n->marked};

    if (!queue_push(h, &s, n->counted))
        return;
    m->count++;
    if (of_tail)
        m->tail_len = 0;
}

static void model_tail(struct queue *h, struct model *m)
{
    uint32_t len = below(300);

    if (!m->tail_len)
        m->tail_seed = below(NOISE - 6000);
    if (m->tail_len + len > 6000)
        return;
    if (queue_tail_add(h, noise + m->tail_seed + m->tail_len, len))
        m->tail_len += len;
}

static void model_drop(struct model *m, uint32_t n)
{
    uint32_t bytes = 0;

    for (uint32_t i = 0; i < n; i++)
        bytes += m->held[i].len;
    m->count -= n;
    memmove(m->held, m->held + n, m->count * sizeof m->held[0]);
    m->cursor -= bytes < m->cursor ? bytes : m->cursor;
    m->late -= n < m->late ? n : m->late;
}

static void model_pop(struct queue *h, struct model *m, uint32_t most)
{
    uint32_t n = below(most + 1), counted = 0, last = 0;

    for (uint32_t i = 0; i < m->count && counted < n; i++) {
        counted += m->held[i].counted;
        if (m->held[i].counted)
            last = i + 1;
    }
    queue_pop(h, counted);
    model_drop(m, last);
}

static void model_advance(struct queue *h, struct model *m)
{
    uint32_t bytes = 0;

    for (uint32_t i = 0; i < m->count; i++)
        bytes += m->held[i].len;
    if (bytes > m->cursor)
        bytes = below(bytes - m->cursor + 1);
    else
        bytes = 0;
    queue_advance(h, bytes);
    m->cursor += bytes;
}

static void step(struct world *w)
{
    int i = rand() % 2;
    struct queue *h = &w->queue[i];
    struct model *m = &w->working[i];
    uint32_t n;

    budget.max = below(5) ? SIZE_MAX : budget.used + below(4) * 256;
    switch (below(16)) {
    case 0: case 1: case 2: case 3:
        model_push(h, m, false);
        break;
    case 4: case 5:
        model_tail(h, m);
        break;
    case 6: case 7:
        model_push(h, m, true);
        break;
    case 8:
        if (!below(3)) {
            queue_tail_drop(h);
            m->tail_len = 0;
        }
        break;
    case 9:
        model_pop(h, m, below(8) ? 4 : HELD_MAX);
        break;
    case 10:
        for (n = 0; n < m->count && !m->held[n].counted && n < h->q->passed; n++)
            ;
        queue_shed(h);
        model_drop(m, n);
        break;
    case 11:
        model_advance(h, m);
        break;
    case 12:
        if (!below(10)) {
            queue_rewind(h);
            m->cursor = 0;
        } else if (!below(10)) {
            queue_mark_late(h);
            m->late = m->count;
        } else if (!below(20)) {
            queue_empty(h);
            m->count = m->late = m->cursor = m->tail_len = 0;
        }
        break;
    case 13:
        if (m->count && w->queue[i].q->extent == w->queue[i].committed) {
            /* True at once, and in what is committed, too, if the stanza is there. */
            n = below(m->count);
            m->held[n].answered = true;
            uint32_t popped = h->q->first;
            const struct sm_record *r = record_read(&w->arena, w->slot);

            popped -= r ? i ? r->up.first : r->down.first : 0;
            if (r && popped + n < w->committed[i].count)
                w->committed[i].held[popped + n].answered = true;
            w->arena.stored = NULL; /* model and queue are marked one after the other */
            queue_mark_answered(h, n);
            w->arena.stored = after_each_store;
        }
        break;
    default:
        commit(w);
    }
    check(h, m);
    assert_true(queue_valid(h->q, &w->arena));
}

static void run(unsigned seed, int steps)
{
    static struct world w;
    struct sm_text text = {.p = "romeo@example.net", .len = 17};
    struct sm_identity identity = {.account = text, .jid = text, .domain = text};
    struct sm_id id = {0};

    w = (struct world){.arena = new_arena()};
    w.arena.stored_arg = &w;
    srand(seed);
    print_message("seed %u\n", seed);
    assert_int_equal(record_new(&w.arena, &id, &identity), 0);
    w.slot = id.slot;
    queue_init(&w.queue[0], &w.arena, &w.record.down);
    queue_init(&w.queue[1], &w.arena, &w.record.up);
    w.arena.stored = after_each_store;
    for (int i = 0; i < steps; i++)
        step(&w);
    assert_true(w.checks > (uint64_t)steps);

    w.arena.stored = NULL;
    record_drop(&w.arena, w.slot);
    queue_clear(&w.queue[0]);
    queue_clear(&w.queue[1]);
    free_arena(&w.arena);
}

static void what_is_committed_stays_until_the_selector_flips(void **)
{
    for (unsigned seed = 1; seed <= 8; seed++)
        run(seed, 1500);
}

/* --- the record --- */

static void a_record_that_was_touched_is_not_believed(void **)
{
    struct arena a = new_arena();
    struct sm_text text = {.p = "romeo@example.net", .len = 17};
    struct sm_identity identity = {.account = text, .jid = text, .domain = text};
    struct sm_record r = {.taken = 7};
    struct sm_id id = {0};

    assert_int_equal(record_new(&a, &id, &identity), 0);
    assert_null(record_read(&a, id.slot));
    assert_false(record_valid(&a, id.slot));
    record_commit(&a, id.slot, &r);
    assert_true(record_valid(&a, id.slot));
    assert_int_equal(record_read(&a, id.slot)->taken, 7);
    r.taken = 8;
    record_commit(&a, id.slot, &r);
    assert_true(record_valid(&a, id.slot));
    assert_int_equal(record_read(&a, id.slot)->taken, 8);

    const char *slot = (const char *)record_slot(&a, id.slot);
    const char *valid = (const char *)record_read(&a, id.slot);

    for (size_t i = 8; i < sizeof(struct record_slot); i++) {
        char *byte = (char *)(uintptr_t)slot + i;
        bool other = slot + i >= (char *)record_slot(&a, id.slot)->copy &&
                     (slot + i < valid || slot + i >= valid + sizeof r);

        *byte ^= 16;
        assert_int_equal(record_valid(&a, id.slot), other); /* the other copy is never looked at */
        *byte ^= 16;
    }
    record_drop(&a, id.slot);
    assert_null(record_read(&a, id.slot));
    free_arena(&a);
}

static void an_identity_comes_back_as_it_went_in(void **)
{
    struct arena a = new_arena();
    struct sm_identity in = {
        .account = {"romeo@example.net", 17},
        .jid = {"romeo@example.net/orchard", 25},
        .domain = {"example.net", 11},
        .prefixes = {" xmlns:db='jabber:server:dialback'", 34},
    };
    struct sm_id id = {0};

    assert_int_equal(record_new(&a, &id, &in), 0);
    struct sm_identity out = record_identity(&a, id.slot);

    assert_int_equal(out.account.len, 17);
    assert_memory_equal(out.account.p, in.account.p, 17);
    assert_int_equal(out.jid.len, 25);
    assert_memory_equal(out.jid.p, in.jid.p, 25);
    assert_int_equal(out.domain.len, 11);
    assert_memory_equal(out.domain.p, in.domain.p, 11);
    assert_int_equal(out.lang.len, 0);
    assert_int_equal(out.prefixes.len, 34);
    assert_memory_equal(out.prefixes.p, in.prefixes.p, 34);
    record_drop(&a, id.slot);

    in.lang = (struct sm_text){.p = noise, .len = SIZE_MAX - 20}; /* no sum of lengths may wrap */
    assert_int_equal(record_new(&a, &id, &in), -ENOMEM);
    free_arena(&a);
}

static void a_slot_never_has_the_same_generation_again(void **)
{
    struct arena a = new_arena();
    struct sm_text text = {.p = "romeo@example.net", .len = 17};
    struct sm_identity identity = {.account = text, .jid = text, .domain = text};
    struct sm_record r = {0};
    struct sm_id id = {0};

    for (uint32_t i = 1; i < 100; i++) {
        assert_int_equal(record_new(&a, &id, &identity), 0);
        assert_int_equal(id.slot, 0);
        assert_int_equal(id.generation, i);
        if (i % 2)
            record_commit(&a, id.slot, &r);
        record_drop(&a, id.slot);
    }
    free_arena(&a);
}

static void a_commit_takes_back_its_own_post_only(void **)
{
    struct arena a = new_arena();
    struct sm_text text = {.p = "romeo@example.net", .len = 17};
    struct sm_identity identity = {.account = text, .jid = text, .domain = text};
    struct sm_record r = {0};
    struct sm_id one = {0}, two = {0};

    assert_int_equal(record_new(&a, &one, &identity), 0);
    assert_int_equal(record_new(&a, &two, &identity), 0);
    arena_post(&a, (uint64_t)two.generation << 32 | (two.slot + 1));
    record_commit(&a, one.slot, &r);
    assert_int_not_equal(arena_posted(&a), 0);
    r.commit = 0;
    record_commit(&a, two.slot, &r);
    assert_int_equal(arena_posted(&a), 0);
    record_drop(&a, one.slot);
    record_drop(&a, two.slot);
    free_arena(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_owns_nothing),
        cmocka_unit_test(an_extent_never_committed_is_freed_at_once),
        cmocka_unit_test(a_burst_does_not_keep_its_memory),
        cmocka_unit_test(a_tail_becomes_a_stanza),
        cmocka_unit_test(a_stanza_goes_before_a_tail),
        cmocka_unit_test(a_dropped_tail_that_was_committed_is_not_overwritten),
        cmocka_unit_test(an_ack_lets_go_of_uncounted_ones_before_it),
        cmocka_unit_test(uncounted_ones_that_were_sent_are_shed),
        cmocka_unit_test(the_cursor_tells_what_it_passes),
        cmocka_unit_test(a_fresh_run_ends_before_a_late_stanza),
        cmocka_unit_test(an_answer_is_marked_for_good),
        cmocka_unit_test(without_memory_nothing_changes),
        cmocka_unit_test(what_is_wrong_in_a_record_is_seen),
        cmocka_unit_test(what_is_committed_stays_until_the_selector_flips),
        cmocka_unit_test(a_record_that_was_touched_is_not_believed),
        cmocka_unit_test(an_identity_comes_back_as_it_went_in),
        cmocka_unit_test(a_slot_never_has_the_same_generation_again),
        cmocka_unit_test(a_commit_takes_back_its_own_post_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
