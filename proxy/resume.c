/* SPDX-License-Identifier: MIT */
/*
 * Resumption (XEP-0198, 5): the session is looked up, its owner compared, an older
 * connection ended, and the client put on the link that stayed open. Unknown and
 * foreign ids get the same answer.
 */
#include "proxy/resume.h"

#include "parser/jid.h"
#include "parser/stanza.h"
#include "proxy/client_entry.h"
#include "proxy/farewell.h"
#include "proxy/log.h"
#include "proxy/negotiate.h"
#include "proxy/offence.h"
#include "proxy/orders.h"
#include "proxy/relay.h"
#include "proxy/serve.h"
#include "proxy/text.h"
#include "proxy/upstream.h"

static void refused(struct client *c, const char *condition, const char *why)
{
    struct negotiation *n = c->login_data;
    struct sm_id id;
    uint32_t h = 0;
    bool known =
        n->account.p && sm_id_read(&id, n->previd.p, n->previd.len) && c->tools->cores[id.arena] &&
        sm_core_tombstone(c->tools->cores[id.arena], &id, relay_text(n->account), tools_now(), &h);

    c->tools->counters.resume_refused++;
    enum log_level level = offence_level(&c->offences);
    log_at(level, "resume_refused", f_u64("conn", c->id), f_span("account", n->account),
           f_str("why", why), f_u32("h", n->resume_h));
    n->resume_waits = n->probing = false;
    c->busy = false;
    c->goes_on = true;
    relay_failed(c, n->ns2, condition, known, h);
}

void resume_begin(struct client *c, const struct item *item)
{
    struct negotiation *n = c->login_data;
    struct sm_id id;

    n->ns2 = item->flags & ITEM_SM2;
    if (!text_keep(&n->previd, item->previd)) {
        farewell_client(c, END_MEMORY, SPAN_NONE);
        return;
    }
    if (!item->previd.p || !span_uint32(item->h, &n->resume_h)) {
        refused(c, "bad-request", "malformed");
        return;
    }
    if (!sm_id_read(&id, n->previd.p, n->previd.len) || id.arena >= SM_ARENAS) {
        refused(c, "item-not-found", "unknown id");
        return;
    }
    c->busy = n->resume_waits = true;
    if (!negotiate_move(c, id.arena))
        resume_take_up(c);
}

/* The old connection gets nothing more taken, whatever is buffered, before h is computed. */
static void freeze(struct link *l)
{
    struct client *old = l->client;

    if (!old)
        return;
    old->frozen = true;
    farewell_client(old, END_TAKEN_OVER, SPAN_NONE);
    l->tools->counters.taken_over++;
    orders_tell(l, (struct sm_event){.type = SM_CLIENT_GONE});
}

static void put_back(struct client *c, struct sm_session *s)
{
    struct negotiation *n = c->login_data;
    struct link *l = sm_session_user(s), *fresh = c->link;
    struct sm_identity who = sm_session_identity(s);
    struct sm_view view = sm_session_view(s);
    bool took_over = l->client != NULL;
    char sid[RELAY_SID];

    relay_sid(s, sid);
    log_at(LOG_INFO, took_over ? "taken_over" : "resumed", f_str("sid", sid), f_u64("conn", c->id),
           f_u64("link", l->id), f_span("jid", (struct span){who.jid.p, who.jid.len}),
           f_u32("h", n->resume_h), f_u32("acked", view.acked), f_u32("sent", view.sent),
           f_u32("taken", view.taken), f_str("by", took_over ? "resume" : NULL));
    freeze(l);
    c->link = NULL;
    if (fresh) {
        fresh->client = NULL;
        link_leave(fresh, true);
    }
    if (!text_keep(&c->jid, (struct span){who.jid.p, who.jid.len})) {
        farewell_client(c, END_MEMORY, SPAN_NONE);
        orders_obey(l);
        return;
    }
    c->link = l;
    l->client = c;
    c->login = LOGIN_RESUMED;
    /* Who lost the connection before its first presence was taken says it now. */
    c->present = !sm_core_left(sm_session_core(s), who.jid);
    n->resume_waits = false;
    client_deadline(c, 0);
    c->tools->counters.resumptions++;
    orders_tell(l, (struct sm_event){.type = SM_RESUME, .h = n->resume_h});
    orders_obey(l);
}

