/* SPDX-License-Identifier: MIT */
/*
 * One send for all that was written in a turn. Two buffers of the worker serve whoever
 * is at work: `gathered` has what becomes one record of TLS, and frames; `wire` what
 * the socket gets.
 */
#include "proxy/client_out.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "parser/element.h"
#include "proxy/net.h"

enum { GATHERED = 4096 }; /* bytes of XML at most that wait for what follows */

/* There was no memory for what should go out. */
static void spoiled(struct client *c)
{
    c->broken = true;
    client_drop_gathered(c); /* who writes next must find it empty */
    client_failed(c);
}

struct buffer *client_outlet(struct client *c)
{
    assert(!buffer_len(&c->tools->wire) || c->tools->wire_owner == c);
    c->tools->wire_owner = c;
    return buffer_len(&c->out) ? &c->out : &c->tools->wire;
}

/* What is said in a turn is said by few records, and one system call. */
static struct buffer *gathering(struct client *c)
{
    assert(!buffer_len(&c->tools->gathered) || c->tools->gathered_owner == c);
    c->tools->gathered_owner = c;
    return &c->tools->gathered;
}

static void encrypt(struct client *c, struct span bytes)
{
    if (c->tls) {
        tls_output(c->tls, client_outlet(c));
        if (!tls_write(c->tls, bytes))
            spoiled(c);
    } else if (!buffer_put(client_outlet(c), bytes)) {
        spoiled(c);
    }
}

/* A record costs more than a copy of what is small. */
static void put(struct client *c, struct span bytes)
{
    if (c->tls && bytes.len <= GATHERED) {
        if (!buffer_put(gathering(c), bytes))
            spoiled(c);
        return;
    }
    client_put_gathered(c);
    encrypt(c, bytes);
}

static bool mute(const struct client *c)
{
    return c->phase == CLIENT_DEAD || c->broken; /* nothing follows what is missing */
}

void client_write(struct client *c, struct span bytes)
{
    if (!mute(c))
        put(c, bytes);
}

void client_say(struct client *c, struct span elements)
{
    if (mute(c))
        return;
    if (!c->web)
        put(c, elements);
    else if (!websocket_say(gathering(c), elements))
        spoiled(c);
}

void client_send(struct client *c, struct span element)
{
    if (mute(c))
        return;
    if (!c->web)
        put(c, element);
    else if (!websocket_frame(gathering(c), WS_OP_TEXT, element))
        spoiled(c);
}

void client_say_close(struct client *c)
{
    client_say(c,
               c->web ? SPAN_LIT("<close xmlns='" NS_FRAMING "'/>") : SPAN_LIT("</stream:stream>"));
}

void client_close_frame(struct client *c, uint16_t code)
{
    if (!mute(c) && c->web && !websocket_close(gathering(c), code))
        spoiled(c);
}

void client_pong(struct client *c)
{
    struct websocket *w = c->web;

    if (!w || !w->pong_due || client_blocked(c))
        return;
    w->pong_due = false;
    if (!websocket_frame(gathering(c), WS_OP_PONG, (struct span){w->pong, w->pong_len}))
        spoiled(c);
    client_flush(c);
}

size_t client_unflushed(const struct client *c)
{
    return buffer_len(&c->tools->wire) + buffer_len(&c->tools->gathered);
}

/* Sends from `b`; the number of bytes that the kernel took, or -1 if the connection is broken. */
static ssize_t send_from(struct client *c, struct buffer *b)
{
    size_t sent = 0;

    while (sent < buffer_len(b)) {
        struct span rest = buffer_span(b);
        ssize_t n = send(c->fd, rest.p + sent, rest.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return -1;
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    return (ssize_t)sent;
}

/* Nothing more can be sent; why is told by the next read, also where reading was stopped. */
static void broken(struct client *c)
{
    c->broken = true;
    ev_io_stop(c->tools->loop, &c->writable);
    ev_io_start(c->tools->loop, &c->readable);
}

/* The worker's buffer keeps its memory: it is used again by the next connection. */
static void flush_wire(struct client *c)
{
    struct buffer *wire = &c->tools->wire;
    ssize_t sent = c->phase == CLIENT_DEAD ? -1 : send_from(c, wire);

    if (sent >= 0) {
        struct span rest = buffer_span(wire);

        c->wire_out += (uint64_t)sent;
        c->tools->counters.client_bytes_out += (uint64_t)sent;
        rest = (struct span){rest.p + sent, rest.len - (size_t)sent};
        if (!buffer_put(&c->out, rest))
            spoiled(c);
    } else if (c->phase != CLIENT_DEAD) {
        broken(c);
    }
    wire->start = wire->end = 0;
}

/* What was gathered goes the transport's way. */
void client_put_gathered(struct client *c)
{
    struct buffer *gathered = &c->tools->gathered;

    if (!buffer_len(gathered) || c->tools->gathered_owner != c)
        return;
    if (!mute(c))
        encrypt(c, buffer_span(gathered));
    gathered->start = gathered->end = 0;
}

void client_drop_gathered(struct client *c)
{
    if (c->tools->gathered_owner == c)
        c->tools->gathered.start = c->tools->gathered.end = 0;
}

void client_flush(struct client *c)
{
    client_put_gathered(c);
    if (buffer_len(&c->tools->wire)) {
        flush_wire(c);
    } else if (buffer_len(&c->out)) {
        ssize_t sent = send_from(c, &c->out);

        if (sent > 0) {
            buffer_take(&c->out, (size_t)sent);
            c->wire_out += (uint64_t)sent;
            c->tools->counters.client_bytes_out += (uint64_t)sent;
        } else if (sent < 0 && c->phase != CLIENT_DEAD) {
            broken(c);
        }
    }
    if (c->phase == CLIENT_DEAD || c->broken)
        return;
    if (buffer_len(&c->out) || !c->share) /* or the rest has its turn when others had theirs */
        ev_io_start(c->tools->loop, &c->writable);
    else
        ev_io_stop(c->tools->loop, &c->writable);
}

void client_wrote(struct client *c, uint32_t stanza)
{
    struct client_mark *newest = &c->marks[c->mark];

    if (newest->wire && newest->stanza == stanza)
        return;
    c->mark = (uint8_t)((c->mark + 1) % CLIENT_MARKS);
    c->marks[c->mark] = (struct client_mark){c->wire_out + buffer_len(&c->out), stanza};
}

bool client_reached(const struct client *c, uint32_t *stanza)
{
    int waiting = net_unacknowledged(c->fd);

    for (unsigned i = 0; waiting >= 0 && i < CLIENT_MARKS; i++) {
        const struct client_mark *m = &c->marks[(c->mark + CLIENT_MARKS - i) % CLIENT_MARKS];

        if (m->wire && m->wire + (uint64_t)waiting <= c->wire_out) {
            *stanza = m->stanza;
            return true;
        }
    }
    return false;
}
