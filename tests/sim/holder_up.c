/* SPDX-License-Identifier: MIT */
/*
 * As proxy/upward.c and the client's half of proxy/relay.c: bytes become items, and
 * items become events, or go straight to the link where there is no session.
 */
#include "tests/sim/holder.h"

#include "parser/stanza.h"
#include "tests/sim/meaning.h"
#include "tests/sim/oracle.h"

#include <assert.h>
#include <stdlib.h>

enum { HELD_MAX = 8192, PRESENCE_WAIT_MS = 3000, READ_MAX = 8192, SHARE = 16384 };

/* --- stanzas --- */

/* Messages that an ended session left wait for the first presence that makes this one available. */
static void note_presence(struct hold_connection *c, const struct item *item)
{
    if (item->kind != ITEM_PRESENCE || item->type != TYPE_NONE || item->to.p || c->present)
        return;
    c->present = true;
    if (c->login == HOLD_BOUND)
        c->late_ms = c->h->w->now + PRESENCE_WAIT_MS;
    else
        c->hands_over = true;
}

static void take_stanza(struct hold_connection *c, const struct item *item, struct span raw)
{
    struct hold_link *l = c->link;
    bool answer = item->kind == ITEM_IQ && (item->type == TYPE_RESULT || item->type == TYPE_ERROR);
    struct sm_stanza stanza = {.xml = raw.p, .len = raw.len};

    note_presence(c, item);
    if (!l->session) {
        holder_link_write(l, raw);
    } else if (holder_tell(l, (struct sm_event){.type = SM_TO_SERVER, .stanza = stanza}) &&
               answer) {
        stanza = (struct sm_stanza){.request = holder_request(item, item->to)};
        holder_tell(l, (struct sm_event){.type = SM_REQUEST_DONE, .stanza = stanza});
    }
}

/* Over-long: answered here, and counted like any other. */
static void refuse(struct hold_connection *c, const struct item *item)
{
    struct hold_link *l = c->link;
    struct sink k = SINK(c->h->text);

    if (l->session) {
        holder_tell(l, (struct sm_event){.type = SM_ANSWERED});
        if (!c->h->w->dead)
            happened(c->h->w, FIG_ANSWERED);
    }
    if (item->type == TYPE_ERROR)
        return;
    stanza_error(&k, item, SPAN_NONE, "modify", "policy-violation");
    if (l->session)
        holder_tell(l, (struct sm_event){.type = SM_REPLY,
                                         .stanza = {.xml = k.p, .len = k.len, .stamp_ms = 1}});
    else
        holder_write(c, sink_span(&k));
}

static void skipped(struct hold_connection *c, struct span raw)
{
    char tag[INFLOW_TAG_MAX];
    struct span start = inflow_start_tag(raw, tag);
    struct item item;

    if (c->login == HOLD_AUTHENTICATED || !start.p || !meaning_of(c->h->w, start, &item)) {
        holder_end(c, END_ERROR, "policy-violation");
        return;
    }
    refuse(c, &item);
}

static void take_csi(struct hold_connection *c, bool inactive)
{
    if (c->link->session)
        sm_session_set_inactive(c->link->session, inactive);
    else
        c->link->inactive = inactive;
    holder_pass(c->link, inactive ? SPAN_LIT("<inactive xmlns='urn:xmpp:csi:0'/>")
                                  : SPAN_LIT("<active xmlns='urn:xmpp:csi:0'/>"));
}

/* --- items --- */

static void bound_item(struct hold_connection *c, const struct item *item, struct span raw)
{
    bool session = c->link->session;
    uint32_t h;

    switch (item->kind) {
    case ITEM_MESSAGE:
    case ITEM_PRESENCE:
    case ITEM_IQ:
        take_stanza(c, item, raw);
        break;
    case ITEM_SM_R:
        if (session)
            holder_tell(c->link, (struct sm_event){.type = SM_CLIENT_ASK});
        break;
    case ITEM_SM_A:
        if (session && span_uint32(item->h, &h))
            holder_tell(c->link, (struct sm_event){.type = SM_CLIENT_ACK, .h = h});
        break;
    case ITEM_CSI_ACTIVE:
    case ITEM_CSI_INACTIVE:
        take_csi(c, item->kind == ITEM_CSI_INACTIVE);
        break;
    default:
        break;
    }
}

