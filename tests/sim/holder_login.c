/* SPDX-License-Identifier: MIT */
/*
 * As proxy/negotiate.c, enable.c and resume.c, from where a client has authenticated.
 */
#include "tests/sim/holder.h"

#include "parser/stanza.h"
#include "sm/wire.h"
#include "tests/sim/death.h"
#include "tests/sim/meaning.h"
#include "tests/sim/oracle.h"
#include "tests/sim/server.h"

#include <assert.h>
#include <stdlib.h>

static struct sm_text text_of(const char *text)
{
    return (struct sm_text){text, strlen(text)};
}

static struct device *device_of(const struct hold_connection *c)
{
    return &c->h->w->devices[c->h->w->connections[c->socket].device];
}

struct sm_text holder_account(const struct hold_connection *c)
{
    return text_of(device_of(c)->account);
}

struct sm_text holder_jid(const struct hold_connection *c)
{
    return text_of(device_of(c)->jid);
}

static bool same(struct sm_text a, struct sm_text b)
{
    return a.len == b.len && !memcmp(a.p, b.p, a.len);
}

static void failed(struct hold_connection *c, bool ns2, const char *condition, const uint32_t *h)
{
    char text[SM_WIRE_MAX];
    struct span span = {text, sm_wire_failed(text, ns2, condition, h)};

    if (c->link && c->link->session && c->link->client == c) {
        holder_say(c->link, span);
        holder_serve(c->link);
        return;
    }
    holder_write(c, span);
    holder_flush(c);
}

/* --- bind --- */

/* A session on the resource that is to be bound, if it is detached or about to end. */
static struct sm_session *in_the_way(struct hold_connection *c)
{
    struct sm_session *s = NULL;

    while ((s = sm_core_next_of(c->h->core, holder_account(c), s))) {
        enum sm_state state = sm_session_state(s);

        if ((state == SM_HELD || state == SM_ENDING || state == SM_CLOSING) &&
            same(sm_session_identity(s).jid, holder_jid(c)))
            return s;
    }
    return NULL;
}

/* Its link is closed first; the bind waits for that. */
static void replace(struct sm_session *s)
{
    struct hold_link *l = sm_session_user(s);

    if (sm_session_state(s) != SM_HELD)
        return;
    if (!l->h->w->dead) {
        happened(l->h->w, FIG_REPLACED);
        holder_story(l)->replaced = true;
    }
    holder_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_REPLACED});
    holder_obey(l);
}

void holder_bind_now(struct hold_connection *c)
{
    struct world *w = c->h->w;
    struct sm_session *s = in_the_way(c);
    int link;

    if (s) {
        replace(s);
        return;
    }
    c->bind_waits = false;
    link = w->dead ? -1 : server_bind(w, c->socket);
    if (link < 0) {
        holder_end(c, END_OVER, "internal-server-error");
        return;
    }
    c->link = holder_link(c->h, link, w->links[link].story);
    c->link->client = c;
    c->login = HOLD_BOUND;
    c->busy = false;
    c->goes_on = true;
    holder_puts(c, "<iq type='result' id='bind'/>");
    holder_flush(c);
}

void holder_bind(struct hold_connection *c)
{
    c->bind_waits = c->busy = true;
    holder_bind_now(c);
}

/* --- enable --- */

/* The part of the server's next stanza that has come already becomes the session's tail. */
static bool hand_tail(struct hold_link *l, struct sm_session *s)
{
    struct span kept = buffer_span(&l->in.kept);

    static_assert(sizeof l->in.framer <= 16, "the scanner is kept in the record");
    memcpy(sm_scan(s), &l->in.framer, sizeof l->in.framer);
    if (kept.len && !sm_tail_add(s, (struct sm_text){kept.p, kept.len}))
        return false;
    inflow_clear(&l->in);
    return true;
}

static void check_counts(const struct hold_link *l)
{
    const struct kernel_link *k = &l->h->w->links[l->socket];

    if (!l->h->w->dead)
        fact(l->h->w, holder_story(l), k->received == l->received && k->sent == l->sent,
             "the simulation's own counts of the link are wrong");
}

