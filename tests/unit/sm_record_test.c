/* SPDX-License-Identifier: MIT */
/*
 * Two queues in a record against plain arrays: after every single store, what the
 * selector names must be what was committed last. And the record by itself.
 */
#include "tests/support/arena_rig.h"

#include <errno.h>

enum { HELD_MAX = 64, NOISE = 1 << 16 };

static char noise[NOISE];

static int make_noise(void **)
{
    for (int i = 0; i < NOISE; i++)
        noise[i] = (char)(i * 7 + i / 251);
    return 0;
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

static void model_rare(struct queue *h, struct model *m)
{
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
}

/* True at once, and in what is committed, too, if the stanza is there. */
static void model_answered(struct world *w, int i)
{
    struct queue *h = &w->queue[i];
    struct model *m = &w->working[i];
    const struct sm_record *r = record_read(&w->arena, w->slot);
    uint32_t n, popped = h->q->first;

    if (!m->count || h->q->extent != h->committed)
        return;
    n = below(m->count);
    m->held[n].answered = true;
    popped -= r ? i ? r->up.first : r->down.first : 0;
    if (r && popped + n < w->committed[i].count)
        w->committed[i].held[popped + n].answered = true;
    w->arena.stored = NULL; /* model and queue are marked one after the other */
    queue_mark_answered(h, n);
    w->arena.stored = after_each_store;
}

static void step(struct world *w)
{
    int i = rand() % 2;
    struct queue *h = &w->queue[i];
    struct model *m = &w->working[i];
    uint32_t n;

    budget.max = below(5) ? SIZE_MAX : budget.used + below(4) * 256;
    switch (below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        model_push(h, m, false);
        break;
    case 4:
    case 5:
        model_tail(h, m);
        break;
    case 6:
    case 7:
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
        model_rare(h, m);
        break;
    case 13:
        model_answered(w, i);
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
        .up_lang = {"it", 2},
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
    assert_int_equal(out.up_lang.len, 2);
    assert_memory_equal(out.up_lang.p, in.up_lang.p, 2);
    assert_int_equal(out.up_prefixes.len, 0);
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
        cmocka_unit_test(what_is_committed_stays_until_the_selector_flips),
        cmocka_unit_test(a_record_that_was_touched_is_not_believed),
        cmocka_unit_test(an_identity_comes_back_as_it_went_in),
        cmocka_unit_test(a_slot_never_has_the_same_generation_again),
        cmocka_unit_test(a_commit_takes_back_its_own_post_only),
    };

    return cmocka_run_group_tests(tests, make_noise, NULL);
}
