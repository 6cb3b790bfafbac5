/* SPDX-License-Identifier: MIT */
/*
 * Two kinds of TLS, in the place of proxy/tls.c: its own, and a mock that encrypts nothing
 * and costs nothing, for OpenSSL's takes longer than all the rest of an input.
 *
 * A client of the mock begins with MOCK_HELLO, which no TLS does, and is answered with
 * MOCK_WELCOME; from then on bytes are themselves.
 */
#pragma once

#include <stdbool.h>

#include "proxy/tls.h"

enum {
    MOCK_HELLO = 'N',
    MOCK_WELCOME = 'n',
    MOCK_QUOTE =
        0xfd, /* to and from web clients: the next byte is data, with its highest bit off */
    MOCK_CLOSE = 0xfe, /* close_notify */
    MOCK_ALERT = 0xff, /* any error */
};

/* Whether there is TLS of the true kind. */
extern bool tls_truly;

/* proxy/tls.c under other names. */
struct true_tls;
[[nodiscard]] int true_tls_accept(struct true_tls **out, struct tls_keys *keys, size_t host,
                                  enum tls_serves serves);
[[nodiscard]] int true_tls_dial(struct true_tls **out, struct tls_keys *keys, size_t host,
                                const char *domain, bool direct);
void true_tls_free(struct true_tls *t);
void true_tls_output(struct true_tls *t, struct buffer *out);
[[nodiscard]] ssize_t true_tls_read(struct true_tls *t, struct span *cipher, char *plain,
                                    size_t max);
[[nodiscard]] bool true_tls_write(struct true_tls *t, struct span plain);
void true_tls_greet(struct true_tls *t);
void true_tls_close(struct true_tls *t);
bool true_tls_drained(const struct true_tls *t, struct span cipher);
void true_tls_secrets_over(struct true_tls *t);
bool true_tls_chose_web(const struct true_tls *t);
bool true_tls_ready(const struct true_tls *t);
const char *true_tls_version(const struct true_tls *t);
const char *true_tls_failure(const struct true_tls *t);