static void park(struct hold_link *l, struct sm_session *s)
{
    char text[SM_ID_TEXT];
    struct sm_id id;

    sm_session_id(s, text);
    if (!sm_id_read(&id, text, strlen(text)))
        abort();
    if (sm_session_resumable(s) || l->h->w->set.parks_simple)
        kernel_link_park(l->h->w, l->socket, id.slot, id.generation);
}

/* The story's number is part of the identity: so a session that was recovered tells whose it is. */
static struct sm_session *give_birth(struct hold_connection *c)
{
    struct hold_link *l = c->link;
    struct world *w = c->h->w;
    char number[8];
    size_t len = 0;
    struct sm_birth birth = {
        .identity = {.account = holder_account(c),
                     .jid = holder_jid(c),
                     .domain = text_of(DOMAIN),
                     .up_lang = {number, 0}},
        .resumable = !c->enable_simple,
        .max_ms = c->enable_max_ms,
        .ns2 = c->enable_ns2,
        .link_received = l->received,
        .link_sent = l->sent,
        .now_ms = w->now,
    };
    struct sm_session *s;

    number[len++] = (char)('0' + l->story / 10);
    number[len++] = (char)('0' + l->story % 10);
    birth.identity.up_lang.len = len;
    for (size_t i = 0; i < sizeof birth.random; i++)
        birth.random[i] = (uint8_t)below(w, 256);
    if (sm_session_new(c->h->core, &birth, &s, c->h->orders) < 0)
        return NULL;
    if ((birth.resumable && !sm_session_resumable(s)) || !hand_tail(l, s)) {
        sm_session_free(s, w->now);
        holder_take_back(c->h);
        return NULL;
    }
    return s;
}

/* An account with too many sessions loses the one that has been away the longest. */
static void thin_out(struct hold_connection *c, struct sm_text account)
{
    struct sm_session *s = sm_core_crowded(c->h->core, account);
    struct hold_link *l = s ? sm_session_user(s) : NULL;

    if (!l)
        return;
    holder_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_CROWDED});
    holder_obey(l);
}

void holder_enable_now(struct hold_connection *c)
{
    struct hold_link *l = c->link;
    struct world *w = c->h->w;
    struct sm_text account = holder_account(c);
    struct sm_session *s;

    if (!c->enable_waits || (buffer_len(&l->out) && !l->broken))
        return;
    c->enable_waits = c->busy = false;
    c->goes_on = true;
    check_counts(l);
    if (!(s = give_birth(c))) {
        if (!w->dead)
            happened(w, FIG_REFUSED);
        failed(c, c->enable_ns2, "resource-constraint", NULL);
        return;
    }
    l->session = s;
    sm_session_set_user(s, l);
    sm_session_set_inactive(s, l->inactive);
    c->login = HOLD_SESSION;
    c->hands_over = c->present;
    c->late_ms = 0;
    death_looms(w);
    if (w->set.parks_early)
        park(l, s);
    sm_commit(s);
    oracle_born(l);
    if (!w->set.parks_early)
        park(l, s);
    holder_obey(l);
    thin_out(c, account);
}

/* What was given to the socket before is a count of the record: all of it has to be there. */
void holder_enable(struct hold_connection *c, const struct item *item)
{
    uint32_t max_s;

    c->enable_simple = !span_boolean(item->resume);
    c->enable_ns2 = item->flags & ITEM_SM2;
    c->enable_max_ms = span_uint32(item->max, &max_s) ? (uint64_t)max_s * 1000 : 0;
    if (c->login != HOLD_BOUND) {
        failed(c, c->enable_ns2, "unexpected-request", NULL);
        return;
    }
    c->enable_waits = c->busy = true;
    holder_link_flush(c->link);
    holder_enable_now(c);
}

/* --- resume --- */

static void refused(struct hold_connection *c, bool ns2, const char *condition)
{
    struct world *w = c->h->w;
    uint32_t h = 0;
    bool known = sm_core_tombstone(c->h->core, &c->previd, holder_account(c), w->now, &h);

    oracle_refused(c, known, h);
    c->busy = false;
    failed(c, ns2, condition, known ? &h : NULL);
}

