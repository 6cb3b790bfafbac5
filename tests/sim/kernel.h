/* SPDX-License-Identifier: MIT */
/*
 * Sockets, as the process and its peers see them. What the process calls has no effect
 * once it is dead; and it may die behind each of its calls, as behind each store.
 */
#pragma once

#include "tests/sim/world.h"

#include <sys/types.h>

enum { KERNEL_AGAIN = -1, KERNEL_RESET = -2 }; /* of a receive; 0: the end */

/* --- pipes --- */

uint32_t pipe_room(const struct world *w, const struct pipe *p);
/* What there is room for; most of it arrives at once. */
void pipe_put(struct world *w, struct pipe *p, const char *bytes, size_t len);
/* What has arrived and was not read; so many bytes of it are taken. */
static inline uint32_t pipe_waits(const struct pipe *p)
{
    return p->arrived - p->read;
}
const char *pipe_take(struct pipe *p, uint32_t len);

/* Something that was on its way arrives. */
void kernel_move(struct world *w);
void kernel_move_all(struct world *w);

/* --- the process --- */

/* A point at which the process may die. */
void kernel_instant(struct world *w, enum figure how);

ssize_t kernel_link_receive(struct world *w, int link, char *to, size_t max);
/* How many bytes were taken; -1: nothing can be sent any more. */
ssize_t kernel_link_send(struct world *w, int link, const char *bytes, size_t len);
void kernel_link_park(struct world *w, int link, uint32_t slot, uint32_t generation);
void kernel_link_shut(struct world *w, int link);
void kernel_link_close(struct world *w, int link);
bool kernel_link_readable(const struct world *w, int link);
bool kernel_link_writable(const struct world *w, int link);

ssize_t kernel_receive(struct world *w, int connection, char *to, size_t max);
ssize_t kernel_send(struct world *w, int connection, const char *bytes, size_t len);
void kernel_shut(struct world *w, int connection);
void kernel_close(struct world *w, int connection);
bool kernel_readable(const struct world *w, int connection);
bool kernel_writable(const struct world *w, int connection);
/* Bytes sent that the client's TCP has not acknowledged. */
uint64_t kernel_unacknowledged(const struct world *w, int connection);

/* Its sockets after its death: connections end, links that were not parked too. */
void kernel_bereave(struct world *w);

/* --- peers --- */

/* A fresh socket; -1: there are too many. */
int kernel_connect(struct world *w, int device);
int kernel_link_open(struct world *w, int story);
/* The device gives its connection up: orderly, so that the process sees a reset, so that nothing
 * arrives any more, or so that what it sent still does. */
enum kernel_leaving { KERNEL_FIN, KERNEL_RST, KERNEL_SILENCE, KERNEL_ORPHAN };
void kernel_leave(struct world *w, int connection, enum kernel_leaving how);
/* What the client writes; into a severed connection it is lost. */
void kernel_client_send(struct world *w, int connection, const char *bytes, size_t len);
/* Some of what is on its way arrives; the rest never does. */
void kernel_sever(struct world *w, int connection);
/* The process learns of a severed connection. */
void kernel_tell(struct world *w, int connection);
/* The server ends its side. */
void kernel_server_ends(struct world *w, int link, bool reset);
