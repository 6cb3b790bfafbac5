/* SPDX-License-Identifier: MIT */
/*
 * Certificates and keys of all hosts. A handshake begins with the context of the
 * host that is known already, or of the first, and is moved to the one that SNI
 * names. One set of ticket keys serves all.
 */
#include "proxy/tls_keys.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "proxy/log.h"

enum { TICKET_KEYS_MAX = 128, TICKET_KEYS_MS = 24 * 3600 * 1000 };

struct tls_host {
    SSL_CTX *server;
    SSL_CTX *upstream; /* NULL if the upstream speaks plaintext */
};

struct tls_keys {
    _Atomic unsigned references;
    BIO_METHOD *bio;
    const struct conf *conf; /* outlives all keys */
    struct tls_host *hosts;  /* one for each of conf's */
    size_t count;
};

static const char *reason(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *text = error ? ERR_reason_error_string(error) : NULL;

    return text ? text : "unknown";
}

static int pick_by_sni(SSL *ssl, int *, void *arg)
{
    const struct tls_keys *keys = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct conf_host *host;

    /* An unknown name gets the first host's certificate: GIO sends IP literals, and the stream
     * header decides in the end. */
    if (name && (host = conf_host_by_sni(keys->conf, name)))
        SSL_set_SSL_CTX(ssl, keys->hosts[host - keys->conf->hosts].server);
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CLEANSE_PLAINTEXT); /* passwords among it */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    return ctx;
}

static SSL_CTX *server_new(const struct conf_host *host, struct tls_keys *keys)
{
    SSL_CTX *ctx = context_new(TLS_server_method());
    bool has_none = !*host->certificate && !*host->private_key; /* TLS is the web server's alone */

    if (ctx &&
        (has_none || (SSL_CTX_use_certificate_chain_file(ctx, host->certificate) == 1 &&
                      SSL_CTX_use_PrivateKey_file(ctx, host->private_key, SSL_FILETYPE_PEM) == 1 &&
                      SSL_CTX_check_private_key(ctx) == 1))) {
        SSL_CTX_set_tlsext_servername_callback(ctx, pick_by_sni);
        SSL_CTX_set_tlsext_servername_arg(ctx, keys);
        SSL_CTX_set_alpn_select_cb(ctx, tls_pick_alpn, NULL);
        return ctx;
    }
    log_at(LOG_ERROR, "certificate_failed", f_str("host", host->domain),
           f_str("file", host->certificate), f_str("why", reason()));
    SSL_CTX_free(ctx);
    return NULL;
}

static SSL_CTX *upstream_new(const struct conf_host *host)
{
    SSL_CTX *ctx = context_new(TLS_client_method());
    const char *ca = host->upstream_ca;
    int r = 0;

    if (ctx && !*ca)
        r = SSL_CTX_set_default_verify_paths(ctx);
    else if (ctx)
        r = SSL_CTX_load_verify_file(ctx, ca) == 1 || SSL_CTX_load_verify_dir(ctx, ca) == 1;
    if (r == 1) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        return ctx;
    }
    log_at(LOG_ERROR, "certificate_failed", f_str("host", host->domain), f_str("file", ca),
           f_str("why", reason()));
    SSL_CTX_free(ctx);
    return NULL;
}

static bool host_init(struct tls_host *h, const struct conf_host *host, struct tls_keys *keys)
{
    return (h->server = server_new(host, keys)) &&
           (host->upstream_tls == CONF_UPSTREAM_PLAIN || (h->upstream = upstream_new(host)));
}

struct ticket_keys {
    uint64_t since_ms;
    unsigned char bytes[TICKET_KEYS_MAX];
};

static_assert(sizeof(struct ticket_keys) <= SM_KEEPSAKE);

/* How many bytes; 0: OpenSSL's are not what this is made for. */
static size_t read_tickets(SSL_CTX *from, struct ticket_keys *to)
{
    long len = SSL_CTX_get_tlsext_ticket_keys(from, NULL, 0);

    if (len <= 0 || len > TICKET_KEYS_MAX ||
        SSL_CTX_get_tlsext_ticket_keys(from, to->bytes, len) != 1)
        return 0;
    return (size_t)len;
}

static void take_over_tickets(SSL_CTX *to, SSL_CTX *from)
{
    struct ticket_keys keys;
    size_t len = read_tickets(from, &keys);

    if (len)
        (void)SSL_CTX_set_tlsext_ticket_keys(to, keys.bytes, (long)len);
    OPENSSL_cleanse(&keys, sizeof keys);
}

void tls_keys_keep(struct tls_keys *keys, struct sm_core *core, uint64_t now_ms)
{
    union {
        struct ticket_keys keys;
        char bytes[SM_KEEPSAKE];
    } kept;
    struct ticket_keys own = {.since_ms = now_ms};
    size_t len = read_tickets(keys->hosts[0].server, &own);
    size_t size = offsetof(struct ticket_keys, bytes) + len;

    if (!len)
        return;
    if (sm_core_kept(core, kept.bytes) == size && now_ms - kept.keys.since_ms < TICKET_KEYS_MS)
        for (size_t i = 0; i < keys->count; i++)
            (void)SSL_CTX_set_tlsext_ticket_keys(keys->hosts[i].server, kept.keys.bytes, (long)len);
    else
        sm_core_keep(core, &own, size);
    OPENSSL_cleanse(&own, sizeof own);
    OPENSSL_cleanse(&kept, sizeof kept);
}

int tls_keys_new(struct tls_keys **out, const struct conf *conf, const struct tls_keys *before)
{
    struct tls_keys *keys = calloc(1, sizeof *keys);

    if (!keys)
        return -ENOMEM;
    keys->references = 1;
    keys->conf = conf;
    keys->hosts = calloc(conf->host_count, sizeof *keys->hosts);
    keys->bio = tls_bio_new();
    if (!keys->hosts || !keys->bio)
        goto failed;
    for (keys->count = 0; keys->count < conf->host_count; keys->count++)
        if (!host_init(&keys->hosts[keys->count], &conf->hosts[keys->count], keys)) {
            keys->count++;
            goto failed;
        }
    for (size_t i = 0; i < keys->count; i++)
        take_over_tickets(keys->hosts[i].server, (before ? before : keys)->hosts[0].server);
    *out = keys;
    return 0;

failed:
    tls_keys_release(keys);
    return -EINVAL;
}

struct tls_keys *tls_keys_hold(struct tls_keys *keys)
{
    atomic_fetch_add(&keys->references, 1);
    return keys;
}

void tls_keys_release(struct tls_keys *keys)
{
    if (!keys || atomic_fetch_sub(&keys->references, 1) != 1)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        SSL_CTX_free(keys->hosts[i].server);
        SSL_CTX_free(keys->hosts[i].upstream);
    }
    BIO_meth_free(keys->bio);
    free(keys->hosts);
    free(keys);
}

BIO_METHOD *tls_keys_bio(const struct tls_keys *keys)
{
    return keys->bio;
}

SSL_CTX *tls_keys_server(const struct tls_keys *keys, size_t host)
{
    return keys->hosts[host].server;
}

SSL_CTX *tls_keys_upstream(const struct tls_keys *keys, size_t host)
{
    return keys->hosts[host].upstream;
}
