/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL reads ahead, so that a record costs one recv; and it is asked again only while it
 * holds something, for the loop tells of the socket itself.
 */
#include "tests/bench/channel.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_MAX = 16384 };

static void want_writable(struct channel *c, bool wanted)
{
    if (wanted)
        ev_io_start(c->loop, &c->writable);
    else
        ev_io_stop(c->loop, &c->writable);
}

static void ended(struct channel *c)
{
    ERR_clear_error();
    channel_cut(c);
    c->tell(c, CHANNEL_ENDED);
}

/* True if TLS only waits for the socket. */
static bool only_waits(struct channel *c, int result)
{
    int why = SSL_get_error(c->ssl, result);

    if (why == SSL_ERROR_WANT_WRITE)
        want_writable(c, true);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static void shake_hands(struct channel *c)
{
    int r = SSL_do_handshake(c->ssl);

    if (r == 1) {
        c->secure = true;
        c->tell(c, CHANNEL_SECURE);
    } else if (!only_waits(c, r)) {
        ended(c);
    }
}

void channel_flush(struct channel *c)
{
    while (c->fd >= 0 && c->connected && bytes_len(&c->out)) {
        char *p = bytes_front(&c->out);
        size_t len = bytes_len(&c->out), sent = 0;

        if (c->ssl) {
            int r = c->secure ? SSL_write_ex(c->ssl, p, len, &sent) : -1;

            if (r <= 0 && (!c->secure || only_waits(c, r)))
                return;
        } else {
            ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

            if (n < 0 && errno == EAGAIN) {
                want_writable(c, true);
                return;
            }
            sent = n > 0 ? (size_t)n : 0;
        }
        if (!sent) { /* its end comes when it is read */
            bytes_clear(&c->out);
            break;
        }
        bytes_take(&c->out, sent);
    }
    if (c->fd >= 0)
        want_writable(c, false);
}

/* Reads once, as much as is there. False: it is over, or nothing was there. */
static bool read_some(struct channel *c)
{
    char *room = bytes_room(&c->in, READ_MAX);
    size_t len = 0;

    if (c->ssl) {
        int r = SSL_read_ex(c->ssl, room, READ_MAX, &len);

        if (r <= 0) {
            if (!only_waits(c, r))
                ended(c);
            return false;
        }
    } else {
        ssize_t n = recv(c->fd, room, READ_MAX, 0);

        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0) {
            ended(c);
            return false;
        }
        len = (size_t)n;
    }
    bytes_filled(&c->in, len);
    return true;
}

static void on_readable(struct ev_loop *, ev_io *w, int)
{
    struct channel *c = w->data;

    if (c->ssl && !c->secure) {
        shake_hands(c);
        return;
    }
    while (c->fd >= 0 && read_some(c)) {
        c->tell(c, CHANNEL_BYTES);
        if (c->fd < 0 || !c->ssl || !c->secure || !SSL_has_pending(c->ssl))
            break;
    }
    if (c->fd >= 0 && !bytes_len(&c->in))
        bytes_clear(&c->in);
}

static void on_writable(struct ev_loop *, ev_io *w, int)
{
    struct channel *c = w->data;
    int error = 0;
    socklen_t len = sizeof error;

    if (!c->connected) {
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
            ended(c);
            return;
        }
        c->connected = true;
        want_writable(c, false);
        ev_io_start(c->loop, &c->readable);
        c->tell(c, CHANNEL_OPEN);
    } else if (c->ssl && !c->secure) {
        want_writable(c, false);
        shake_hands(c);
    } else {
        channel_flush(c);
    }
}

bool channel_open(struct channel *c, struct ev_loop *loop, const struct sockaddr_in *to)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS) {
        close(fd);
        return false;
    }
    c->loop = loop;
    c->fd = fd;
    c->connected = c->secure = false;
    c->scan = (struct scan){0};
    ev_io_init(&c->readable, on_readable, fd, EV_READ);
    ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
    c->readable.data = c->writable.data = c;
    want_writable(c, true);
    return true;
}

void channel_secure(struct channel *c, SSL_CTX *ctx, const char *domain)
{
    if (!(c->ssl = SSL_new(ctx)) || !SSL_set_fd(c->ssl, c->fd) ||
        !SSL_set_tlsext_host_name(c->ssl, domain))
        abort();
    SSL_set_connect_state(c->ssl);
    c->scan = (struct scan){0};
    bytes_clear(&c->in);
    shake_hands(c);
}

enum scan_found channel_next(struct channel *c, struct text *out)
{
    return c->fd < 0 ? SCAN_MORE : items_next(&c->scan, &c->in, out);
}

void channel_cut(struct channel *c)
{
    if (c->fd < 0)
        return;
    ev_io_stop(c->loop, &c->readable);
    ev_io_stop(c->loop, &c->writable);
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
    c->fd = -1;
    bytes_clear(&c->in);
    bytes_clear(&c->out);
}

SSL_CTX *channel_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION))
        abort();
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    return ctx;
}
