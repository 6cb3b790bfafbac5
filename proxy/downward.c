/* SPDX-License-Identifier: MIT */
/*
 * From the server: bytes become items. Those of a session are judged where they lie,
 * and what is not whole yet waits in its tail.
 */
#include "proxy/downward.h"

#include "proxy/farewell.h"
#include "proxy/greet.h"
#include "proxy/log.h"
#include "proxy/offence.h"
#include "proxy/orders.h"
#include "proxy/relay.h"
#include "proxy/upward.h"

/* One that is too large to be read ends the link all the same, without its words. */
static void take_stream_error(struct link *l, struct span raw)
{
    struct context gives = relay_link_gives(l);
    struct sink k = relay_sink(l->tools);
    const struct element *e = NULL;

    if (xml_tree(l->tools->xml, &gives, raw, &e) == XML_FINE)
        element_write(&k, e, SPAN_LIT(NS_CLIENT));
    farewell_server(l, e && !k.full ? sink_span(&k) : SPAN_NONE,
                    element_child(e, NS_STREAM_ERRORS, "conflict") ? SM_END_CONFLICT
                                                                   : SM_END_SERVER);
}

/* What ends the link from the server's side, apart from its stream error: its closing tag, or
 * nonsense. */
static void link_over(struct link *l, const char *why)
{
    if (why) {
        l->tools->counters.nonsense++;
        log_at(LOG_WARN, "link_failed", f_u64("link", l->id), f_str("host", l->host->domain),
               f_str("why", why));
    }
    farewell_server(l, SPAN_NONE, why ? SM_END_LINK : SM_END_SERVER);
}

static void session_item(struct link *l, const struct item *item, struct span raw, bool in_tail)
{
    switch (item->kind) {
    case ITEM_MESSAGE:
    case ITEM_PRESENCE:
    case ITEM_IQ:
        if (relay_take(l, item, raw, in_tail))
            return;
        break;
    case ITEM_STREAM_ERROR:
        take_stream_error(l, raw);
        break;
    case ITEM_STREAM:
        link_over(l, "a second stream header");
        break;
    case ITEM_OTHER: /* counts nowhere, and is kept for nobody */
        relay_take_other(l, item, raw);
        break;
    default:
        offence_dropped(l, item, raw);
        break;
    }
    if (in_tail && l->session)
        sm_tail_drop(l->session);
}

/* There is no memory for what the server said, which will not say it again. */
static void lose(struct link *l)
{
    l->tools->counters.stanzas_lost++;
    log_at(LOG_WARN, "undelivered", f_u64("link", l->id), f_u32("lost", 1), f_str("why", "memory"));
    orders_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_MEMORY});
}

static void session_element(struct link *l, struct span raw, bool in_tail)
{
    struct context gives = relay_link_gives(l);
    struct item item;
    enum xml_verdict verdict;

    sm_fetch_room(l->session, true, raw.len); /* while expat judges */
    verdict = xml_next(l->tools->xml, &gives, raw, &item);
    if (verdict == XML_FINE) {
        session_item(l, &item, raw, in_tail);
        return;
    }
    if (verdict == XML_TOO_BIG)
        offence_skip(l, raw);
    else if (verdict == XML_NO_MEMORY)
        lose(l);
    else
        link_over(l, "not well-formed");
    if (in_tail && l->session)
        sm_tail_drop(l->session);
}

/* Cuts the server's bytes into items; an item that is not whole yet waits in the session's tail.
 * Nothing is committed before all of them are dealt with: what is not lies in the staging area
 * only. */
static void session_items(struct link *l, struct span fresh)
{
    struct sm_session *s = l->session;

    while (fresh.len && !l->over && l->session) {
        size_t used;
        enum framed framed = framer_next(sm_scan(s), fresh, &used);
        struct span raw = {fresh.p, used};
        bool in_tail = framed == FRAMED_MORE || sm_tail(s).len;

        fresh = (struct span){fresh.p + used, fresh.len - used};
        if (framed == FRAMED_SPACE)
            continue;
        if (l->skips) { /* the rest of a stanza for which there was no room */
            l->skips = framed == FRAMED_MORE;
            continue;
        }
        if (in_tail && sm_tail(s).len + used > link_stanza_max(l->tools->conf)) {
            link_over(l, "over-long stanza");
            return;
        }
        if (in_tail && !sm_tail_add(s, (struct sm_text){raw.p, raw.len})) {
            sm_tail_drop(s);
            l->skips = framed == FRAMED_MORE;
            lose(l);
            continue;
        }
        if (in_tail)
            raw = (struct span){sm_tail(s).p, sm_tail(s).len};
        if (framed == FRAMED_ELEMENT)
            session_element(l, raw, in_tail);
        else if (framed == FRAMED_CLOSE)
            link_over(l, NULL);
        else if (framed != FRAMED_MORE)
            link_over(l, "not well-formed");
        else if (inflow_opens_stream(raw))
            link_over(l, "a second stream header");
    }
}

