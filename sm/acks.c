/* SPDX-License-Identifier: MIT */
/*
 * Counting, probing, and answering the client's <r/>s, in this order.
 */
#include "sm/acks.h"

#include "sm/ending.h"
#include "sm/session_priv.h"
#include "sm/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    TCP_AFTER_MS =
        1000, /* ack = forwarded: the server's TCP is looked at so long after a stanza, */
    TCP_AFTER_BYTES = 65536, /* or at so many bytes that are not known to be there */
};

/* One <r/> after another, each with its place in the stream; a ring. */
struct sm_waiting {
    unsigned first, count;
    struct {
        uint32_t h;
        uint64_t since_ms;
    } ask[SM_ASKS_WAITING];
};

static bool forwarded(const struct sm_session *s)
{
    return s->core->limits->ack_forwarded;
}

/* --- counting --- */

/* What has no bytes was answered by Holdfast itself: it is confirmed once all before it is. */
static void confirm_answered(struct sm_session *s)
{
    struct sm_stanza oldest;

    for (;;) {
        queue_shed(&s->up);
        if (!queue_nth(&s->up, 0, &oldest) || !queue_nth_counted(&s->up, 0) || oldest.len)
            return;
        queue_pop_one(&s->up);
        s->record.confirmed++;
    }
}

static bool count(struct sm_session *s, const struct sm_stanza *stanza, const struct sm_event *e,
                  struct sm_orders *o)
{
    if (!queue_push(&s->up, stanza, true)) {
        sm_ending_begin(s, SM_END_MEMORY, e->now_ms, o); /* not taken, so the client has it still */
        return false;
    }
    s->record.taken++;
    s->taken_ms = e->now_ms;
    return true;
}

bool sm_acks_take(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    if (!count(s, &e->stanza, e, o))
        return false;
    s->core->counts.to_server++;
    return true;
}

bool sm_acks_answered(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    static const struct sm_stanza nothing = {.xml = ""};

    if (!count(s, &nothing, e, o))
        return false;
    confirm_answered(s);
    return true;
}

/* Nobody is promised anything about these bytes, but the link must not lose them either. */
bool sm_acks_pass(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    if (!s->link_dead && queue_push(&s->up, &e->stanza, false))
        return true;
    s->refused = true;
    if (s->record.state != SM_ENDING)
        sm_ending_begin(s, SM_END_MEMORY, e->now_ms, o);
    return false;
}

bool sm_acks_received(struct sm_session *s, const struct sm_event *e, struct sm_orders *)
{
    s->record.link_received += e->count;
    s->link_heard = true;
    return true;
}

/* --- answering --- */

void sm_acks_say(struct sm_session *s, uint32_t h, struct sm_orders *o)
{
    struct sm_record *r = &s->record;

    /* Invariant 1: below nothing that was said, and above nothing that could be lost. */
    assert(!sm_later(h, r->taken));
    assert(!sm_later(h, r->said) || forwarded(s) || !sm_later(h, r->confirmed));
    if (sm_later(h, r->said)) {
        r->said = h;
        s->changed = true; /* it is a promise, whatever event it is made at */
    }
    assert(sizeof o->text - o->text_len >= SM_WIRE_MAX);
    o->text_len += (uint32_t)sm_wire_a(o->text + o->text_len, r->flags & RECORD_NS2, r->said);
    o->todo |= SM_DO_SAY;
}

uint32_t sm_acks_h(const struct sm_session *s)
{
    uint32_t h = forwarded(s) ? s->record.taken : s->record.confirmed;

    return sm_later(s->record.said, h) ? s->record.said : h;
}

static bool oldest(const struct sm_session *s, uint32_t *h, uint64_t *since_ms)
{
    const struct sm_waiting *w = s->waiting;

    if (!w)
        return false;
    *h = w->ask[w->first].h;
    *since_ms = w->ask[w->first].since_ms;
    return true;
}

static void answer_oldest(struct sm_session *s, uint32_t h, struct sm_orders *o)
{
    struct sm_waiting *w = s->waiting;

    w->first = (w->first + 1) % SM_ASKS_WAITING;
    if (--w->count == 0)
        sm_acks_forget(s);
    sm_acks_say(s, h, o);
}