/* The old connection gets nothing more taken, whatever is buffered, before h is computed. */
static void freeze(struct hold_link *l)
{
    struct hold_connection *old = l->client;

    if (!old)
        return;
    if (!l->h->w->dead)
        happened(l->h->w, FIG_TAKEN_OVER);
    old->frozen = true;
    holder_end(old, END_TAKEN_OVER, "conflict");
    holder_tell(l, (struct sm_event){.type = SM_CLIENT_GONE});
}

static void put_back(struct hold_connection *c, struct sm_session *s)
{
    struct hold_link *l = sm_session_user(s);
    uint64_t resent = sm_core_counts(c->h->core).resent;

    freeze(l);
    c->link = l;
    l->client = c;
    c->login = HOLD_SESSION;
    c->present = true;
    c->busy = true;
    holder_tell(l, (struct sm_event){.type = SM_RESUME, .h = c->resume_h});
    if (!c->h->w->dead)
        c->h->w->figures->count[FIG_RESENT] += sm_core_counts(c->h->core).resent - resent;
    holder_obey(l);
}

void holder_resume(struct hold_connection *c, const struct item *item)
{
    bool ns2 = item->flags & ITEM_SM2;
    struct sm_session *s;

    c->previd = (struct sm_id){0};
    if (c->login != HOLD_AUTHENTICATED) {
        failed(c, ns2, "unexpected-request", NULL);
        return;
    }
    if (!item->previd.p || !span_uint32(item->h, &c->resume_h)) {
        refused(c, ns2, "bad-request");
        return;
    }
    if (!sm_id_read(&c->previd, item->previd.p, item->previd.len)) {
        refused(c, ns2, "item-not-found");
        return;
    }
    s = sm_core_find(c->h->core, &c->previd);
    if (!s || !same(sm_session_identity(s).account, holder_account(c))) {
        refused(c, ns2, "item-not-found");
        return;
    }
    switch (sm_may_resume(s, c->resume_h)) {
    case SM_RESUME_FINE:
        put_back(c, s);
        break;
    case SM_RESUME_TOO_HIGH:
    case SM_RESUME_TOO_LOW:
        refused(c, ns2, "undefined-condition");
        break;
    case SM_RESUME_NOT:
        refused(c, ns2, "item-not-found");
        break;
    }
}

/* --- messages handed over --- */

/* A login without stream management gets them as they are, once. */
static void hand_over_plain(struct hold_connection *c)
{
    struct world *w = c->h->w;
    struct sm_stanza one;

    while (sm_core_left_first(c->h->core, holder_jid(c), &one)) {
        struct stanza_edit edit = {.delay_from = SPAN_LIT(DOMAIN), .delay_ms = one.stamp_ms};
        struct context none = {0};
        struct span raw = {one.xml, one.len};
        struct sink k = holder_sink(c->h, one.len);
        struct item item;
        bool known = meaning_of(w, raw, &item);

        fact(w, NULL, known, "what was left is no stanza: %.*s", (int)raw.len, raw.p);
        stanza_carry(&k, raw, &item, &none, &none, &edit);
        holder_write(c, sink_span(&k));
        oracle_fate(c->link, raw, FATE_PLAIN);
        death_looms(w);
        sm_core_left_done(c->h->core, holder_jid(c));
        oracle_sure(w);
    }
    holder_flush(c);
}

void holder_hand_over(struct hold_connection *c)
{
    struct hold_link *l = c->link;
    struct sm_core *core = c->h->core;

    if (!l || !sm_core_left(core, holder_jid(c)))
        return;
    if (!l->session) {
        hand_over_plain(c);
        return;
    }
    while (sm_session_state(l->session) == SM_LIVE && sm_core_left(core, holder_jid(c))) {
        size_t now = sm_adopt(l->session, c->h->orders, c->h->w->now);

        death_looms(c->h->w);
        holder_commit(l);
        if (!now)
            break;
    }
}
