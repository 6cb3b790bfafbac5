/* SPDX-License-Identifier: MIT */
/*
 * A connection on its way in: its deadline, what a load balancer says of it, its
 * place among its address's connections.
 *
 * A deadline is a moment, not a wait: bytes that trickle in do not move it. One covers
 * everything from accepting to authentication, the PROXY header, both of TLS's
 * handshakes' sides and the wait for a place included; another one as long covers what
 * follows until a resource is bound or a session resumed.
 */
#pragma once

#include "proxy/client.h"

/* The next of the two begins now. */
void client_login_begins(struct client *c);

/* The timer, to what is left of it: on another worker, or after another wait. */
void client_login_deadline(struct client *c);
[[nodiscard]] uint64_t client_login_left(const struct client *c); /* ms */

/* The timer for anything else; 0: off. */
void client_deadline(struct client *c, uint64_t ms);

/* Reads what a load balancer says of the client. True when done and right; bytes behind it are
 * kept. */
[[nodiscard]] bool client_take_proxy_header(struct client *c, struct span in);

/* Its address is known: logs it, and asks for a place. False: refused and closed, or to be read
 * later. */
bool client_admit(struct client *c);

/* It has authenticated, or ends: it no longer counts against its address. */
void client_give_place(struct client *c);

/* What it is about, in a word for the log and the administrator. */
const char *client_stage(const struct client *c);