/* Those whose place is confirmed, each with the count at its place. */
static void answer_confirmed(struct sm_session *s, struct sm_orders *o)
{
    uint32_t h;
    uint64_t since_ms;

    while (oldest(s, &h, &since_ms) && !sm_later(h, s->record.confirmed))
        answer_oldest(s, h, o);
}

static struct sm_waiting *new_waiting(void)
{
    struct sm_waiting *w = malloc(sizeof *w);

    if (w)
        w->first = w->count = 0;
    return w;
}

bool sm_acks_asked(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    if (forwarded(s) || s->record.taken == s->record.confirmed) {
        sm_acks_answer_all(s, o); /* only if the configuration has changed meanwhile */
        sm_acks_say(s, s->record.taken, o);
        return true;
    }
    if (!s->waiting && !(s->waiting = new_waiting())) {
        sm_acks_say(s, sm_acks_h(s), o);
        return true;
    }
    if (s->waiting->count == SM_ASKS_WAITING)
        answer_oldest(s, sm_acks_h(s), o);

    unsigned last = (s->waiting->first + s->waiting->count++) % SM_ASKS_WAITING;
    s->waiting->ask[last].h = s->record.taken;
    s->waiting->ask[last].since_ms = e->now_ms;
    return true;
}

bool sm_acks_waited(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    while (sm_acks_answer_due(s) <= e->now_ms)
        answer_oldest(s, sm_acks_h(s), o);
    return true;
}

unsigned sm_acks_answer_all(struct sm_session *s, struct sm_orders *o)
{
    unsigned n = 0;

    for (; s->waiting; n++)
        answer_oldest(s, sm_acks_h(s), o);
    return n;
}

void sm_acks_forget(struct sm_session *s)
{
    free(s->waiting);
    s->waiting = NULL;
}

/* --- confirming --- */

static void confirmed(struct sm_session *s, struct sm_orders *o)
{
    confirm_answered(s);
    answer_confirmed(s, o);
    if (s->tell_client && s->record.state == SM_LIVE)
        sm_acks_say(s, sm_acks_h(s), o);
    s->tell_client = false;
}

bool sm_acks_sent(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    uint32_t held = s->record.up.count;

    assert(e->count <= s->record.up.end - s->record.up.cursor);
    queue_advance(&s->up, e->count);
    s->record.link_sent += e->count;
    confirm_answered(s);
    answer_confirmed(s, o);
    s->changed |= s->record.up.count != held;
    return true;
}

