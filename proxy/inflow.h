/* SPDX-License-Identifier: MIT */
/*
 * One direction of an XML stream while its bytes come in: cut into items by the
 * framer, with what is not whole yet, or not yet wanted, kept on the heap.
 *
 * An item that lies whole in the bytes just read is given where it lies. An item
 * longer than `item_max` is not buffered: its start tag is kept and the rest
 * skipped, so that it can be answered.
 */
#pragma once

#include "parser/framer.h"
#include "proxy/buffer.h"

enum { INFLOW_TAG_MAX = 4096 }; /* the longest start tag that is kept of a skipped item */

enum inflow_found {
    INFLOW_MORE, /* nothing whole is left */
    INFLOW_HEADER,
    INFLOW_ELEMENT,
    INFLOW_CLOSE,
    INFLOW_SKIPPED, /* an over-long element ended; *item is its start tag as an empty element, or
                       absent */
    INFLOW_RESTRICTED,
    INFLOW_BAD,
    INFLOW_TOO_LONG, /* more than 16 times item_max, or an over-long header */
    INFLOW_NO_MEMORY,
    INFLOW_ENDED, /* (websocket.h only) the transport itself ended, or two items came as one message
                   */
};

struct inflow {
    struct framer framer;
    struct buffer kept; /* the part of an item that came, then bytes the framer has not seen */
    size_t scanned;     /* of kept: bytes the framer has seen */
    size_t given;       /* of kept: the item given last, dropped at the next call */
    size_t item_max;    /* bytes */
    size_t skipped;     /* bytes of the over-long item so far; 0: none is being skipped */
};

void inflow_init(struct inflow *f, size_t item_max);
void inflow_clear(struct inflow *f);

/* Before the first byte of a restarted stream; what is kept unseen stays and belongs to it. */
void inflow_restart(struct inflow *f);

/* The next item of what is kept and of *fresh, which is moved on. *item is a loan until the next
 * call, and until the memory behind *fresh changes. White space between items is swallowed. */
[[nodiscard]] enum inflow_found inflow_next(struct inflow *f, struct span *fresh,
                                            struct span *item);

/* Keeps what is left of `fresh` for later: nothing more is to be taken now. False: no memory. */
[[nodiscard]] bool inflow_hold(struct inflow *f, struct span fresh);

/* True if something is kept that has not been seen yet. */
[[nodiscard]] bool inflow_waits(const struct inflow *f);

/* True if an item begins like a stream's header: where one was read already, it is, as XML, an
 * element that nobody will end. Only the usual prefix is known. */
[[nodiscard]] bool inflow_opens_stream(struct span start);

/* True if what is kept of the item that is not whole yet begins so. */
[[nodiscard]] bool inflow_opens_again(const struct inflow *f);

/* Cuts the start tag out of the beginning of an element and ends it with "/>"; absent if it is not
 * whole. Writes into `tag`. */
[[nodiscard]] struct span inflow_start_tag(struct span element, char tag[INFLOW_TAG_MAX]);
