/* SPDX-License-Identifier: MIT */
/*
 * What the server says until the client is bound: headers, features, SASL, the
 * answer to bind. All of it is read, and written anew for the client.
 */
#include "proxy/greet.h"

#include "parser/features.h"
#include "parser/jid.h"
#include "proxy/client_entry.h"
#include "proxy/farewell.h"
#include "proxy/log.h"
#include "proxy/negotiate.h"
#include "proxy/offence.h"
#include "proxy/relay.h"
#include "proxy/resume.h"
#include "proxy/text.h"
#include "proxy/upstream.h"
#include "proxy/upward.h"

/* The server is of no use: it says what no server says, or there is no memory for what it says. */
static void give_up(struct link *l, const char *why)
{
    l->tools->counters.nonsense++;
    log_at(LOG_WARN, "link_failed", f_u64("link", l->id), f_str("host", l->host->domain),
           f_str("why", why));
    greet_lost(l);
}

void greet_header(struct link *l)
{
    struct client *c = l->client;
    struct sink k = relay_sink(l->tools);
    bool first = l->host->upstream_tls == CONF_UPSTREAM_STARTTLS && !l->secured;

    l->stage = LINK_HEADER;
    inflow_restart(&l->in);
    if (!text_keep(&l->gave_lang, c->said_lang) ||
        !text_keep(&l->gave_prefixes, c->said_prefixes)) {
        give_up(l, "no memory");
        return;
    }
    header_write(&k, &(struct header){.to = span_of(l->host->domain),
                                      .lang = c->said_lang,
                                      .prefixes = c->said_prefixes,
                                      .modern = c->modern || first});
    upstream_take_turn(l);
    link_write(l, sink_span(&k));
    link_flush(l);
}

void greet_opened(struct link *l)
{
    greet_header(l);
}

/* The server's header, as Holdfast writes it: with the server's stream id, on which digests depend.
 */
static void give_header(struct client *c, struct sink *k)
{
    const struct link *l = c->link;

    negotiate_give_header(c, k,
                          &(struct header){.from = span_of(l->host->domain),
                                           .id = l->id_text,
                                           .lang = l->lang,
                                           .prefixes = l->prefixes,
                                           .modern = l->modern && c->modern});
}

/* The server has answered. */
static void may_speak(struct client *c)
{
    if (c->link)
        upstream_give_turn(c->link);
    c->busy = false;
    c->goes_on = true;
}

static void take_header(struct link *l, struct span raw)
{
    struct client *c = l->client;
    struct header header;
    struct sink k = relay_sink(l->tools);

    if (l->stage != LINK_HEADER || header_read(l->tools->xml, raw, &header) != XML_FINE ||
        !header.id.len || !text_keep(&l->id_text, header.id) || !text_keep(&l->lang, header.lang) ||
        !text_keep(&l->prefixes, header.prefixes)) {
        give_up(l, "bad stream header");
        return;
    }
    l->modern = header.modern;
    if (l->modern &&
        (c->modern || (l->host->upstream_tls == CONF_UPSTREAM_STARTTLS && !l->secured))) {
        l->stage = LINK_FEATURES;
        return;
    }
    if (c->login == LOGIN_RESTART ||
        (l->host->upstream_tls == CONF_UPSTREAM_STARTTLS && !l->secured)) {
        give_up(l, "a stream of before XMPP 1.0");
        return;
    }
    l->stage = LINK_READY; /* a stream of before XMPP 1.0 has no features (XEP-0078) */
    give_header(c, &k);
    client_say(c, sink_span(&k));
    client_flush(c);
    c->login = LOGIN_AUTH;
    may_speak(c);
}

