/* SPDX-License-Identifier: MIT */
/*
 * Whole stanzas, from either side: told to the session, answered, or passed on where
 * there is no session. What they are called by the rules is in relay_items.c.
 */
#include "proxy/relay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "parser/stanza.h"
#include "proxy/client_entry.h"
#include "proxy/downward.h"
#include "proxy/farewell.h"
#include "proxy/log.h"
#include "proxy/negotiate.h"
#include "proxy/net.h"
#include "proxy/orders.h"
#include "proxy/resume.h"
#include "proxy/serve.h"
#include "proxy/upward.h"
#include "sm/wire.h"

enum {
    UNREAD_MAX =
        65536, /* bytes that a server has not taken: nothing it provokes is added to them */
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

/* --- to the client, from Holdfast --- */

void relay_say(struct link *l, struct span text)
{
    if (l->client && !buffer_put(&l->client->say, text))
        farewell_client(l->client, END_MEMORY, SPAN_NONE);
}

void relay_pass(struct link *l, struct span text)
{
    if (l->session) {
        orders_tell(l,
                    (struct sm_event){.type = SM_PASS, .stanza = {.xml = text.p, .len = text.len}});
    } else {
        link_write(l, text);
        link_flush(l);
    }
}

bool relay_has_room(const struct link *l)
{
    return l->session ? sm_session_view(l->session).up_bytes < l->tools->conf->sm.queue_bytes
                      : buffer_len(&l->out) < UNREAD_MAX;
}

void relay_failed(struct client *c, bool ns2, const char *condition, bool has_h, uint32_t h)
{
    char text[SM_WIRE_MAX];
    size_t len = sm_wire_failed(text, ns2, condition, has_h ? &h : NULL);

    if (c->link && c->link->session && c->link->client == c) {
        relay_say(c->link, (struct span){text, len});
        c->tools->orders->todo |= SM_DO_SAY;
    } else {
        client_say(c, (struct span){text, len});
        client_flush(c);
    }
}

/* Something for the client that counts: into its queue, or straight to it where there is none. */
static void reply(struct client *c, struct span text, bool counted)
{
    struct link *l = c->link;

    c->tools->counters.replies++;
    if (!l || !l->session) {
        client_say(c, text);
        client_flush(c);
        return;
    }
    if (counted)
        orders_tell(l, (struct sm_event){.type = SM_ANSWERED});
    orders_tell(
        l, (struct sm_event){.type = SM_REPLY,
                             .stanza = {.xml = text.p, .len = text.len, .stamp_ms = tools_wall()}});
}

void relay_refuse(struct client *c, const struct item *item, const char *type,
                  const char *condition)
{
    struct sink k = relay_sink(c->tools);
    bool answerable = item->type != TYPE_ERROR && item->type != TYPE_RESULT;

    if (answerable)
        stanza_error(&k, item, SPAN_NONE, type, condition);
    if (answerable && !k.full)
        reply(c, sink_span(&k), true);
    else if (c->link && c->link->session)
        orders_tell(c->link, (struct sm_event){.type = SM_ANSWERED});
}

/* --- from the client --- */

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

/* The item as it can stand below the other header, or alone; false: there is no memory for what it
 * lacks. */
static bool carry(struct tools *tools, const struct item *item, struct context gives,
                  struct context has, bool alone, struct span *raw)
{
    struct stanza_edit edit = {.self_contained = alone};
    struct sink k;

    if (stanza_passes(item->flags, &gives, &has) &&
        (!alone || (item->flags & ITEM_XMLNS && !stanza_borrows_stream(*raw))))
        return true;
    k = serve_sink(tools, raw->len);
    stanza_carry(&k, *raw, item, &gives, &has, &edit);
    if (k.full)
        return false;
    tools->counters.edited++;
    *raw = sink_span(&k);
    return true;
}

void relay_take_up(struct client *c, const struct item *item, struct span raw)
{
    struct link *l = c->link;
    bool answer = item->kind == ITEM_IQ && (item->type == TYPE_RESULT || item->type == TYPE_ERROR);
    uint32_t request = answer ? relay_request(item, item->to, c->jid) : 0;

    c->tools->counters.stanzas_in++;
    note_presence(c, item);
    if (!carry(c->tools, item, relay_client_gives(c), relay_link_has(l), false, &raw)) {
        relay_refuse(c, item, "wait", "resource-constraint");
        return;
    }
    if (!l->session)
        link_write(l, raw);
    else if (orders_tell(l, (struct sm_event){.type = SM_TO_SERVER,
                                              .stanza = {.xml = raw.p, .len = raw.len}}) &&
             answer)
        orders_tell(l, (struct sm_event){.type = SM_REQUEST_DONE, .stanza = {.request = request}});
}

void relay_take_csi(struct client *c, bool inactive)
{
    if (c->link->session)
        sm_session_set_inactive(c->link->session, inactive);
    else
        c->link->inactive = inactive;
    relay_pass(c->link, inactive ? SPAN_LIT("<inactive xmlns='urn:xmpp:csi:0'/>")
                                 : SPAN_LIT("<active xmlns='urn:xmpp:csi:0'/>"));
}

void relay_pass_other(struct client *c, const struct item *item, struct span raw)
{
    struct link *l = c->link;

    if (l && carry(c->tools, item, relay_client_gives(c), relay_link_has(l), false, &raw))
        relay_pass(l, raw);
    else
        c->tools->counters.ignored++;
}

/* --- from the server --- */

static bool is_from_host(const struct link *l, const struct item *item)
{
    return !item->from.p || span_eq(item->from, span_of(l->host->domain));
}

/* Who the session's client is. Not near to what else stanzas touch: most do without. */
static struct span own_jid(const struct link *l)
{
    struct sm_text jid = sm_session_identity(l->session).jid;

