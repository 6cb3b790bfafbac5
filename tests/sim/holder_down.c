/* SPDX-License-Identifier: MIT */
/*
 * As proxy/downward.c and the server's half of proxy/relay.c. A session's bytes are
 * received into the staging area, after the arena was told for whom.
 */
#include "tests/sim/holder.h"

#include "parser/stanza.h"
#include "sm/wire.h"
#include "tests/sim/meaning.h"
#include "tests/sim/oracle.h"

#include <assert.h>
#include <stdlib.h>

/* --- stanzas --- */

static enum sm_fate fate_of(const struct item *item)
{
    if (item->kind == ITEM_MESSAGE && item->type != TYPE_GROUPCHAT && item->type != TYPE_ERROR &&
        item->flags & ITEM_CONTENT)
        return SM_FATE_KEEP;
    if (item->kind == ITEM_IQ && (item->type == TYPE_GET || item->type == TYPE_SET))
        return SM_FATE_REFUSE;
    return SM_FATE_DROP;
}

uint32_t holder_request(const struct item *item, struct span peer)
{
    uint64_t hash = chance_mix(item->id.len);

    for (size_t i = 0; i < item->id.len; i++)
        hash = chance_mix(hash ^ (uint8_t)item->id.p[i]);
    for (size_t i = 0; i < peer.len; i++)
        hash = chance_mix(hash ^ (uint8_t)peer.p[i]);
    return (uint32_t)hash | 1;
}

static bool from_domain(const struct item *item)
{
    return !item->from.p || span_is(item->from, DOMAIN);
}

static bool take_probe_answer(struct hold_link *l, const struct item *item)
{
    uint64_t id;

    if (item->kind != ITEM_IQ || (item->type != TYPE_RESULT && item->type != TYPE_ERROR) ||
        !from_domain(item) || !sm_wire_probe_id(&id, (struct sm_text){item->id.p, item->id.len}))
        return false;
    return holder_tell(l, (struct sm_event){.type = SM_PROBE_ANSWER, .probe = id});
}

static bool take_ping(struct hold_link *l, const struct item *item)
{
    struct sink k = SINK(l->h->text);

    if (item->kind != ITEM_IQ || item->type != TYPE_GET || item->payload != PAYLOAD_PING ||
        !from_domain(item))
        return false;
    stanza_result(&k, item, SPAN_NONE);
    holder_pass(l, sink_span(&k));
    return true;
}

/* True if the tail, if the stanza is in it, has become the queue's. */
static bool take_stanza(struct hold_link *l, const struct item *item, struct span raw, bool in_tail)
{
    enum sm_fate fate = fate_of(item);
    struct sm_stanza stanza = {.xml = in_tail ? NULL : raw.p,
                               .len = raw.len,
                               .stamp_ms = l->h->w->now,
                               .fate = (uint8_t)fate};

    if (take_probe_answer(l, item) || take_ping(l, item))
        return false;
    if (fate == SM_FATE_REFUSE)
        stanza.request = holder_request(item, item->from);
    holder_tell(l, (struct sm_event){.type = SM_TO_CLIENT, .stanza = stanza});
    return true;
}

/* What is left of a stanza that was skipped for want of memory, and of whose beginning a successor
 * knows nothing, can look like one. */
static bool well_formed(struct hold_link *l, struct span raw)
{
    struct item item;

    return sm_session_end(l->session) != SM_END_MEMORY ||
           xml_next(l->h->w->xml, &(struct context){0}, raw, &item) == XML_FINE;
}

static void session_item(struct hold_link *l, struct span raw, bool in_tail)
{
    struct item item;

    if (!well_formed(l, raw) || !meaning_of(l->h->w, raw, &item)) {
        holder_server_over(l, SM_END_LINK);
        return;
    }
    switch (item.kind) {
    case ITEM_MESSAGE:
    case ITEM_PRESENCE:
    case ITEM_IQ:
        if (take_stanza(l, &item, raw, in_tail))
            return;
        break;
    case ITEM_STREAM_ERROR:
        holder_server_over(l, memmem(raw.p, raw.len, "<conflict", 9) ? SM_END_CONFLICT
                                                                     : SM_END_SERVER);
        break;
    default: /* counts nowhere, and is kept for nobody */
        if (l->client) {
            holder_say(l, raw);
            l->h->orders->todo |= SM_DO_WRITE;
        }
        break;
    }
    if (in_tail && l->session)
        sm_tail_drop(l->session);
}

