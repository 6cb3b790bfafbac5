/* SPDX-License-Identifier: MIT */
/*
 * What a client says until it is bound: headers, TLS, SASL, bind, <enable/>. All of
 * it is read, judged, and written anew for the server; nothing is passed through.
 */
#include "proxy/negotiate.h"

#include "parser/features.h"
#include "parser/jid.h"
#include "proxy/client_entry.h"
#include "proxy/downward.h"
#include "proxy/farewell.h"
#include "proxy/greet.h"
#include "proxy/log.h"
#include "proxy/offence.h"
#include "proxy/orders.h"
#include "proxy/relay.h"
#include "proxy/text.h"
#include "proxy/upstream.h"

enum { OWN_HEADER_MAX = 8192 }; /* a domain of 1023 bytes, each of them escaped, and some */

static void fail_sasl(struct client *c, const char *condition)
{
    struct sink k = relay_sink(c->tools);

    sink_puts(&k, "<failure xmlns='" NS_SASL "'><");
    sink_puts(&k, condition);
    sink_puts(&k, "/></failure>");
    client_say(c, sink_span(&k));
    client_flush(c);
    c->tools->counters.login_failures++;
    enum log_level level = offence_level(&c->offences);
    log_at(level, "login_failed", f_u64("conn", c->id),
           f_addr("peer", (const struct sockaddr *)&c->peer), f_str("why", condition));
}

static const struct conf_host *find_host(const struct client *c, struct span to)
{
    const struct conf *conf = c->tools->conf;
    char domain[JID_PART_MAX + 1];
    struct sink k = SINK(domain);

    if (!to.p)
        return conf->host_count == 1 ? &conf->hosts[0] : NULL;
    if (!jid_prepare(&k, SPAN_NONE, to, SPAN_NONE))
        return NULL;
    return conf_host(conf, sink_span(&k));
}

void negotiate_give_header(struct client *c, struct sink *k, const struct header *h)
{
    bool alone = client_stands_alone(c);

    if (!text_keep(&c->lang, alone ? SPAN_NONE : h->lang) ||
        !text_keep(&c->prefixes, alone ? SPAN_NONE : h->prefixes))
        client_failed(c);
    (alone ? header_write_open : header_write)(k, h);
    c->header_given = true;
}

void negotiate_own_header(struct client *c)
{
    char text[OWN_HEADER_MAX]; /* the worker's scratch may hold what follows */
    struct sink k = SINK(text);
    unsigned char random[12];
    char id[2 * sizeof random + 1];

    tools_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        id[2 * i] = "0123456789abcdef"[random[i] >> 4];
        id[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
    }
    negotiate_give_header(c, &k,
                          &(struct header){.from = c->host ? span_of(c->host->domain) : SPAN_NONE,
                                           .id = {id, sizeof id - 1},
                                           .lang = SPAN_LIT("en"),
                                           .modern = true});
    client_say(c, sink_span(&k));
}

/* On the port that demands STARTTLS: Holdfast answers by itself, and shows nothing but STARTTLS. */
static void offer_tls(struct client *c)
{
    struct sink k;

    negotiate_own_header(c);
    if (!c->modern) {
        farewell_client(c, END_POLICY, SPAN_NONE);
        return;
    }
    k = relay_sink(c->tools);
    features_write_starttls(&k);
    client_say(c, sink_span(&k));
    client_flush(c);
    c->login = LOGIN_OFFERED;
}

/* The server died after it had accepted the client: a resumption goes through all the same. */
void negotiate_without_server(struct client *c)
{
    struct sink k;

    negotiate_own_header(c);
    k = relay_sink(c->tools);
    sink_puts(&k, "<stream:features><bind xmlns='" NS_BIND "'/><sm xmlns='" NS_SM3
                  "'/><sm xmlns='" NS_SM2 "'/></stream:features>");
    client_say(c, sink_span(&k));
    client_flush(c);
    c->login = LOGIN_BIND;
    c->busy = false;
}

/* The page that it came from may open this domain only (RFC 6455, 10.2). */
static bool forbidden(const struct client *c, const struct conf_host *host)
{
    return c->web && c->web->origin && c->web->origin != host;
}

