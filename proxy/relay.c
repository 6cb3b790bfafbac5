/* SPDX-License-Identifier: MIT */
/*
 * Established streams: what comes from either side becomes items, items become
 * events of the session, and the orders that a batch of events came to are obeyed
 * after its commit. Clients without stream management are relayed as they are.
 */
#include "proxy/relay.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "parser/stanza.h"
#include "proxy/log.h"
#include "proxy/net.h"
#include "proxy/serve.h"
#include "proxy/text.h"
#include "sm/wire.h"

enum {
    HELD_MAX = 65536,     /* bytes of a client that are kept while it has to wait */
};

struct context relay_client_gives(const struct client *c)
{
    return (struct context){c->said_lang, c->said_prefixes};
}

struct context relay_client_has(const struct client *c)
{
    return (struct context){c->lang, c->prefixes};
}

struct context relay_link_gives(const struct link *l)
{
    return (struct context){l->lang, l->prefixes};
}

struct context relay_link_has(const struct link *l)
{
    return (struct context){l->gave_lang, l->gave_prefixes};
}

struct sink relay_sink(struct tools *tools)
{
    return SINK(tools->text);
}

enum end relay_verdict_end(enum xml_verdict verdict)
{
    switch (verdict) {
    case XML_FINE:
    case XML_NOT_WELL_FORMED:
        return END_NOT_WELL_FORMED;
    case XML_RESTRICTED:
        return END_RESTRICTED_XML;
    case XML_BAD_PREFIX:
        return END_BAD_PREFIX;
    case XML_BAD_FORMAT:
        return END_BAD_FORMAT;
    case XML_BAD_NAMESPACE:
        return END_BAD_NAMESPACE;
    case XML_BAD_ENCODING:
        return END_BAD_ENCODING;
    case XML_TOO_BIG:
        return END_POLICY;
    case XML_NO_MEMORY:
        return END_MEMORY;
    }
    abort();
}

void relay_sid(const struct sm_session *s, char out[RELAY_SID])
{
    char text[SM_ID_TEXT];
    struct sm_id id;
    bool read;

    sm_session_id(s, text);
    read = sm_id_read(&id, text, strlen(text));
    assert(read);
    snprintf(out, RELAY_SID, "%x-%x-%x", id.arena, id.slot, id.generation);
}

/* --- events and orders --- */

bool relay_event(struct link *l, struct sm_event event)
{
    event.now_ms = tools_now();
    return sm_step(l->session, &event, l->tools->orders);
}

void relay_send(struct link *l)
{
    struct sm_text bytes;

    while (sm_unsent(l->session, &bytes)) {
        size_t sent = link_send(l, (struct span){bytes.p, bytes.len});

        if (!sent)
            return;
        relay_event(l, (struct sm_event){.type = SM_LINK_SENT, .count = sent});
    }
}

static void say(struct link *l, struct span text)
{
    if (l->client && !buffer_put(&l->client->say, text))
        farewell_client(l->client, END_MEMORY, SPAN_NONE);
}

static void check_tcp(struct link *l)
{
    uint64_t acked;

    if (l->tls) { /* TCP counts ciphertext: only when all of it has arrived is it known what that was */
        if (!buffer_len(&l->out) && net_unacknowledged(l->fd) == 0)
            relay_event(l, (struct sm_event){.type = SM_TCP_ACKED, .count = l->sent});
    } else if (net_acknowledged(l->fd, &acked)) {
        relay_event(l, (struct sm_event){.type = SM_TCP_ACKED, .count = acked});
    }
}

static void resumed(struct link *l)
{
    struct client *c = l->client;

    if (!c)
        return;
    c->busy = false;
    client_login_done(c);
    if (sm_session_inactive(l->session)) { /* XEP-0352, 5: whoever resumes counts as active */
        sm_session_set_inactive(l->session, false);
        relay_pass(l, SPAN_LIT("<active xmlns='urn:xmpp:csi:0'/>"));
    }
    c->goes_on = true;
}

