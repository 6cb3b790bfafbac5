/* SPDX-License-Identifier: MIT */
/*
 * <enable/> (XEP-0198, 3): the link becomes a session's. What the server has sent of
 * a next stanza becomes the session's tail; its counts begin here.
 */
#include "proxy/enable.h"

#include <assert.h>
#include <errno.h>

#include "parser/jid.h"
#include "proxy/client_entry.h"
#include "proxy/keeper.h"
#include "proxy/kernel.h"
#include "proxy/log.h"
#include "proxy/offence.h"
#include "proxy/orders.h"
#include "proxy/relay.h"
#include "sm/recover.h"

/* The part of the server's next stanza that has come already becomes the session's tail. */
static bool hand_tail(struct link *l, struct sm_session *s)
{
    struct span kept = buffer_span(&l->in.kept);
    bool kept_it;

    static_assert(sizeof l->in.framer <= 16, "the scanner is kept in the record");
    memcpy(sm_scan(s), &l->in.framer, sizeof l->in.framer);
    kept_it = !kept.len || sm_tail_add(s, relay_text(kept));
    if (kept_it)
        inflow_clear(&l->in);
    return kept_it;
}

/* An account with too many sessions loses the one that has been away the longest. */
static void thin_out(struct sm_core *core, struct sm_text account)
{
    struct sm_session *s = sm_core_crowded(core, account);

    if (!s)
        return;
    orders_tell(sm_session_user(s), (struct sm_event){.type = SM_FINISH, .end = SM_END_CROWDED});
    orders_obey(sm_session_user(s));
}

/* A detached session gives way to a new one; those that are in use do not, but the one whose
 * resource the new one has. */
static bool all_in_use(const struct client *c, struct sm_core *core, struct span account)
{
    struct sm_session *s = NULL;
    uint32_t in_use = 0;

    while ((s = sm_core_next_of(core, relay_text(account), s))) {
        enum sm_state state = sm_session_state(s);
        struct sm_text jid = sm_session_identity(s).jid;

        if ((state == SM_LIVE || state == SM_RESUMING) &&
            !span_eq((struct span){jid.p, jid.len}, c->jid))
            in_use++;
    }
    return in_use >= c->tools->conf->sm.sessions_per_account;
}

static void refuse(struct client *c, const struct item *item, const char *why)
{
    c->tools->counters.sessions_refused++;
    enum log_level level = offence_level(&c->offences);
    log_at(level == LOG_INFO ? LOG_WARN : level, "session_refused", f_u64("conn", c->id),
           f_span("jid", c->jid), f_str("why", why));
    relay_failed(c, item->flags & ITEM_SM2, "resource-constraint", false, 0);
}

/* Why the session would not outlive the process; NULL: it will, from now on. */
static const char *park(struct link *l, uint32_t arena)
{
    struct sm_place place = sm_session_place(l->session);
    struct lot_ticket ticket = {.arena = arena, .slot = place.slot, .generation = place.generation};
    struct kernel_counts counts;

    if (!l->tools->parking)
        return "the keeper has no room"; /* or there is none, and nobody is told */
    if (!sm_session_resumable(l->session))
        return "not resumable";
    if (l->tls)
        return "TLS to the server";
    if (kernel_count(l->fd, &counts) < 0)
        return "no counts";
    if (counts.received != l->received || counts.sent != l->sent)
        return "counts differ";
    return parking_put(l->tools->parking, &l->parked, l->fd, &ticket) ? NULL : "no room yet";
}

static int give_birth(struct client *c, const struct item *item, struct span account,
                      struct sm_core *core)
{
    struct link *l = c->link;
    struct sm_birth birth = {
        .identity = {.account = relay_text(account),
                     .jid = relay_text(c->jid),
                     .domain = relay_text(span_of(c->host->domain)),
                     .lang = relay_text(l->lang),
                     .prefixes = relay_text(l->prefixes),
                     .up_lang = relay_text(l->gave_lang),
                     .up_prefixes = relay_text(l->gave_prefixes)},
        .resumable = span_boolean(item->resume),
        .ns2 = item->flags & ITEM_SM2,
        .link_received = l->received,
        .link_sent = l->sent,
        .now_ms = tools_now(),
    };
    struct sm_session *s;
    uint32_t max_s;
    int r;

    if (span_uint32(item->max, &max_s))
        birth.max_ms = (uint64_t)max_s * 1000;
    tools_random(birth.random, sizeof birth.random);
    if ((r = sm_session_new(core, &birth, &s, c->tools->orders)) < 0)
        return r;
    if ((birth.resumable && !sm_session_resumable(s)) || !hand_tail(l, s)) {
        sm_session_free(s, birth.now_ms);
        orders_take_back(c->tools);
        return -ENOMEM;
    }
    l->session = s;
    sm_session_set_user(s, l);
    sm_session_set_inactive(s, l->inactive);
    return 0;
}

void enable_session(struct client *c, const struct item *item)
{
    struct link *l = c->link;
    char account[JID_MAX + 1], sid[RELAY_SID];
    struct sink k = SINK(account);
    struct sm_core *core = NULL;
    const char *mortal;
    bool modern = c->modern && l->modern;

    if (jid_normal(&k, c->jid, true))
        core = c->tools->cores[sm_id_arena(k.p, k.len)];
    if (!core || !modern || l->in.skipped) {
        relay_failed(c, item->flags & ITEM_SM2,
                     modern ? "resource-constraint" : "service-unavailable", false, 0);
        return;
    }
    if (all_in_use(c, core, sink_span(&k))) {
        refuse(c, item, "sessions_per_account");
        return;
    }
    link_flush(l); /* what came just before it goes first, and not by the session's way */
    if (give_birth(c, item, sink_span(&k), core) < 0) {
        refuse(c, item, "memory");
        return;
    }
    c->login = LOGIN_SESSION;
    c->hands_over = c->present;
    client_deadline(c, 0);
    mortal = park(l, sm_id_arena(k.p, k.len));
    l->tools->counters.unsurvivable += mortal && keeper_there();
    relay_sid(l->session, sid);
    log_at(LOG_INFO, "session_start", f_str("sid", sid), f_u64("conn", c->id), f_u64("link", l->id),
           f_span("jid", c->jid), f_bool("resumable", sm_session_resumable(l->session)),
           f_str("mortal", keeper_there() ? mortal : NULL));
    orders_obey(l);
    /* By itself: xmpp.js 0.14 counts from too late on if a stanza comes along with <enabled/>. */
    orders_settle(l);
    thin_out(core, (struct sm_text){k.p, k.len});
}
