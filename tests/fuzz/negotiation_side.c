/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.2 with a ticket costs no public-key operation; what is tested is not OpenSSL.
 */
#include "tests/fuzz/negotiation_side.h"

#include <openssl/err.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/negotiation_tls.h"

enum { PLAIN = 16384 };

/* With NEGOTIATION_TRACE in the environment the whole conversation is shown. */
static void trace(const void *who, const char *what, struct span text)
{
    static int wanted = -1;

    if (wanted < 0)
        wanted = getenv("NEGOTIATION_TRACE") != NULL;
    if (wanted)
        fprintf(stderr, "%p %s %.*s\n", who, what, (int)text.len, text.p);
}

void side_init(struct side *e, struct plug *p, const struct wire_reader *got,
               const struct wire_reader *sent, void *peer)
{
    e->plug = p;
    wire_init(&e->got, got, peer);
    wire_init(&e->sent, sent, peer);
}

void side_clear(struct side *e)
{
    XML_Parser got = e->got.parser, sent = e->sent.parser;

    SSL_free(e->ssl);
    web_clear(&e->web);
    buffer_clear(&e->early);
    buffer_clear(&e->got.text);
    buffer_clear(&e->sent.text);
    *e = (struct side){0};
    e->got.parser = got;
    e->sent.parser = sent;
}

/* --- saying --- */

void side_raw(struct side *e, struct span bytes)
{
    if (!e->plug || e->hung_up || e->plug->closed)
        return;
    if (!buffer_put(&e->plug->in, bytes))
        abort();
}

/* What TLS has to say goes on the cable. */
static void flush_tls(struct side *e)
{
    char *p;
    long len = BIO_get_mem_data(SSL_get_wbio(e->ssl), &p);

    if (len > 0)
        side_raw(e, (struct span){p, (size_t)len});
    (void)BIO_reset(SSL_get_wbio(e->ssl));
}

/* Frames have all bytes: those that mean something to the mock are quoted. */
static void quote(struct side *e, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool special = (uint8_t)text.p[i] >= MOCK_QUOTE;
        char two[2] = {(char)MOCK_QUOTE, (char)(text.p[i] ^ 0x80)};

        side_raw(e, special ? (struct span){two, 2} : (struct span){text.p + i, 1});
    }
}

static void encrypt(struct side *e, struct span text)
{
    if (e->tls == SIDE_TRUE) {
        SSL_write(e->ssl, text.p, (int)text.len);
        flush_tls(e);
    } else if (e->tls == SIDE_MOCK && e->web.state) {
        quote(e, text);
    } else {
        side_raw(e, text);
    }
}

/* The handshake is done: what waited for that is said. */
static void be_ready(struct side *e)
{
    struct buffer early = e->early;

    e->ready = true;
    e->early = (struct buffer){0};
    if (buffer_len(&early))
        encrypt(e, buffer_span(&early));
    buffer_clear(&early);
}

static void shake_hands(struct side *e)
{
    if (e->ready)
        return;
    (void)SSL_do_handshake(e->ssl);
    flush_tls(e);
    if (!SSL_is_init_finished(e->ssl))
        return;
    if (e->ticket && !*e->ticket)
        *e->ticket = SSL_get1_session(e->ssl);
    be_ready(e);
}

void side_bytes(struct side *e, struct span text)
{
    if (!e->plug || e->hung_up || !text.len)
        return;
    if (e->tls != SIDE_CLEAR && !e->ready) {
        if (!buffer_put(&e->early, text))
            abort();
    } else {
        encrypt(e, text);
    }
}

void side_say(struct side *e, struct span text)
{
    struct buffer frames = {0};

    if (!e->plug || e->hung_up || !text.len)
        return;
    trace(e, ">", text);
    wire_feed(&e->sent, text);
    if (!e->web.state) {
        side_bytes(e, text);
        return;
    }
    web_speak(&e->web, text, &frames);
    side_bytes(e, buffer_span(&frames));
    buffer_clear(&frames);
}

void side_alert(struct side *e)
{
    if (!e->ready)
        return;
    if (e->tls == SIDE_MOCK) {
        side_raw(e, SPAN_LIT("\xfe"));
    } else {
        (void)SSL_shutdown(e->ssl);
        flush_tls(e);
    }
}

void side_hang_up(struct side *e, bool reset)
{
    if (e->plug)
        plugs_close(e->plug, reset);
    e->hung_up = true;
}

/* --- TLS --- */

static SSL_CTX *client_context(void)
{
    static SSL_CTX *ctx;

    if (!ctx) {
        ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    }
    return ctx;
}

