/* SPDX-License-Identifier: MIT */
/*
 * Told in the order in which it happens: why, the server's side, what was not
 * delivered, what was not confirmed, what is left.
 */
#include "sm/ending.h"

#include "sm/acks.h"
#include "sm/asks.h"
#include "sm/session_priv.h"

#include <string.h>

/* --- why --- */

static void end_for(struct sm_session *s, enum sm_end end, struct sm_orders *o)
{
    s->record.end = (uint8_t)end;
    s->record.looked = s->record.returned = 0;
    s->core->counts.ended[end]++;
    if (sm_attached(s))
        o->todo |= SM_DO_END_CLIENT;
    sm_acks_forget(s);
    s->ask_server = s->tell_client = false;
    s->asking.out = false;
}

void sm_ending_hurry(struct sm_session *s, struct sm_orders *o)
{
    s->returning = true;
    o->todo |= SM_DO_RETURN;
}

static bool send(struct sm_session *s, const char *xml)
{
    struct sm_stanza stanza = {.xml = xml, .len = strlen(xml)};

    return queue_push(&s->up, &stanza, false);
}

void sm_ending_begin(struct sm_session *s, enum sm_end end, uint64_t now_ms, struct sm_orders *o)
{
    end_for(s, end, o);
    /* Whatever the server sends to this resource is on its way before the answer to the probe.
     * Without memory even for that, nothing is awaited. */
    if (!send(s, "<presence type='unavailable'/>") || !sm_acks_probe(s, now_ms))
        sm_ending_hurry(s, o);
}

/* Nothing will confirm any more what the client was told. */
static void unconfirmed(const struct sm_session *s, struct sm_orders *o)
{
    if (sm_later(s->record.said, s->record.confirmed))
        o->todo |= SM_DO_UNCONFIRMED;
}

static void lost_link(struct sm_session *s, struct sm_orders *o)
{
    s->link_dead = true;
    unconfirmed(s, o);
    sm_ending_hurry(s, o);
}

void sm_ending_lose(struct sm_session *s, enum sm_end end, struct sm_orders *o)
{
    end_for(s, end, o);
    lost_link(s, o);
}

bool sm_ending_finish(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    sm_ending_begin(s, e->end, e->now_ms, o);
    return true;
}

bool sm_ending_client(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    uint32_t written = s->record.down.passed;

    sm_asks_pop(s, s->record.acked + (e->count < written ? (uint32_t)e->count : written));
    if (!sm_acks_answer_all(s, o))
        sm_acks_say(s, sm_acks_h(s), o); /* XEP-0198, 4: recommended to who closes the stream */
    sm_ending_begin(s, SM_END_CLIENT, e->now_ms, o);
    return true;
}

bool sm_ending_expire(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    sm_ending_begin(s, SM_END_EXPIRED, e->now_ms, o);
    return true;
}

bool sm_ending_link_closed(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    if (s->record.state == SM_ENDING)
        lost_link(s, o);
    else
        sm_ending_lose(s, e->end, o);
    return true;
}

/* --- again, after the process died in the middle of it --- */

/* The reasons for which sm_ending_lose is called. */
static bool by_the_link(enum sm_end end)
{
    return end == SM_END_SERVER || end == SM_END_CONFLICT || end == SM_END_LINK ||
           end == SM_END_PROBE;
}

bool sm_ending_again(struct sm_session *s, uint64_t now_ms, struct sm_orders *o)
{
    struct sm_record *r = &s->record;

    if (r->state < SM_ENDING)
        return false;
    r->since_ms = now_ms;
    o->end = r->end;
    if (r->state == SM_OVER) {
        s->link_dead = true;
        unconfirmed(s, o);
        o->todo |= SM_DO_OVER;
        return true;
    }
    if (r->state == SM_ENDING && by_the_link(r->end)) {
        lost_link(s, o);
        return true;
    }
    if (r->state == SM_ENDING && !(r->flags & RECORD_PROBE_OUT))
        sm_ending_hurry(s, o);
    return false;
}

/* --- the server's side --- */

bool sm_ending_probed(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    bool last = s->record.flags & RECORD_PROBE_OUT && e->probe == s->record.probe_id;

    sm_acks_probed(s, e, o);
    if (last)
        sm_ending_hurry(s, o);
    return true;
}

bool sm_ending_waited(struct sm_session *s, const struct sm_event *, struct sm_orders *o)
{
    sm_ending_hurry(s, o);
    return true;
}

bool sm_ending_close_link(struct sm_session *s, const struct sm_event *, struct sm_orders *o)
{
    if (!s->link_dead && send(s, "</stream:stream>"))
        return true;
    unconfirmed(s, o);
    return false;
}

/* The server that answers our closing tag has handled all before it. From one that does not, what
 * the client was told is handled is lost. */
