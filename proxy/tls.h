/* SPDX-License-Identifier: MIT */
/*
 * TLS without sockets: ciphertext goes in as a span and comes out in a buffer.
 *
 * OpenSSL reads and writes through a BIO of ours that copies nothing twice and
 * keeps nothing, so that one recv and one send serve all records of a wake-up, and
 * an idle connection holds no buffers.
 */
#pragma once

#include <sys/types.h>

#include "proxy/buffer.h"
#include "proxy/conf.h"
#include "sm/core.h"

struct tls;      /* one connection's layer */
struct tls_keys; /* the certificates of all hosts; counted references, so that a reload harms nobody
                  */

/* Reads certificates and keys of all hosts, and the CAs for upstreams. Ticket keys are taken over
 * from `before` (may be NULL), so that a reload does not make tickets useless. 0 or -EINVAL,
 * logged. */
[[nodiscard]] int tls_keys_new(struct tls_keys **out, const struct conf *conf,
                               const struct tls_keys *before);
/* Ticket keys outlive the process in the keepsake of a core: those found there are taken, unless
 * they are a day old, and otherwise its own put there. Before the first handshake. */
void tls_keys_keep(struct tls_keys *keys, struct sm_core *core, uint64_t now_ms);
struct tls_keys *tls_keys_hold(struct tls_keys *keys);
void tls_keys_release(struct tls_keys *keys); /* NULL is allowed */

/* What a client may name by ALPN (RFC 7301) where a listener serves that: what it speaks inside.
 * Who does not use ALPN speaks what the listener is for. */
enum tls_serves {
    TLS_STREAM, /* xmpp-client (XEP-0368) */
    TLS_WEB,    /* http/1.1 */
    TLS_BOTH,
};

/* The server's side; the certificate is chosen by SNI, and is that of `host` without. -ENOMEM. */
[[nodiscard]] int tls_accept(struct tls **out, struct tls_keys *keys, size_t host,
                             enum tls_serves serves);

/* True if the client named http/1.1. */
[[nodiscard]] bool tls_chose_web(const struct tls *t);

/* The client's side, to a host's upstream, whose certificate must be good for `domain`; `direct` is
 * TLS from the first byte. -ENOMEM. */
[[nodiscard]] int tls_dial(struct tls **out, struct tls_keys *keys, size_t host, const char *domain,
                           bool direct);
void tls_free(struct tls *t); /* NULL is allowed */

/* Where the ciphertext goes that the calls below produce. */
void tls_output(struct tls *t, struct buffer *out);

enum { TLS_MORE = 0, TLS_CLOSED = -1, TLS_FAILED = -2, TLS_NO_MEMORY = -3 };

/* Decrypts from *cipher, which is moved on; the handshake is done on the way. Bytes in `plain`, or
 * one of the above. */
[[nodiscard]] ssize_t tls_read(struct tls *t, struct span *cipher, char *plain, size_t max);

/* True if nothing came that tls_read has not given: what was given was all. */
[[nodiscard]] bool tls_drained(const struct tls *t, struct span cipher);

/* There is no password in what comes from now on: it is not worth wiping. */
void tls_secrets_over(struct tls *t);

/* Encrypts all of it. False: the connection is of no use any more. */
[[nodiscard]] bool tls_write(struct tls *t, struct span plain);

/* Begins the client's handshake (tls_dial): the first bytes go to the output. */
void tls_greet(struct tls *t);
void tls_close(struct tls *t); /* close_notify */
bool tls_ready(const struct tls *t);
const char *tls_version(const struct tls *t);
const char *tls_failure(const struct tls *t); /* OpenSSL's reason for TLS_FAILED, or "" */