static void session_bytes(struct link *l, struct span fresh)
{
    orders_tell(l, (struct sm_event){.type = SM_LINK_READ, .count = fresh.len});
    session_items(l, fresh);
}

void downward_staged(struct link *l, struct span staged)
{
    session_items(l, staged);
    orders_obey(l);
}

static void plain_item(struct link *l, enum inflow_found found, struct span raw)
{
    struct context gives = relay_link_gives(l);
    bool bound = l->client && l->client->login >= LOGIN_BOUND;
    enum xml_verdict verdict;
    struct item item;

    if (bound && found == INFLOW_SKIPPED) {
        offence_skip(l, raw);
        return;
    }
    if (!bound || found != INFLOW_ELEMENT) {
        greet_item(l, found, raw);
        return;
    }
    verdict = xml_next(l->tools->xml, &gives, raw, &item);
    if (verdict == XML_TOO_BIG)
        offence_skip(l, raw);
    else if (verdict != XML_FINE)
        greet_item(l, verdict == XML_NO_MEMORY ? INFLOW_NO_MEMORY : INFLOW_BAD, raw);
    if (verdict != XML_FINE)
        return;
    switch (item.kind) {
    case ITEM_MESSAGE:
    case ITEM_PRESENCE:
    case ITEM_IQ:
        relay_take_plain(l, &item, raw);
        break;
    case ITEM_OTHER:
        relay_take_plain(l, &item, raw);
        break;
    case ITEM_STREAM_ERROR:
        greet_item(l, found, raw);
        break;
    case ITEM_STREAM:
        greet_item(l, INFLOW_BAD, SPAN_NONE);
        break;
    default:
        offence_dropped(l, &item, raw);
        break;
    }
}

static void link_bytes(struct link *l, struct span fresh)
{
    while (!l->session && l->phase == LINK_OPEN && !l->departs) {
        struct span raw;
        enum inflow_found found = inflow_next(&l->in, &fresh, &raw);

        if (found == INFLOW_MORE && inflow_opens_again(&l->in))
            greet_item(l, INFLOW_BAD, SPAN_NONE);
        if (found == INFLOW_MORE)
            break;
        plain_item(l, found, raw);
        if (l->tls && !tls_ready(l->tls) && (fresh.len || inflow_waits(&l->in))) {
            greet_item(l, INFLOW_BAD, SPAN_NONE); /* in the clear, behind <proceed/> */
            return;
        }
    }
    if (l->session && l->phase == LINK_OPEN) {
        if (fresh.len)
            session_bytes(l, fresh);
        orders_obey(l);
        return;
    }
    if (l->phase != LINK_OPEN)
        return;
    if (!inflow_hold(&l->in, fresh))
        greet_item(l, INFLOW_NO_MEMORY, SPAN_NONE);
    if (l->client && l->client->phase == CLIENT_OPEN) {
        struct client *c = l->client;

        client_flush(c);
        if (client_blocked(c))
            link_read(l, false);
        upward_go_on(c);
    }
}

void downward_go_on(struct link *l)
{
    link_bytes(l, SPAN_NONE);
}

static void link_closed(struct link *l, int error)
{
    if (error)
        log_at(LOG_WARN, "link_failed", f_u64("link", l->id), f_str("host", l->host->domain),
               f_err("why", error));
    if (!l->session) {
        greet_lost(l);
        return;
    }
    if (!l->over)
        orders_tell(l, (struct sm_event){.type = SM_LINK_CLOSED, .end = SM_END_LINK});
    orders_obey(l);
}

static void link_drained(struct link *l)
{
    if (l->session) {
        orders_send(l);
        orders_obey(l);
    } else if (l->client) {
        upward_go_on(l->client);
    }
}

static void link_failed(struct link *l)
{
    greet_lost(l);
}

const struct link_handler downward_handler = {greet_opened, link_failed, link_bytes, link_closed,
                                              link_drained};
