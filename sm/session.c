/* SPDX-License-Identifier: MIT */
/*
 * The handle's life, and what can be seen of a session from outside. What it does is
 * in the table of rules.c.
 */
#include "sm/session.h"

#include "sm/acks.h"
#include "sm/asks.h"
#include "sm/ending.h"
#include "sm/fetch.h"
#include "sm/rules.h"
#include "sm/session_priv.h"
#include "sm/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(SM_TEXT_ROOM > (SM_ASKS_WAITING + 2) * 48 + SM_WIRE_MAX, "all <a/> of one event fit");

/* --- birth --- */

static void say_enabled(struct sm_session *s, struct sm_orders *o)
{
    char id[SM_ID_TEXT];
    bool resumable = sm_session_resumable(s);

    sm_session_id(s, id);
    assert(sizeof o->text - o->text_len >= SM_WIRE_MAX);
    o->text_len += (uint32_t)sm_wire_enabled(o->text + o->text_len, sm_session_ns2(s),
                                             resumable ? id : NULL, s->record.max_ms);
    o->todo |= SM_DO_SAY;
}

static void fill_record(struct sm_record *r, const struct sm_birth *birth,
                        const struct sm_limits *limits, bool resumable)
{
    bool shorter = birth->max_ms && birth->max_ms < limits->resume_timeout_ms;

    r->state = SM_LIVE;
    r->flags = (uint16_t)((resumable ? RECORD_RESUMABLE : 0) | (birth->ns2 ? RECORD_NS2 : 0));
    r->acked = r->written = limits->counter_start;
    r->taken = r->confirmed = r->said = limits->counter_start;
    r->link_received = birth->link_received;
    r->link_sent = birth->link_sent;
    r->since_ms = birth->now_ms;
    r->max_ms = shorter ? birth->max_ms : limits->resume_timeout_ms;
    memcpy(&r->probe_seed, birth->random + 16, sizeof r->probe_seed);
}

int sm_session_new(struct sm_core *core, const struct sm_birth *birth, struct sm_session **out,
                   struct sm_orders *o)
{
    bool refused = birth->resumable && core_short(core);
    struct sm_session *s = pool_take(&core->sessions);
    int r;

    if (!s)
        return -ENOMEM;
    if ((r = core_admit(core, s, &birth->identity, birth->random)) < 0) {
        pool_give(&core->sessions, s);
        return r;
    }
    fill_record(&s->record, birth, core->limits, birth->resumable && !refused);
    sm_asks_begin(s, birth->now_ms);
    s->changed = true;
    if (refused) {
        core->counts.refused_births++;
    } else {
        core->counts.born++;
        say_enabled(s, o);
    }
    *out = s;
    return 0;
}

void sm_session_free(struct sm_session *s, uint64_t now_ms)
{
    const struct sm_record *r = &s->record;
    struct sm_core *core = s->core;
    bool known = r->commit; /* otherwise nobody was told of it */

    sm_acks_forget(s);
    if (known && sm_session_resumable(s))
        core_bury(core, s, sm_later(r->said, r->confirmed) ? r->said : r->confirmed, now_ms);
    if (!sm_ending_leaves(s) || !core_leave(core, s, now_ms + core->limits->resume_timeout_ms)) {
        sm_ending_count_lost(s);
        core_dismiss(core, s);
    }
    pool_give(&core->sessions, s);
}

void sm_commit(struct sm_session *s)
{
    uint64_t next_ms = sm_rules_next(s).at_ms;

    if (s->changed)
        core_commit(s->core, s, next_ms);
    else
        core_idle(s->core, s, next_ms);
    s->changed = s->held_now = false;
}

/* --- the processor's caches --- */

void sm_fetch(const struct sm_session *s)
{
    fetch(s, sizeof *s);
}

void sm_fetch_room(const struct sm_session *s, bool to_client, size_t len)
{
    record_fetch(&s->core->arena, s->node.slot, &s->record);
    queue_fetch(to_client ? &s->down : &s->up, len);
}

/* --- the tail --- */

bool sm_tail_add(struct sm_session *s, struct sm_text bytes)
{
    s->changed = true;
    return queue_tail_add(&s->down, bytes.p, bytes.len);
}