/* Obeys one round of orders; what they bring about may be orders again. */
static void obey(struct link *l, uint32_t todo, struct sm_orders *given)
{
    char error[SM_WIRE_MAX];

    if (todo & SM_DO_SAY)
        say(l, (struct span){given->text, given->text_len});
    if (todo & SM_DO_ASK && l->client)
        l->client->asks = true;
    if (todo & (SM_DO_SAY | SM_DO_WRITE | SM_DO_ASK))
        serve_client(l);
    if (todo & SM_DO_SEND)
        relay_send(l);
    if (todo & SM_DO_RESUMED)
        resumed(l);
    if (todo & SM_DO_TOO_HIGH && l->client) {
        bool ns2 = sm_session_ns2(l->session);
        size_t len = sm_wire_too_high(error, ns2, given->h_claimed, given->h_sent);

        farewell_client(l->client, END_ACK_TOO_HIGH, (struct span){error, len});
    }
    if (todo & SM_DO_DETACH && l->client)
        farewell_detach(l->client, END_ACK_TIMEOUT);
    if (todo & SM_DO_CHECK_TCP)
        check_tcp(l);
    if (todo & SM_DO_WARN_PROBE)
        log_at(LOG_WARN, "probe_overdue", f_u64("link", l->id), f_str("host", l->host->domain));
    if (todo & SM_DO_UNCONFIRMED)
        farewell_unconfirmed(l);
    if (todo & SM_DO_END_CLIENT)
        farewell_attached(l, given->end);
    if (todo & SM_DO_RETURN)
        farewell_return(l);
}

/* What the session wants to be read. */
static void levels(struct link *l)
{
    struct client *c = l->client;

    link_read(l, sm_reads_link(l->session));
    if (!c)
        return;
    if (sm_reads_client(l->session) == c->unread) {
        c->unread = !c->unread;
        relay_event(l, (struct sm_event){.type = SM_READING, .count = !c->unread});
        c->goes_on |= !c->unread;
    }
}

/* The orders that have come to be, and a fresh place for those that obeying them brings about. */
static struct sm_orders *take_orders(struct tools *tools)
{
    struct sm_orders *given = tools->orders;

    tools->orders = given == &tools->pair[0] ? &tools->pair[1] : &tools->pair[0];
    tools->orders->todo = tools->orders->text_len = 0;
    tools->orders->end = SM_END_NONE;
    return given;
}

void take_back_orders(struct tools *tools)
{
    (void)take_orders(tools);
    (void)take_orders(tools);
}

/* Commits and obeys until nothing is left to do. True: the session is over and gone. */
static bool obey_all(struct link *l)
{
    struct tools *tools = l->tools;
    bool over = false;

    for (;;) {
        struct sm_orders *given;

        sm_commit(l->session);
        if (!tools->orders->todo)
            break;
        given = take_orders(tools);
        over |= given->todo & SM_DO_OVER;
        obey(l, given->todo, given);
    }
    if (over)
        farewell_over(l);
    return over;
}

void relay_settle(struct link *l)
{
    struct sm_core *core;
    struct client *c;

    if (l->settling || !l->session)
        return;
    l->settling = true;
    core = sm_session_core(l->session);
    while (!obey_all(l)) {
        levels(l);
        if (!l->tools->orders->todo)
            break;
    }
    l->settling = false;
    relay_schedule(l->tools, core);
    c = l->client;
    if (c && c->goes_on)
        relay_go_on(c);
}

/* Wakes the worker when the earliest of the core's sessions wants it. */
void relay_schedule(struct tools *tools, struct sm_core *core)
{
    uint64_t at = sm_core_deadline(core), now = tools_now();

    if (at >= tools->armed_ms)
        return;
    tools->armed_ms = at;
    ev_timer_stop(tools->loop, &tools->sessions_timer);
    ev_timer_set(&tools->sessions_timer, at > now ? (double)(at - now) / 1000 : 0., 0.);
    ev_timer_start(tools->loop, &tools->sessions_timer);
}

/* The next session that wants something; messages left behind that expire on the way are logged. */
static struct sm_session *next_due(struct sm_core *core)
{
    uint64_t lost = sm_core_counts(core).lost;
    struct sm_session *s = sm_core_due(core, tools_now());

    if ((lost = sm_core_counts(core).lost - lost))
        log_at(LOG_WARN, "undelivered", f_u64("lost", lost), f_str("why", "no session came to take them over"));
    return s;
}

