/* SPDX-License-Identifier: MIT */
/*
 * A legacy server: it handles each link's stream in order, tells contacts who is there,
 * and takes what it has written to a socket for delivered.
 */
#pragma once

#include "tests/sim/kernel.h"

/* Over a connection of its a device's account binds its resource: a link, or -1. Another session of
 * that full JID gets a conflict. */
int server_bind(struct world *w, int connection);

/* Handles something of what a link brought; false: there is nothing to do. */
bool server_read(struct world *w, int link);
/* Sends so many things to the link's client. */
void server_send(struct world *w, int link, uint32_t count);
/* It ends the session by itself: in order, by an error, or by dying. */
void server_end(struct world *w, int link);
/* Its manners towards a link change. */
void server_changes(struct world *w, int link);
/* It handles them all again, and promptly, and those to come. */
void server_wakes(struct world *w);