static SSL_CTX *server_context(const char *file)
{
    static SSL_CTX *ctx;

    if (!ctx) {
        ctx = SSL_CTX_new(TLS_server_method());
        HOLDS(SSL_CTX_use_certificate_file(ctx, file, SSL_FILETYPE_PEM) == 1 &&
                  SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) == 1,
              "%s", file);
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    }
    return ctx;
}

static void begin_tls(struct side *e, SSL_CTX *truly)
{
    wire_restart(&e->got);
    wire_restart(&e->sent);
    e->tls = truly ? SIDE_TRUE : SIDE_MOCK;
    if (!truly)
        return;
    e->ssl = SSL_new(truly);
    SSL_set_bio(e->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
}

void side_accept(struct side *e, const char *certificate)
{
    begin_tls(e, tls_truly ? server_context(certificate) : NULL);
    if (tls_truly)
        SSL_set_accept_state(e->ssl);
}

void side_dial(struct side *e, const char *host, SSL_SESSION **ticket, bool newest)
{
    begin_tls(e, tls_truly ? client_context() : NULL);
    e->dials = true;
    if (!tls_truly) {
        side_raw(e, SPAN_LIT("N"));
        return;
    }
    SSL_set_connect_state(e->ssl);
    SSL_set_tlsext_host_name(e->ssl, host);
    if (!newest) {
        SSL_set_max_proto_version(e->ssl, TLS1_2_VERSION);
        e->ticket = ticket;
        if (*ticket)
            SSL_set_session(e->ssl, *ticket);
    }
    shake_hands(e);
}

/* --- reading --- */

/* Both sides have closed it, and all was read. */
static void let_go(struct side *e)
{
    if (!e->plug || !e->plug->closed || (!e->stalled && buffer_len(&e->plug->out)))
        return;
    HOLDS(!e->web.state || e->hung_up || e->ever_stalled || !buffer_len(&e->web.came),
          "it ended within a frame, behind %zu bytes", buffer_len(&e->web.came));
    plugs_forget(e->plug);
    e->plug = NULL;
}

static void hear(struct side *e, struct span text)
{
    trace(e, "<", text);
    if (e->web.state)
        web_hear(&e->web, text, &e->got);
    else
        wire_feed(&e->got, text);
}

static void decrypt(struct side *e, struct span came)
{
    char plain[PLAIN];
    int len;

    BIO_write(SSL_get_rbio(e->ssl), came.p, (int)came.len);
    shake_hands(e);
    while ((len = SSL_read(e->ssl, plain, sizeof plain)) > 0)
        hear(e, (struct span){plain, (size_t)len});
    flush_tls(e);
    ERR_clear_error();
}

static void hear_quoted(struct side *e, struct span came)
{
    struct buffer plain = {0};

    for (size_t i = 0; i < came.len; i++) {
        char c = came.p[i];
        bool quotes = (uint8_t)c == MOCK_QUOTE;

        if (!quotes && e->quoted)
            c = (char)(c ^ 0x80);
        e->quoted = quotes;
        if (!quotes && !buffer_put(&plain, (struct span){&c, 1}))
            abort();
    }
    if (buffer_len(&plain))
        hear(e, buffer_span(&plain));
    buffer_clear(&plain);
}

/* The mock's; a client is welcomed before it hears anything, and a server is greeted. Who is told
 * something else understands nothing of what follows. */
static void decode(struct side *e, struct span came)
{
    if (!e->ready && !e->deaf) {
        e->deaf = came.p[0] != (e->dials ? MOCK_WELCOME : MOCK_HELLO);
        if (e->deaf)
            return;
        came = (struct span){came.p + 1, came.len - 1};
        if (!e->dials)
            side_raw(e, SPAN_LIT("n"));
        be_ready(e);
    }
    if (came.len && (uint8_t)came.p[came.len - 1] == MOCK_CLOSE)
        came.len--;
    if (came.len && e->ready && e->web.state)
        hear_quoted(e, came);
    else if (came.len && e->ready)
        hear(e, came);
}

/* Takes what Holdfast wrote. True if there was something. */
bool side_hear(struct side *e)
{
    struct buffer came;

    if (!e->plug || e->stalled || !buffer_len(&e->plug->out)) {
        let_go(e);
        return false;
    }
    came = e->plug->out;
    e->plug->out = (struct buffer){0};
    if (e->plug->room < SIZE_MAX / 2)
        e->plug->room *= 2;
    if (e->tls == SIDE_TRUE)
        decrypt(e, buffer_span(&came));
    else if (e->tls == SIDE_MOCK)
        decode(e, buffer_span(&came));
    else if (!e->deaf)
        hear(e, buffer_span(&came));
    buffer_clear(&came);
    return true;
}
