/* SPDX-License-Identifier: MIT */
/*
 * Queueing, acknowledging, asking, and the bounds of both queues, in this order.
 */
#include "sm/asks.h"

#include "sm/ending.h"
#include "sm/session_priv.h"

#include <assert.h>

/* --- queueing --- */

static bool push(struct sm_session *s, const struct sm_event *e)
{
    struct sm_asking *a = &s->asking;

    if (!queue_push(&s->down, &e->stanza, true)) {
        if (!e->stanza.xml)
            queue_tail_drop(&s->down); /* it must not become part of the next one */
        /* The server will not send it again, and there is no room to return it. */
        s->core->counts.lost++;
        return false;
    }
    if (s->record.down.count == 1 && !a->out)
        a->unacked_ms = e->now_ms;
    a->queued_ms = e->now_ms;
    a->since++;
    s->core->counts.to_client++;
    return true;
}

bool sm_asks_queue(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    if (push(s, e))
        return true;
    sm_ending_begin(s, SM_END_MEMORY, e->now_ms, o);
    return false;
}

static bool full(const struct sm_session *s)
{
    const struct sm_limits *limits = s->core->limits;

    return s->record.down.count >= limits->queue_stanzas ||
           queue_bytes(&s->down) >= limits->queue_bytes;
}

bool sm_asks_hold(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    bool was_full = full(s);

    if (push(s, e) && !was_full)
        return true;
    sm_ending_begin(s, was_full ? SM_END_QUEUE : SM_END_MEMORY, e->now_ms, o);
    return false;
}

/* What arrives so late is undelivered at once. Before the server has said that it was the last, all
 * of it is dealt with together. */
bool sm_asks_keep(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    sm_ending_forget(s);
    if (push(s, e) && (s->record.state == SM_CLOSING || full(s)))
        sm_ending_hurry(s, o);
    return true;
}

bool sm_asks_wrote(struct sm_session *s, const struct sm_event *e, struct sm_orders *)
{
    struct sm_record *r = &s->record;
    struct sm_asking *a = &s->asking;
    bool asked = sm_later(a->behind, r->acked + r->down.passed); /* before what is written now */

    assert(e->count <= r->down.end - r->down.cursor);
    uint32_t passed = queue_advance(&s->down, e->count);
    if (sm_later(r->acked + r->down.passed, r->written))
        r->written = r->acked + r->down.passed;
    a->wrote = true;
    if (asked && a->out)
        a->asked_ms = e->now_ms; /* the <r/> cannot be out before all that stands before it is */
    else if (asked)
        a->since += passed; /* it was out all the same, and answered: it is asked again */
    return true;
}

/* --- acknowledging --- */

void sm_asks_pop(struct sm_session *s, uint32_t h)
{
    uint32_t n = h - s->record.acked;

    queue_pop(&s->down, n);
    s->record.acked = h;
    s->core->counts.acked += n;
}

bool sm_asks_acked(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    struct sm_record *r = &s->record;

    if (e->h - r->acked > r->written - r->acked && !sm_later(r->acked, e->h)) {
        o->h_claimed = e->h;
        o->h_sent = r->written;
        o->todo |= SM_DO_TOO_HIGH; /* XEP-0198, 6 */
        sm_ending_begin(s, SM_END_ACK, e->now_ms, o);
        return false;
    }
    s->asking.out = false;
    s->asking.unacked_ms = e->now_ms;
    if (sm_later(r->acked, e->h))
        return true;

    /* Of what it had on an earlier connection it may now claim more than it did at its resumption:
     * that comes once more all the same, since a stanza must not be cut off half written. */
    uint32_t written = r->acked + r->down.passed;
    uint32_t h = sm_later(e->h, written) ? written : e->h;

    /* It was asked before all was written, or is slow: it is asked again, unless nothing moves. */
    if ((h != r->acked || s->asking.wrote) && sm_later(s->asking.behind, h))
        s->asking.since = sm_sent(s) - h;
    sm_asks_pop(s, h);
    return true;
}

bool sm_asks_answered(struct sm_session *s, const struct sm_event *e, struct sm_orders *)
{
    uint32_t n;

    if (queue_find_request(&s->down, s->record.written - s->record.acked, e->stanza.request, &n))
        queue_mark_answered(&s->down, n);
    return true;
}

/* --- asking --- */

