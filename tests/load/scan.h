/* SPDX-License-Identifier: MIT */
/*
 * Finds the items of a stream: its header, the elements below it, its closing tag; and
 * looks into their start tags. It knows as much XML as two well-behaved peers and a
 * proxy write: tags, quotes, text; no comments, no CDATA. Anything else is SCAN_BROKEN.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/load/bytes.h"

enum scan_found {
    SCAN_MORE, /* nothing whole is there yet */
    SCAN_HEADER,
    SCAN_ITEM,
    SCAN_CLOSING, /* </stream:stream> */
    SCAN_BROKEN,
};

struct scan {
    size_t at;    /* bytes of the item under way that were looked at */
    size_t given; /* bytes of the last item, to be taken at the next call */
    unsigned depth;
    uint8_t state;
    char quote;
};

struct text {
    const char *p;
    size_t len;
};

/* The next item. *out is a loan until the next call with these bytes. */
enum scan_found scan_next(struct scan *s, struct bytes *in, struct text *out);

/* True if a part of an item waits for its rest. */
bool scan_halfway(const struct scan *s, const struct bytes *in);

/* The element's name is this one, whatever its prefix. */
bool item_is(struct text item, const char *name);

/* The value of an attribute of the item's own start tag, as it is written there. */
bool item_attribute(struct text item, const char *name, struct text *out);

/* The attribute is an unsigned number, and nothing else. */
bool item_number(struct text item, const char *name, uint32_t *out);

bool item_has(struct text item, const char *part);
bool text_is(struct text t, const char *s);
