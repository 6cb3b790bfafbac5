/* SPDX-License-Identifier: MIT */
/*
 * From the server to the session and the client.
 */
#pragma once

#include "proxy/link.h"

extern const struct link_handler downward_handler;

/* Takes up what is kept of the server's bytes, after a move. */
void downward_go_on(struct link *l);
