/* SPDX-License-Identifier: MIT */
/*
 * A line for TLS handshakes. One costs as much as hundreds of stanzas, and thousands may be due at
 * once when all clients come back: so a turn of the loop takes a few of them, and those who are in
 * already are served in between. While somebody stands in line nobody is accepted.
 */
#pragma once

#include <stdbool.h>

#include "proxy/client.h"

/* Before the client is read. False: it shakes hands, and others are first; it stands in line and is
 * not read until its turn comes. */
[[nodiscard]] bool client_line_pass(struct client *c);

/* Once a turn: as many as it takes may be read. */
void client_line_move(struct tools *tools);

[[nodiscard]] bool client_line_waits(const struct tools *tools);

/* It ends, or goes to another worker. */
void client_line_leave(struct client *c);
