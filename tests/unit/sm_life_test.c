/* SPDX-License-Identifier: MIT */
/*
 * Thousands of lives from one seed: a client that follows XEP-0198, a server, and the
 * session between them, with the streams cut at any byte. What must be true is known
 * by a model: numbered stanzas arrive once and in order, an h is never above what the
 * server has handled, and at the end every byte of memory is back.
 *
 * A failure prints the seed of its life; LIFE_SEED=… runs that one alone.
 */
#include "tests/support/session_life.h"

enum { LIVES = 20000, STEPS = 160 };

/* --- a life --- */

static void one_step(struct life *l)
{
    switch (below(l, 12)) {
    case 0:
        client_sends(l);
        break;
    case 1:
        if (sm_reads_link(l->r->s))
            server_sends(l);
        break;
    case 2:
    case 3:
        client_read(l);
        break;
    case 4:
    case 5:
        client_reads(l);
        break;
    case 6:
        server_reads(l);
        break;
    case 7:
        server_answers(l);
        break;
    case 8:
        if (one_in(l, 4))
            network_cuts(l);
        break;
    case 9:
        client_resumes(l);
        break;
    case 10:
        if (one_in(l, 3))
            pass_ms(l->r, below(l, 1500));
        break;
    default:
        break;
    }
    if (one_in(l, 2))
        obey(l);
}

/* Nothing is cut any more, until all that was made has arrived. */
static void settle(struct life *l)
{
    for (int turn = 0; turn < 4000; turn++) {
        struct sm_view v = sm_session_view(l->r->s);

        if (over(l) ||
            (l->attached && l->resumed && l->got == l->sent && !v.held && l->acked == l->made))
            return;
        client_resumes(l);
        if (turn % 50 == 49 && l->attached && l->resumed)
            put(&l->c2s, "<r/>", 4);
        client_read(l);
        client_reads(l);
        server_reads(l);
        server_answers(l);
        if (turn % 20 == 19)
            pass_ms(l->r, 200);
        obey(l);
    }
    must(!"all arrived");
}

/* The rest of the session, told in one batch after another, until it is over. */
static void see_end(struct life *l, uint32_t expected)
{
    struct rig *r = l->r;
    struct sm_stanza stanza;
    struct sm_text bytes;

    for (int turn = 0; turn < 1000; turn++) {
        sm_commit(r->s);
        if (r->o.todo & SM_DO_UNCONFIRMED) {
            while (sm_unconfirmed(r->s, &stanza)) {
                uint32_t n = number_in(stanza.xml, "n='");

                must(n <= sm_session_view(r->s).said - l->start);
                l->handled = n > l->handled ? n : l->handled;
            }
        }
        if (r->o.todo & SM_DO_RETURN) {
            while (sm_undelivered(r->s, &stanza)) {
                must(number_in(stanza.xml, "n='") == ++expected);
                bool ok = STEP(r, SM_PASS, .stanza = {.xml = "<error/>", .len = 8});
                sm_undelivered_done(r->s, ok ? SM_RETURNED : SM_LOST);
            }
            sm_returned(r->s, r->now, &r->o);
            sm_commit(r->s);
        }
        if (r->o.todo & SM_DO_OVER || sm_session_state(r->s) == SM_OVER)
            break;
        r->o = (struct sm_orders){0};
        if (sm_unsent(r->s, &bytes)) {
            put(&l->link, bytes.p, bytes.len);
            STEP(r, SM_LINK_SENT, .count = bytes.len);
        }
        server_reads(l);
        server_answers(l);
        if (l->closed)
            STEP(r, SM_LINK_CLOSED, .end = SM_END_SERVER);
        pass_ms(r, 100);
    }
    must(sm_session_state(r->s) == SM_OVER);
    if (!l->server_gone)
        must(expected == l->sent && l->unavailable); /* none is missing */
    /* A stanza that an h covered was handled, or given back. */
    for (uint32_t n = l->h_said; n > l->handled; n--)
        must(answered_here(n) || !l->server_gone || r->limits.ack_forwarded);
}

