/* SPDX-License-Identifier: MIT */
/*
 * One recv a wake-up, whatever the transport. What goes out is in client_out.c.
 */
#include "proxy/client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/client_entry.h"
#include "proxy/client_line.h"
#include "proxy/client_out.h"
#include "proxy/descriptors.h"
#include "proxy/link.h"
#include "proxy/log.h"
#include "proxy/net.h"
#include "proxy/text.h"

enum {
    LINGER_MS = 2000,
    USER_TIMEOUT_MS = 60000, /* written bytes that the client's TCP does not acknowledge */
};

static void on_readable(struct ev_loop *, ev_io *w, int);
static void on_writable(struct ev_loop *, ev_io *w, int);
static void on_timer(struct ev_loop *, ev_timer *w, int);

struct client *client_new(struct tools *tools, int fd, const struct conf_listen *listen,
                          const struct sockaddr_storage *peer, const struct client_handler *handler)
{
    struct client *c = calloc(1, sizeof *c);

    if (!c || !(c->login_data = calloc(1, sizeof *c->login_data))) {
        free(c);
        close(fd);
        return NULL;
    }
    c->login_data->client = c;
    c->fd = fd;
    c->listen = listen;
    c->handler = handler;
    c->peer = *peer;
    c->id = tools->next_id++ << 8 | (tools->index & 0xff);
    c->began_ms = tools_now();
    c->expects_proxy = listen->proxy_protocol;
    c->login = listen->transport == CONF_STARTTLS ? LOGIN_CLEAR : LOGIN_SECURE;
    c->failed = listen->transport == CONF_WS && websocket_new(&c->web) < 0;
    inflow_init(&c->in, tools->conf->limits.stanza_bytes_unauthenticated);
    net_tune(fd, USER_TIMEOUT_MS);
    ev_io_init(&c->readable, on_readable, fd, EV_READ);
    ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
    ev_init(&c->timer, on_timer);
    ev_set_priority(&c->timer, TOOLS_CLOCKS);
    client_arrive(c, tools);
    descriptors_take(tools->descriptors, 2);
    c->promised = true;
    client_read(c, true);
    client_login_begins(c);
    if (c->failed)
        client_failed(c);
    return c;
}

void client_arrive(struct client *c, struct tools *tools)
{
    c->tools = tools;
    c->readable.data = c->writable.data = c->timer.data = c;
    LIST_INSERT_HEAD(&tools->clients, c, entry);
    if (buffer_len(&c->out))
        ev_io_start(tools->loop, &c->writable);
}

void client_leave(struct client *c)
{
    client_line_leave(c);
    if (c->login_data)
        client_succeed_no_more(c->login_data);
    ev_io_stop(c->tools->loop, &c->readable);
    ev_io_stop(c->tools->loop, &c->writable);
    ev_timer_stop(c->tools->loop, &c->timer);
    LIST_REMOVE(c, entry);
}

void client_read(struct client *c, bool on)
{
    if ((on || c->broken) && c->phase != CLIENT_DEAD)
        ev_io_start(c->tools->loop, &c->readable);
    else
        ev_io_stop(c->tools->loop, &c->readable);
}

bool client_blocked(const struct client *c)
{
    return c->phase != CLIENT_OPEN || c->broken || c->failed || buffer_len(&c->out) > 0;
}

void client_failed(struct client *c)
{
    c->failed = true;
    if (c->phase == CLIENT_OPEN)
        ev_feed_event(c->tools->loop, &c->readable, EV_READ);
}

bool client_start_tls(struct client *c)
{
    size_t host = c->host ? (size_t)(c->host - c->tools->conf->hosts) : 0;
    enum tls_serves serves = c->listen->transport == CONF_WSS   ? TLS_WEB
                             : c->listen->transport == CONF_TLS ? TLS_BOTH
                                                                : TLS_STREAM;

    return tls_accept(&c->tls, c->tools->tls, host, serves) == 0;
}

/* --- reading --- */

/* The handshake is done: what is spoken inside is known. False: no memory. */
static bool secured(struct client *c)
{
    bool web = c->listen->transport == CONF_WSS ||
               (c->listen->transport == CONF_TLS && tls_chose_web(c->tls));

    c->tools->counters.handshakes++;
    log_at(LOG_DEBUG, "tls_ready", f_u64("conn", c->id), f_str("version", tls_version(c->tls)));
    return !web || websocket_new(&c->web) == 0;
}

/* Decrypts and hands on, until the ciphertext is used up or the client is no longer open. */
static void take_ciphertext(struct client *c, struct span cipher)
{
    while (c->phase == CLIENT_OPEN) {
        bool was_ready = tls_ready(c->tls), secret = !login_authenticated(c->login);
        ssize_t n;

        tls_output(c->tls, client_outlet(c));
        n = tls_read(c->tls, &cipher, c->tools->plain, sizeof c->tools->plain);
        if (buffer_len(&c->tools->wire)) /* the handshake's bytes, a ticket, an alert */
            client_flush(c);
        if (!was_ready && tls_ready(c->tls) && !secured(c)) {
            c->handler->ended(c, END_MEMORY);
            return;
        }
        if (n > 0) {
            c->handler->bytes(c, (struct span){c->tools->plain, (size_t)n});
            if (secret)
                explicit_bzero(c->tools->plain, (size_t)n);
            if (tls_drained(c->tls, cipher)) /* another look would cost as much as a stanza */
                return;
        } else if (n == TLS_MORE) {
            return;
        } else {
            if (n == TLS_FAILED) {
                c->tools->counters.tls_failures++;
                log_at(LOG_INFO, "tls_failed", f_u64("conn", c->id),
                       f_addr("peer", (const struct sockaddr *)&c->peer),
                       f_str("why", tls_failure(c->tls)));
            }
            c->handler->ended(c, n == TLS_CLOSED   ? END_TLS_CLOSED
                                 : n == TLS_FAILED ? END_TLS
                                                   : END_MEMORY);
            return;
        }
    }
}