void relay_deadlines(struct tools *tools)
{
    tools->armed_ms = UINT64_MAX;
    for (size_t i = 0; i < SM_ARENAS; i++) {
        struct sm_session *s;

        if (!tools->cores[i])
            continue;
        while ((s = next_due(tools->cores[i]))) {
            relay_event(sm_session_user(s), (struct sm_event){.type = SM_DEADLINE});
            relay_settle(sm_session_user(s));
        }
        relay_schedule(tools, tools->cores[i]);
    }
}

/* Links that were not read for want of memory: nobody else says when there is some again. */
static void read_again(struct tools *tools)
{
    struct link *l, *next;

    for (l = LIST_FIRST(&tools->links); l; l = next) {
        next = LIST_NEXT(l, entry);
        if (l->session && !l->reads && !l->eof)
            relay_settle(l);
    }
}

void relay_relieve(struct tools *tools)
{
    for (size_t i = 0; i < SM_ARENAS; i++) {
        struct sm_session *s;

        while (tools->cores[i] && (s = sm_core_pressed(tools->cores[i]))) {
            relay_event(sm_session_user(s), (struct sm_event){.type = SM_FINISH, .end = SM_END_MEMORY});
            relay_settle(sm_session_user(s));
        }
    }
}

void relay_housekeeping(struct tools *tools)
{
    relay_deadlines(tools);
    for (size_t i = 0; i < SM_ARENAS; i++) {
        size_t offset, len;

        while (tools->cores[i] && sm_core_spare(tools->cores[i], &offset, &len))
            tools_give_back(tools, i, offset, len);
    }
    read_again(tools);
}

void relay_finish_all(struct tools *tools)
{
    for (size_t i = 0; i < SM_ARENAS; i++) {
        struct sm_core *core = tools->cores[i];
        struct sm_session *s = NULL, *next;

        for (s = core ? sm_core_next(core, NULL) : NULL; s; s = next) {
            next = sm_core_next(core, s);
            relay_event(sm_session_user(s), (struct sm_event){.type = SM_FINISH, .end = SM_END_ORDERED});
            relay_settle(sm_session_user(s));
        }
    }
}

void relay_pass(struct link *l, struct span text)
{
    if (l->session) {
        relay_event(l, (struct sm_event){.type = SM_PASS, .stanza = {.xml = text.p, .len = text.len}});
    } else {
        link_write(l, text);
        link_flush(l);
    }
}

/* --- from the client --- */

void relay_failed(struct client *c, bool ns2, const char *condition, bool has_h, uint32_t h)
{
    char text[SM_WIRE_MAX];
    size_t len = sm_wire_failed(text, ns2, condition, has_h ? &h : NULL);

    if (c->link && c->link->session && c->link->client == c) {
        say(c->link, (struct span){text, len});
        serve_client(c->link);
    } else {
        client_write(c, (struct span){text, len});
        client_flush(c);
    }
}

/* Something for the client that counts: into its queue, or straight to it where there is none. */
static void reply(struct client *c, struct span text, bool counted)
{
    struct link *l = c->link;

    c->tools->counters.replies++;
    if (!l || !l->session) {
        client_write(c, text);
        client_flush(c);
        return;
    }
    if (counted)
        relay_event(l, (struct sm_event){.type = SM_ANSWERED});
    relay_event(l, (struct sm_event){.type = SM_REPLY,
                                     .stanza = {.xml = text.p, .len = text.len, .stamp_ms = tools_wall()}});
}

void relay_refuse(struct client *c, const struct item *item, const char *type, const char *condition)
{
    struct sink k = relay_sink(c->tools);
    bool answerable = item->type != TYPE_ERROR && item->type != TYPE_RESULT;

    if (answerable)
        stanza_error(&k, item, SPAN_NONE, type, condition);
    if (answerable && !k.full)
        reply(c, sink_span(&k), true);
    else if (c->link && c->link->session)
        relay_event(c->link, (struct sm_event){.type = SM_ANSWERED});
}

/* Messages that an ended session left wait for the first presence that makes this one available. */
static void note_presence(struct client *c, const struct item *item)
{
    if (item->kind != ITEM_PRESENCE || item->type != TYPE_NONE || item->to.p || c->present)
        return;
    c->present = true;
    if (c->login == LOGIN_BOUND)
        client_deadline(c, RELAY_PRESENCE_WAIT_MS);
    else
        c->hands_over = true;
}

