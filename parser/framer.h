/* SPDX-License-Identifier: MIT */
/*
 * Finds where the items of an XMPP stream end, without judging them.
 *
 * A stream is a header (with an XML declaration before it, perhaps), then whole
 * elements at depth 1 with white space between them, then the closing tag. The
 * framer is a scanner of a few bytes of state and no pointers: it is kept with the
 * stream, in an arena too, and an item that trickles in byte by byte is read once.
 * xml.h judges the item afterwards; where the two disagree, the stream is in error.
 */
#pragma once

#include "parser/span.h"

enum framed {
    FRAMED_MORE,       /* all bytes were used, and the item goes on */
    FRAMED_SPACE,      /* a run of white space between items */
    FRAMED_HEADER,     /* the XML declaration, if any, and the stream's start tag */
    FRAMED_ELEMENT,    /* one whole element at depth 1 */
    FRAMED_CLOSE,      /* the closing tag of the stream */
    FRAMED_RESTRICTED, /* comment, processing instruction, DTD (RFC 6120, 11.1) */
    FRAMED_BAD,        /* not XML: text between items, a stray end tag, … */
};

struct framer {
    uint8_t state;
    uint8_t quote;    /* the quote that ends the attribute value being read, or 0 */
    uint8_t match;    /* how much of ]]> or of a marker was seen */
    uint8_t opened;   /* the stream's start tag was seen */
    uint32_t depth;   /* elements open below the stream */
    uint32_t name;    /* a hash of the name in the stream's start tag … */
    uint32_t closing; /* … and of the one in its closing tag, which has to be the same */
};

/* Before the first byte of a stream, and of each restarted one. */
void framer_init(struct framer *f);

/* Before the first byte of an item that stands for itself, as in a WebSocket message, with or
 * without an XML declaration (RFC 7395, 3.3.3). What is found then is FRAMED_ELEMENT, with the
 * declaration, and never a header or a closing tag. */
void framer_document(struct framer *f);

/* Reads on until an item is whole or the input is at its end; *used says how many bytes belong to
 * the answer. The first byte of the next call must be the one behind them. RESTRICTED and BAD are
 * said at the first byte that shows them; the stream is over then, and the framer gives the same
 * answer from then on. Behind CLOSE anything but white space is BAD. */
[[nodiscard]] enum framed framer_next(struct framer *f, struct span in, size_t *used);

/* True between items: nothing of a next item has been read. */
[[nodiscard]] bool framer_idle(const struct framer *f);