void negotiate_header(struct client *c, struct span raw)
{
    const struct conf_host *host;
    struct header header;
    enum xml_verdict verdict = c->web ? header_read_open(c->tools->xml, raw, &header)
                                      : header_read(c->tools->xml, raw, &header);

    if (verdict != XML_FINE) {
        farewell_client(c, relay_verdict_end(verdict), SPAN_NONE);
        return;
    }
    if (c->login == LOGIN_RESTART &&
        !header.modern) { /* there would be no features, and no way on */
        farewell_client(c, END_BAD_FORMAT, SPAN_NONE);
        return;
    }
    host = find_host(c, header.to);
    c->modern = header.modern;
    if (!text_keep(&c->said_lang, header.lang) || !text_keep(&c->said_prefixes, header.prefixes)) {
        farewell_client(c, END_MEMORY, SPAN_NONE);
        return;
    }
    if (!host || (c->host && host != c->host) || forbidden(c, host)) {
        farewell_client(c, END_HOST_UNKNOWN, SPAN_NONE);
        return;
    }
    c->host = host;
    if (c->login == LOGIN_CLEAR) {
        offer_tls(c);
        return;
    }
    c->busy = true;
    if (c->login == LOGIN_SECURE && !link_new(c, &downward_handler))
        farewell_client(c, END_MEMORY, SPAN_NONE);
    else if (c->login == LOGIN_RESTART && c->link)
        greet_header(c->link);
    else if (c->login == LOGIN_RESTART)
        negotiate_without_server(c);
}

void negotiate_starttls(struct client *c, bool pipelined)
{
    /* What came with <starttls/> was not protected and must not count as if it had been. */
    if (pipelined) {
        farewell_client(c, END_CLEARTEXT, SPAN_NONE);
        return;
    }
    client_say(c, SPAN_LIT("<proceed xmlns='" NS_TLS "'/>"));
    client_flush(c);
    if (!client_start_tls(c)) {
        farewell_client(c, END_MEMORY, SPAN_NONE);
        return;
    }
    inflow_restart(&c->in);
    c->login = LOGIN_SECURE;
    c->header_given = false;
}

static void refuse_sasl(struct client *c, const char *condition)
{
    /* Between challenge and response the server is still waiting; its answer to this is not the
     * client's. */
    if (c->login == LOGIN_EXCHANGE) {
        link_puts(c->link, "<abort xmlns='" NS_SASL "'/>");
        link_flush(c->link);
        c->login_data->aborted++;
    }
    c->login = LOGIN_AUTH;
    fail_sasl(c, condition);
}

void negotiate_sasl(struct client *c, const struct item *item, struct span raw)
{
    struct context gives = relay_client_gives(c);
    struct sink k = relay_sink(c->tools);
    struct span domain = span_of(c->host->domain);
    enum item_kind kind = item->kind;
    enum sasl_seen seen = SASL_UNSEEN;
    const struct element *e;

    if (xml_tree(c->tools->xml, &gives, raw, &e) != XML_FINE) {
        refuse_sasl(c, "malformed-request");
        return;
    }
    if (kind == ITEM_AUTH && !features_mechanism_works(element_attribute(e, "mechanism"))) {
        refuse_sasl(c, "invalid-mechanism"); /* not offered, whatever the server offers */
        return;
    }
    if (kind == ITEM_AUTH)
        seen = sasl_auth(&c->login_data->sasl, e, domain);
    else if (kind == ITEM_RESPONSE)
        seen = sasl_response(&c->login_data->sasl, e, domain);
    if (seen == SASL_FOREIGN || seen == SASL_MALFORMED) {
        refuse_sasl(c, seen == SASL_FOREIGN ? "invalid-authzid" : "malformed-request");
        return;
    }
    sink_puts(&k, kind == ITEM_AUTH ? "<auth" : kind == ITEM_RESPONSE ? "<response" : "<abort");
    sink_attribute(&k, "xmlns", SPAN_LIT(NS_SASL));
    if (kind == ITEM_AUTH)
        sink_attribute(&k, "mechanism", element_attribute(e, "mechanism"));
    sink_puts(&k, ">");
    sink_escape(&k, e->text);
    sink_puts(&k, kind == ITEM_AUTH       ? "</auth>"
                  : kind == ITEM_RESPONSE ? "</response>"
                                          : "</abort>");
    if (k.full) {
        refuse_sasl(c, "malformed-request");
        return;
    }
    c->busy = true;
    c->login_data->exchanging = true;
    upstream_take_turn(c->link);
    link_write(c->link, sink_span(&k));
    link_flush(c->link);
}

