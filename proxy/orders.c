/* SPDX-License-Identifier: MIT */
/*
 * After a batch of events: the commit, and then the deeds, in the order in which
 * enum sm_todo names them. What they bring about may be events again, so it goes round
 * until nothing is left to do.
 */
#include "proxy/orders.h"

#include "proxy/farewell.h"
#include "proxy/log.h"
#include "proxy/net.h"
#include "proxy/relay.h"
#include "proxy/serve.h"
#include "proxy/upward.h"
#include "sm/wire.h"

void orders_begin(struct link *l)
{
    sm_core_work(sm_session_core(l->session), l->session);
}

/* What brings about another state than that in which there was something to be written. Want of
 * memory is found in the midst of a batch of the server's, which is not to be committed in part. */
static bool comes_behind(const struct sm_event *event)
{
    switch (event->type) {
    case SM_LINK_CLOSED:
    case SM_CLIENT_CLOSE:
    case SM_CLIENT_GONE:
    case SM_RESUME:
    case SM_DETACH:
        return true;
    case SM_FINISH:
        return event->end != SM_END_MEMORY;
    default:
        return false;
    }
}

bool orders_tell(struct link *l, struct sm_event event)
{
    if (l->due && comes_behind(&event))
        orders_settle(l);
    event.now_ms = tools_now();
    return sm_step(l->session, &event, l->tools->orders);
}

void orders_send(struct link *l)
{
    struct sm_text bytes;

    while (sm_unsent(l->session, &bytes)) {
        size_t sent = link_send(l, (struct span){bytes.p, bytes.len});

        if (!sent)
            return;
        orders_tell(l, (struct sm_event){.type = SM_LINK_SENT, .count = sent});
    }
}

