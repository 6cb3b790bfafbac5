/* SPDX-License-Identifier: MIT */
/*
 * The BIO and the layer. Certificates are in tls_keys.c.
 */
#include "proxy/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "proxy/tls_keys.h"

struct tls {
    SSL *ssl;
    struct tls_keys *keys;
    struct span in; /* ciphertext not read yet; a loan during tls_read */
    struct buffer *out;
    enum tls_serves serves;
    bool no_memory;
    unsigned own;   /* messages of TLS's own that came, those of the handshake included */
    uint64_t plain; /* bytes of plaintext that came */
    char failure[80];
};

/* A handshake has a dozen messages. Afterwards a peer may ask for new keys now and then (RFC 8446,
 * 4.6.3), which costs us more than it costs the peer, and is answered unasked. */
enum { OWN_MAX = 32, PLAIN_FOR_OWN = 1 << 20 };

static bool too_many(const struct tls *t)
{
    return t->own > OWN_MAX + t->plain / PLAIN_FOR_OWN;
}

static void on_message(int written, int, int type, const void *, size_t, SSL *, void *arg)
{
    struct tls *t = arg;

    if (!written && type == SSL3_RT_HANDSHAKE)
        t->own++;
}

static int bio_write(BIO *bio, const char *p, int len)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (!t->out || !buffer_put(t->out, (struct span){p, (size_t)len})) {
        t->no_memory = true;
        return -1;
    }
    return len;
}

static int bio_read(BIO *bio, char *p, int len)
{
    struct tls *t = BIO_get_data(bio);
    size_t take = t->in.len < (size_t)len ? t->in.len : (size_t)len;

    BIO_clear_retry_flags(bio);
    if (too_many(t))
        return -1;
    if (!take) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(p, t->in.p, take);
    t->in = (struct span){t->in.p + take, t->in.len - take};
    return (int)take;
}

static long bio_ctrl(BIO *, int command, long, void *)
{
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_bio_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "holdfast");

    if (method) {
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    return method;
}

static int layer_new(struct tls **out, struct tls_keys *keys, SSL_CTX *ctx)
{
    struct tls *t = calloc(1, sizeof *t);
    BIO *bio = NULL;

    if (!t || !(t->ssl = SSL_new(ctx)) || !(bio = BIO_new(tls_keys_bio(keys)))) {
        tls_free(t);
        return -ENOMEM;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_msg_callback(t->ssl, on_message);
    SSL_set_msg_callback_arg(t->ssl, t);
    t->keys = tls_keys_hold(keys);
    *out = t;
    return 0;
}

int tls_accept(struct tls **out, struct tls_keys *keys, size_t host, enum tls_serves serves)
{
    int r = layer_new(out, keys, tls_keys_server(keys, host));

    if (r < 0)
        return r;
    (*out)->serves = serves;
    SSL_set_app_data((*out)->ssl, *out);
    SSL_set_accept_state((*out)->ssl);
    return 0;
}

/* A client that uses ALPN has to name what is served; most do not use it with STARTTLS. */
int tls_pick_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                  const unsigned char *in, unsigned in_len, void *)
{
    static const unsigned char names[] = "\x0bxmpp-client\x08http/1.1";
    static const struct {
        size_t from, len;
    } served[] = {[TLS_STREAM] = {0, 12}, [TLS_WEB] = {12, 9}, [TLS_BOTH] = {0, 21}};
    const struct tls *t = SSL_get_app_data(ssl);

    if (SSL_select_next_proto((unsigned char **)out, out_len, names + served[t->serves].from,
                              (unsigned)served[t->serves].len, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

bool tls_chose_web(const struct tls *t)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return span_is((struct span){(const char *)name, len}, "http/1.1");
}

int tls_dial(struct tls **out, struct tls_keys *keys, size_t host, const char *domain, bool direct)
{
    static const unsigned char alpn[] = "\x0bxmpp-client";
    struct tls *t;
    int r = layer_new(&t, keys, tls_keys_upstream(keys, host));

    if (r < 0)
        return r;
    SSL_set_connect_state(t->ssl);
    if (SSL_set_tlsext_host_name(t->ssl, domain) != 1 || SSL_set1_host(t->ssl, domain) != 1 ||
        (direct && SSL_set_alpn_protos(t->ssl, alpn, sizeof alpn - 1) != 0)) {
        tls_free(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    if (t->ssl && SSL_is_init_finished(t->ssl)) /* without it the session's ticket would be void */
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    tls_keys_release(t->keys);
    free(t);
}

void tls_output(struct tls *t, struct buffer *out)
{
    t->out = out;
}

static ssize_t failed(struct tls *t)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;

    if (too_many(t))
        reason = "too many messages of TLS's own";

    strncpy(t->failure, reason ? reason : "", sizeof t->failure - 1);
    ERR_clear_error();
    return t->no_memory ? TLS_NO_MEMORY : TLS_FAILED;
}

/* SSL_get_error(3): nobody's error may be left. Clearing sixteen places costs more than a look. */
static void forget_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

ssize_t tls_read(struct tls *t, struct span *cipher, char *plain, size_t max)
{
    size_t len;
    int r;

    forget_errors();
    t->in = *cipher;
    r = SSL_read_ex(t->ssl, plain, max, &len);
    *cipher = t->in;
    t->in = SPAN_NONE;
    if (r == 1) {
        t->plain += len;
        return (ssize_t)len;
    }
    switch (SSL_get_error(t->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        return failed(t);
    }
}

bool tls_drained(const struct tls *t, struct span cipher)
{
    return !cipher.len && !SSL_has_pending(t->ssl);
}

/* OpenSSL wipes all of a record's buffer, of which a stanza is a fiftieth part. */
void tls_secrets_over(struct tls *t)
{
    SSL_clear_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

bool tls_write(struct tls *t, struct span plain)
{
    size_t len;

    if (!plain.len)
        return true;
    forget_errors();
    if (SSL_write_ex(t->ssl, plain.p, plain.len, &len) == 1 && len == plain.len)
        return true;
    (void)failed(t);
    return false;
}

void tls_greet(struct tls *t)
{
    ERR_clear_error();
    (void)SSL_do_handshake(t->ssl);
}

void tls_close(struct tls *t)
{
    ERR_clear_error();
    if (SSL_is_init_finished(t->ssl))
        (void)SSL_shutdown(t->ssl);
}

bool tls_ready(const struct tls *t)
{
    return SSL_is_init_finished(t->ssl);
}

const char *tls_version(const struct tls *t)
{
    return SSL_get_version(t->ssl);
}

const char *tls_failure(const struct tls *t)
{
    return t->failure;
}
