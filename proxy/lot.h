/* SPDX-License-Identifier: MIT */
/*
 * A lot: a pair of local sockets in whose queue duplicates of links' sockets are parked,
 * each with a ticket that says whose it is. The keeper holds the pair, so that one stored
 * descriptor stands for hundreds of links.
 *
 * A lot is never emptied: what is parked is looked at, which clones it, and goes away
 * only with the lot. A socket may be parked twice, in an old lot and in the one that
 * replaces it; its cookie tells.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lot {
    int near, far; /* parked at near, looked at from far; -1: none */
};

struct lot_ticket {  /* travels with the socket */
    uint64_t cookie; /* SO_COOKIE: the same in every process */
    uint32_t arena, slot, generation;
    uint32_t reserved; /* 0 */
};

/* Two fresh sockets. 0 or -errno. */
[[nodiscard]] int lot_open(struct lot *out);
/* Takes the two, in any order, as a keeper gives them back. False, and nothing taken, if they are
 * no pair. */
[[nodiscard]] bool lot_take(struct lot *out, int one, int other);
void lot_close(struct lot *lot); /* our copies; NONE is allowed */

/* Parks a duplicate of fd; ticket->cookie is filled in. 0; -EAGAIN: the lot is full;
 * -ETOOMANYREFS: too many descriptors are on their way already; other -errno. */
[[nodiscard]] int lot_park(const struct lot *lot, int fd, struct lot_ticket *ticket);

/* From the first parked one on: lot_rewind, then lot_look until it gives 0. 1: *fd is a clone (the
 * caller's) with its ticket; -errno for the one it stands at, which is passed over. */
[[nodiscard]] int lot_rewind(const struct lot *lot);
[[nodiscard]] int lot_look(const struct lot *lot, struct lot_ticket *ticket, int *fd);
