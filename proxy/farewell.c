/* SPDX-License-Identifier: MIT */
/*
 * How connections and sessions end. Whatever ends a connection goes through
 * farewell_client, whose table (ends.h) says what becomes of the session.
 */
#include "proxy/farewell.h"

#include <stdlib.h>

#include "parser/stanza.h"
#include "proxy/client_entry.h"
#include "proxy/log.h"
#include "proxy/negotiate.h"
#include "proxy/orders.h"
#include "proxy/relay.h"
#include "proxy/text.h"

enum { CLOSE_WAIT_MS = 5000, RETURNS_A_COMMIT = 32 };
enum { CLOSE_NORMAL = 1000, CLOSE_NOT_UTF8 = 1007 }; /* RFC 6455, 7.4.1 */

/* True if the transport can still carry words, and no stanza is half written on it. */
static bool can_speak(const struct client *c, enum end end)
{
    const struct link *l = c->link;

    switch (end) {
    case END_FIN:
    case END_RESET:
    case END_TLS:
    case END_TLS_CLOSED:
    case END_CLEARTEXT:
    case END_PROXY_HEADER:
    case END_CROWD:
    case END_STOP:
        return false;
    default:
        break;
    }
    if (c->expects_proxy || client_owes_tls(c) || (c->tls && !tls_ready(c->tls)))
        return false;
    return !l || !l->session || l->client != c || sm_between(l->session);
}

/* The words of XMPP, where there are any. */
static void say_stream_end(struct client *c, enum end end, struct span text)
{
    const char *condition = end_stream_error(end);

    if (!c->header_given)
        negotiate_own_header(c);
    if (text.p) {
        client_say(c, text);
    } else if (condition) {
        struct sink k = relay_sink(c->tools);

        header_stream_error(&k, condition, SPAN_NONE);
        client_say(c, sink_span(&k));
    }
    client_say_close(c);
}

/* A WebSocket that ended as such gets its Close frame and no words: the stream did not end. */
static void say_goodbye(struct client *c, enum end end, struct span text)
{
    if (!c->web) {
        say_stream_end(c, end, text);
    } else if (c->web->phase != WEBSOCKET_OPEN) {
        return; /* it has its HTTP answer, or none */
    } else if (end == END_WS_CLOSED || end == END_WS_FAULT) {
        client_close_frame(c, c->web->code);
    } else if (end == END_NOT_UTF8) {
        client_close_frame(c, CLOSE_NOT_UTF8);
    } else {
        say_stream_end(c, end, text);
        client_close_frame(c, CLOSE_NORMAL);
    }
}

/* The connection's own end; its session, if it has one, is told by the caller. */
static void end_connection(struct client *c, enum end end, struct span text)
{
    bool speaks;

    if (c->link && c->link->client == c)
        orders_settle(c->link);
    speaks = can_speak(c, end);
    c->tools->counters.closed++;
    c->tools->counters.ends[end]++;
    log_at(end == END_CROWD ? LOG_DEBUG : LOG_INFO, "closed", f_u64("conn", c->id),
           f_str("end", end_word(end)), f_str("stage", client_stage(c)), f_span("jid", c->jid),
           f_addr("peer", (const struct sockaddr *)&c->peer),
           f_ms("lasted", tools_now() - c->began_ms), f_str("why", c->web ? c->web->why : NULL));
    if (speaks)
        say_goodbye(c, end, text);
    c->link = NULL;
    if (speaks)
        client_finish(c);
    else
        client_drop(c);
}

static void log_detached(struct link *l)
{
    struct sm_view view = sm_session_view(l->session);
    char sid[RELAY_SID];

    if (view.state != SM_HELD)
        return;
    relay_sid(l->session, sid);
    log_at(LOG_INFO, "detached", f_str("sid", sid), f_u64("link", l->id), f_u32("sent", view.sent),
           f_u32("acked", view.acked), f_u32("taken", view.taken),
           f_u32("confirmed", view.confirmed), f_u32("held", view.held));
}

void farewell_client(struct client *c, enum end end, struct span text)
{
    struct link *l = c->link;

    if (c->phase != CLIENT_OPEN)
        return;
    end_connection(c, end, text);
    if (!l || l->client != c)
        return;
    l->client = NULL;
    if (!l->session) {
        link_leave(l, true);
        return;
    }
    switch (end_session(end)) {
    case ENDS_DETACHES:
        orders_tell(l, (struct sm_event){.type = SM_CLIENT_GONE});
        log_detached(l);
        break;
    case ENDS_CLOSES:
        orders_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_ERROR});
        break;
    case ENDS_NOTHING:
        break;
    }
    orders_obey(l);
}

