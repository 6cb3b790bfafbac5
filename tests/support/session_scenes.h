/* SPDX-License-Identifier: MIT */
/*
 * Of what a story is made (session_story.h): both ends of a session's streams, Holdfast's
 * caller between them, and what may happen to a session.
 *
 * What a session asks for is done at once. Stanzas are numbered from 1 on over the whole
 * story, those of a client in each session.
 */
#pragma once

#include "tests/support/session_rig.h"

#include "sm/core_priv.h"
#include "sm/session_priv.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_CHECK_MEM_IS_DEFINED(p, len) (0 * (len))
#endif

enum { STORY_CROWD = 70 };

struct story {
    struct rig *r;
    bool link;        /* the server's side lives */
    uint32_t made;    /* stanzas of the server's */
    uint32_t seen;    /* the last of them that a client got */
    uint32_t got;     /* stanzas that this session's client got, for its h */
    uint32_t taken;   /* of the client's, in this session */
    uint32_t handled; /* of them: those that the server got */
    uint64_t ping;    /* the last on the wire that is not answered; 0: none */

    /* For the sum. */
    uint64_t told;    /* stanzas that sessions were told of: the server's, and Holdfast's replies */
    uint64_t refused; /* those of which no session could take the bytes */
    uint64_t expired; /* those that nobody came for */
};

static inline bool story_in(const struct story *t, enum sm_state state)
{
    return t->r->s && sm_session_state(t->r->s) == state;
}

/* --- both ends of the streams --- */

static inline uint32_t story_number(const char *at)
{
    return (uint32_t)strtoul(at + 3, NULL, 10);
}

/* The client gets each stanza once, and in order. */
static inline void story_client(struct story *t)
{
    t->r->client_len = 0;
    for (const char *at = written(t->r); (at = strstr(at, "n='")); at++) {
        assert_true(story_number(at) > t->seen);
        t->seen = story_number(at);
        t->got++;
    }
}

/* So does the server. */
static inline void story_server(struct story *t)
{
    const char *text;

    t->r->wire_len = 0;
    text = sent(t->r);
    for (const char *at = text; (at = strstr(at, "<u n='")); at++) {
        assert_int_equal(story_number(at + 3), t->handled + 1);
        t->handled++;
    }
    if (strstr(text, "'hf-"))
        t->ping = probe_of(text);
}

/* --- Holdfast's caller --- */

static inline void story_return(struct story *t)
{
    struct rig *r = t->r;
    struct sm_stanza one;

    while (sm_undelivered(r->s, &one)) {
        enum sm_undelivered_fate how = SM_DROPPED;

        if (one.fate != SM_FATE_DROP && !one.answered)
            how = STEP(r, SM_PASS, .stanza = {.xml = "<error/>", .len = 8}) ? SM_RETURNED : SM_LOST;
        sm_undelivered_done(r->s, how);
    }
    sm_returned(r->s, r->now, &r->o);
}

static inline void story_obey(struct story *t)
{
    struct rig *r = t->r;

    while (r->s) {
        uint32_t todo = r->o.todo;
        struct sm_stanza one;

        sm_commit(r->s);
        assert_true(record_valid(&r->core->arena, r->s->node.slot));
        r->o = (struct sm_orders){0};
        if (!todo)
            return;
        story_client(t);
        story_server(t);
        if (todo & SM_DO_CHECK_TCP && t->link)
            STEP(r, SM_TCP_ACKED, .count = r->s->record.link_sent);
        if (todo & SM_DO_UNCONFIRMED)
            while (sm_unconfirmed(r->s, &one))
                ;
        if (todo & SM_DO_RETURN)
            story_return(t);
        if (todo & SM_DO_OVER) {
            sm_session_free(r->s, r->now);
            r->s = NULL;
            r->o = (struct sm_orders){0};
        }
    }
}

/* Nothing changed. */
static inline bool story_unborn(struct story *t, const struct sm_birth *birth)
{
    struct rig *r = t->r;
    struct sm_counts before = sm_core_counts(r->core);

    r->s = NULL;
    if (rig_try_birth(r, birth) == 0)
        return false;

    struct sm_counts after = sm_core_counts(r->core);

    assert_null(r->s);
    assert_memory_equal(&before, &after, sizeof before);
    assert_true(!r->o.todo && !r->o.text_len);
    return true;
}

/* False: there is no memory for it, and the client is told so. */
static inline bool story_birth(struct story *t, bool resumable)
{
    t->link = true;
    t->got = t->taken = t->handled = 0;
    t->ping = 0;
    if (story_unborn(t, &(struct sm_birth){.resumable = resumable}))
        return false;
    if (resumable && !sm_session_resumable(t->r->s)) {
        sm_session_free(t->r->s, t->r->now);
        t->r->s = NULL;
        return false;
    }
    story_obey(t);
    return true;
}