static void attempt(struct client *c, struct sm_session *s)
{
    switch (sm_may_resume(s, c->login_data->resume_h)) {
    case SM_RESUME_FINE:
        put_back(c, s);
        break;
    case SM_RESUME_TOO_HIGH:
        refused(c, "undefined-condition", "h too high");
        break;
    case SM_RESUME_TOO_LOW:
        refused(c, "undefined-condition", "h too low");
        break;
    case SM_RESUME_NOT:
        refused(c, "item-not-found", "not resumable");
        break;
    }
}

static bool owns(struct span account, struct sm_session *s)
{
    struct sm_identity who = sm_session_identity(s);

    return account.p && span_eq(account, (struct span){who.account.p, who.account.len});
}

/* Where SASL did not show the account, or showed another spelling, the server's word is taken. */
static void ask_who(struct client *c)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[8];
    char resource[2 * sizeof random + 1] = {0};
    struct sink k = relay_sink(c->tools);

    tools_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        resource[2 * i] = digits[random[i] >> 4];
        resource[2 * i + 1] = digits[random[i] & 15];
    }
    sink_puts(&k, "<iq type='set' id='who'><bind xmlns='" NS_BIND "'><resource>");
    sink_puts(&k, resource);
    sink_puts(&k, "</resource></bind></iq>");
    c->login_data->probing = true;
    upstream_take_turn(c->link);
    link_write(c->link, sink_span(&k));
    link_flush(c->link);
}

void resume_take_up(struct client *c)
{
    struct negotiation *n = c->login_data;
    struct sm_session *s = NULL;
    struct sm_id id;

    if (sm_id_read(&id, n->previd.p, n->previd.len) && c->tools->cores[id.arena])
        s = sm_core_find(c->tools->cores[id.arena], &id);
    if (!s)
        refused(c, "item-not-found", "unknown id");
    else if (owns(n->account, s))
        attempt(c, s);
    else if (n->thrown || !c->link)
        refused(c, "item-not-found", "foreign id");
    else
        ask_who(c);
}

void resume_proved(struct client *c, struct span jid)
{
    struct negotiation *n = c->login_data;
    char account[JID_MAX + 1];
    struct sink k = SINK(account);

    n->probing = false;
    if (!jid.p) {
        refused(c, "item-not-found", "owner unknown");
        return;
    }
    n->thrown = true;
    if (!jid_normal(&k, jid, true)) {
        refused(c, "item-not-found", "owner unknown");
        return;
    }
    if (!text_keep(&c->jid, jid) || !text_keep(&n->account, sink_span(&k))) {
        farewell_client(c, END_MEMORY, SPAN_NONE); /* it can come again: its session is there */
        return;
    }
    resume_take_up(c);
}

/* A login without stream management gets them as they are, once. What there is no memory for stays.
 */
static void hand_over_plain(struct client *c, struct sm_core *core)
{
    struct context gives = relay_link_gives(c->link), has = relay_client_has(c);
    struct sm_stanza one;

    while (!c->failed && sm_core_left_first(core, relay_text(c->jid), &one)) {
        struct stanza_edit edit = {.delay_from = span_of(c->host->domain),
                                   .delay_ms = one.stamp_ms,
                                   .self_contained = client_stands_alone(c)};
        struct span raw = {one.xml, one.len};
        struct sink k = serve_sink(c->tools, one.len);
        struct item item;
        enum xml_verdict verdict = xml_next(c->tools->xml, &gives, raw, &item);

        if (verdict == XML_NO_MEMORY || !k.p)
            break;
        if (verdict == XML_FINE) {
            stanza_carry(&k, raw, &item, &gives, &has, &edit);
            client_send(c, k.full ? raw : sink_span(&k));
        }
        if (!c->failed)
            sm_core_left_done(core, relay_text(c->jid));
    }
    client_flush(c);
}

void resume_hand_over(struct client *c)
{
    char account[JID_MAX + 1];
    struct sink k = SINK(account);
    struct sm_core *core;
    size_t adopted = 0;

    if (!c->link || !jid_normal(&k, c->jid, true) ||
        !(core = c->tools->cores[sm_id_arena(k.p, k.len)]) ||
        !sm_core_left(core, relay_text(c->jid)))
        return;
    if (!c->link->session) {
        hand_over_plain(c, core);
        return;
    }
    /* One ended session's rest a commit. A session that is ending takes none. */
    while (sm_session_state(c->link->session) == SM_LIVE &&
           sm_core_left(core, relay_text(c->jid))) {
        size_t now = sm_adopt(c->link->session, c->tools->orders, tools_now());

        sm_commit(c->link->session);
        if (!now)
            break;
        adopted += now;
    }
    log_at(LOG_INFO, "handed_over", f_u64("conn", c->id), f_span("jid", c->jid),
           f_size("stanzas", adopted));
}
