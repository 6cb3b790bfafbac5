/* SPDX-License-Identifier: MIT */
/*
 * What a web client asks for before it speaks XMPP: the upgrade to a WebSocket (RFC
 * 6455, 4; RFC 7395, 3.1), or where to go for one (XEP-0156). One request a
 * connection: whatever is not the upgrade is answered and ends it.
 */
#pragma once

#include "proxy/client.h"

/* Reads and answers the request of a client whose WebSocket is not open yet. True: it is open now,
 * and *fresh begins with its frames. False: more is to come, or the client waits, or ends. */
[[nodiscard]] bool upgrade_take(struct client *c, struct span *fresh);