static void check_tcp(struct link *l)
{
    uint64_t acked;

    if (l->tls) { /* TCP counts ciphertext: only when all of it has arrived is it known what that
                     was */
        if (!buffer_len(&l->out) && net_unacknowledged(l->fd) == 0)
            orders_tell(l, (struct sm_event){.type = SM_TCP_ACKED, .count = l->sent});
    } else if (net_acknowledged(l->fd, &acked)) {
        orders_tell(l, (struct sm_event){.type = SM_TCP_ACKED, .count = acked});
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

/* --- what goes out when the turn is over --- */

enum {
    SERVICE = SM_DO_SAY | SM_DO_WRITE | SM_DO_ASK | SM_DO_SEND,
    DUE_MANY = 32, /* so many links do not wait for the end of a long turn */
};

static void put_off(struct link *l)
{
    struct tools *tools = l->tools;

    if (l->due)
        return;
    l->due = true;
    TAILQ_INSERT_TAIL(&tools->due, l, due_entry);
    if (!tools->due_count++)
        ev_feed_event(tools->loop, &tools->due_last, EV_CUSTOM);
    else if (tools->due_count == DUE_MANY)
        ev_feed_event(tools->loop, &tools->due_next, EV_CUSTOM);
}

void orders_forget(struct link *l)
{
    if (!l->due)
        return;
    l->due = false;
    TAILQ_REMOVE(&l->tools->due, l, due_entry);
    l->tools->due_count--;
}

/* Who was not read any further since too many answers waited goes on when these have left. */
static void serve(struct link *l)
{
    struct client *c = l->client;
    bool waited = c && buffer_len(&c->say) > SERVE_SAY_MAX;

    orders_forget(l);
    serve_client(l);
    orders_send(l);
    if (waited && !buffer_len(&c->say))
        c->goes_on = true;
}

void orders_settle(struct link *l)
{
    if (!l->due)
        return;
    sm_commit(l->session);
    serve(l);
}

void orders_serve_due(struct tools *tools)
{
    struct link *l;

    while ((l = TAILQ_FIRST(&tools->due))) {
        orders_begin(l);
        serve(l);
        orders_obey(l);
    }
}

/* Obeys one round of orders; what they bring about may be orders again. */
static void obey(struct link *l, uint32_t todo, struct sm_orders *given)
{
    char error[SM_WIRE_MAX];

    if (todo & SM_DO_SAY)
        relay_say(l, (struct span){given->text, given->text_len});
    if (todo & SM_DO_ASK && l->client)
        l->client->asks = true;
    if (todo & ~(SERVICE | SM_DO_CHECK_TCP)) /* what comes of these comes behind what was said */
        serve(l);
    else if (todo & SERVICE)
        put_off(l);
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
        orders_tell(l, (struct sm_event){.type = SM_READING, .count = !c->unread});
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

void orders_take_back(struct tools *tools)
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

/* Wakes the worker when the earliest of the core's sessions wants it. */
static void schedule(struct tools *tools, struct sm_core *core)
{
    uint64_t at = sm_core_deadline(core), now = tools_now();

    if (at >= tools->armed_ms)
        return;
    tools->armed_ms = at;
    ev_timer_stop(tools->loop, &tools->sessions_timer);
    ev_timer_set(&tools->sessions_timer, at > now ? (double)(at - now) / 1000 : 0., 0.);
    ev_timer_start(tools->loop, &tools->sessions_timer);
}

void orders_obey(struct link *l)
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
    schedule(l->tools, core);
    c = l->client;
    if (c && c->goes_on)
        upward_go_on(c);
}

/* --- deadlines and memory --- */

/* The next session that wants something; messages left behind that expire on the way are logged. */
static struct sm_session *next_due(struct sm_core *core)
{
    uint64_t lost = sm_core_counts(core).lost;
    struct sm_session *s = sm_core_due(core, tools_now());

    if ((lost = sm_core_counts(core).lost - lost))
        log_at(LOG_WARN, "undelivered", f_u64("lost", lost),
               f_str("why", "no session came to take them over"));
    return s;
}

void orders_deadlines(struct tools *tools)
{
    tools->armed_ms = UINT64_MAX;
    for (size_t i = 0; i < SM_ARENAS; i++) {
        struct sm_session *s;

        if (!tools->cores[i])
            continue;
        while ((s = next_due(tools->cores[i]))) {
            orders_begin(sm_session_user(s));
            orders_tell(sm_session_user(s), (struct sm_event){.type = SM_DEADLINE});
            orders_obey(sm_session_user(s));
        }
        schedule(tools, tools->cores[i]);
    }
}

/* Links that were not read for want of memory: nobody else says when there is some again. */
static void read_again(struct tools *tools)
{
    struct link *l, *next;

    for (l = LIST_FIRST(&tools->links); l; l = next) {
        next = LIST_NEXT(l, entry);
        if (l->session && !l->reads && !l->eof)
            orders_obey(l);
    }
}

void orders_relieve(struct tools *tools)
{
    for (size_t i = 0; i < SM_ARENAS; i++) {
        struct sm_session *s;

        while (tools->cores[i] && (s = sm_core_pressed(tools->cores[i]))) {
            orders_tell(sm_session_user(s),
                        (struct sm_event){.type = SM_FINISH, .end = SM_END_MEMORY});
            orders_obey(sm_session_user(s));
        }
    }
}

void orders_housekeeping(struct tools *tools)
{
    tools->armed_ms = UINT64_MAX; /* the loop's own clock stood still while the machine slept */
    for (size_t i = 0; i < SM_ARENAS; i++) {
        size_t offset, len;

        if (tools->cores[i])
            schedule(tools, tools->cores[i]);
        while (tools->cores[i] && sm_core_spare(tools->cores[i], &offset, &len))
            tools_give_back(tools, i, offset, len);
    }
    read_again(tools);
}

unsigned orders_finish_all(struct tools *tools, bool leave)
{
    unsigned ended = 0;

    for (size_t i = 0; i < SM_ARENAS; i++) {
        struct sm_core *core = tools->cores[i];
        struct sm_session *s = NULL, *next;

        for (s = core ? sm_core_next(core, NULL) : NULL; s; s = next) {
            struct link *l = sm_session_user(s);

            next = sm_core_next(core, s);
            if (leave && l->parked.lot)
                continue;
            orders_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_ORDERED});
            orders_obey(l);
            ended++;
        }
    }
    return ended;
}
