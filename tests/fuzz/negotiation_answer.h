/* SPDX-License-Identifier: MIT */
/*
 * A server that does as it should: what it would answer is put together as soon as it is asked,
 * and said unless the input says something else.
 */
#pragma once

#include "tests/fuzz/negotiation_peers.h"

void answer_header(struct server_peer *s);
void answer_element(struct server_peer *s, const struct wire_element *e);
void answer_close(struct server_peer *s);

/* The name of an account that can be read in only one way; "" otherwise. */
void answer_plain_name(char out[PEERS_NAME], struct span name);