struct sm_text sm_tail(const struct sm_session *s)
{
    return queue_tail(&s->down);
}

void sm_tail_drop(struct sm_session *s)
{
    s->changed = true;
    queue_tail_drop(&s->down);
}

void *sm_scan(struct sm_session *s)
{
    s->changed = true; /* whoever asks for it writes to it */
    return s->record.scan;
}

/* --- what is to be written and sent --- */

bool sm_unwritten(const struct sm_session *s, struct sm_text *run, struct sm_stanza *one)
{
    bool late;

    *run = (struct sm_text){0};
    if (s->record.state != SM_LIVE)
        return false;
    if (queue_fresh(&s->down, run, &late))
        return true;
    return late && queue_nth(&s->down, s->record.down.passed, one);
}

bool sm_unwritten_one(const struct sm_session *s, struct sm_stanza *one)
{
    return s->record.state == SM_LIVE && sm_between(s) &&
           queue_nth(&s->down, s->record.down.passed, one);
}

bool sm_between(const struct sm_session *s)
{
    return !queue_within(&s->down);
}

bool sm_unsent(const struct sm_session *s, struct sm_text *bytes)
{
    return !s->link_dead && queue_ahead(&s->up, bytes);
}

bool sm_finished_sending(const struct sm_session *s)
{
    struct sm_text bytes;

    return !sm_unsent(s, &bytes);
}

bool sm_sends_within(const struct sm_session *s)
{
    return s->half_sent || queue_within(&s->up);
}

/* --- levels --- */

enum { WAKE_UP_MAX = 2 * SM_STAGING }; /* what one may bring: the bytes, and their entries */

bool sm_reads_link(const struct sm_session *s)
{
    if (s->record.state == SM_HELD)
        return true; /* if it is full, it ends */
    if (s->record.state == SM_ENDING)
        return queue_affords(&s->down, WAKE_UP_MAX); /* otherwise its end makes room first */
    return !sm_attached(s) || (!s->down_full && queue_affords(&s->down, WAKE_UP_MAX));
}

bool sm_reads_client(const struct sm_session *s)
{
    return s->record.state == SM_LIVE && !s->up_full;
}

/* --- looking --- */

enum sm_state sm_session_state(const struct sm_session *s)
{
    return s->record.state;
}

bool sm_session_resumable(const struct sm_session *s)
{
    return s->record.flags & RECORD_RESUMABLE;
}

bool sm_session_ns2(const struct sm_session *s)
{
    return s->record.flags & RECORD_NS2;
}

bool sm_session_inactive(const struct sm_session *s)
{
    return s->record.flags & RECORD_CSI_INACTIVE;
}

void sm_session_set_inactive(struct sm_session *s, bool inactive)
{
    s->record.flags =
        (uint16_t)((s->record.flags & ~RECORD_CSI_INACTIVE) | (inactive ? RECORD_CSI_INACTIVE : 0));
    s->changed = true;
}

enum sm_end sm_session_end(const struct sm_session *s)
{
    return s->record.end;
}

void sm_session_id(const struct sm_session *s, char out[SM_ID_TEXT])
{
    sm_id_write(&record_slot(&s->core->arena, s->node.slot)->id, out);
}

struct sm_identity sm_session_identity(const struct sm_session *s)
{
    return record_identity(&s->core->arena, s->node.slot);
}

struct sm_core *sm_session_core(const struct sm_session *s)
{
    return s->core;
}

void *sm_session_user(const struct sm_session *s)
{
    return s->user;
}

void sm_session_set_user(struct sm_session *s, void *user)
{
    s->user = user;
}

struct sm_view sm_session_view(const struct sm_session *s)
{
    const struct sm_record *r = &s->record;

    return (struct sm_view){
        .state = r->state,
        .sent = sm_sent(s),
        .acked = r->acked,
        .taken = r->taken,
        .confirmed = r->confirmed,
        .said = r->said,
        .held = r->down.count,
        .passed = r->down.passed,
        .held_bytes = queue_bytes(&s->down),
        .up_bytes = queue_bytes(&s->up),
        .since_ms = r->since_ms,
        .expires_ms = r->state == SM_HELD ? r->expires_ms : 0,
        .max_ms = r->max_ms,
        .resumable = sm_session_resumable(s),
    };
}