static void take_bytes(struct client *c, struct span in)
{
    if (client_owes_tls(c) && !client_start_tls(c))
        c->handler->ended(c, END_MEMORY);
    else if (c->tls)
        take_ciphertext(c, in);
    else if (in.len)
        c->handler->bytes(c, in);
}

/* Bytes that came with the PROXY header. */
static void take_kept(struct client *c)
{
    struct buffer kept = c->in.kept;

    c->in.kept = (struct buffer){0};
    take_bytes(c, buffer_span(&kept));
    buffer_clear(&kept);
}

static void take_received(struct client *c, struct span in)
{
    if (!c->expects_proxy)
        take_bytes(c, in);
    else if (client_take_proxy_header(c, in) && client_admit(c))
        take_kept(c);
}

static void on_readable(struct ev_loop *, ev_io *w, int)
{
    struct client *c = w->data;
    struct tools *tools = c->tools;
    ssize_t n;

    link_fetch(c->link); /* while the kernel copies */
    if (c->failed && c->phase == CLIENT_OPEN) {
        c->handler->ended(c, END_MEMORY);
        return;
    }
    if (!client_line_pass(c))
        return;
    n = recv(c->fd, tools->received, sizeof tools->received, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (c->phase == CLIENT_LINGERING) {
        if (n <= 0)
            client_drop(c);
        return;
    }
    if (n <= 0) {
        c->handler->ended(c, n == 0 ? END_FIN : END_RESET);
        return;
    }
    tools->counters.client_bytes_in += (uint64_t)n;
    if (c->link && c->link->session)
        sm_fetch(c->link->session); /* while TLS decrypts */
    if (client_shakes_hands(c)) {
        ev_tstamp began = ev_time();

        take_received(c, (struct span){tools->received, (size_t)n});
        client_line_took(tools, ev_time() - began);
    } else {
        take_received(c, (struct span){tools->received, (size_t)n});
    }
}

static void shut_when_empty(struct client *c)
{
    if (!buffer_len(&c->out))
        (void)shutdown(c->fd, SHUT_WR);
}

static void on_writable(struct ev_loop *, ev_io *w, int)
{
    struct client *c = w->data;

    client_flush(c);
    if (c->phase == CLIENT_LINGERING)
        shut_when_empty(c);
    else if (!buffer_len(&c->out))
        c->handler->drained(c);
}

static void delay_over(struct client *c)
{
    c->delayed = false;
    client_login_deadline(c);
    client_read(c, true);
    if (c->web && c->web->phase == WEBSOCKET_ASKED)
        c->handler->bytes(c, SPAN_NONE);
    else
        take_kept(c);
}

static void on_timer(struct ev_loop *, ev_timer *w, int)
{
    struct client *c = w->data;

    if (c->phase == CLIENT_LINGERING)
        client_drop(c);
    else if (c->delayed && client_login_left(c))
        delay_over(c);
    else
        c->handler->late(c);
}

void client_finish(struct client *c)
{
    if (c->phase != CLIENT_OPEN)
        return;
    client_put_gathered(c);
    if (c->tls) {
        tls_output(c->tls, client_outlet(c));
        tls_close(c->tls);
    }
    client_flush(c);
    c->phase = CLIENT_LINGERING;
    client_read(c, true);
    client_deadline(c, LINGER_MS);
    shut_when_empty(c);
}

void client_drop(struct client *c)
{
    if (c->phase == CLIENT_DEAD)
        return;
    client_drop_gathered(c);
    client_leave(c);
    client_give_place(c);
    descriptors_give(c->tools->descriptors, c->promised ? 2 : 1);
    c->phase = CLIENT_DEAD;
    close(c->fd);
    c->fd = -1;
    LIST_INSERT_HEAD(&c->tools->dead_clients, c, entry);
}

void client_free(struct client *c)
{
    LIST_REMOVE(c, entry);
    if (c->login_data)
        client_login_done(c);
    tls_free(c->tls);
    websocket_free(c->web);
    inflow_clear(&c->in);
    buffer_clear(&c->out);
    buffer_clear(&c->say);
    text_free(&c->jid);
    text_free(&c->lang);
    text_free(&c->prefixes);
    text_free(&c->said_lang);
    text_free(&c->said_prefixes);
    free(c);
}

void client_succeed(struct client *c, struct link *old)
{
    struct negotiation *n = c->login_data;

    client_succeed_no_more(n);
    n->awaited = old;
    TAILQ_INSERT_TAIL(&old->successors, n, successor);
}

void client_succeed_no_more(struct negotiation *n)
{
    if (n->awaited)
        TAILQ_REMOVE(&n->awaited->successors, n, successor);
    n->awaited = NULL;
}

void client_login_done(struct client *c)
{
    struct negotiation *n = c->login_data;

    if (!n)
        return;
    client_succeed_no_more(n);
    text_free(&n->account);
    text_free(&n->bind_id);
    text_free(&n->resource);
    text_free(&n->previd);
    free(n);
    c->login_data = NULL;
}
