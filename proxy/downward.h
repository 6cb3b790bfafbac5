/* SPDX-License-Identifier: MIT */
/*
 * From the server to the session and the client.
 */
#pragma once

#include "proxy/link.h"

extern const struct link_handler downward_handler;

/* What an earlier process received for a session, and did not come to; of its length the session
 * was told. */
void downward_staged(struct link *l, struct span staged);

/* Takes up what is kept of the server's bytes, after a move. */
void downward_go_on(struct link *l);
