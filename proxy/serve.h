/* SPDX-License-Identifier: MIT */
/*
 * Writing a session's queue to its client: the bytes as they lie in the arena
 * where that is right, and stanza by stanza where something has to be written in.
 */
#pragma once

#include "proxy/client.h"
#include "proxy/link.h"

enum {
    SERVE_SHARE = 524288,  /* bytes written to one client before others have their turn */
    SERVE_SAY_MAX = 65536, /* bytes of answers to it that wait, before it is read no further */
};

/* Writes to the attached client, in order: text that waits, stanzas, an <r/>; as much as its socket
 * takes. Events of what was written go into the worker's orders. */
void serve_client(struct link *l);

/* A place for one stanza of `len` bytes with what an edit may add; full at once if there is no
 * memory. */
struct sink serve_sink(struct tools *tools, size_t len);
