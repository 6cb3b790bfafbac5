/* SPDX-License-Identifier: MIT */
/*
 * The lives of some sessions, one after another, told the same way each time: stanzas
 * in both directions, growth, losses, resumptions, every kind of end, what is left
 * behind and taken over. Memory may run out at any point of it, which ends a session
 * early: the story goes on with the next one. At its end every stanza of the server's
 * is accounted for, and all memory is back.
 */
#pragma once

#include "tests/support/session_scenes.h"

/* --- the sessions --- */

static inline void story_many_stanzas(struct story *t)
{
    if (!story_birth(t, true))
        return;
    story_tell(t, 10, SM_FATE_KEEP);
    story_step(t, SM_CLIENT_ASK);
    for (int i = 0; i < 3; i++)
        story_take(t);
    story_step(t, SM_ANSWERED);
    story_step(t, SM_CLIENT_ASK);
    story_step(t, SM_PASS);
    story_answer(t);
    story_tell_halves(t);
    story_ack(t, 1);
    for (int i = 0; i < 40; i++) {
        story_tell(t, 300, SM_FATE_KEEP);
        if (i % 15 == 14)
            story_ack(t, 2);
    }
    story_tell_halves(t);
    story_ack(t, 0);
    for (int i = 0; i < 60; i++)
        story_tell(t, 400, SM_FATE_KEEP);
    story_ack(t, 1); /* the burst is over, and its memory goes */
    for (int i = 0; i < SM_ASKS_WAITING + 6; i++) {
        story_take(t);
        story_step(t, SM_CLIENT_ASK);
    }
    story_answer(t);
    story_step(t, SM_CLIENT_CLOSE);
    story_end(t);
}

static inline void story_resumptions(struct story *t)
{
    if (!story_birth(t, true))
        return;
    story_tell(t, 10, SM_FATE_KEEP);
    story_take(t);
    story_step(t, SM_CLIENT_GONE);
    for (int i = 0; i < 5; i++)
        story_tell(t, 100, SM_FATE_KEEP);
    story_pass(t, 1000);
    story_resume(t);
    story_tell_halves(t);
    story_take(t);
    story_lose_last(t);
    story_resume(t); /* from another connection: the old one was not missed yet */
    story_ack(t, 0);
    story_step(t, SM_DETACH);
    story_tell(t, 100, SM_FATE_REFUSE);
    story_tell(t, 100, SM_FATE_DROP);
    story_pass(t, t->r->limits.resume_timeout_ms);
    story_end(t);
}

/* The link dies of the first; the next one adopts what it left, while half a stanza is there. */
static inline void story_adoption(struct story *t)
{
    static const struct sm_text half = {"<m", 2};

    if (!story_birth(t, true))
        return;
    story_take(t);
    story_step(t, SM_CLIENT_GONE);
    for (int i = 0; i < 8; i++)
        story_tell(t, 200, i % 3 ? SM_FATE_KEEP : SM_FATE_DROP);
    story_lose_link(t, SM_END_LINK);
    story_end(t);
    if (!story_birth(t, true))
        return;
    for (int turn = 0; turn < 3 && story_in(t, SM_LIVE); turn++) {
        if (turn == 1 && !sm_tail_add(t->r->s, half))
            break;
        t->told += sm_adopt(t->r->s, &t->r->o, t->r->now);
        assert_int_equal(sm_session_state(t->r->s), SM_LIVE); /* all of it, or nothing yet */
        story_obey(t);
    }
    if (t->r->s)
        sm_tail_drop(t->r->s);
    story_ack(t, 0);
    story_step(t, SM_FINISH);
    story_end(t);
}

/* Handed over to a login without stream management; some of it nobody comes for. */
static inline void story_left_behind(struct story *t)
{
    struct sm_text jid = rig_text("alice@example.org/phone");
    struct sm_stanza one;

    if (!story_birth(t, true))
        return;
    story_step(t, SM_CLIENT_GONE);
    for (int i = 0; i < 24; i++)
        story_tell(t, 1000, SM_FATE_KEEP);
    if (t->r->s)
        STEP(t->r, SM_FINISH, .end = SM_END_REPLACED);
    story_end(t);
    for (int i = 0; i < 22 && sm_core_left_first(t->r->core, jid, &one); i++)
        sm_core_left_done(t->r->core, jid);
    story_pass(t, t->r->limits.resume_timeout_ms + 1);
    assert_false(sm_core_left(t->r->core, jid));
}

static inline void story_not_resumable(struct story *t)
{
    t->r->limits.ack_forwarded = true;
    if (story_birth(t, false)) {
        story_tell(t, 10, SM_FATE_KEEP);
        story_take(t);
        story_step(t, SM_CLIENT_ASK);
        story_pass(t, 2000);
        story_step(t, SM_CLIENT_GONE);
        story_end(t);
    }
    t->r->limits.ack_forwarded = false;
}

/* So many that the registry grows. Each is found, by its own name. */
static inline void story_crowd(struct story *t)
{
    struct sm_session *crowd[STORY_CROWD] = {0};
    char jid[64];
    struct sm_birth birth = {.resumable = true};

    for (int i = 0; i < STORY_CROWD; i++) {
        sprintf(jid, "alice@example.org/%d", i);
        birth.identity.jid = rig_text(jid);
        if (story_unborn(t, &birth))
            continue;
        crowd[i] = t->r->s;
        sm_commit(crowd[i]);
        t->r->o = (struct sm_orders){0};
    }
    for (int i = 0; i < STORY_CROWD; i++) {
        sprintf(jid, "alice@example.org/%d", i);
        assert_ptr_equal(sm_core_resource(t->r->core, rig_text(jid)), crowd[i]);
    }
    for (int i = 0; i < STORY_CROWD; i++)
        if (crowd[i])
            sm_session_free(crowd[i], t->r->now);
    t->r->s = NULL;
}

/* --- the story --- */

/* Every stanza ended in exactly one way. Gives what the story added to the counts. */
static inline struct sm_counts story_sum(struct story *t, const struct sm_counts *before)
{
    struct rig *r = t->r;
    struct sm_counts sum = sm_core_counts(r->core);

    assert_int_equal(sum.sessions, 0);
    for (size_t i = 0; i < sizeof sum / sizeof(uint64_t); i++)
        ((uint64_t *)&sum)[i] -= ((const uint64_t *)before)[i];
    assert_int_equal(t->told,
                     sum.acked + sum.returned + sum.dropped + sum.left + sum.lost - t->expired);
    assert_int_equal(sum.left, sum.adopted + t->expired);
    assert_int_equal(r->core->leaving, 0);
    assert_int_equal(r->budget.used, r->used);
    return sum;
}

/* Under memcheck: what a successor would read was written, every byte of it. */
static inline void story_stored(void *base, uint64_t at, size_t len)
{
    (void)VALGRIND_CHECK_MEM_IS_DEFINED((char *)base + at, len);
}

/* Tells it, and what it came to: two that went alike came to the same. */
static inline struct sm_counts story(struct rig *r)
{
    struct sm_counts before = sm_core_counts(r->core);
    struct story t = {.r = r};

    r->core->arena.stored = story_stored;
    r->core->arena.stored_arg = r->base;
    story_many_stanzas(&t);
    story_resumptions(&t);
    story_adoption(&t);
    story_left_behind(&t);
    story_not_resumable(&t);
    story_crowd(&t);
    story_pass(&t, r->limits.resume_timeout_ms + 1); /* what is left by now nobody comes for */
    return story_sum(&t, &before);
}