/* Time passes, and every clock is asked. */
static inline void story_pass(struct story *t, uint64_t ms)
{
    struct rig *r = t->r;
    uint64_t until = r->now + ms, lost;
    struct sm_session *due;

    for (int turn = 0; turn < 1000; turn++) {
        story_obey(t);
        uint64_t at = sm_core_deadline(r->core);

        if (at > until)
            break;
        r->now = at > r->now ? at : r->now;
        lost = sm_core_counts(r->core).lost;
        due = sm_core_due(r->core, r->now);
        t->expired += sm_core_counts(r->core).lost - lost;
        if (due)
            STEP(r, SM_DEADLINE);
    }
    r->now = until;
}

/* --- what happens to a session --- */

/* The server sends a stanza of about that length. */
static inline void story_tell(struct story *t, int len, enum sm_fate fate)
{
    char xml[2048];
    struct sm_stanza stanza = {.xml = xml, .fate = fate, .request = fate == SM_FATE_REFUSE};

    if (!t->r->s || !t->link)
        return;
    stanza.len = (size_t)sprintf(xml, "<m n='%u' pad='%0*d'/>", ++t->made, len, 0);
    STEP(t->r, SM_LINK_READ, .count = stanza.len);
    assert_true(STEP(t->r, SM_TO_CLIENT, .stanza = stanza));
    t->told++;
    story_obey(t);
}

/* It comes in two pieces, and a reply of Holdfast's own between them. */
static inline void story_tell_halves(struct story *t)
{
    struct rig *r = t->r;
    char first[32], second[32];
    uint32_t reply = t->made + 1;

    if (!story_in(t, SM_LIVE))
        return;
    sprintf(first, "<reply n='%u'/>", reply);
    sprintf(second, "<m n='%u'/>", reply + 1);
    t->made += 2;
    if (sm_tail_add(r->s, (struct sm_text){second, 4})) {
        story_obey(t);
        STEP(r, SM_REPLY, .stanza = {.xml = first, .len = strlen(first)});
        t->told++;
        story_obey(t);
        if (r->s && sm_tail_add(r->s, (struct sm_text){second + 4, strlen(second) - 4})) {
            assert_true(STEP(r, SM_TO_CLIENT, .stanza = {.fate = SM_FATE_KEEP}));
            t->told++;
            assert_int_equal(sm_tail(r->s).len, 0); /* it was taken, or is lost */
            story_obey(t);
            return;
        }
    }
    t->refused++;
    if (r->s) {
        sm_tail_drop(r->s);
        STEP(r, SM_FINISH, .end = SM_END_MEMORY);
    }
    story_obey(t);
}

/* The client sends a stanza. If it was not taken, the session ends, and the client has it still. */
static inline void story_take(struct story *t)
{
    struct rig *r = t->r;
    char xml[64];

    if (!story_in(t, SM_LIVE))
        return;
    uint32_t before = sm_session_view(r->s).taken;

    sprintf(xml, "<u n='%u'/>", t->taken + 1);
    assert_true(to_server(r, xml));
    t->taken += sm_session_view(r->s).taken - before;
    assert_true(story_in(t, SM_LIVE) || sm_session_end(r->s) == SM_END_MEMORY);
    story_obey(t);
    assert_int_equal(t->handled, t->taken); /* for the link takes all at once */
}

static inline void story_step(struct story *t, enum sm_event_type type)
{
    if (!t->r->s)
        return;
    STEP(t->r, type, .end = SM_END_ORDERED, .stanza = {.xml = "<active/>", .len = 9});
    story_obey(t);
}

/* All that it got but the last `but`. */
static inline void story_ack(struct story *t, uint32_t but)
{
    if (!story_in(t, SM_LIVE))
        return;
    assert_true(ack(t->r, t->got - but));
    story_obey(t);
}

static inline void story_answer(struct story *t)
{
    uint64_t ping = t->ping;

    t->ping = 0;
    if (!t->r->s || !t->link || !ping)
        return;
    STEP(t->r, SM_PROBE_ANSWER, .probe = ping);
    story_obey(t);
}

/* What was written last did not arrive. */
static inline void story_lose_last(struct story *t)
{
    if (!story_in(t, SM_LIVE) || t->got == sm_session_view(t->r->s).acked)
        return;
    t->got--;
    t->seen--;
}

static inline void story_resume(struct story *t)
{
    if (!t->r->s || sm_may_resume(t->r->s, t->got) != SM_RESUME_FINE)
        return;
    STEP(t->r, SM_CLIENT_GONE); /* the old connection is frozen, if it is there */
    resume(t->r, t->got);
    story_obey(t);
    story_answer(t);
}

static inline void story_lose_link(struct story *t, enum sm_end end)
{
    t->link = false;
    if (!t->r->s)
        return;
    STEP(t->r, SM_LINK_CLOSED, .end = end);
    story_obey(t);
}

/* Whatever it still waits for comes, or does not. */
static inline void story_end(struct story *t)
{
    story_answer(t);
    if (story_in(t, SM_CLOSING))
        story_lose_link(t, SM_END_SERVER);
    story_pass(t, 3 * SM_ENDING_MS);
    assert_null(t->r->s);
}
