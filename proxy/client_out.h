/* SPDX-License-Identifier: MIT */
/*
 * What a connection sends, from XML to the socket: client.h has what others call, here
 * is what client.c needs besides.
 */
#pragma once

#include "proxy/client.h"

/* Where bytes for the socket go: behind those that wait, or to the worker's buffer, which is sent
 * soon. */
struct buffer *client_outlet(struct client *c);

/* What was gathered goes the transport's way; or nowhere. */
void client_put_gathered(struct client *c);
void client_drop_gathered(struct client *c);
