/* SPDX-License-Identifier: MIT */
/*
 * One recv a wake-up: into the arena's staging area when the link is a session's,
 * so that a crash finds the bytes there.
 */
#include "proxy/link.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/client.h"
#include "proxy/descriptors.h"
#include "proxy/log.h"
#include "proxy/net.h"
#include "proxy/text.h"
#include "proxy/upstream.h"
#include "sm/pool.h"

enum { LEAVE_MS = 5000, REST_TURNS = 3 };

static void on_readable(struct ev_loop *, ev_io *w, int);
static void on_writable(struct ev_loop *, ev_io *w, int);
static void on_timer(struct ev_loop *, ev_timer *w, int);

size_t link_stanza_max(const struct conf *conf)
{
    return conf->sm.queue_bytes > conf->limits.stanza_bytes ? conf->sm.queue_bytes
                                                            : conf->limits.stanza_bytes;
}

static uint64_t next_id(struct tools *tools)
{
    return tools->next_id++ << 8 | (tools->index & 0xff);
}

static void prepare(struct link *l, const struct conf *conf)
{
    inflow_init(&l->in, link_stanza_max(conf));
    ev_init(&l->readable, on_readable);
    ev_init(&l->writable, on_writable);
    ev_init(&l->timer, on_timer);
    ev_set_priority(&l->timer, TOOLS_CLOCKS);
    TAILQ_INIT(&l->successors);
}

/* Links outlive their clients, and some move between threads. */
static struct pool pool = POOL(sizeof(struct link));
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

static struct link *take_link(void)
{
    struct link *l;

    pthread_mutex_lock(&pool_lock);
    l = pool_take(&pool);
    pthread_mutex_unlock(&pool_lock);
    return l;
}

static void give_link(struct link *l)
{
    pthread_mutex_lock(&pool_lock);
    pool_give(&pool, l);
    pthread_mutex_unlock(&pool_lock);
}

struct link *link_new(struct client *c, const struct link_handler *handler)
{
    struct link *l = take_link();
    socklen_t len = sizeof l->client_local;

    if (!l)
        return NULL;
    l->fd = -1;
    l->handler = handler;
    l->host = c->host;
    l->client = c;
    l->client_peer = c->peer;
    (void)getsockname(c->fd, (struct sockaddr *)&l->client_local, &len);
    net_unmap(&l->client_local);
    l->id = next_id(c->tools);
    prepare(l, c->tools->conf);
    l->phase = LINK_IN_LINE;
    link_arrive(l, c->tools);
    if (c->promised)
        c->promised = false;
    else
        descriptors_take(l->tools->descriptors, 1);
    l->counted = true;
    c->link = l;
    upstream_take_turn(l);
    return l;
}

struct link *link_found(struct tools *tools, struct sm_session *session, int fd,
                        const struct conf_host *host, const struct link_handler *handler)
{
    struct link *l = take_link();

    if (!l)
        return NULL;
    l->fd = fd;
    l->handler = handler;
    l->host = host;
    l->session = session;
    l->id = next_id(tools);
    l->stage = LINK_READY;
    l->modern = true;
    l->eof = fd < 0;
    prepare(l, tools->conf);
    ev_io_set(&l->readable, fd, EV_READ);
    ev_io_set(&l->writable, fd, EV_WRITE);
    l->phase = LINK_OPEN;
    link_arrive(l, tools);
    descriptors_take(tools->descriptors, 1);
    l->counted = true;
    if (session)
        sm_session_set_user(session, l);
    return l;
}

void link_arrive(struct link *l, struct tools *tools)
{
    l->tools = tools;
    l->readable.data = l->writable.data = l->timer.data = l;
    LIST_INSERT_HEAD(&tools->links, l, entry);
    if (l->phase == LINK_OPEN) {
        link_read(l, l->reads);
        if (buffer_len(&l->out))
            ev_io_start(tools->loop, &l->writable);
    }
}

void link_depart(struct link *l)
{
    upstream_give_turn(l);
    ev_io_stop(l->tools->loop, &l->readable);
    ev_io_stop(l->tools->loop, &l->writable);
    ev_timer_stop(l->tools->loop, &l->timer);
    LIST_REMOVE(l, entry);
}

void link_read(struct link *l, bool on)
{
    l->reads = on;
    if ((on || l->broken) && (l->phase == LINK_OPEN || l->phase == LINK_LEAVING) && !l->eof)
        ev_io_start(l->tools->loop, &l->readable);
    else
        ev_io_stop(l->tools->loop, &l->readable);
}