static void take_features(struct link *l, const struct element *e)
{
    struct client *c = l->client;
    struct features features = features_read(e);
    struct sink k = relay_sink(l->tools);

    if (l->host->upstream_tls == CONF_UPSTREAM_STARTTLS && !l->secured) {
        if (!features.starttls) {
            give_up(l, "no STARTTLS");
            return;
        }
        l->stage = LINK_PROCEED;
        link_puts(l, "<starttls xmlns='" NS_TLS "'/>");
        link_flush(l);
        return;
    }
    l->stage = LINK_READY;
    give_header(c, &k);
    if (c->login == LOGIN_RESTART) {
        features_write_after_sasl(&k, e);
        c->login = LOGIN_BIND;
    } else {
        features_write_before_sasl(&k, e);
        c->login = LOGIN_AUTH;
        if (features.channel_binding && !l->tools->gates[l->host - l->tools->conf->hosts].warned) {
            l->tools->gates[l->host - l->tools->conf->hosts].warned = true;
            log_at(LOG_WARN, "channel_binding", f_str("host", l->host->domain));
        }
    }
    if (k.full) {
        give_up(l, "features too long");
        return;
    }
    client_say(c, sink_span(&k));
    client_flush(c);
    may_speak(c);
}

static void proceed(struct link *l)
{
    if (!link_start_tls(l, false)) {
        give_up(l, "no memory");
        return;
    }
    l->secured = true;
    greet_header(l);
}

/* By SASL or XEP-0078: it may say more now, and no more passwords. Its place was given back before
 * it was told, for it may come with another connection at once. */
static void authenticated(struct client *c)
{
    if (c->tls)
        tls_secrets_over(c->tls);
    c->in.item_max = c->tools->conf->limits.stanza_bytes;
    c->tools->counters.logins++;
}

/* --- SASL --- */

static void succeeded(struct client *c)
{
    struct negotiation *n = c->login_data;
    char account[JID_MAX + 1];
    struct sink k = SINK(account);
    struct span local = sasl_account(&n->sasl);

    text_free(&n->account);
    if (local.p) {
        sink_put(&k, local);
        sink_puts(&k, "@");
        sink_puts(&k, c->host->domain);
        if (!text_keep(&n->account, sink_span(&k)))
            client_failed(c);
    }
    c->login = LOGIN_RESTART;
    c->header_given = false;
    authenticated(c);
    client_login_begins(c);
    inflow_restart(&c->in);
    log_at(LOG_INFO, "login", f_u64("conn", c->id), f_span("account", n->account),
           f_str("mechanism", n->sasl.mechanism), f_u64("link", c->link->id));
}

static void take_sasl(struct link *l, const struct item *item, struct span raw,
                      const struct element *e)
{
    enum item_kind kind = item->kind;
    struct client *c = l->client;
    struct negotiation *n = c->login_data;
    struct sink k = relay_sink(l->tools);

    if (kind == ITEM_FAILURE && n && n->aborted) {
        n->aborted--;
        return;
    }
    if (!n || !n->exchanging || !c->busy) {
        offence_dropped(l, item, raw);
        return;
    }
    n->exchanging = false;
    element_write(&k, e, SPAN_LIT(NS_CLIENT));
    if (k.full) {
        give_up(l, "SASL element too long");
        return;
    }
    if (kind == ITEM_SUCCESS)
        client_give_place(c);
    client_say(c, sink_span(&k));
    client_flush(c);
    if (kind == ITEM_SUCCESS) {
        succeeded(c);
    } else if (kind == ITEM_CHALLENGE) {
        c->login = LOGIN_EXCHANGE;
    } else {
        c->login = LOGIN_AUTH;
        c->tools->counters.login_failures++;
        log_at(LOG_INFO, "login_failed", f_u64("conn", c->id),
               f_addr("peer", (const struct sockaddr *)&c->peer),
               f_str("mechanism", n->sasl.mechanism),
               f_span("why", e->child ? e->child->name : SPAN_NONE));
    }
    may_speak(c);
}

/* --- bind and XEP-0078 --- */

