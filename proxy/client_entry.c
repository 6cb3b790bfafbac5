/* SPDX-License-Identifier: MIT */
/*
 * Who has to wait since its address connects too fast waits in its own time: the
 * timer is the login's, and is set to the login's end again when the wait is over.
 */
#include "proxy/client_entry.h"

#include "parser/proxy_header.h"
#include "proxy/admission.h"
#include "proxy/log.h"

/* --- deadlines --- */

void client_deadline(struct client *c, uint64_t ms)
{
    ev_timer_stop(c->tools->loop, &c->timer);
    if (!ms)
        return;
    ev_timer_set(&c->timer, (double)ms / 1000, 0.);
    ev_timer_start(c->tools->loop, &c->timer);
}

uint64_t client_login_left(const struct client *c)
{
    uint64_t now = tools_now();

    return c->login_by_ms > now ? c->login_by_ms - now : 0;
}

void client_login_deadline(struct client *c)
{
    uint64_t left = client_login_left(c);

    client_deadline(c, left ? left : 1);
}

void client_login_begins(struct client *c)
{
    c->login_by_ms = tools_now() + c->tools->conf->limits.unauthenticated_timeout_ms;
    client_login_deadline(c);
}

/* --- its address --- */

bool client_take_proxy_header(struct client *c, struct span in)
{
    struct sockaddr_storage source;
    size_t used;

    if (buffer_len(&c->in.kept) + in.len > TOOLS_RECEIVE || !buffer_put(&c->in.kept, in)) {
        c->handler->ended(c, END_PROXY_HEADER);
        return false;
    }
    switch (proxy_header_read(buffer_span(&c->in.kept), &used, &source)) {
    case PROXY_HEADER_MORE:
        return false;
    case PROXY_HEADER_FINE:
        c->peer = source;
        break;
    case PROXY_HEADER_LOCAL:
        break;
    case PROXY_HEADER_BAD:
        c->handler->ended(c, END_PROXY_HEADER);
        return false;
    }
    c->expects_proxy = false;
    buffer_take(&c->in.kept, used);
    return true;
}

static void refuse(struct client *c, bool telling)
{
    c->tools->counters.refused_by_limit++;
    if (telling)
        log_at(LOG_WARN, "refused", f_u64("conn", c->id), f_str("listen", c->listen->name),
               f_addr("peer", (const struct sockaddr *)&c->peer),
               f_u32("limit", c->tools->conf->limits.connections_per_ip));
    c->handler->ended(c, END_CROWD);
}

static void delay(struct client *c, uint64_t ms)
{
    uint64_t left = client_login_left(c);

    c->tools->counters.delayed_by_limit++;
    c->delayed = true;
    client_read(c, false);
    client_deadline(c, ms < left ? ms : left ? left : 1);
}

bool client_admit(struct client *c)
{
    struct admission_answer answer =
        admission_enter(c->tools->admission, (const struct sockaddr *)&c->peer, tools_now());

    log_at(LOG_DEBUG, "accepted", f_u64("conn", c->id), f_str("listen", c->listen->name),
           f_addr("peer", (const struct sockaddr *)&c->peer));
    c->place = answer.place;
    if (answer.refused)
        refuse(c, answer.telling);
    else if (answer.wait_ms)
        delay(c, answer.wait_ms);
    return !answer.refused && !answer.wait_ms;
}

void client_give_place(struct client *c)
{
    admission_leave(c->tools->admission, c->place);
    c->place = NULL;
}

/* --- telling --- */

const char *client_stage(const struct client *c)
{
    static const char *const logins[LOGIN_STATES] = {
        [LOGIN_CLEAR] = "header",    [LOGIN_OFFERED] = "starttls", [LOGIN_SECURE] = "header",
        [LOGIN_AUTH] = "auth",       [LOGIN_EXCHANGE] = "auth",    [LOGIN_RESTART] = "header",
        [LOGIN_BIND] = "bind",       [LOGIN_BOUND] = "relayed",    [LOGIN_SESSION] = "session",
        [LOGIN_RESUMED] = "session",
    };

    if (c->phase != CLIENT_OPEN)
        return "closing";
    if (c->expects_proxy)
        return "proxy";
    if (c->delayed)
        return "delayed";
    if (client_owes_tls(c) || (c->tls && !tls_ready(c->tls)))
        return "tls";
    if (c->web && c->web->phase != WEBSOCKET_OPEN)
        return "upgrade";
    return logins[c->login];
}