void farewell_detach(struct client *c, enum end end)
{
    struct link *l = c->link;

    end_connection(c, end, SPAN_NONE);
    l->client = NULL;
    log_detached(l);
}

/* What was written and is acknowledged by the client's TCP has reached it, whether or not it said
 * so. */
static uint32_t delivered(const struct client *c)
{
    struct sm_view view = sm_session_view(c->link->session);
    uint32_t reached;

    if (!client_reached(c, &reached) || reached - view.acked > view.passed)
        return 0;
    return reached - view.acked;
}

void farewell_close(struct client *c)
{
    struct link *l = c->link;

    if (l && l->session) {
        c->closing = true;
        orders_tell(l, (struct sm_event){.type = SM_CLIENT_CLOSE, .count = delivered(c)});
        return;
    }
    if (!l || c->login != LOGIN_BOUND) {
        farewell_client(c, END_CLOSED, SPAN_NONE);
        return;
    }
    /* What the server still has to say is passed on until its closing tag. */
    c->closing = true;
    link_end_stream(l);
    link_flush(l);
    client_deadline(c, CLOSE_WAIT_MS);
}

static enum end end_of(enum sm_end end, bool error)
{
    switch (end) {
    case SM_END_CLIENT:
        return END_CLOSED;
    case SM_END_SERVER:
    case SM_END_CONFLICT:
        return error ? END_SERVER_ERROR : END_SERVER_CLOSED;
    case SM_END_LINK:
    case SM_END_PROBE:
        return END_LINK_LOST;
    case SM_END_REPLACED:
        return END_REPLACED;
    case SM_END_ORDERED:
        return END_ADMIN;
    case SM_END_ERROR:
    case SM_END_ACK:
        return END_ACK_TOO_HIGH;
    case SM_END_NONE:
    case SM_END_EXPIRED:
    case SM_END_GONE:
    case SM_END_QUEUE:
    case SM_END_MEMORY:
    case SM_END_CROWDED:
    case SM_END_COUNT:
        return END_SHED;
    }
    abort();
}

void farewell_attached(struct link *l, enum sm_end end)
{
    struct client *c = l->client;

    if (!c)
        return;
    end_connection(c, end_of(end, l->error.p != NULL), l->error);
    l->client = NULL;
}

void farewell_server(struct link *l, struct span error, enum sm_end end)
{
    l->over = true;
    if (!text_keep(&l->error, error))
        l->tools->counters.ignored++;
    orders_obey(l); /* what came before it is written before it */
    if (!l->session)
        return;
    orders_tell(l, (struct sm_event){.type = SM_LINK_CLOSED, .end = end});
}

/* The answer to a stanza that its client will not see: an error to its sender, through the link. */
static bool send_back(struct link *l, const struct sm_stanza *one)
{
    struct context gives = relay_link_gives(l);
    struct sink k = relay_sink(l->tools);
    struct item item;

    if (xml_next(l->tools->xml, &gives, (struct span){one->xml, one->len}, &item) != XML_FINE ||
        (item.kind == ITEM_MESSAGE && !item.from.p))
        return false;
    stanza_error(&k, &item, SPAN_NONE, "cancel", "service-unavailable");
    if (k.full)
        return false;
    return orders_tell(l, (struct sm_event){.type = SM_PASS, .stanza = {.xml = k.p, .len = k.len}});
}

/* What becomes of one stanza, by its kind and the policy. */
static enum sm_undelivered_fate dispose(struct link *l, const struct sm_stanza *one)
{
    bool alive = !l->over && !l->eof;
    bool bounces = l->tools->conf->sm.on_expiry != CONF_EXPIRY_DROP;

    switch ((enum sm_fate)one->fate) {
    case SM_FATE_DROP:
        return SM_DROPPED;
    case SM_FATE_REFUSE:
        if (one->answered)
            return SM_DROPPED;
        return alive && send_back(l, one) ? SM_RETURNED : SM_LOST;
    case SM_FATE_KEEP:
        if (!bounces)
            return SM_DROPPED;
        return alive && send_back(l, one) ? SM_RETURNED : SM_LOST;
    }
    abort();
}

