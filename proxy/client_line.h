/* SPDX-License-Identifier: MIT */
/*
 * A line for TLS handshakes. One costs as much as dozens of stanzas, and thousands may be due at
 * once when all clients come back: so a turn of the loop takes a few of them, or as many as take as
 * long as all else, and those who are in already are served in between. While somebody stands in
 * line nobody is accepted.
 */
#pragma once

#include <stdbool.h>

#include "proxy/client.h"

/* What is read from it next belongs to a handshake. */
[[nodiscard]] bool client_shakes_hands(const struct client *c);

/* Before the client is read. False: it shakes hands, and others are first; it stands in line and is
 * not read until its turn comes. */
[[nodiscard]] bool client_line_pass(struct client *c);

/* A reading of a handshake took so long. */
void client_line_took(struct tools *tools, double seconds);

/* Once a turn, which took so long without its sleep: as many as the next one takes may be read. */
void client_line_move(struct tools *tools, double turn_s);

[[nodiscard]] bool client_line_waits(const struct tools *tools);

/* It ends, or goes to another worker. */
void client_line_leave(struct client *c);