/* A whole stanza of the client: taken by the session, or relayed. */
static void take_from_client(struct client *c, const struct item *item, struct span raw)
{
    struct link *l = c->link;
    struct context gives = relay_client_gives(c), has = relay_link_has(l);
    bool answer = item->kind == ITEM_IQ && (item->type == TYPE_RESULT || item->type == TYPE_ERROR);

    c->tools->counters.stanzas_in++;
    note_presence(c, item);
    if (l->session && answer)
        relay_event(l, (struct sm_event){.type = SM_REQUEST_DONE,
                                         .stanza = {.request = relay_request(item, item->to, c->jid)}});
    if (!stanza_passes(item->flags, &gives, &has)) {
        struct sink k = serve_sink(c->tools, raw.len);

        stanza_carry(&k, raw, item, &gives, &has, NULL);
        if (k.full) {
            relay_refuse(c, item, "modify", "policy-violation");
            return;
        }
        c->tools->counters.edited++;
        raw = sink_span(&k);
    }
    if (l->session)
        relay_event(l, (struct sm_event){.type = SM_TO_SERVER,
                                         .stanza = {.xml = raw.p, .len = raw.len, .stamp_ms = 0}});
    else
        link_write(l, raw);
}

/* XEP-0352: passed on outside of all counts, and remembered. */
static void take_csi(struct client *c, const struct item *item, struct span raw)
{
    if (c->link->session)
        sm_session_set_inactive(c->link->session, item->kind == ITEM_CSI_INACTIVE);
    else
        c->link->inactive = item->kind == ITEM_CSI_INACTIVE;
    relay_pass(c->link, raw);
}

