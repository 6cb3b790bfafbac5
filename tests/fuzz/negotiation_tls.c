/* SPDX-License-Identifier: MIT */
/*
 * Where both kinds are spoken, a client's first byte says which one it is; links use the true one.
 */
#include "tests/fuzz/negotiation_tls.h"

#include <errno.h>
#include <stdlib.h>

bool tls_truly;

struct tls {
    struct true_tls *truly; /* NULL: the mock, or not known yet */
    struct tls_keys *keys;
    size_t host;
    struct buffer *out;
    enum tls_serves serves;
    bool dials;
    bool ready;
    bool quoted; /* the last byte that came quotes the next */
};

int tls_accept(struct tls **out, struct tls_keys *keys, size_t host, enum tls_serves serves)
{
    struct tls *t = calloc(1, sizeof *t);

    if (!t)
        return -ENOMEM;
    t->keys = tls_keys_hold(keys);
    t->host = host;
    t->serves = serves;
    *out = t;
    return 0;
}

int tls_dial(struct tls **out, struct tls_keys *keys, size_t host, const char *domain, bool direct)
{
    int r = tls_accept(out, keys, host, TLS_STREAM);

    if (r < 0)
        return r;
    (*out)->dials = true;
    return tls_truly ? true_tls_dial(&(*out)->truly, keys, host, domain, direct) : 0;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    true_tls_free(t->truly);
    tls_keys_release(t->keys);
    free(t);
}

void tls_output(struct tls *t, struct buffer *out)
{
    t->out = out;
    if (t->truly)
        true_tls_output(t->truly, out);
}

static void put(struct tls *t, int byte)
{
    char c = (char)byte;

    if (!buffer_put(t->out, (struct span){&c, 1}))
        abort();
}

/* The first byte of the other side. */
static bool take_first(struct tls *t, struct span *cipher)
{
    if ((uint8_t)cipher->p[0] != (t->dials ? MOCK_WELCOME : MOCK_HELLO))
        return false;
    *cipher = (struct span){cipher->p + 1, cipher->len - 1};
    t->ready = true;
    if (!t->dials)
        put(t, MOCK_WELCOME);
    return true;
}

/* The next bytes of data; *used says how many of the cipher's they were. */
static size_t decode(struct tls *t, struct span cipher, char *plain, size_t max, size_t *used)
{
    size_t len = 0, at = 0;

    for (; at < cipher.len && len < max; at++) {
        uint8_t c = (uint8_t)cipher.p[at];

        if (t->quoted)
            plain[len++] = (char)(c ^ 0x80);
        else if (c >= MOCK_CLOSE)
            break;
        else if (t->serves != TLS_WEB || c != MOCK_QUOTE)
            plain[len++] = (char)c;
        t->quoted = !t->quoted && t->serves == TLS_WEB && c == MOCK_QUOTE;
    }
    *used = at;
    return len;
}

static ssize_t read_mock(struct tls *t, struct span *cipher, char *plain, size_t max)
{
    size_t len, used;

    if (!cipher->len)
        return TLS_MORE;
    if (!t->ready && !take_first(t, cipher))
        return TLS_FAILED;
    len = decode(t, *cipher, plain, max, &used);
    if (!used && cipher->len)
        return (uint8_t)cipher->p[0] == MOCK_CLOSE ? TLS_CLOSED : TLS_FAILED;
    *cipher = (struct span){cipher->p + used, cipher->len - used};
    return (ssize_t)len;
}

ssize_t tls_read(struct tls *t, struct span *cipher, char *plain, size_t max)
{
    if (tls_truly && !t->truly && !t->ready && cipher->len && cipher->p[0] != MOCK_HELLO) {
        if (true_tls_accept(&t->truly, t->keys, t->host, t->serves) < 0)
            return TLS_NO_MEMORY;
        true_tls_output(t->truly, t->out);
    }
    return t->truly ? true_tls_read(t->truly, cipher, plain, max)
                    : read_mock(t, cipher, plain, max);
}

static void put_quoted(struct tls *t, struct span plain)
{
    for (size_t i = 0; i < plain.len; i++) {
        uint8_t c = (uint8_t)plain.p[i];

        if (c >= MOCK_QUOTE)
            put(t, MOCK_QUOTE);
        put(t, c >= MOCK_QUOTE ? c ^ 0x80 : c);
    }
}

bool tls_write(struct tls *t, struct span plain)
{
    if (t->truly)
        return true_tls_write(t->truly, plain);
    if (t->ready && t->serves == TLS_WEB)
        put_quoted(t, plain);
    else if (!t->ready || !buffer_put(t->out, plain))
        return false;
    return t->ready;
}

void tls_greet(struct tls *t)
{
    if (t->truly)
        true_tls_greet(t->truly);
    else
        put(t, MOCK_HELLO);
}

void tls_close(struct tls *t)
{
    if (t->truly)
        true_tls_close(t->truly);
    else if (t->ready)
        put(t, MOCK_CLOSE);
}

bool tls_drained(const struct tls *t, struct span cipher)
{
    return t->truly ? true_tls_drained(t->truly, cipher) : !cipher.len;
}

void tls_secrets_over(struct tls *t)
{
    if (t->truly)
        true_tls_secrets_over(t->truly);
}

/* The mock has no ALPN. */
bool tls_chose_web(const struct tls *t)
{
    return t->truly && true_tls_chose_web(t->truly);
}

bool tls_ready(const struct tls *t)
{
    return t->truly ? true_tls_ready(t->truly) : t->ready;
}

const char *tls_version(const struct tls *t)
{
    return t->truly ? true_tls_version(t->truly) : "mock";
}

const char *tls_failure(const struct tls *t)
{
    return t->truly ? true_tls_failure(t->truly) : "mock";
}
