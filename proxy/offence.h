/* SPDX-License-Identifier: MIT */
/*
 * What a peer should not have said, where its stream goes on all the same: a counter,
 * a line of the log, and an answer if somebody waits for one.
 *
 * A peer can offend as fast as it can write. So only the first offences of a connection
 * or link are told at the level that is usually on: the log is not its to fill.
 */
#pragma once

#include "proxy/log.h"
#include "proxy/relay.h"

/* The level for one more line about this peer; counts it. (Not within log_at, which looks at a
 * level twice.) */
enum log_level offence_level(uint8_t *so_far);

/* The client's element is refused, or dropped, where it stands; `answer` says how. */
void offence_misplaced(struct client *c, const struct item *item, struct span raw,
                       const char *answer);

/* The server's element means nothing where it stands, and is dropped. */
void offence_dropped(struct link *l, const struct item *item, struct span raw);

/* A stanza from the server that is larger than anything is read here: deeper, of more attributes,
 * over-long. Whoever wrote it is not this link's client, and must not be able to end it: the stanza
 * is left out, and its sender told. `raw` is its start tag at least, as far as there is one. */
void offence_skip(struct link *l, struct span raw);
