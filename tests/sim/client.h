/* SPDX-License-Identifier: MIT */
/*
 * Clients that follow XEP-0198 to the letter: they number, keep and send again, answer
 * each <r/>, and believe an h only if it can be.
 */
#pragma once

#include "tests/sim/kernel.h"

enum client_wish { CLIENT_RESUME, CLIENT_LOGIN };

/* Begins a connection; one that there was before is given up, as the wish demands. */
void client_connect(struct world *w, int device, enum client_wish wish);

/* Reads some of what has arrived; false: there is nothing. */
bool client_read(struct world *w, int device);
/* Makes stanzas, and sends those that were not sent yet on this connection. */
void client_make(struct world *w, int device, uint32_t count);
void client_push(struct world *w, int device);
void client_ask(struct world *w, int device);

/* Something that it need not do: an <a/>, a CSI state. */
void client_chatter(struct world *w, int device);
/* Goes without a word. */
void client_leave(struct world *w, int device);
/* Ends in order. */
void client_close(struct world *w, int device);
/* Breaks the rules: acknowledges too much, or sends what is no XML. */
void client_misbehave(struct world *w, int device);
/* The network between it and the process breaks, in one way or the other. */
void client_cut(struct world *w, int device);

/* Somebody tries an id that is not his, or a count that cannot be. */
void client_intrude(struct world *w, int device);
void client_watch_intruder(struct world *w);