static void refuse_tree(struct client *c, const struct element *iq, const char *type,
                        const char *condition)
{
    struct item item = {.kind = ITEM_IQ, .type = TYPE_SET, .id = element_attribute(iq, "id")};

    relay_refuse(c, &item, type, condition);
}

/* XEP-0078 and XEP-0077, before SASL: written anew, so that the server reads what Holdfast read. */
void negotiate_iq(struct client *c, const struct item *item, struct span raw)
{
    struct context gives = relay_client_gives(c);
    struct sink k = relay_sink(c->tools);
    struct negotiation *n = c->login_data;
    bool logs_in = item->payload == PAYLOAD_AUTH && item->type == TYPE_SET;
    const struct element *e;
    struct span resource = SPAN_NONE;

    if (xml_tree(c->tools->xml, &gives, raw, &e) != XML_FINE) {
        farewell_client(c, END_POLICY, SPAN_NONE);
        return;
    }
    element_write(&k, e, SPAN_LIT(NS_CLIENT));
    /* One request with one payload at a time: its answer can be no other's, and the server can have
     * read no second payload that Holdfast did not. */
    if (!e->child || e->child->next || !text_keep(&n->bind_id, element_attribute(e, "id")) ||
        (logs_in &&
         (!sasl_iq_auth(&n->sasl, e, &resource) || !text_keep(&n->resource, resource)))) {
        farewell_client(c, END_BAD_FORMAT, SPAN_NONE);
        return;
    }
    if (k.full) {
        farewell_client(c, END_POLICY, SPAN_NONE);
        return;
    }
    /* No login names nobody, or no resource (XEP-0078, 3.1): whose stream would it be then? */
    if (logs_in && (!sasl_account(&n->sasl).p || !resource.len || resource.len > JID_PART_MAX)) {
        refuse_tree(c, e, "modify", "not-acceptable");
        c->tools->counters.login_failures++;
        enum log_level level = offence_level(&c->offences);
        log_at(level, "login_failed", f_u64("conn", c->id),
               f_addr("peer", (const struct sockaddr *)&c->peer), f_str("mechanism", "XEP-0078"),
               f_str("why", "not-acceptable"));
        return;
    }
    c->busy = true;
    n->iq_auth = logs_in;
    upstream_take_turn(c->link);
    link_write(c->link, sink_span(&k));
    link_flush(c->link);
}

bool negotiate_move(struct client *c, unsigned arena)
{
    if (c->tools->cores[arena])
        return false;
    if (!c->moves)
        SLIST_INSERT_HEAD(&c->tools->movers, c, moving);
    c->moves = true;
    c->moves_to = arena % c->tools->workers;
    if (c->link)
        c->link->departs = true;
    return true;
}

void negotiate_bind(struct client *c, struct span raw)
{
    struct context gives = relay_client_gives(c);
    struct negotiation *n = c->login_data;
    const struct element *iq, *bind, *resource;

    if (xml_tree(c->tools->xml, &gives, raw, &iq) != XML_FINE) {
        farewell_client(c, END_POLICY, SPAN_NONE);
        return;
    }
    bind = element_child(iq, NS_BIND, "bind");
    resource = element_child(bind, NS_BIND, "resource");
    if (!bind) { /* <unbind/> among others: a session has one resource for life */
        refuse_tree(c, iq, "cancel", "not-allowed");
        return;
    }
    if (resource && resource->text.len > JID_PART_MAX) {
        refuse_tree(c, iq, "modify", "bad-request");
        return;
    }
    if (!text_keep(&n->bind_id, element_attribute(iq, "id")) ||
        !text_keep(&n->resource, resource && resource->text.len ? resource->text : SPAN_NONE)) {
        farewell_client(c, END_MEMORY, SPAN_NONE);
        return;
    }
    c->busy = true;
    if (!c->link) { /* it died after <success/>; only a resumption could have been served without it
                     */
        farewell_client(c, END_NO_UPSTREAM, SPAN_NONE);
        return;
    }
    if (n->thrown) { /* bound already, to find out who this is */
        negotiate_bind_answer(c);
        return;
    }
    n->bind_waits = true;
    if (!n->account.p || !negotiate_move(c, sm_id_arena(n->account.p, n->account.len)))
        negotiate_bind_now(c);
}

