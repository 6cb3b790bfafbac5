/* SPDX-License-Identifier: MIT */
/*
 * From the client to the session and the server.
 */
#pragma once

#include "proxy/client.h"

extern const struct client_handler upward_handler;

/* Takes up what is kept of the client's bytes, now that something it waited for has come. */
void upward_go_on(struct client *c);