/* Ids that only who reads the link can know: splitmix64 of a random seed. */
static uint64_t probe_id(const struct sm_session *s, uint32_t number)
{
    uint64_t x = s->record.probe_seed + number * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

bool sm_acks_ours(const struct sm_session *s, uint64_t probe)
{
    uint32_t number = s->record.probe_number;

    /* The end of a session does not wait for the probe before: two may be on their way. */
    return (number > 0 && probe == probe_id(s, number)) ||
           (number > 1 && probe == probe_id(s, number - 1));
}

bool sm_acks_probe(struct sm_session *s, uint64_t now_ms)
{
    struct sm_record *r = &s->record;
    char xml[SM_WIRE_PROBE];
    uint64_t id = probe_id(s, r->probe_number + 1);
    struct sm_stanza probe = {.xml = xml};

    probe.len = sm_wire_probe(xml, record_identity(&s->core->arena, s->node.slot).domain, id);
    if (!queue_push(&s->up, &probe, false))
        return false;
    r->probe_number++;
    r->probe_id = id;
    r->probe_covers = r->taken;
    r->probe_sent_ms = now_ms;
    r->flags |= RECORD_PROBE_OUT;
    s->changed = true; /* whatever event it was that found it due */
    s->link_heard = false;
    s->tcp_counts = false;
    s->ask_server = false;
    s->core->counts.probes++;
    return true;
}

bool sm_acks_probed(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    struct sm_record *r = &s->record;

    if (!(r->flags & RECORD_PROBE_OUT) || e->probe != r->probe_id)
        return true;
    r->flags &= (uint16_t)~RECORD_PROBE_OUT;
    s->tcp_counts = false;
    if (sm_later(r->probe_covers, r->confirmed)) {
        queue_pop(&s->up, r->probe_covers - r->confirmed);
        r->confirmed = r->probe_covers;
    }
    confirmed(s, o);
    return true;
}

bool sm_acks_tcp(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    struct sm_record *r = &s->record;
    uint64_t at = r->link_sent - (r->up.cursor - r->up.start); /* on the link: the oldest stanza */
    struct sm_stanza stanza;

    if (!forwarded(s) && !s->tcp_counts)
        return true;
    while (r->up.passed && queue_nth(&s->up, 0, &stanza) && at + stanza.len <= e->count) {
        at += stanza.len;
        if (queue_nth_counted(&s->up, 0))
            r->confirmed++;
        queue_pop_one(&s->up);
    }
    confirmed(s, o);
    return true;
}

/* --- probing --- */

/* `ack = confirmed` knows what is missing by asking the server, but only if somebody waits. */
static bool wanted(const struct sm_session *s)
{
    if (s->link_dead || forwarded(s) || s->record.taken == s->record.confirmed)
        return false;
    return s->waiting || s->ask_server || s->tell_client || s->record.state == SM_RESUMING;
}

bool sm_acks_overdue(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    if (!s->link_heard && !s->link_stopped && sm_reads_link(s)) {
        sm_ending_lose(s, SM_END_PROBE, o);
        return false;
    }
    if (!s->link_heard) {
        s->record.probe_sent_ms = e->now_ms; /* the answer may lie there unread */
        return true;
    }
    s->tcp_counts = true;
    s->checked_ms = e->now_ms;
    o->todo |= SM_DO_WARN_PROBE | SM_DO_CHECK_TCP;
    return true;
}

bool sm_acks_check_tcp(struct sm_session *s, const struct sm_event *e, struct sm_orders *o)
{
    s->checked_ms = e->now_ms;
    o->todo |= SM_DO_CHECK_TCP;
    return true;
}

bool sm_acks_probe_due(struct sm_session *, const struct sm_event *, struct sm_orders *)
{
    return true;
}

void sm_acks_settle(struct sm_session *s, uint64_t now_ms, struct sm_orders *o)
{
    if (!forwarded(s) && !s->tell_client && s->record.taken != s->record.confirmed &&
        queue_bytes(&s->up) > s->core->limits->queue_bytes / 2)
        s->tell_client = true;
    if (sm_acks_probe_pace(s) <= now_ms && !sm_acks_probe(s, now_ms))
        s->record.probe_sent_ms = now_ms; /* there is no memory for it, and later there may be */
    if (forwarded(s) && queue_bytes(&s->up) > TCP_AFTER_BYTES &&
        now_ms - s->checked_ms >= SM_PROBE_PACE_MS) {
        s->checked_ms = now_ms;
        o->todo |= SM_DO_CHECK_TCP;
    }
}

/* --- clocks --- */

uint64_t sm_acks_answer_due(const struct sm_session *s)
{
    uint32_t h;
    uint64_t since_ms;

    return oldest(s, &h, &since_ms) ? since_ms + SM_ACK_WAIT_MS : UINT64_MAX;
}

uint64_t sm_acks_probe_pace(const struct sm_session *s)
{
    if (!wanted(s) || s->record.flags & RECORD_PROBE_OUT)
        return UINT64_MAX;
    return s->record.probe_sent_ms ? s->record.probe_sent_ms + SM_PROBE_PACE_MS : 0;
}

uint64_t sm_acks_overdue_at(const struct sm_session *s)
{
    if (!(s->record.flags & RECORD_PROBE_OUT) || s->tcp_counts)
        return UINT64_MAX;
    return s->record.probe_sent_ms + SM_PROBE_TIMEOUT_MS;
}

uint64_t sm_acks_tcp_due(const struct sm_session *s)
{
    uint64_t last = s->taken_ms > s->checked_ms ? s->taken_ms : s->checked_ms;

    if (s->link_dead || s->record.taken == s->record.confirmed)
        return UINT64_MAX;
    return forwarded(s) || (s->tcp_counts && wanted(s)) ? last + TCP_AFTER_MS : UINT64_MAX;
}
