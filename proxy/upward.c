/* SPDX-License-Identifier: MIT */
/*
 * From the client: bytes become items, the login's table judges them, and they go
 * where they belong. While something is awaited nothing more is taken; what came is
 * kept.
 */
#include "proxy/upward.h"

#include "parser/stanza.h"
#include "proxy/enable.h"
#include "proxy/farewell.h"
#include "proxy/log.h"
#include "proxy/negotiate.h"
#include "proxy/offence.h"
#include "proxy/orders.h"
#include "proxy/relay.h"
#include "proxy/resume.h"
#include "proxy/serve.h"
#include "proxy/upgrade.h"

enum {
    HELD_MAX = 65536, /* bytes of a client that are kept while it has to wait */
    ANSWERS_MAX =
        262144, /* bytes written to it that it does not take, until it is read no further */
};

static void take_ack(struct client *c, const struct item *item)
{
    uint32_t h;

    if (span_uint32(item->h, &h)) {
        orders_tell(c->link, (struct sm_event){.type = SM_CLIENT_ACK, .h = h});
        return;
    }
    c->tools->counters.ignored++;
    enum log_level level = offence_level(&c->offences);
    log_at(level, "ack_malformed", f_u64("conn", c->id), f_span("h", item->h));
}

/* There was a password in what was read. Where it came from, client.c and buffer.c wipe. */
static void forget(struct tools *tools)
{
    xml_forget(tools->xml);
    explicit_bzero(tools->text, sizeof tools->text);
}

static void taken(struct client *c, enum login_says says, const struct item *item, struct span raw,
                  bool pipelined)
{
    switch (says) {
    case LOGIN_STARTTLS:
        negotiate_starttls(c, pipelined);
        break;
    case LOGIN_SASL_AUTH:
    case LOGIN_SASL_RESPONSE:
    case LOGIN_SASL_ABORT:
        negotiate_sasl(c, item, raw);
        forget(c->tools);
        break;
    case LOGIN_IQ_REGISTER:
        if (c->login >= LOGIN_BOUND) {
            relay_take_up(c, item, raw);
            break;
        }
        negotiate_iq(c, item, raw);
        forget(c->tools);
        break;
    case LOGIN_IQ_AUTH:
        negotiate_iq(c, item, raw);
        forget(c->tools);
        break;
    case LOGIN_IQ_BIND:
        negotiate_bind(c, raw);
        break;
    case LOGIN_STANZA:
        relay_take_up(c, item, raw);
        break;
    case LOGIN_ENABLE:
        enable_session(c, item);
        break;
    case LOGIN_RESUME:
        resume_begin(c, item);
        break;
    case LOGIN_R:
        orders_tell(c->link, (struct sm_event){.type = SM_CLIENT_ASK});
        break;
    case LOGIN_A:
        take_ack(c, item);
        break;
    case LOGIN_CSI:
        relay_take_csi(c, item->kind == ITEM_CSI_INACTIVE);
        break;
    case LOGIN_OTHER: /* what it means is between client and server */
        relay_pass_other(c, item, raw);
        break;
    case LOGIN_HEADER:
    case LOGIN_SM_OTHER:
    case LOGIN_SAYS:
        break;
    }
}

static void judged(struct client *c, const struct item *item, struct span raw, bool pipelined)
{
    enum login_says says = relay_says(item);

    switch (login_judge(c->login, says)) {
    case LOGIN_TAKE:
        taken(c, says, item, raw, pipelined);
        break;
    case LOGIN_IGNORE:
        offence_misplaced(c, item, raw, "ignored");
        break;
    case LOGIN_FAILED:
        offence_misplaced(c, item, raw, "unexpected-request");
        relay_failed(c, item->flags & ITEM_SM2, "unexpected-request", false, 0);
        break;
    case LOGIN_TWICE:
        farewell_client(c, END_ENABLE_TWICE, SPAN_NONE);
        break;
    case LOGIN_REFUSED:
        offence_misplaced(c, item, raw, "not-allowed");
        relay_refuse(c, item, "cancel", "not-allowed");
        break;
    case LOGIN_ENCRYPTION:
        offence_misplaced(c, item, raw, "encryption-required");
        client_say(c, SPAN_LIT("<failure xmlns='" NS_SASL "'><encryption-required/></failure>"));
        client_flush(c);
        break;
    case LOGIN_BAD_FORMAT:
        farewell_client(c, END_BAD_FORMAT, SPAN_NONE);
        break;
    case LOGIN_NOT_AUTHORIZED:
        farewell_client(c, END_UNAUTHORIZED, SPAN_NONE);
        break;
    case LOGIN_POLICY_VIOLATION:
        farewell_client(c, END_POLICY, SPAN_NONE);
        break;
    case LOGIN_UNSUPPORTED_STANZA_TYPE:
        farewell_client(c, END_TYPE, SPAN_NONE);
        break;
    }
}