/* False: it cannot be passed, and the link is given up. */
static bool pass_iq(struct client *c, const struct element *e)
{
    struct sink k = relay_sink(c->tools);

    element_write(&k, e, SPAN_LIT(NS_CLIENT));
    if (k.full) {
        give_up(c->link, "iq too long");
        return false;
    }
    client_say(c, sink_span(&k));
    client_flush(c);
    return true;
}

/* Username and resource were the client's; the server accepted both. */
static void logged_in_by_iq(struct client *c, const struct element *e)
{
    struct negotiation *n = c->login_data;
    char jid[JID_MAX + 1];
    struct sink k = SINK(jid);
    bool fine = span_is(element_attribute(e, "type"), "result");

    n->iq_auth = false;
    if (fine)
        client_give_place(c);
    if (!pass_iq(c, e))
        return;
    if (!fine) {
        c->tools->counters.login_failures++;
        log_at(LOG_INFO, "login_failed", f_u64("conn", c->id),
               f_addr("peer", (const struct sockaddr *)&c->peer), f_str("mechanism", "XEP-0078"));
        may_speak(c);
        return;
    }
    if (!jid_prepare(&k, sasl_account(&n->sasl), span_of(c->host->domain), n->resource) ||
        !text_keep(&c->jid, sink_span(&k))) {
        farewell_client(c, END_BAD_FORMAT, SPAN_NONE);
        return;
    }
    authenticated(c);
    log_at(LOG_INFO, "login", f_u64("conn", c->id), f_span("jid", c->jid),
           f_str("mechanism", "XEP-0078"));
    negotiate_bound(c);
}

/* A full JID, as bind gives it (RFC 6120, 7.6.1). */
static bool is_of_host(const struct client *c, struct span jid)
{
    char text[JID_PART_MAX + 1];
    struct sink k = SINK(text);
    struct span local, domain, resource;

    return jid_split(jid, &local, &domain, &resource) && local.p && resource.p &&
           jid_domain(&k, domain) && span_is(sink_span(&k), c->host->domain);
}

static void take_bound(struct client *c, const struct element *e)
{
    const struct element *bind = element_child(e, NS_BIND, "bind");
    const struct element *jid = element_child(bind, NS_BIND, "jid");
    bool bound = span_is(element_attribute(e, "type"), "result");

    upstream_give_turn(c->link);
    /* What it says of others' accounts is not believed. */
    if (bound && !(jid && is_of_host(c, jid->text))) {
        give_up(c->link, "bound no JID of this domain");
        return;
    }
    if (c->login_data->probing) {
        resume_proved(c, bound ? jid->text : SPAN_NONE);
        return;
    }
    if (!bound) {
        if (pass_iq(c, e))
            may_speak(c);
        return;
    }
    if (!text_keep(&c->jid, jid->text)) {
        farewell_client(c, END_MEMORY, SPAN_NONE);
        return;
    }
    negotiate_bind_answer(c);
}

/* To the one request that is under way (negotiate_iq). */
static void take_login_answer(struct client *c, const struct element *e)
{
    if (c->login_data->iq_auth) {
        logged_in_by_iq(c, e);
        return;
    }
    if (pass_iq(c, e))
        may_speak(c);
}

static void take_iq(struct link *l, const struct item *item, struct span raw,
                    const struct element *e)
{
    struct client *c = l->client;
    struct negotiation *n = c->login_data;
    struct span id = element_attribute(e, "id");
    bool answer = item->type == TYPE_RESULT || item->type == TYPE_ERROR;

    /* What waits has not been asked yet. */
    if (answer && c->login == LOGIN_BIND && c->busy && !n->bind_waits &&
        (n->probing || span_eq(id, n->bind_id.p ? n->bind_id : SPAN_LIT("bind"))))
        take_bound(c, e);
    else if (answer && c->login == LOGIN_AUTH && c->busy && !n->exchanging &&
             span_eq(id, n->bind_id))
        take_login_answer(c, e);
    else
        offence_dropped(l, item, raw);
}

/* --- items --- */