void farewell_return(struct link *l)
{
    unsigned counts[3] = {0};
    struct sm_stanza one;
    char sid[RELAY_SID];

    while (sm_undelivered(l->session, &one)) {
        enum sm_undelivered_fate how = dispose(l, &one);

        counts[how]++;
        sm_undelivered_done(l->session, how);
        /* What was answered makes room for further answers, where memory is short. */
        if ((counts[SM_RETURNED] + counts[SM_LOST]) % RETURNS_A_COMMIT == 0) {
            sm_commit(l->session);
            orders_send(l);
        }
    }
    relay_sid(l->session, sid);
    if (counts[SM_RETURNED] || counts[SM_DROPPED] || counts[SM_LOST])
        log_at(LOG_INFO, "undelivered", f_str("sid", sid), f_u32("returned", counts[SM_RETURNED]),
               f_u32("dropped", counts[SM_DROPPED]), f_u32("lost", counts[SM_LOST]));
    sm_returned(l->session, tools_now(), l->tools->orders);
}

void farewell_unconfirmed(struct link *l)
{
    struct client *c = l->client;
    struct sm_stanza one;
    unsigned given_back = 0, lost = 0;
    char sid[RELAY_SID];

    while (sm_unconfirmed(l->session, &one)) {
        struct context gives = relay_link_has(l);
        struct sink k = relay_sink(l->tools);
        struct item item;

        lost++;
        if (!one.len ||
            xml_next(l->tools->xml, &gives, (struct span){one.xml, one.len}, &item) != XML_FINE ||
            item.type == TYPE_ERROR || item.type == TYPE_RESULT || !c || !sm_between(l->session))
            continue;
        stanza_error(&k, &item, SPAN_NONE, "wait", "remote-server-timeout");
        if (k.full)
            continue;
        client_say(c, sink_span(&k));
        given_back++;
        lost--;
    }
    if (c)
        client_flush(c);
    relay_sid(l->session, sid);
    log_at(LOG_WARN, "lost", f_str("sid", sid), f_u64("link", l->id),
           f_u32("given_back", given_back), f_u32("lost", lost));
}

/* New logins waited for this session's end before they bind the same resource: in the order in
 * which they came, for a server keeps the last one that it reads. */
static void wake_successors(struct link *l)
{
    struct negotiation *n;

    while ((n = TAILQ_FIRST(&l->successors))) {
        client_succeed_no_more(n);
        if (n->client->phase == CLIENT_OPEN) /* it may be lingering */
            negotiate_bind_now(n->client);
    }
}

/* Frees the session; says what became of the messages that it still held. */
static void free_session(struct link *l, const char *sid)
{
    struct sm_core *core = sm_session_core(l->session);
    struct sm_counts before = sm_core_counts(core), after;

    orders_forget(l);
    sm_session_free(l->session, tools_now());
    l->session = NULL;
    after = sm_core_counts(core);
    if (after.left != before.left || after.lost != before.lost)
        log_at(LOG_WARN, "undelivered", f_str("sid", sid), f_u64("left", after.left - before.left),
               f_u64("lost", after.lost - before.lost));
}

void farewell_over(struct link *l)
{
    enum sm_end end = sm_session_end(l->session);
    struct sm_view view = sm_session_view(l->session);
    bool word =
        l->over && (end == SM_END_SERVER || end == SM_END_CONFLICT) && !sm_sends_within(l->session);
    char sid[RELAY_SID];

    relay_sid(l->session, sid);
    log_at(LOG_INFO, "session_end", f_str("sid", sid), f_u64("link", l->id),
           f_str("end", sm_end_word(end)), f_u32("sent", view.sent), f_u32("acked", view.acked),
           f_u32("taken", view.taken), f_u32("confirmed", view.confirmed));
    free_session(l, sid);
    link_leave(l, word);
    wake_successors(l);
}

const char *sm_end_word(enum sm_end end)
{
    static const char *const words[SM_END_COUNT] = {
        [SM_END_NONE] = "none",
        [SM_END_CLIENT] = "client-closed",
        [SM_END_EXPIRED] = "expired",
        [SM_END_GONE] = "not-resumable",
        [SM_END_SERVER] = "server",
        [SM_END_LINK] = "link-lost",
        [SM_END_PROBE] = "server-silent",
        [SM_END_REPLACED] = "replaced",
        [SM_END_CONFLICT] = "conflict",
        [SM_END_ERROR] = "stream-error",
        [SM_END_ACK] = "ack-too-high",
        [SM_END_QUEUE] = "queue-full",
        [SM_END_MEMORY] = "memory",
        [SM_END_CROWDED] = "too-many",
        [SM_END_ORDERED] = "by-administrator",
    };

    return words[end];
}