void sm_asks_begin(struct sm_session *s, uint64_t now_ms)
{
    s->asking = (struct sm_asking){
        .reading = true,
        .since = s->record.down.count,
        .behind = s->record.acked,
        .asked_ms = now_ms,
        .unacked_ms = now_ms,
        .queued_ms = now_ms,
        .heard_ms = now_ms,
    };
}

bool sm_asks_ask(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    struct sm_asking *a = &s->asking;

    a->out = true;
    a->wrote = false;
    a->since = 0;
    a->behind = sm_sent(s);
    a->asked_ms = a->unacked_ms = e->now_ms;
    o->todo |= SM_DO_ASK;
    return true;
}

bool sm_asks_heard(struct sm_session *s, const struct sm_event *e, struct sm_orders *)
{
    s->asking.heard_ms = e->now_ms;
    return true;
}

bool sm_asks_reading(struct sm_session *s, const struct sm_event *e, struct sm_orders *)
{
    s->asking.reading = e->count;
    if (e->count)
        s->asking.heard_ms = e->now_ms; /* what came meanwhile lies unread */
    return true;
}

uint64_t sm_asks_due(const struct sm_session *s)
{
    const struct sm_limits *limits = s->core->limits;
    const struct sm_asking *a = &s->asking;

    if (a->out)
        return UINT64_MAX;

    uint64_t at = a->heard_ms + limits->idle_check_ms;
    if (s->record.down.count) {
        uint64_t every = a->unacked_ms + limits->request_every_ms;
        uint64_t last = a->queued_ms > a->unacked_ms ? a->queued_ms : a->unacked_ms;
        uint64_t idle = last + limits->request_idle_ms;

        if (every < at)
            at = every;
        /* A full queue: it acknowledged, but too little, and the link stands still until it has. */
        if (((a->since && !sm_session_inactive(s)) || s->down_full) && idle < at)
            at = idle;
    }
    return at;
}

uint64_t sm_asks_overdue_at(const struct sm_session *s)
{
    const struct sm_asking *a = &s->asking;
    uint64_t from = a->asked_ms > a->heard_ms ? a->asked_ms : a->heard_ms;

    /* Where the link is not read either, its own queue being full or the memory of all, nobody
     * reads anybody, and only this clock can end that. */
    if (!a->out || (!a->reading && !(s->up_full && !sm_reads_link(s))))
        return UINT64_MAX;
    return from + s->core->limits->ack_timeout_ms;
}

/* --- bounds --- */

static bool above(bool was, size_t used, size_t limit)
{
    return used >= (was ? limit - limit / 4 : limit);
}

/* A slow client stops its link, and a slow server its client: but a client whose queue is full is
 * read a bit further, for its <a/> may lie there. */
static void mark_full(struct sm_session *s, uint64_t now_ms)
{
    const struct sm_limits *limits = s->core->limits;
    bool was = s->down_full;

    s->down_full = above(was, s->record.down.count, limits->queue_stanzas) ||
                   above(was, queue_bytes(&s->down), limits->queue_bytes);
    /* Answers that Holdfast writes itself are the client's doing: beyond the reserve it gets no
     * more. */
    s->up_full = above(s->up_full, queue_cost(&s->up),
                       limits->queue_bytes + (s->down_full ? SM_UP_RESERVE : 0)) ||
                 queue_cost(&s->down) >= limits->queue_bytes + SM_UP_RESERVE +
                                             limits->queue_stanzas * sizeof(struct queue_entry);

    bool stopped = !sm_reads_link(s);
    if (s->link_stopped && !stopped && s->record.flags & RECORD_PROBE_OUT)
        s->record.probe_sent_ms = now_ms; /* its answer may have waited unread */
    s->link_stopped = stopped;
}

void sm_asks_settle(struct sm_session *s, uint64_t now_ms, struct sm_orders *o)
{
    const struct sm_asking *a = &s->asking;
    struct sm_event now = {.type = SM_DEADLINE, .now_ms = now_ms};
    uint32_t after = sm_session_inactive(s) ? SM_INACTIVE_FACTOR : 1;

    mark_full(s, now_ms);
    if (s->record.state != SM_LIVE || a->out || !s->record.down.count || !a->since)
        return;
    if (a->since / after >= s->core->limits->request_after || s->down_full)
        sm_asks_ask(s, &now, o);
}