static void take_stream_error(struct link *l, const struct element *e)
{
    struct sink k = relay_sink(l->tools);

    element_write(&k, e, SPAN_LIT(NS_CLIENT));
    log_at(LOG_INFO, "server_error", f_u64("link", l->id), f_u64("conn", l->client->id),
           f_span("condition", e->child ? e->child->name : SPAN_NONE));
    farewell_client(l->client, END_SERVER_ERROR, k.full ? SPAN_NONE : sink_span(&k));
}

static void take_element(struct link *l, struct span raw)
{
    struct context gives = relay_link_gives(l);
    const struct element *e;
    struct item item;
    struct item copy;

    if (xml_next(l->tools->xml, &gives, raw, &item) != XML_FINE) {
        give_up(l, "not well-formed");
        return;
    }
    copy = (struct item){.kind = item.kind, .type = item.type, .name_end = item.name_end};
    if (xml_tree(l->tools->xml, &gives, raw, &e) != XML_FINE) {
        give_up(l, "element too long");
        return;
    }
    switch (copy.kind) {
    case ITEM_FEATURES:
        if (l->stage == LINK_FEATURES)
            take_features(l, e);
        else
            offence_dropped(l, &copy, raw);
        break;
    case ITEM_PROCEED:
        if (l->stage == LINK_PROCEED)
            proceed(l);
        else
            offence_dropped(l, &copy, raw);
        break;
    case ITEM_TLS_FAILURE:
        if (l->stage == LINK_PROCEED)
            give_up(l, "STARTTLS refused");
        else
            offence_dropped(l, &copy, raw);
        break;
    case ITEM_CHALLENGE:
    case ITEM_SUCCESS:
    case ITEM_FAILURE:
        take_sasl(l, &copy, raw, e);
        break;
    case ITEM_IQ:
        take_iq(l, &copy, raw, e);
        break;
    case ITEM_STREAM_ERROR:
        take_stream_error(l, e);
        break;
    case ITEM_STREAM:
        give_up(l, "a second stream header");
        break;
    default:
        offence_dropped(l, &copy, raw);
        break;
    }
}

void greet_item(struct link *l, enum inflow_found found, struct span raw)
{
    switch (found) {
    case INFLOW_HEADER:
        take_header(l, raw);
        break;
    case INFLOW_ELEMENT:
        take_element(l, raw);
        break;
    case INFLOW_CLOSE:
        l->over = true;
        greet_lost(l);
        break;
    case INFLOW_MORE:
        break;
    case INFLOW_SKIPPED:
        give_up(l, "element too long");
        break;
    case INFLOW_RESTRICTED:
    case INFLOW_BAD:
    case INFLOW_TOO_LONG:
    case INFLOW_ENDED:
        give_up(l, "not well-formed");
        break;
    case INFLOW_NO_MEMORY:
        give_up(l, "no memory");
        break;
    }
}

void greet_lost(struct link *l)
{
    struct client *c = l->client;
    bool known = c && (c->login == LOGIN_RESTART || c->login == LOGIN_BIND);
    enum end end = l->over ? END_SERVER_CLOSED : END_LINK_LOST;
    enum end early = l->starved ? END_NO_DESCRIPTORS : END_NO_UPSTREAM;

    l->client = NULL;
    if (c)
        c->link = NULL;
    if (l->over)
        link_leave(l, true);
    else
        link_drop(l);
    if (!c || c->phase != CLIENT_OPEN)
        return;
    if (c->closing) {
        farewell_client(c, END_CLOSED, SPAN_NONE);
    } else if (known && c->login_data->probing) {
        resume_proved(c, SPAN_NONE);
        upward_go_on(c);
    } else if (known && c->login == LOGIN_RESTART) {
        if (c->busy)
            negotiate_without_server(c);
        upward_go_on(c);
    } else if (known && (!c->busy || c->login_data->resume_waits || c->login_data->bind_waits)) {
        return;
    } else {
        farewell_client(c, c->login == LOGIN_BOUND ? end : early, SPAN_NONE);
    }
}
