/* SPDX-License-Identifier: MIT */
/*
 * TLS runs over memory BIOs, so that every byte of ciphertext passes through here, and can be
 * stopped.
 */
#include "tests/load/wire.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_MAX = 65536, PLAIN_MAX = 16384 };

/* --- out --- */

static void collect(struct wire *w)
{
    BIO *bio = SSL_get_wbio(w->ssl);
    size_t len = BIO_ctrl_pending(bio);

    if (!len)
        return;
    if (BIO_read(bio, bytes_room(&w->out, len), (int)len) != (int)len)
        abort();
    bytes_filled(&w->out, len);
    w->put += len;
}

uint64_t wire_put(struct wire *w, const void *p, size_t len)
{
    if (w->fd < 0 || !len)
        return w->put;
    if (w->ssl) {
        if (SSL_write(w->ssl, p, (int)len) != (int)len)
            ERR_clear_error(); /* the other side's alert; its end comes when it is read */
        collect(w);
    } else {
        bytes_put(&w->out, p, len);
        w->put += len;
    }
    return w->put;
}

uint64_t wire_puts(struct wire *w, const char *s)
{
    return wire_put(w, s, strlen(s));
}

static void blow(struct wire *w)
{
    if (w->blown)
        return;
    wire_stick(w);
    w->blown = true;
    ev_timer_set(&w->spark, 0., 0.);
    ev_timer_start(w->loop, &w->spark);
}

void wire_flush(struct wire *w)
{
    while (w->fd >= 0 && w->connected && !w->deaf && bytes_len(&w->out)) {
        uint64_t left = w->fuse_up - w->sent;
        size_t len = bytes_len(&w->out) < left ? bytes_len(&w->out) : (size_t)left;
        ssize_t n = len ? send(w->fd, bytes_front(&w->out), len, MSG_NOSIGNAL) : 0;

        if (n < 0 && errno == EAGAIN) {
            ev_io_start(w->loop, &w->writable);
            return;
        }
        if (n < 0) { /* what it still had to say is read first, then its end */
            bytes_clear(&w->out);
            break;
        }
        w->sent += (uint64_t)n;
        bytes_take(&w->out, (size_t)n);
        if (w->sent >= w->fuse_up) {
            blow(w);
            return;
        }
    }
    ev_io_stop(w->loop, &w->writable);
}

/* --- in --- */

static void ended(struct wire *w, const char *why)
{
    w->why = why;
    ev_io_stop(w->loop, &w->readable);
    w->tell(w, WIRE_ENDED);
}

/* What there is to decrypt. False: the layer ended, and the owner was told. */
static bool decrypt(struct wire *w)
{
    int n;

    if (!w->secure) {
        n = SSL_do_handshake(w->ssl);
        collect(w);
        if (n == 1) {
            w->secure = true;
            w->tell(w, WIRE_SECURE);
            if (w->fd < 0)
                return false;
        } else if (SSL_get_error(w->ssl, n) != SSL_ERROR_WANT_READ) {
            ERR_clear_error();
            ended(w, "tls handshake failed");
            return false;
        }
        wire_flush(w);
    }
    while ((n = SSL_read(w->ssl, bytes_room(&w->in, PLAIN_MAX), PLAIN_MAX)) > 0)
        bytes_filled(&w->in, (size_t)n);
    switch (SSL_get_error(w->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        return true;
    case SSL_ERROR_ZERO_RETURN:
        if (bytes_len(&w->in))
            w->tell(w, WIRE_BYTES);
        if (w->fd >= 0)
            ended(w, "close_notify");
        return false;
    default:
        ERR_clear_error();
        ended(w, "tls failed");
        return false;
    }
}

static void on_readable(struct ev_loop *, ev_io *io, int)
{
    static char chunk[READ_MAX]; /* all of it is passed on before the next is read */
    struct wire *w = io->data;
    uint64_t left = w->fuse_down - w->received;
    ssize_t n = recv(w->fd, chunk, left < sizeof chunk ? (size_t)left : sizeof chunk, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        ended(w, n < 0 ? "reset" : "closed");
        return;
    }
    w->received += (uint64_t)n;
    if (w->ssl) {
        if (BIO_write(SSL_get_rbio(w->ssl), chunk, (int)n) != (int)n)
            abort();
        if (!decrypt(w))
            return;
    } else {
        bytes_put(&w->in, chunk, (size_t)n);
    }
    if (bytes_len(&w->in))
        w->tell(w, WIRE_BYTES);
    if (w->fd >= 0 && w->received >= w->fuse_down)
        blow(w);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int)
{
    struct wire *w = io->data;
    int error = 0;
    socklen_t len = sizeof error;

    if (w->connected) {
        wire_flush(w);
        return;
    }
    ev_io_stop(loop, io);
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
        ended(w, "refused");
        return;
    }
    w->connected = true;
    ev_io_start(loop, &w->readable);
    w->tell(w, WIRE_CONNECTED);
}