/* What an ended session left is the next one's, each once, in order, and late. */
static void adopted(struct life *l, uint32_t from)
{
    struct rig *r = l->r;
    size_t held = 0;

    rig_birth(r, &(struct sm_birth){.resumable = true});
    while (sm_core_left(r->core, rig_text("alice@example.org/phone"))) {
        held += sm_adopt(r->s, &r->o, r->now);
        sm_commit(r->s);
    }
    must(held == l->sent - from);
    for (uint32_t n = from + 1; n <= l->sent; n++) {
        struct sm_stanza one;

        must(sm_unwritten_one(r->s, &one) && one.late);
        must(number_in(one.xml, "n='") == n);
        STEP(r, SM_CLIENT_WROTE, .count = one.len);
    }
    must(ack(r, l->start + l->sent - from));
    must(sm_session_view(r->s).held == 0);
    STEP(r, SM_FINISH, .end = SM_END_ORDERED);
    sm_session_free(r->s, r->now);
    r->s = NULL;
    r->o = (struct sm_orders){0};
}

static void end_life(struct life *l)
{
    struct rig *r = l->r;
    uint32_t acked = sm_session_view(r->s).acked - l->start;
    bool left = false;

    switch (over(l) ? 4 : below(l, 4)) {
    case 4:
        must(sm_session_end(r->s) == SM_END_QUEUE);
        break;
    case 0:
        if (sm_session_state(r->s) == SM_LIVE) {
            STEP(r, SM_CLIENT_CLOSE, .count = 0);
            check_said(l, r->o.text, r->o.text_len);
            break;
        }
        STEP(r, SM_FINISH, .end = SM_END_ORDERED);
        break;
    case 1:
        gone(r);
        sm_commit(r->s);
        pass_ms(r, r->limits.resume_timeout_ms + 1);
        must(sm_session_end(r->s) == SM_END_EXPIRED || sm_session_end(r->s) == SM_END_PROBE);
        l->server_gone = left = sm_session_end(r->s) == SM_END_PROBE;
        break;
    case 2:
        STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
        l->server_gone = left = true;
        break;
    default:
        gone(r);
        STEP(r, SM_FINISH, .end = SM_END_REPLACED);
        left = true;
        break;
    }
    must(sm_session_state(r->s) == SM_ENDING);
    see_end(l, left ? l->sent : acked);

    uint32_t h;
    struct sm_id id;
    char text[SM_ID_TEXT];
    sm_session_id(r->s, text);
    must(sm_id_read(&id, text, strlen(text)));
    sm_session_free(r->s, r->now);
    r->s = NULL;
    r->o = (struct sm_orders){0};
    must(sm_core_tombstone(r->core, &id, rig_text("alice@example.org"), r->now, &h));
    must(h - l->start >= l->h_said);
    if (left)
        adopted(l, acked);
    must(r->budget.used == r->used);
}

static void live(struct life *l, struct rig *r, uint64_t seed)
{
    memset(l, 0, offsetof(struct life, c2s.bytes));
    cut(&l->c2s);
    cut(&l->s2c);
    cut(&l->link);
    l->ping_count = 0;
    l->server_gone = l->unavailable = l->closed = false;
    l->h_said = l->h_resumed = l->sent = l->handled = 0;
    l->r = r;
    l->seed = life_seed = seed;
    l->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    l->start = UINT32_MAX - below(l, 60);
    r->limits.counter_start = l->start;
    r->limits.ack_forwarded = one_in(l, 4);
    r->limits.request_after = 1 + below(l, 10);
    r->limits.queue_stanzas = one_in(l, 4) ? 6 : 1000;
    r->limits.queue_bytes = one_in(l, 4) ? 3000 : 1 << 20;
    rig_enable(r);
    l->attached = l->resumed = true;
    for (uint32_t n = below(l, STEPS); n && !over(l); n--)
        one_step(l);
    if (one_in(l, 2))
        settle(l);
    obey(l);
    end_life(l);
}

static void thousands_of_lives_lose_nothing_and_repeat_nothing(void **)
{
    static struct life life;
    const char *seed = getenv("LIFE_SEED");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
    struct rig *r = rig_core(32u << 20);

    for (uint64_t n = first; n < first + (seed ? 1 : LIVES); n++)
        live(&life, r, n);

    struct sm_counts counts = sm_core_counts(r->core);
    assert_true(counts.resumed && counts.taken_over && counts.resent && counts.adopted &&
                counts.unconfirmed && counts.returned);
    assert_int_equal(counts.sessions, 0);
    rig_free(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_of_lives_lose_nothing_and_repeat_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