static void take_item(struct hold_connection *c, const struct item *item, struct span raw)
{
    if (item->kind == ITEM_SM_RESUME)
        holder_resume(c, item);
    else if (item->kind == ITEM_SM_ENABLE)
        holder_enable(c, item);
    else if (item->kind == ITEM_IQ && item->payload == PAYLOAD_BIND &&
             c->login == HOLD_AUTHENTICATED)
        holder_bind(c);
    else if (c->login == HOLD_AUTHENTICATED)
        holder_end(c, END_ERROR, "not-authorized");
    else
        bound_item(c, item, raw);
}

static void client_item(struct hold_connection *c, enum inflow_found found, struct span raw)
{
    struct item item;

    switch (found) {
    case INFLOW_ELEMENT:
        if (meaning_of(c->h->w, raw, &item))
            take_item(c, &item, raw);
        else
            holder_end(c, END_ERROR, "not-well-formed");
        break;
    case INFLOW_SKIPPED:
        skipped(c, raw);
        break;
    case INFLOW_CLOSE:
        holder_closed(c);
        break;
    case INFLOW_MORE:
        break;
    case INFLOW_HEADER:
    case INFLOW_RESTRICTED:
    case INFLOW_BAD:
    case INFLOW_TOO_LONG:
        holder_end(c, END_ERROR, "restricted-xml");
        break;
    case INFLOW_NO_MEMORY:
    case INFLOW_ENDED:
        abort();
    }
}

/* True if nothing more is to be taken from the client for now. */
static bool waits(const struct hold_connection *c)
{
    return c->busy || c->unread || c->closing || c->frozen || buffer_len(&c->say) > HELD_MAX;
}

static void take_items(struct hold_connection *c, struct span fresh)
{
    c->taking = true;
    while (c->phase == HOLD_OPEN && !waits(c)) {
        struct span raw;
        enum inflow_found found = inflow_next(&c->in, &fresh, &raw);

        if (found == INFLOW_MORE)
            break;
        client_item(c, found, raw);
        if (c->phase == HOLD_OPEN && c->link && c->link->session && sm_orders_full(c->h->orders))
            holder_obey(c->link);
    }
    c->taking = false;
    if (c->phase == HOLD_OPEN) {
        bool held = inflow_hold(&c->in, fresh);

        assert(held);
    }
}

/* The end of a batch from the client's side. */
static void batch_done(struct hold_connection *c)
{
    struct hold_link *l = c->link;

    if (c->phase != HOLD_OPEN || !l)
        return;
    if (l->session && c->hands_over) {
        c->hands_over = false;
        holder_hand_over(c);
    }
    if (l->session)
        holder_obey(l);
    else
        holder_link_flush(l);
    holder_enable_now(c);
}

void holder_go_on(struct hold_connection *c)
{
    if (c->phase != HOLD_OPEN || c->frozen || c->taking)
        return;
    c->goes_on = false;
    take_items(c, SPAN_NONE);
    batch_done(c);
}

static void discard(struct hold_connection *c, ssize_t n)
{
    if (n <= 0 && n != KERNEL_AGAIN)
        holder_drop(c);
}

void holder_readable(struct hold_connection *c)
{
    struct world *w = c->h->w;
    char bytes[READ_MAX];
    uint32_t max = one_in(w, 3) ? 1 + below(w, 64) : 1 + below(w, READ_MAX);
    ssize_t n = kernel_receive(w, c->socket, bytes, max);

    if (c->phase == HOLD_LEAVING) {
        discard(c, n);
    } else if (n > 0) {
        if (c->link && c->link->session) {
            sm_core_work(c->h->core, c->link->session);
            holder_tell(c->link, (struct sm_event){.type = SM_CLIENT_BYTES});
        }
        take_items(c, (struct span){bytes, (size_t)n});
        batch_done(c);
    } else if (n != KERNEL_AGAIN) {
        holder_end(c, END_LOST, NULL);
    }
}

void holder_drained(struct hold_connection *c)
{
    struct hold_link *l = c->link;

    holder_flush(c);
    if (c->phase == HOLD_LEAVING) {
        if (!buffer_len(&c->out))
            kernel_shut(c->h->w, c->socket);
        return;
    }
    c->share = SHARE;
    if (buffer_len(&c->out))
        return;
    if (l && l->session) {
        holder_serve(l);
        c->goes_on = true;
        holder_obey(l);
    } else {
        holder_go_on(c);
    }
}