bool link_start_tls(struct link *l, bool direct)
{
    size_t host = (size_t)(l->host - l->tools->conf->hosts);

    if (tls_dial(&l->tls, l->tools->tls, host, l->host->ascii, direct) < 0)
        return false;
    tls_output(l->tls, &l->out);
    tls_greet(l->tls);
    return true;
}

void link_spoil(struct link *l)
{
    l->broken = true;
    (void)shutdown(l->fd, SHUT_RDWR);
    ev_io_stop(l->tools->loop, &l->writable);
    ev_io_start(l->tools->loop, &l->readable);
}

void link_write(struct link *l, struct span bytes)
{
    if (l->phase != LINK_OPEN || l->broken) /* nothing follows what is missing */
        return;
    if (l->tls && tls_ready(l->tls)) {
        tls_output(l->tls, &l->out);
        if (!tls_write(l->tls, bytes))
            link_spoil(l);
    } else if (!buffer_put(l->tls ? &l->early : &l->out, bytes)) {
        link_spoil(l);
    }
    l->sent += bytes.len;
}

void link_puts(struct link *l, const char *text)
{
    link_write(l, span_of(text));
}

bool link_blocked(const struct link *l)
{
    return buffer_len(&l->out) > 0 || l->broken || l->phase == LINK_DIALING ||
           l->phase == LINK_IN_LINE;
}

static ssize_t send_now(struct link *l, struct span bytes)
{
    ssize_t n;

    do
        n = send(l->fd, bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) { /* why is told by the next read */
            l->broken = true;
            ev_io_stop(l->tools->loop, &l->writable);
            ev_io_start(l->tools->loop, &l->readable);
        }
        return 0;
    }
    l->tools->counters.link_bytes_out += (uint64_t)n;
    return n;
}

void link_flush(struct link *l)
{
    if (l->in_line)
        return;
    while ((l->phase == LINK_OPEN || l->phase == LINK_LEAVING) && buffer_len(&l->out)) {
        ssize_t n = send_now(l, buffer_span(&l->out));

        if (!n)
            break;
        buffer_take(&l->out, (size_t)n);
    }
    if ((l->phase != LINK_OPEN && l->phase != LINK_LEAVING) || l->broken)
        return;
    if (buffer_len(&l->out))
        ev_io_start(l->tools->loop, &l->writable);
    else
        ev_io_stop(l->tools->loop, &l->writable);
}

size_t link_send(struct link *l, struct span bytes)
{
    ssize_t n;

    if (l->phase != LINK_OPEN || link_blocked(l))
        return 0;
    if (l->tls) {
        link_write(l, bytes);
        link_flush(l);
        return bytes.len;
    }
    n = send_now(l, bytes);
    l->sent += (uint64_t)n;
    if ((size_t)n < bytes.len && !l->broken)
        ev_io_start(l->tools->loop, &l->writable);
    return (size_t)n;
}

static void take_ciphertext(struct link *l, struct span cipher)
{
    while (l->phase == LINK_OPEN) {
        bool was_ready = tls_ready(l->tls);
        ssize_t n;

        tls_output(l->tls, &l->out);
        n = tls_read(l->tls, &cipher, l->tools->plain, sizeof l->tools->plain);
        if (!was_ready && tls_ready(l->tls)) {
            struct buffer early = l->early;

            l->early = (struct buffer){0};
            if (!tls_write(l->tls, buffer_span(&early)))
                link_spoil(l);
            buffer_clear(&early);
        }
        link_flush(l);
        if (n > 0) {
            l->handler->bytes(l, (struct span){l->tools->plain, (size_t)n});
        } else if (n == TLS_MORE) {
            return;
        } else {
            log_at(LOG_WARN, "link_tls_failed", f_u64("link", l->id),
                   f_str("host", l->host->domain),
                   f_str("why", n == TLS_CLOSED ? "closed" : tls_failure(l->tls)));
            l->eof = true;
            l->handler->closed(l, n == TLS_CLOSED ? 0 : -EPROTO);
            return;
        }
    }
}

/* Where to receive: bytes for a session have to be where a successor of this process finds them. */
static char *staging(struct link *l, size_t *max)
{
    if (!l->session || l->tls) {
        *max = sizeof l->tools->received;
        return l->tools->received;
    }
    sm_core_post(sm_session_core(l->session), l->session);
    *max = SM_STAGING;
    return sm_core_staging(sm_session_core(l->session));
}

/* No XML holds a zero: so a successor can tell a byte that was received from the server's end,
 * which counts as one (kernel.h). */