/* --- bytes --- */

/* There is no memory for a stanza: it is lost, and its session ends. */
static void skip(struct hold_link *l, bool goes_on)
{
    sm_tail_drop(l->session);
    l->skips = goes_on;
    if (!l->h->w->dead)
        happened(l->h->w, FIG_SKIPPED);
    holder_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_MEMORY});
}

void holder_session_bytes(struct hold_link *l, struct span fresh, bool known)
{
    struct sm_session *s = l->session;

    if (!known)
        holder_tell(l, (struct sm_event){.type = SM_LINK_READ, .count = fresh.len});
    while (fresh.len && !l->over && l->session) {
        size_t used;
        enum framed framed = framer_next(sm_scan(s), fresh, &used);
        struct span raw = {fresh.p, used};
        bool in_tail = framed == FRAMED_MORE || sm_tail(s).len;

        fresh = (struct span){fresh.p + used, fresh.len - used};
        if (framed == FRAMED_SPACE)
            continue;
        if (l->skips) {
            l->skips = framed == FRAMED_MORE;
            continue;
        }
        if (in_tail && !sm_tail_add(s, (struct sm_text){raw.p, raw.len})) {
            skip(l, framed == FRAMED_MORE);
            continue;
        }
        if (in_tail)
            raw = (struct span){sm_tail(s).p, sm_tail(s).len};
        if (framed == FRAMED_ELEMENT)
            session_item(l, raw, in_tail);
        else if (framed != FRAMED_MORE)
            holder_server_over(l, framed == FRAMED_CLOSE ? SM_END_SERVER : SM_END_LINK);
        /* A commit in the middle of what was received would forget the rest of it. */
        assert(!sm_orders_full(l->h->orders));
    }
}

/* --- without a session --- */

static void plain_lost(struct hold_link *l)
{
    struct hold_connection *c = l->client;

    l->client = NULL;
    if (c)
        c->link = NULL;
    holder_leave(l, l->over);
    if (c && c->phase == HOLD_OPEN)
        holder_end(c, END_OVER, c->closing ? NULL : "remote-connection-failed");
}

static void plain_item(struct hold_link *l, enum inflow_found found, struct span raw)
{
    struct item item;

    if (found == INFLOW_ELEMENT && meaning_of(l->h->w, raw, &item) &&
        item.kind != ITEM_STREAM_ERROR) {
        if (l->client)
            holder_write(l->client, raw);
        return;
    }
    l->over = found == INFLOW_CLOSE || found == INFLOW_ELEMENT;
    plain_lost(l);
}

static void plain_bytes(struct hold_link *l, struct span fresh)
{
    while (l->phase == HOLD_OPEN) {
        struct span raw;
        enum inflow_found found = inflow_next(&l->in, &fresh, &raw);

        if (found == INFLOW_MORE)
            break;
        plain_item(l, found, raw);
    }
    if (l->phase != HOLD_OPEN)
        return;
    if (!inflow_hold(&l->in, fresh))
        abort();
    if (l->client)
        holder_flush(l->client);
}

/* --- the socket --- */

static void closed(struct hold_link *l)
{
    l->eof = true;
    if (!l->session) {
        plain_lost(l);
        return;
    }
    if (!l->over)
        holder_tell(l, (struct sm_event){.type = SM_LINK_CLOSED, .end = SM_END_LINK});
    holder_obey(l);
}

void holder_link_readable(struct hold_link *l)
{
    struct world *w = l->h->w;
    size_t max = one_in(w, 3) ? 1 + below(w, 64) : 1 + below(w, 4096);
    char plain[4096], *to = plain;
    ssize_t n;

    if (l->session) {
        sm_core_post(l->h->core, l->session);
        to = sm_core_staging(l->h->core);
    }
    n = kernel_link_receive(w, l->socket, to, max);
    if (n == KERNEL_AGAIN)
        return;
    if (n <= 0) {
        closed(l);
        return;
    }
    l->received += (uint64_t)n;
    if (!l->session) {
        plain_bytes(l, (struct span){to, (size_t)n});
        return;
    }
    holder_session_bytes(l, (struct span){to, (size_t)n}, false);
    holder_obey(l);
}