/* A stanza that is over-long, or larger in other ways, is not read: it is answered and counted like
 * any other. */
static void skipped(struct client *c, struct span raw)
{
    char tag[INFLOW_TAG_MAX];
    struct span start = inflow_start_tag(raw, tag);
    struct context gives = relay_client_gives(c);
    struct item item;

    c->tools->counters.stanzas_skipped++;
    if (c->login < LOGIN_BOUND || !start.p ||
        xml_next(c->tools->xml, &gives, start, &item) != XML_FINE ||
        relay_says(&item) != LOGIN_STANZA) {
        farewell_client(c, END_POLICY, SPAN_NONE);
        return;
    }
    enum log_level level = offence_level(&c->offences);
    log_at(level, "stanza_skipped", f_u64("conn", c->id));
    relay_refuse(c, &item, "modify", "policy-violation");
}

static void client_header(struct client *c, struct span raw)
{
    if (login_judge(c->login, LOGIN_HEADER) == LOGIN_TAKE)
        negotiate_header(c, raw);
    else
        farewell_client(c, END_BAD_FORMAT, SPAN_NONE);
}

/* A message has to say its namespaces itself (RFC 7395, 3.3.3); there is no header to inherit from.
 */
static bool borrows_namespace(const struct item *item, struct span raw)
{
    struct span stream = SPAN_LIT("<stream:");

    if (raw.len > stream.len && !memcmp(raw.p, stream.p, stream.len))
        return !stanza_has_attribute(raw, SPAN_LIT("xmlns:stream"));
    return !(item->flags & ITEM_XMLNS) && !memchr(raw.p, ':', item->name_end);
}

static void client_element(struct client *c, struct span raw, bool pipelined)
{
    struct context gives = relay_client_gives(c);
    struct item item;
    enum xml_verdict verdict;

    if (c->link && c->link->session)
        sm_fetch_room(c->link->session, false, raw.len); /* while expat judges */
    verdict = xml_next(c->tools->xml, &gives, raw, &item);
    if (verdict == XML_TOO_BIG)
        skipped(c, raw);
    else if (verdict == XML_NOT_WELL_FORMED && c->web && !span_utf8(raw))
        farewell_client(c, END_NOT_UTF8, SPAN_NONE);
    else if (verdict != XML_FINE)
        farewell_client(c, relay_verdict_end(verdict), SPAN_NONE);
    else if (item.kind == ITEM_STREAM)
        farewell_client(c, END_BAD_FORMAT, SPAN_NONE);
    else if (c->web && borrows_namespace(&item, raw))
        farewell_client(c, END_BAD_NAMESPACE, SPAN_NONE);
    else if (c->web && item.kind == ITEM_OPEN)
        client_header(c, raw);
    else if (c->web && item.kind == ITEM_CLOSE)
        farewell_close(c);
    else
        judged(c, &item, raw, pipelined);
}

static void client_item(struct client *c, enum inflow_found found, struct span raw, bool pipelined)
{
    switch (found) {
    case INFLOW_HEADER:
        client_header(c, raw);
        break;
    case INFLOW_ELEMENT:
        client_element(c, raw, pipelined);
        break;
    case INFLOW_SKIPPED:
        skipped(c, raw);
        break;
    case INFLOW_CLOSE:
        farewell_close(c);
        break;
    case INFLOW_RESTRICTED:
        farewell_client(c, END_RESTRICTED_XML, SPAN_NONE);
        break;
    case INFLOW_BAD:
        farewell_client(c, END_NOT_WELL_FORMED, SPAN_NONE);
        break;
    case INFLOW_TOO_LONG:
        farewell_client(c, END_POLICY, SPAN_NONE);
        break;
    case INFLOW_NO_MEMORY:
        farewell_client(c, END_MEMORY, SPAN_NONE);
        break;
    case INFLOW_ENDED:
        farewell_client(c, c->web->end, SPAN_NONE);
        break;
    case INFLOW_MORE:
        break;
    }
}

/* True if nothing more is to be taken from the client for now. */
static bool waits(const struct client *c)
{
    bool unanswered = buffer_len(&c->say) > SERVE_SAY_MAX;

    if (!c->link || !c->link->session) /* it does not read what it is answered */
        unanswered = buffer_len(&c->out) > ANSWERS_MAX;
    return c->busy || c->unread || c->closing || c->moves || unanswered ||
           (c->link && !c->link->session && buffer_len(&c->link->out) > HELD_MAX);
}

