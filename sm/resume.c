/* SPDX-License-Identifier: MIT */
/*
 * What was written on an earlier connection is simply written again: the queue has
 * kept it, and its cursor goes back.
 */
#include "sm/resume.h"

#include "sm/acks.h"
#include "sm/asks.h"
#include "sm/ending.h"
#include "sm/session_priv.h"
#include "sm/wire.h"

#include <assert.h>

bool sm_resume_hold(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    struct sm_record *r = &s->record;

    /* What was to be said is not for the next connection, which may come within this very batch. */
    o->text_len = 0;
    o->todo &= ~(uint32_t)(SM_DO_SAY | SM_DO_WRITE | SM_DO_ASK | SM_DO_RESUMED);
    sm_acks_forget(s);
    s->asking.out = false;
    s->tell_client = false;
    if (!(r->flags & RECORD_RESUMABLE)) {
        sm_ending_begin(s, SM_END_GONE, e->now_ms, o);
        o->todo &= ~(uint32_t)SM_DO_END_CLIENT;
        return false;
    }
    r->expires_ms = e->now_ms + r->max_ms;
    s->ask_server = r->taken != r->confirmed;
    s->held_now = true;
    s->core->counts.detached++;
    return true;
}

bool sm_resume_detach(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    o->todo |= SM_DO_DETACH;
    return sm_resume_hold(s, e, o);
}

enum sm_may_resume sm_may_resume(const struct sm_session *s, uint32_t h)
{
    const struct sm_record *r = &s->record;

    if (!(r->flags & RECORD_RESUMABLE) || (!sm_attached(s) && r->state != SM_HELD))
        return SM_RESUME_NOT;
    if (h - r->acked <= r->written - r->acked)
        return SM_RESUME_FINE;
    return sm_later(h, r->acked) ? SM_RESUME_TOO_HIGH : SM_RESUME_TOO_LOW;
}

/* While the link lives, all that was taken will arrive: so that is what <resumed/> says. */
static void say(struct sm_session *s, struct sm_orders *o)
{
    struct sm_record *r = &s->record;
    char id[SM_ID_TEXT];

    assert(!sm_later(r->said, r->taken));
    sm_session_id(s, id);
    r->said = r->taken;
    assert(sizeof o->text - o->text_len >= SM_WIRE_MAX);
    o->text_len +=
        (uint32_t)sm_wire_resumed(o->text + o->text_len, r->flags & RECORD_NS2, r->said, id);
    o->todo |= SM_DO_SAY | SM_DO_RESUMED;
    s->core->counts.resumed++;
}

static bool confirmed(struct sm_session *s, struct sm_orders *o)
{
    if (s->record.taken != s->record.confirmed && !s->core->limits->ack_forwarded)
        return false;
    say(s, o);
    return true;
}

bool sm_resume_begin(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    struct sm_record *r = &s->record;

    assert(sm_may_resume(s, e->h) == SM_RESUME_FINE);
    sm_asks_pop(s, e->h);
    s->core->counts.resent += r->written - r->acked;
    s->core->counts.taken_over += s->held_now;
    queue_mark_late(&s->down);
    queue_rewind(&s->down);
    sm_asks_begin(s, e->now_ms);
    return confirmed(s, o);
}

bool sm_resume_probed(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    sm_acks_probed(s, e, o);
    return confirmed(s, o);
}

bool sm_resume_tcp(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    sm_acks_tcp(s, e, o);
    return confirmed(s, o);
}

bool sm_resume_sent(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    sm_acks_sent(s, e, o);
    return confirmed(s, o);
}

bool sm_resume_waited(struct sm_session *s, const struct sm_event *, struct sm_orders *o)
{
    say(s, o);
    return true;
}