/* The account's own session on the resource that is to be bound, if it is detached or about to end;
 * NULL: none. With one that is attached, the server decides. */
static struct sm_session *in_the_way(struct client *c)
{
    struct negotiation *n = c->login_data;
    struct sink k = relay_sink(c->tools);
    struct sm_session *s = NULL;
    struct span local, domain, none;
    struct sm_core *core;

    if (!n->account.p || !n->resource.p || !jid_split(n->account, &local, &domain, &none) ||
        !jid_prepare(&k, local, domain, n->resource))
        return NULL;
    core = c->tools->cores[sm_id_arena(n->account.p, n->account.len)];
    while ((s = sm_core_next_of(core, relay_text(n->account), s))) {
        struct sm_text jid = sm_session_identity(s).jid;
        enum sm_state state = sm_session_state(s);

        if ((state == SM_HELD || state == SM_ENDING || state == SM_CLOSING) &&
            span_eq(sink_span(&k), (struct span){jid.p, jid.len}))
            return s;
    }
    return NULL;
}

/* Its link is closed first; the bind waits for that. */
static void replace(struct client *c, struct sm_session *s)
{
    struct link *old = sm_session_user(s);
    char sid[RELAY_SID];

    client_succeed(c, old);
    if (sm_session_state(s) != SM_HELD)
        return;
    relay_sid(s, sid);
    log_at(LOG_INFO, "taken_over", f_str("sid", sid), f_u64("conn", c->id), f_str("by", "bind"));
    orders_tell(old, (struct sm_event){.type = SM_FINISH, .end = SM_END_REPLACED});
    orders_obey(old);
}

void negotiate_bind_now(struct client *c)
{
    struct negotiation *n = c->login_data;
    struct sm_session *s;
    struct sink k;

    if (!c->link) {
        farewell_client(c, END_NO_UPSTREAM, SPAN_NONE);
        return;
    }
    if ((s = in_the_way(c))) {
        replace(c, s);
        return;
    }
    n->bind_waits = false;
    k = relay_sink(c->tools);
    sink_puts(&k, "<iq type='set'");
    sink_attribute(&k, "id", n->bind_id.p ? n->bind_id : SPAN_LIT("bind"));
    sink_puts(&k, "><bind xmlns='" NS_BIND "'>");
    if (n->resource.p) {
        sink_puts(&k, "<resource>");
        sink_escape(&k, n->resource);
        sink_puts(&k, "</resource>");
    }
    sink_puts(&k, "</bind></iq>");
    upstream_take_turn(c->link);
    link_write(c->link, sink_span(&k));
    link_flush(c->link);
}

void negotiate_bind_answer(struct client *c)
{
    struct sink k = relay_sink(c->tools);

    sink_puts(&k, "<iq type='result'");
    sink_attribute(&k, "id", c->login_data->bind_id);
    sink_puts(&k, "><bind xmlns='" NS_BIND "'><jid>");
    sink_escape(&k, c->jid);
    sink_puts(&k, "</jid></bind></iq>");
    client_say(c, sink_span(&k));
    client_flush(c);
    negotiate_bound(c);
}

void negotiate_bound(struct client *c)
{
    char account[JID_MAX + 1];
    struct sink k = SINK(account);

    c->login = LOGIN_BOUND;
    c->busy = false;
    c->goes_on = true;
    client_login_done(c);
    client_deadline(c, 0);
    if (c->link)
        upstream_give_turn(c->link);
    c->tools->counters.bound++;
    log_at(LOG_INFO, "bound", f_u64("conn", c->id), f_span("jid", c->jid),
           f_u64("link", c->link ? c->link->id : 0));
    if (jid_normal(&k, c->jid, true))
        (void)negotiate_move(c, sm_id_arena(k.p, k.len));
}