static void take_ack(struct client *c, const struct item *item)
{
    uint32_t h;

    if (span_uint32(item->h, &h)) {
        relay_event(c->link, (struct sm_event){.type = SM_CLIENT_ACK, .h = h});
        return;
    }
    c->tools->counters.ignored++;
    log_at(LOG_INFO, "ack_malformed", f_u64("conn", c->id), f_span("h", item->h));
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
        break;
    case LOGIN_IQ_REGISTER:
        if (c->login >= LOGIN_BOUND) {
            take_from_client(c, item, raw);
            break;
        }
        negotiate_iq(c, item, raw);
        break;
    case LOGIN_IQ_AUTH:
        negotiate_iq(c, item, raw);
        break;
    case LOGIN_IQ_BIND:
        negotiate_bind(c, raw);
        break;
    case LOGIN_STANZA:
        take_from_client(c, item, raw);
        break;
    case LOGIN_ENABLE:
        negotiate_enable(c, item);
        break;
    case LOGIN_RESUME:
        resume_begin(c, item);
        break;
    case LOGIN_R:
        relay_event(c->link, (struct sm_event){.type = SM_CLIENT_ASK});
        break;
    case LOGIN_A:
        take_ack(c, item);
        break;
    case LOGIN_CSI:
        take_csi(c, item, raw);
        break;
    case LOGIN_OTHER: /* what it means is between client and server */
        if (c->link)
            relay_pass(c->link, raw);
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
        c->tools->counters.ignored++;
        break;
    case LOGIN_FAILED:
        relay_failed(c, item->flags & ITEM_SM2, "unexpected-request", false, 0);
        break;
    case LOGIN_TWICE:
        farewell_client(c, END_ENABLE_TWICE, SPAN_NONE);
        break;
    case LOGIN_REFUSED:
        relay_refuse(c, item, "cancel", "not-allowed");
        break;
    case LOGIN_ENCRYPTION:
        client_puts(c, "<failure xmlns='" NS_SASL "'><encryption-required/></failure>");
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

/* An over-long stanza was skipped: it is answered and counted like any other. */
static void skipped(struct client *c, struct span raw)
{
    char tag[INFLOW_TAG_MAX];
    struct span start = inflow_start_tag(raw, tag);
    struct context gives = relay_client_gives(c);
    struct item item;

    c->tools->counters.stanzas_skipped++;
    if (c->login < LOGIN_BOUND || !start.p ||
        xml_next(c->tools->xml, &gives, start, &item) != XML_FINE || relay_says(&item) != LOGIN_STANZA) {
        farewell_client(c, END_POLICY, SPAN_NONE);
        return;
    }
    log_at(LOG_INFO, "stanza_skipped", f_u64("conn", c->id));
    relay_refuse(c, &item, "modify", "policy-violation");
}

static void client_item(struct client *c, enum inflow_found found, struct span raw, bool pipelined)
{
    struct context gives = relay_client_gives(c);
    enum xml_verdict verdict;
    struct item item;

    switch (found) {
    case INFLOW_HEADER:
        if (login_judge(c->login, LOGIN_HEADER) == LOGIN_TAKE)
            negotiate_header(c, raw);
        else
            farewell_client(c, END_BAD_FORMAT, SPAN_NONE);
        break;
    case INFLOW_ELEMENT:
        verdict = xml_next(c->tools->xml, &gives, raw, &item);
        if (verdict == XML_FINE)
            judged(c, &item, raw, pipelined);
        else
            farewell_client(c, relay_verdict_end(verdict), SPAN_NONE);
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
    case INFLOW_MORE:
        break;
    }
}

/* True if nothing more is to be taken from the client for now. */
static bool waits(const struct client *c)
{
    return c->busy || c->unread || c->closing || c->moves ||
           (c->link && !c->link->session && buffer_len(&c->link->out) > HELD_MAX);
}

static void take_items(struct client *c, struct span fresh)
{
    struct tools *tools = c->tools;

    c->taking = true;
    while (c->phase == CLIENT_OPEN && !waits(c)) {
        struct span raw;
        enum inflow_found found = inflow_next(&c->in, &fresh, &raw);

        if (found == INFLOW_MORE)
            break;
        client_item(c, found, raw, fresh.len || inflow_waits(&c->in));
        if (c->phase == CLIENT_OPEN && c->link && c->link->session && sm_orders_full(tools->orders))
            relay_settle(c->link);
    }
    c->taking = false;
    if (c->phase == CLIENT_OPEN && !inflow_hold(&c->in, fresh))
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
        relay_settle(l);
    else if (l)
        link_flush(l);
    if (c->phase != CLIENT_OPEN)
        return;
    client_read(c, !waits(c) || buffer_len(&c->in.kept) < HELD_MAX);
}

static void client_bytes(struct client *c, struct span fresh)
{
    if (c->frozen)
        return;
    if (c->link && c->link->session)
        relay_event(c->link, (struct sm_event){.type = SM_CLIENT_BYTES});
    take_items(c, fresh);
    client_batch_done(c);
}

void relay_go_on(struct client *c)
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

    if (l && l->session) {
        serve_client(l);
        relay_settle(l);
    } else if (l) {
        link_read(l, true);
    }
}

static void client_late(struct client *c)
{
    if (c->closing)
        farewell_client(c, END_CLOSED, SPAN_NONE);
    else if (c->login != LOGIN_BOUND)
        farewell_client(c, END_LOGIN_TIMEOUT, SPAN_NONE);
    else
        resume_hand_over(c);
}

const struct client_handler relay_client_handler = {client_bytes, client_ended, client_drained, client_late};

void relay_accept(struct tools *tools, int fd, const struct conf_listen *listen,
                  const struct sockaddr_storage *peer)
{
    struct client *c = client_new(tools, fd, listen, peer, &relay_client_handler);

    if (!c)
        return;
    tools->counters.accepted++;
    if (!c->expects_proxy)
        (void)client_admit(c);
}

/* --- from the server --- */

/* An answer to a ping of Holdfast's own; swallowed, whoever it finds waiting. */
static bool take_probe_answer(struct link *l, const struct item *item)
{
    struct span domain = span_of(l->host->domain);
    uint64_t id;

    if (item->kind != ITEM_IQ || (item->type != TYPE_RESULT && item->type != TYPE_ERROR) ||
        (item->from.p && !span_eq(item->from, domain)) ||
        !sm_wire_probe_id(&id, (struct sm_text){item->id.p, item->id.len}))
        return false;
    return relay_event(l, (struct sm_event){.type = SM_PROBE_ANSWER, .probe = id});
}