    return (struct span){jid.p, jid.len};
}

/* An answer to a ping of Holdfast's own; swallowed, whoever it finds waiting. */
static bool take_probe_answer(struct link *l, const struct item *item)
{
    uint64_t id;

    if (item->kind != ITEM_IQ || (item->type != TYPE_RESULT && item->type != TYPE_ERROR) ||
        !is_from_host(l, item) ||
        !sm_wire_probe_id(&id, (struct sm_text){item->id.p, item->id.len}))
        return false;
    return orders_tell(l, (struct sm_event){.type = SM_PROBE_ANSWER, .probe = id});
}

/* The server's pings to a session are answered here: a sleeping phone neither wakes nor times out.
 */
static bool take_ping(struct link *l, const struct item *item)
{
    struct sink k = relay_sink(l->tools);

    if (item->kind != ITEM_IQ || item->type != TYPE_GET || item->payload != PAYLOAD_PING ||
        !is_from_host(l, item) || (item->to.p && !span_eq(item->to, own_jid(l))) ||
        !relay_has_room(l))
        return false;
    stanza_result(&k, item, SPAN_NONE);
    if (k.full)
        return false;
    l->tools->counters.pings_answered++;
    relay_pass(l, sink_span(&k));
    return true;
}

bool relay_take(struct link *l, const struct item *item, struct span raw, bool in_tail)
{
    enum sm_fate fate = relay_fate(item);
    struct sm_event event = {.type = SM_TO_CLIENT,
                             .stanza = {.xml = in_tail ? NULL : raw.p,
                                        .len = raw.len,
                                        .stamp_ms = tools_wall(),
                                        .flags = (uint16_t)item->flags,
                                        .fate = (uint8_t)fate}};

    if (take_probe_answer(l, item) || take_ping(l, item))
        return false;
    l->tools->counters.stanzas_out++;
    if (fate == SM_FATE_REFUSE)
        event.stanza.request = relay_request(item, item->from, own_jid(l));
    orders_tell(l, event);
    return true;
}

void relay_take_plain(struct link *l, const struct item *item, struct span raw)
{
    struct client *c = l->client;

    if (!carry(l->tools, item, relay_link_gives(l), relay_client_has(c), client_stands_alone(c),
               &raw)) {
        l->tools->counters.stanzas_lost++;
        return;
    }
    l->tools->counters.stanzas_out++;
    client_send(c, raw);
}

void relay_take_other(struct link *l, const struct item *item, struct span raw)
{
    struct client *c = l->client;

    if (!c || (buffer_len(&c->say) > SERVE_SAY_MAX && client_blocked(c)) ||
        !carry(l->tools, item, relay_link_gives(l), relay_client_has(c), client_stands_alone(c),
               &raw)) {
        l->tools->counters.ignored++;
        return;
    }
    relay_say(l, raw);
    l->tools->orders->todo |= SM_DO_WRITE;
}

/* --- connections --- */

/* Whose word counts for who it is, and whether it may be here at all: a header that a stranger
 * writes would be a lie, and what a stranger sends to ws is in the clear. */
static bool trusted(struct client *c, const struct sockaddr *peer)
{
    enum conf_transport transport = c->listen->transport;
    bool proxied = conf_networks_hold(&c->listen->proxy_from, peer);

    if (c->expects_proxy)
        return proxied;
    c->expects_forwarded = proxied && (transport == CONF_WS || transport == CONF_WSS);
    return transport != CONF_WS || proxied ||
           (!c->listen->proxy_from.count && net_is_loopback(peer));
}

void relay_accept(struct tools *tools, int fd, const struct conf_listen *listen,
                  const struct sockaddr_storage *peer)
{
    struct client *c = client_new(tools, fd, listen, peer, &upward_handler);

    if (!c)
        return;
    c->share = SERVE_SHARE;
    tools->counters.accepted++;
    if (!trusted(c, (const struct sockaddr *)peer))
        farewell_client(c, END_PROXY_HEADER, SPAN_NONE);
    else if (!c->expects_proxy && !c->expects_forwarded)
        (void)client_admit(c);
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
        downward_go_on(c->link);
    upward_go_on(c);
}