static void on_spark(struct ev_loop *, ev_timer *t, int)
{
    struct wire *w = t->data;

    w->tell(w, WIRE_BLOWN);
}

/* --- life --- */

bool wire_open(struct wire *w, struct ev_loop *loop, const struct sockaddr_in *to)
{
    int on = 1;

    w->loop = loop;
    w->fuse_up = w->fuse_down = UINT64_MAX;
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        return false;
    (void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(w->fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS) {
        close(w->fd);
        w->fd = -1;
        return false;
    }
    ev_io_init(&w->readable, on_readable, w->fd, EV_READ);
    ev_io_init(&w->writable, on_writable, w->fd, EV_WRITE);
    ev_timer_init(&w->spark, on_spark, 0., 0.);
    w->readable.data = w->writable.data = w->spark.data = w;
    ev_io_start(loop, &w->writable);
    return true;
}

void wire_secure(struct wire *w, SSL_CTX *ctx, const char *domain, bool resumes)
{
    if (!(w->ssl = SSL_new(ctx)))
        abort();
    SSL_set_bio(w->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_app_data(w->ssl, w);
    SSL_set_connect_state(w->ssl);
    if (SSL_set_tlsext_host_name(w->ssl, domain) != 1 || SSL_set1_host(w->ssl, domain) != 1)
        abort();
    if (resumes && *w->ticket)
        (void)SSL_set_session(w->ssl, *w->ticket);
    if (SSL_do_handshake(w->ssl) != -1)
        abort();
    collect(w);
    wire_flush(w);
}

bool wire_halfway(const struct wire *w)
{
    return w->ssl && (SSL_has_pending(w->ssl) || BIO_ctrl_pending(SSL_get_rbio(w->ssl)));
}

void wire_stick(struct wire *w)
{
    if (w->fd < 0)
        return;
    w->deaf = true;
    ev_io_stop(w->loop, &w->readable);
    ev_io_stop(w->loop, &w->writable);
}

void wire_end(struct wire *w, enum wire_end how)
{
    struct linger at_once = {.l_onoff = 1};

    if (w->fd < 0)
        return;
    if (how == WIRE_NOTIFY && w->secure && !w->deaf) {
        (void)SSL_shutdown(w->ssl);
        collect(w);
        wire_flush(w);
    }
    wire_stick(w);
    ev_timer_stop(w->loop, &w->spark);
    if (how == WIRE_RESET)
        (void)setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(w->fd);
    w->fd = -1;
    if (w->ssl && w->secure) /* or the ticket would be void */
        SSL_set_shutdown(w->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(w->ssl);
    w->ssl = NULL;
    bytes_clear(&w->out);
    ERR_clear_error();
}

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct wire *w = SSL_get_app_data(ssl);

    SSL_SESSION_free(*w->ticket);
    *w->ticket = session;
    return 1; /* it is ours now */
}

SSL_CTX *wire_context(const char *ca)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (!ctx || SSL_CTX_load_verify_file(ctx, ca) != 1) {
        fprintf(stderr, "crowd: %s cannot be read\n", ca);
        exit(2);
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
    return ctx;
}