/* The transport's own ways: bytes of a stream, or frames. */

static enum inflow_found next_item(struct client *c, struct span *fresh, struct span *raw)
{
    if (!c->web)
        return inflow_next(&c->in, fresh, raw);
    c->web->secret = !login_authenticated(c->login);
    return websocket_next(c->web, &c->in, &c->tools->ws_reader, fresh, raw);
}

static bool hold(struct client *c, struct span fresh)
{
    return c->web ? websocket_hold(c->web, &c->in, fresh) : inflow_hold(&c->in, fresh);
}

static size_t held(const struct client *c)
{
    return c->web ? websocket_held(c->web, &c->in) : buffer_len(&c->in.kept);
}

/* Answers to what came in one turn go out before they are too many to be kept. */
static void answer_many(struct client *c)
{
    if (buffer_len(&c->say) > SERVE_SAY_MAX || sm_orders_full(c->tools->orders))
        orders_obey(c->link);
    if (buffer_len(&c->say) > SERVE_SAY_MAX && c->link)
        orders_settle(c->link);
}

static void take_items(struct client *c, struct span fresh)
{
    c->taking = true;
    while (c->phase == CLIENT_OPEN && !waits(c)) {
        struct span raw;
        enum inflow_found found = next_item(c, &fresh, &raw);

        if (found == INFLOW_MORE && inflow_opens_again(&c->in))
            farewell_client(c, END_BAD_FORMAT, SPAN_NONE);
        if (found == INFLOW_MORE)
            break;
        client_item(c, found, raw, fresh.len || inflow_waits(&c->in));
        if (c->phase == CLIENT_OPEN && c->link && c->link->session)
            answer_many(c);
    }
    c->taking = false;
    if (c->phase == CLIENT_OPEN && !hold(c, fresh))
        farewell_client(c, END_MEMORY, SPAN_NONE);
}

/* The end of a batch from the client's side. */
static void client_batch_done(struct client *c)
{
    struct link *l = c->link;

    if (c->phase != CLIENT_OPEN)
        return;
    if (l && l->session && c->hands_over) {
        c->hands_over = false;
        resume_hand_over(c);
    }
    if (l && l->session)
        orders_obey(l);
    else if (l)
        link_flush(l);
    if (c->phase != CLIENT_OPEN)
        return;
    client_pong(c);
    client_read(c, !waits(c) || held(c) < HELD_MAX);
}

static void client_bytes(struct client *c, struct span fresh)
{
    if (c->frozen)
        return;
    if (c->web && c->web->phase != WEBSOCKET_OPEN && !upgrade_take(c, &fresh))
        return;
    if (c->link && c->link->session) {
        orders_begin(c->link);
        orders_tell(c->link, (struct sm_event){.type = SM_CLIENT_BYTES});
    }
    take_items(c, fresh);
    client_batch_done(c);
}

void upward_go_on(struct client *c)
{
    if (c->phase != CLIENT_OPEN || c->frozen || c->taking)
        return;
    c->goes_on = false;
    take_items(c, SPAN_NONE);
    client_batch_done(c);
}

static void client_ended(struct client *c, enum end end)
{
    farewell_client(c, end, SPAN_NONE);
}

static void client_drained(struct client *c)
{
    struct link *l = c->link;

    c->share = SERVE_SHARE;
    if (l && l->session) {
        serve_client(l);
        c->goes_on = true;
        orders_obey(l);
        return;
    }
    if (l)
        link_read(l, true);
    upward_go_on(c);
}

/* Whose fault it is that a login took too long. */
static enum end late_end(const struct client *c)
{
    const struct link *l = c->link;

    if (!c->busy)
        return END_LOGIN_TIMEOUT;
    if (l && l->in_line)
        return END_IN_LINE;
    if (l)
        log_at(LOG_WARN, "link_failed", f_u64("link", l->id), f_str("host", l->host->domain),
               f_str("why", "no answer"));
    return END_SERVER_SILENT;
}

static void client_late(struct client *c)
{
    if (c->closing)
        farewell_client(c, END_CLOSED, SPAN_NONE);
    else if (c->login != LOGIN_BOUND)
        farewell_client(c, late_end(c), SPAN_NONE);
    else
        resume_hand_over(c);
}

const struct client_handler upward_handler = {client_bytes, client_ended, client_drained,
                                              client_late};