bool sm_ending_over(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    bool closed = e->type == SM_LINK_CLOSED;

    if (!closed || e->end != SM_END_SERVER || !sm_finished_sending(s))
        unconfirmed(s, o);
    s->link_dead |= closed;
    return true;
}

/* --- what was not delivered --- */

/* Nobody can be answered for it any more, or need not be: the account is here again. */
static bool keeps(const struct sm_session *s)
{
    return s->link_dead || s->record.end == SM_END_REPLACED || s->record.end == SM_END_CONFLICT;
}

bool sm_undelivered(struct sm_session *s, struct sm_stanza *out)
{
    struct sm_record *r = &s->record;

    while (queue_nth(&s->down, r->looked, out)) {
        if (out->fate != SM_FATE_KEEP || !keeps(s))
            return true;
        r->looked++;
        s->changed = true;
    }
    return false;
}

void sm_undelivered_done(struct sm_session *s, enum sm_undelivered_fate how)
{
    struct sm_record *r = &s->record;
    struct sm_counts *counts = &s->core->counts;

    switch (how) {
    case SM_RETURNED:
        counts->returned++;
        break;
    case SM_DROPPED:
        counts->dropped++;
        break;
    case SM_LOST:
        counts->lost++;
        break;
    }
    r->looked++;
    if (!keeps(s))
        r->returned = r->looked; /* before this nothing is left for the next session */
    s->changed = true;
}

void sm_ending_forget(struct sm_session *s)
{
    struct sm_record *r = &s->record;
    uint32_t count = r->returned;

    if (!count || count != r->looked)
        return;
    queue_pop(&s->down, count);
    r->acked += count;
    r->returned = r->looked = 0;
    s->changed = true;
}

void sm_returned(struct sm_session *s, uint64_t now_ms, struct sm_orders *o)
{
    struct sm_event now = {.type = SM_DEADLINE, .now_ms = now_ms};

    sm_rules_apply(s, SM_RETURNED_ALL, &now, o);
}

/* --- what was not confirmed --- */

bool sm_unconfirmed(struct sm_session *s, struct sm_stanza *out)
{
    struct sm_record *r = &s->record;

    s->half_sent |= queue_within(&s->up);
    while ((s->link_dead || r->state == SM_OVER) && sm_later(r->said, r->confirmed) &&
           queue_nth(&s->up, 0, out)) {
        bool counted = queue_nth_counted(&s->up, 0);

        queue_pop_one(&s->up); /* its bytes stay where they are until the commit */
        s->changed = true;
        if (!counted)
            continue;
        r->confirmed++;
        if (out->len) {
            s->core->counts.unconfirmed++;
            return true;
        }
    }
    return false;
}

/* --- what is left --- */

bool sm_ending_leaves(const struct sm_session *s)
{
    struct sm_stanza stanza;

    if (s->record.end == SM_END_NONE || !keeps(s))
        return false;
    for (uint32_t n = s->record.returned; queue_nth(&s->down, n, &stanza); n++)
        if (stanza.fate == SM_FATE_KEEP)
            return true;
    return false;
}

void sm_ending_count_lost(struct sm_session *s)
{
    struct sm_counts *counts = &s->core->counts;
    bool keep = keeps(s);
    struct sm_stanza stanza;

    for (uint32_t n = s->record.returned; queue_nth(&s->down, n, &stanza); n++)
        if (n >= s->record.looked || (keep && stanza.fate == SM_FATE_KEEP))
            counts->lost++;
}

/* The commit that holds the copies also names the record that they come from, which is freed only
 * after it: so they are in exactly one of the two, whenever the process dies. */
size_t sm_adopt(struct sm_session *s, struct sm_orders *o, uint64_t now_ms)
{
    struct core_left *left = core_left(s->core, s->node.jid);
    struct sm_record copy;
    struct sm_stanza stanza;
    size_t count = 0;

    if (!left || s->record.state != SM_LIVE || s->record.adopted_generation)
        return 0; /* one for each commit */
    struct queue from = core_left_queue(s->core, left, &copy);

    /* The copies count beside what they are made of. Without room for all: later, then. */
    if (!queue_reserve(&s->down, queue_cost(&from)))
        return 0;
    for (uint32_t n = copy.returned; queue_nth(&from, n, &stanza); n++) {
        struct sm_event push = {.type = SM_TO_CLIENT, .now_ms = now_ms, .stanza = stanza};

        if (stanza.fate != SM_FATE_KEEP)
            continue;
        push.stanza.late = true;
        if (sm_rules_apply(s, SM_TO_CLIENT, &push, o))
            count++;
    }
    s->record.adopted_slot = left->node.slot;
    s->record.adopted_generation = record_slot(&s->core->arena, left->node.slot)->id.generation;
    s->core->counts.adopted += count;
    s->changed = true;
    return count;
}
