/* SPDX-License-Identifier: MIT */
/*
 * The contexts behind tls.h: one for each host and direction. For tls.c only.
 */
#pragma once

#include <openssl/ssl.h>

#include "proxy/tls.h"

BIO_METHOD *tls_bio_new(void);
int tls_pick_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                  const unsigned char *in, unsigned in_len, void *); /* for SSL_CTX */

BIO_METHOD *tls_keys_bio(const struct tls_keys *keys);
SSL_CTX *tls_keys_server(const struct tls_keys *keys, size_t host);
SSL_CTX *tls_keys_upstream(const struct tls_keys *keys, size_t host);
