/* SPDX-License-Identifier: MIT */
/*
 * The addresses of all hosts' upstreams. Names are resolved by the main thread, at
 * the start and every minute, so that no worker ever waits for a name server; a name
 * that does not resolve keeps the addresses that it had.
 */
#pragma once

#include "proxy/conf.h"

/* Of one host, all its upstreams together; more are not tried. */
enum { RESOLVE_ADDRESSES_MAX = 16 };

struct resolve;

/* A table for conf's hosts, resolved once. -ENOMEM; a name that does not resolve is logged, no
 * error. */
[[nodiscard]] int resolve_new(struct resolve **out, const struct conf *conf);
void resolve_free(struct resolve *r);

/* Resolves names anew; addresses as text cost nothing. Blocks. */
void resolve_refresh(struct resolve *r);

/* The n-th address of a host, in the order of the configuration; false: there are no more. Any
 * thread. */
[[nodiscard]] bool resolve_address(struct resolve *r, size_t host, size_t n,
                                   struct conf_address *out);
