/* SPDX-License-Identifier: MIT */
/*
 * What has to be true of everything that Holdfast says, whatever clients and servers do: it
 * is told each element that is sent and received, and ends the program where one should not
 * be.
 *
 * - Holdfast writes streams: well-formed, without what RFC 6120 forbids.
 * - A server sees nothing of stream management; before a client is authenticated nothing
 *   but SASL and its like; once it is bound, no other bind.
 * - A client gets stanzas of its own account's links only, and is put back on a
 *   session of its own account only, and on none whose end has begun.
 * - h never goes down, and never covers what was not sent or has not come to the server.
 * - Tagged stanzas come once, in order, without a gap, in both directions; what comes again
 *   after a resumption is the same.
 */
#pragma once

#include "tests/fuzz/negotiation_peers.h"

/* Readers of the four directions; `user` is the peer. */
extern const struct wire_reader oracle_client_got, oracle_client_sent;
extern const struct wire_reader oracle_server_got, oracle_server_sent;

/* What Holdfast wrote can be read so far. */
void oracle_reads(const struct wire *got, const char *who);

/* --- tags --- */

/* A new one for the peer's next stanza, as its id. */
void oracle_tag(struct side *e, char *out, size_t max);

/* The number in an id that is a tag of this side ('C'lient, 'S'erver), and which peer's it is;
 * false: it is none. */
bool oracle_is_tag(const char *id, char side, uint32_t *index, uint32_t *number);

/* The stanza was sent, if it has a tag, as the peer's `position`th. */
void oracle_note_tag(struct side *e, const struct wire_element *stanza, char side,
                     uint32_t position);
struct tag *oracle_find_tag(struct side *e, uint32_t number);
