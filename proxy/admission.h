/* SPDX-License-Identifier: MIT */
/*
 * Who may come in: how many connections that have not authenticated one address has
 * at once, and how fast it makes new ones. Too many are refused, too fast ones wait.
 *
 * An address is an IPv4 address, also where it is mapped into IPv6, or an IPv6 /64.
 * One table serves all workers and locks itself. It never grows beyond
 * ADMISSION_ADDRESSES: when it is full, the address that has been without such
 * connections the longest is forgotten. Where every address in it has some, newcomers
 * are let in uncounted: no limit of one address helps against so many.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proxy/conf.h"

enum { ADMISSION_ADDRESSES = 65536 }; /* remembered at once */

struct admission;
struct admission_place;

struct admission_answer {
    struct admission_place *place; /* to be given back once; NULL: refused, or not counted */
    uint64_t wait_ms;              /* before anything is read from the connection */
    bool refused;
    bool telling; /* the first refusal of this address within a second: worth a line in the log */
};

/* Keeps `limits`, a loan for its life. 0 or -ENOMEM. */
[[nodiscard]] int admission_new(struct admission **out, const struct conf_limits *limits);
void admission_free(struct admission *a); /* places still taken are gone with it; NULL is allowed */

/* A connection of `peer` asks for a place. What is no internet address is let in uncounted. Any
 * thread. */
[[nodiscard]] struct admission_answer admission_enter(struct admission *a,
                                                      const struct sockaddr *peer, uint64_t now_ms);

/* The connection has authenticated or ended. NULL is allowed. Any thread. */
void admission_leave(struct admission *a, struct admission_place *place);