/* The server's pings to a session are answered here: a sleeping phone neither wakes nor times out. */
static bool take_ping(struct link *l, const struct item *item)
{
    struct span domain = span_of(l->host->domain);
    struct sm_identity who = sm_session_identity(l->session);
    struct span jid = {who.jid.p, who.jid.len};
    struct sink k = relay_sink(l->tools);

    if (item->kind != ITEM_IQ || item->type != TYPE_GET || item->payload != PAYLOAD_PING ||
        (item->from.p && !span_eq(item->from, domain)) || (item->to.p && !span_eq(item->to, jid)))
        return false;
    stanza_result(&k, item, SPAN_NONE);
    if (k.full)
        return false;
    l->tools->counters.pings_answered++;
    relay_pass(l, sink_span(&k));
    return true;
}

/* A whole stanza for the session; `in_tail` says that it lies there already. */
static void relay_take(struct link *l, const struct item *item, struct span raw, bool in_tail)
{
    struct sm_identity who = sm_session_identity(l->session);
    enum sm_fate fate = relay_fate(item);
    struct sm_event event = {.type = SM_TO_CLIENT,
                             .stanza = {.xml = in_tail ? NULL : raw.p,
                                        .len = raw.len,
                                        .stamp_ms = tools_wall(),
                                        .flags = (uint16_t)item->flags,
                                        .fate = (uint8_t)fate}};

    l->tools->counters.stanzas_out++;
    if (fate == SM_FATE_REFUSE)
        event.stanza.request = relay_request(item, item->from, (struct span){who.jid.p, who.jid.len});
    relay_event(l, event);
}

static void session_item(struct link *l, const struct item *item, struct span raw, bool in_tail)
{
    const struct element *error;
    struct context gives = relay_link_gives(l);

    switch (item->kind) {
    case ITEM_MESSAGE:
    case ITEM_PRESENCE:
    case ITEM_IQ:
        if (!take_probe_answer(l, item) && !take_ping(l, item)) {
            relay_take(l, item, raw, in_tail);
            return;
        }
        break;
    case ITEM_STREAM_ERROR:
        if (xml_tree(l->tools->xml, &gives, raw, &error) == XML_FINE) {
            struct sink k = relay_sink(l->tools);

            element_write(&k, error, SPAN_LIT(NS_CLIENT));
            farewell_server(l, sink_span(&k),
                            element_child(error, NS_STREAM_ERRORS, "conflict") ? SM_END_CONFLICT : SM_END_SERVER);
        }
        break;
    case ITEM_OTHER: /* counts nowhere, and is kept for nobody */
        say(l, raw);
        l->tools->orders->todo |= SM_DO_WRITE;
        break;
    default:
        l->tools->counters.ignored++;
        break;
    }
    if (in_tail && l->session)
        sm_tail_drop(l->session);
}

/* What ends the link from the server's side, apart from its stream error. */
static void link_over(struct link *l, const char *why)
{
    if (why)
        log_at(LOG_WARN, "link_failed", f_u64("link", l->id), f_str("host", l->host->domain), f_str("why", why));
    farewell_server(l, SPAN_NONE, why ? SM_END_LINK : SM_END_SERVER);
}

/* A server's stanza may fill a queue by itself, but it may always be as long as a client's. */
static size_t server_stanza_max(const struct link *l)
{
    const struct conf *conf = l->tools->conf;

    return conf->sm.queue_bytes > conf->limits.stanza_bytes ? conf->sm.queue_bytes : conf->limits.stanza_bytes;
}

