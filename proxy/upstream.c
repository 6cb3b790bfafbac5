/* SPDX-License-Identifier: MIT */
/*
 * A login is admitted, dialed, and greeted.
 */
#include "proxy/upstream.h"

#include <errno.h>
#include <unistd.h>

#include "parser/proxy_header.h"
#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/net.h"
#include "proxy/resolve.h"

enum {
    DIAL_MS = 5000,
    BEGUN_FOR_FRESH = 4, /* questions of logins that have begun, to one that begins */
};

static size_t host_index(const struct link *l)
{
    return (size_t)(l->host - l->tools->conf->hosts);
}

/* --- dialing --- */

static void dial(struct link *l)
{
    const struct conf_addresses *sources = &l->host->upstream_sources;
    struct conf_address to;
    const struct sockaddr *source = NULL;
    socklen_t source_len = 0;
    int r;

    l->phase = LINK_DIALING;
    if (!resolve_address(l->tools->resolve, host_index(l), l->address, &to)) {
        l->tools->counters.links_failed++;
        l->handler->failed(l);
        return;
    }
    for (size_t i = 0; i < sources->count && !source; i++) {
        const struct conf_address *s = &sources->at[(l->id + i) % sources->count];

        if (s->addr.ss_family == to.addr.ss_family) {
            source = (const struct sockaddr *)&s->addr;
            source_len = s->len;
        }
    }
    if ((r = net_dial(&l->fd, (const struct sockaddr *)&to.addr, to.len, source, source_len)) < 0) {
        l->fd = -1;
        l->starved = r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM;
        upstream_next(l, r);
        return;
    }
    ev_io_set(&l->readable, l->fd, EV_READ);
    ev_io_set(&l->writable, l->fd, EV_WRITE);
    ev_io_start(l->tools->loop, &l->writable);
    ev_timer_set(&l->timer, DIAL_MS / 1000., 0.);
    ev_timer_start(l->tools->loop, &l->timer);
}

void upstream_next(struct link *l, int error)
{
    log_at(LOG_WARN, "link_failed", f_u64("link", l->id), f_str("host", l->host->domain),
           f_size("address", l->address), f_err("why", error));
    ev_io_stop(l->tools->loop, &l->writable);
    ev_timer_stop(l->tools->loop, &l->timer);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    l->address++;
    dial(l);
}

static void say_who(struct link *l)
{
    char text[PROXY_HEADER_MAX];
    struct sink k = SINK(text);
    int version = l->host->upstream_proxy_protocol == CONF_UPSTREAM_PROXY_V1 ? 1 : 2;

    /* A balancer told the client's address, and the connection from it may be of the other family.
     */
    if (l->client_peer.ss_family != l->client_local.ss_family) {
        net_map(&l->client_peer);
        net_map(&l->client_local);
    }
    proxy_header_write(&k, version, (const struct sockaddr *)&l->client_peer,
                       (const struct sockaddr *)&l->client_local);
    l->sent += (uint64_t)k.len;
    if (!buffer_put(&l->out, sink_span(&k)))
        link_spoil(l);
}

void upstream_dialed(struct link *l)
{
    int r = net_dialed(l->fd);

    if (r < 0) {
        upstream_next(l, r);
        return;
    }
    ev_io_stop(l->tools->loop, &l->writable);
    ev_timer_stop(l->tools->loop, &l->timer);
    net_tune(l->fd, 0);
    l->phase = LINK_OPEN;
    l->tools->counters.links_opened++;
    log_at(LOG_DEBUG, "link_open", f_u64("link", l->id), f_str("host", l->host->domain),
           f_u64("conn", l->client ? l->client->id : 0));
    if (l->host->upstream_proxy_protocol != CONF_UPSTREAM_PROXY_NO)
        say_who(l);
    link_read(l, true);
    if (l->host->upstream_tls == CONF_UPSTREAM_TLS && !link_start_tls(l, true)) {
        upstream_next(l, -ENOMEM);
        return;
    }
    l->handler->opened(l);
    link_flush(l);
}

/* --- turns --- */

static struct gate *gate_of(const struct link *l)
{
    return &l->tools->gates[host_index(l)];
}

static struct link_line *line_of(const struct link *l)
{
    return l->phase == LINK_IN_LINE ? &gate_of(l)->fresh : &gate_of(l)->begun;
}

/* Logins that have begun come first, so that some are done before their time is over; but they do
 * not keep all others out, for a login has about five questions. */
static struct link *next_in_line(const struct gate *gate)
{
    struct link *fresh = TAILQ_FIRST(&gate->fresh), *begun = TAILQ_FIRST(&gate->begun);

    if (!begun || (fresh && gate->called % (BEGUN_FOR_FRESH + 1) == 0))
        return fresh;
    return begun;
}

/* A link that finds no server gives its turn back at once, and there may be thousands of them. */
static void call(struct gate *gate)
{
    struct link *next;

    if (gate->calling)
        return;
    gate->calling = true;
    while (gate->inside < gate->most && (next = next_in_line(gate))) {
        TAILQ_REMOVE(line_of(next), next, line);
        next->in_line = false;
        next->gated = true;
        gate->inside++;
        gate->called++;
        if (next->phase == LINK_IN_LINE)
            dial(next);
        else
            link_flush(next);
    }
    gate->calling = false;
}

void upstream_take_turn(struct link *l)
{
    if (l->gated || l->in_line)
        return;
    l->in_line = true;
    TAILQ_INSERT_TAIL(line_of(l), l, line);
    call(gate_of(l));
}

void upstream_give_turn(struct link *l)
{
    if (l->in_line)
        TAILQ_REMOVE(line_of(l), l, line);
    else if (l->gated)
        gate_of(l)->inside--;
    else
        return;
    l->in_line = l->gated = false;
    call(gate_of(l));
}