static void blank(const struct link *l, char *staging, size_t len)
{
    if (staging != l->tools->received)
        memset(staging, 0, len);
}

static void on_readable(struct ev_loop *, ev_io *w, int)
{
    struct link *l = w->data;
    size_t max;
    char *to;
    ssize_t n;

    client_fetch(l->client); /* while the kernel copies */
    if (l->session)
        sm_fetch(l->session);
    to = staging(l, &max);
    n = recv(l->fd, to, max, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        l->eof = true;
        link_read(l, false);
        if (l->phase == LINK_LEAVING)
            link_drop(l);
        else
            l->handler->closed(l, n < 0 ? -errno : 0);
        return;
    }
    l->tools->counters.link_bytes_in += (uint64_t)n;
    if (l->phase != LINK_LEAVING) {
        l->received += (uint64_t)n;
        if (l->tls)
            take_ciphertext(l, (struct span){to, (size_t)n});
        else
            l->handler->bytes(l, (struct span){to, (size_t)n});
    }
    blank(l, to, (size_t)n);
}

static void shut_when_empty(struct link *l)
{
    if (!buffer_len(&l->out))
        (void)shutdown(l->fd, SHUT_WR);
}

static void on_writable(struct ev_loop *, ev_io *w, int)
{
    struct link *l = w->data;

    if (l->phase == LINK_DIALING) {
        upstream_dialed(l);
        return;
    }
    link_flush(l);
    if (l->phase == LINK_LEAVING)
        shut_when_empty(l);
    else if (!buffer_len(&l->out))
        l->handler->drained(l);
}

static void on_timer(struct ev_loop *, ev_timer *w, int)
{
    struct link *l = w->data;

    if (l->phase == LINK_DIALING)
        upstream_next(l, -ETIMEDOUT);
    else
        link_drop(l);
}

void link_end_stream(struct link *l)
{
    if (!l->ended)
        link_puts(l, "</stream:stream>");
    l->ended = true;
}

void link_leave(struct link *l, bool word)
{
    if (l->phase == LINK_LEAVING || l->phase == LINK_DEAD)
        return;
    l->client = NULL;
    if (l->phase != LINK_OPEN || l->eof || l->in_line) { /* what waits in line is not wanted now */
        link_drop(l);
        return;
    }
    if (word)
        link_end_stream(l);
    if (l->tls && tls_ready(l->tls)) {
        tls_output(l->tls, &l->out);
        tls_close(l->tls);
    }
    upstream_give_turn(l);
    l->phase = LINK_LEAVING;
    link_flush(l);
    shut_when_empty(l);
    link_read(l, true);
    ev_timer_stop(l->tools->loop, &l->timer);
    ev_timer_set(&l->timer, LEAVE_MS / 1000., 0.);
    ev_timer_start(l->tools->loop, &l->timer);
}

/* While a duplicate is parked, closing ours would end nothing. */
static void end_parked(struct link *l)
{
    if (l->parked.lot)
        net_end(l->fd);
    parking_leave(&l->parked);
}

static void close_socket(struct link *l)
{
    if (l->counted)
        descriptors_give(l->tools->descriptors, 1);
    if (l->fd >= 0)
        close(l->fd);
    l->counted = false;
    l->fd = -1;
}

void link_drop(struct link *l)
{
    if (l->phase == LINK_DEAD)
        return;
    l->rests = l->parked.lot && l->fd >= 0 ? REST_TURNS : 0;
    end_parked(l);
    log_at(LOG_DEBUG, "link_closed", f_u64("link", l->id), f_str("host", l->host->domain));
    link_depart(l);
    l->phase = LINK_DEAD;
    if (!l->rests)
        close_socket(l);
    LIST_INSERT_HEAD(&l->tools->dead_links, l, entry);
}

bool link_rests(struct link *l)
{
    return l->rests && --l->rests;
}

void link_forsake(struct link *l)
{
    parking_leave(&l->parked);
    link_drop(l);
}

void link_free(struct link *l)
{
    struct negotiation *n;

    while ((n = TAILQ_FIRST(&l->successors)))
        client_succeed_no_more(n);
    close_socket(l);
    LIST_REMOVE(l, entry);
    tls_free(l->tls);
    inflow_clear(&l->in);
    buffer_clear(&l->out);
    buffer_clear(&l->early);
    text_free(&l->id_text);
    text_free(&l->lang);
    text_free(&l->prefixes);
    text_free(&l->gave_lang);
    text_free(&l->gave_prefixes);
    text_free(&l->error);
    give_link(l);
}
