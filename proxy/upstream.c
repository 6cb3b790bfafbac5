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

enum { DIAL_MS = 5000 };

static size_t host_index(const struct link *l)
{
    return (size_t)(l->host - l->tools->conf->hosts);
}

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
        upstream_next(l, r);
        return;
    }
    ev_io_set(&l->readable, l->fd, EV_READ);
    ev_io_set(&l->writable, l->fd, EV_WRITE);
    ev_io_start(l->tools->loop, &l->writable);
    ev_timer_set(&l->timer, DIAL_MS / 1000., 0.);
    ev_timer_start(l->tools->loop, &l->timer);
}

void upstream_queue(struct link *l)
{
    struct gate *gate = &l->tools->gates[host_index(l)];

    if (gate->inside >= gate->most) {
        l->phase = LINK_IN_LINE;
        TAILQ_INSERT_TAIL(&gate->line, l, line);
        return;
    }
    gate->inside++;
    l->gated = true;
    dial(l);
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
        l->eof = true;
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