/* Cuts the server's bytes into items; an item that is not whole yet waits in the session's tail. */
static void session_bytes(struct link *l, struct span fresh)
{
    struct sm_session *s = l->session;
    struct context gives = relay_link_gives(l);

    relay_event(l, (struct sm_event){.type = SM_LINK_READ, .count = fresh.len});
    while (fresh.len && !l->over && l->session) {
        size_t used;
        enum framed framed = framer_next(sm_scan(s), fresh, &used);
        struct span raw = {fresh.p, used};
        bool in_tail = framed == FRAMED_MORE || sm_tail(s).len;
        struct item item;

        fresh = (struct span){fresh.p + used, fresh.len - used};
        if (framed == FRAMED_SPACE)
            continue;
        if (l->skips) { /* the rest of a stanza for which there was no room */
            l->skips = framed == FRAMED_MORE;
            continue;
        }
        if (in_tail && sm_tail(s).len + used > server_stanza_max(l)) {
            link_over(l, "over-long stanza");
            return;
        }
        if (in_tail && !sm_tail_add(s, (struct sm_text){raw.p, raw.len})) {
            sm_tail_drop(s);
            l->skips = framed == FRAMED_MORE;
            relay_event(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_MEMORY});
            continue;
        }
        if (in_tail)
            raw = (struct span){sm_tail(s).p, sm_tail(s).len};
        if (framed == FRAMED_ELEMENT && xml_next(l->tools->xml, &gives, raw, &item) == XML_FINE)
            session_item(l, &item, raw, in_tail);
        else if (framed == FRAMED_CLOSE)
            link_over(l, NULL);
        else if (framed != FRAMED_MORE)
            link_over(l, "not well-formed");
        if (sm_orders_full(l->tools->orders))
            sm_commit(s);
    }
}

/* Without a session: straight to the client. */
static void relay_item(struct link *l, const struct item *item, struct span raw)
{
    struct client *c = l->client;
    struct context gives = relay_link_gives(l), has = relay_client_has(c);

    l->tools->counters.stanzas_out++;
    if (!stanza_passes(item->flags, &gives, &has)) {
        struct sink k = serve_sink(l->tools, raw.len);

        stanza_carry(&k, raw, item, &gives, &has, NULL);
        raw = k.full ? raw : sink_span(&k);
        l->tools->counters.edited++;
    }
    client_write(c, raw);
}

static void plain_item(struct link *l, enum inflow_found found, struct span raw)
{
    struct context gives = relay_link_gives(l);
    struct item item;

    if (!l->client || l->client->login < LOGIN_BOUND || found != INFLOW_ELEMENT) {
        greet_item(l, found, raw);
        return;
    }
    if (xml_next(l->tools->xml, &gives, raw, &item) != XML_FINE) {
        greet_item(l, INFLOW_BAD, raw);
        return;
    }
    switch (item.kind) {
    case ITEM_MESSAGE:
    case ITEM_PRESENCE:
    case ITEM_IQ:
        relay_item(l, &item, raw);
        break;
    case ITEM_OTHER:
        relay_item(l, &item, raw);
        break;
    case ITEM_STREAM_ERROR:
        greet_item(l, found, raw);
        break;
    default:
        l->tools->counters.ignored++;
        break;
    }
}

static void link_bytes(struct link *l, struct span fresh)
{
    while (!l->session && l->phase == LINK_OPEN && !l->departs) {
        struct span raw;
        enum inflow_found found = inflow_next(&l->in, &fresh, &raw);

        if (found == INFLOW_MORE)
            break;
        plain_item(l, found, raw);
    }
    if (l->session && l->phase == LINK_OPEN) {
        if (fresh.len)
            session_bytes(l, fresh);
        relay_settle(l);
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
        relay_go_on(c);
    }
}

void relay_link_go_on(struct link *l)
{
    link_bytes(l, SPAN_NONE);
}

void relay_arrived(struct client *c)
{
    struct negotiation *n = c->login_data;

    if (c->link)
        c->link->departs = false;
    if (n && n->resume_waits)
        resume_take_up(c);
    else if (n && n->bind_waits)
        negotiate_bind_now(c);
    if (c->phase == CLIENT_OPEN && c->link && !c->link->session)
        relay_link_go_on(c->link);
    relay_go_on(c);
}

static void link_closed(struct link *l, int error)
{
    if (error)
        log_at(LOG_WARN, "link_failed", f_u64("link", l->id), f_str("host", l->host->domain), f_err("why", error));
    if (!l->session) {
        greet_lost(l);
        return;
    }
    if (!l->over)
        relay_event(l, (struct sm_event){.type = SM_LINK_CLOSED, .end = SM_END_LINK});
    relay_settle(l);
}

static void link_drained(struct link *l)
{
    if (l->session) {
        relay_send(l);
        relay_settle(l);
    } else if (l->client) {
        relay_go_on(l->client);
    }
}

static void link_failed(struct link *l)
{
    greet_lost(l);
}

const struct link_handler relay_link_handler = {greet_opened, link_failed, link_bytes, link_closed, link_drained};
