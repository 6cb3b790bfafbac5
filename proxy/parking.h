/* SPDX-License-Identifier: MIT */
/*
 * The lots of one worker: the sockets of its sessions' links are parked in them before
 * their clients are told that a session has begun, so that they outlive the process.
 *
 * A lot is with the keeper, and proven to be, before anything is parked in it; so there is
 * always one to spare. A lot that is full and holds hardly anything living any more is
 * given up: what lives moves to another.
 */
#pragma once

#include <ev.h>
#include <sys/queue.h>

#include "proxy/keeper.h"
#include "proxy/lot.h"

#define PARKING_NAME "holdfast-lot-"

struct descriptors;
struct parking;
struct parking_lot;

struct parked { /* part of what has the socket; zeroed: never parked */
    LIST_ENTRY(parked) entry;
    struct parking_lot *lot; /* NULL: in none */
    struct lot_ticket ticket;
    int fd;       /* a loan */
    bool waiting; /* for a lot */
};

/* Hands `spares` lots to the keeper, or as many as it has room for, and waits for the proof. 0;
 * -errno: nothing can be parked. */
[[nodiscard]] int parking_new(struct parking **out, struct ev_loop *loop,
                              struct descriptors *descriptors, unsigned spares);
/* What is parked stays so. NULL is allowed. */
void parking_free(struct parking *p);

/* A lot of an earlier process, in which `total` were parked, with what of it lives (ticket and fd
 * set), all of one arena. Takes the lot; one without any living is given up. False: no memory, and
 * then it is closed, and what is in it is not parked. */
[[nodiscard]] bool parking_found(struct parking *p, const char *name, struct lot *lot,
                                 struct parked *const *living, size_t count, size_t total);

/* Parks fd. False: there is no lot for it now; it is parked as soon as there is. */
bool parking_put(struct parking *p, struct parked *one, int fd, const struct lot_ticket *ticket);
/* Its link has ended, or is about to move: it counts as dead. */
void parking_leave(struct parked *one);

/* Gives up lots, and parks what waits. For a slow timer. */
void parking_tidy(struct parking *p);

struct parking_counts {
    unsigned lots, parked, waiting; /* now */
};
struct parking_counts parking_counts(const struct parking *p);
