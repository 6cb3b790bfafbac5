/* SPDX-License-Identifier: MIT */
/*
 * What a reader makes of a stream: the items that it accepts one after another, until
 * something is wrong.
 *
 * Three readers are compared: Holdfast (framer, and expat for each item alone), one
 * expat and one libxml2 that are given the whole stream as one document. To the two
 * latter a stream is wrong, too, where RFC 6120, 11.1, says so although it is XML: at
 * comments, processing instructions, DTDs, at anything but white space between items, and
 * at a root that is an empty element, which opens no stream.
 */
#pragma once

#include "tests/fuzz/fuzz_xml.h"

enum { READING_ITEMS_MAX = 256, READING_NAME_MAX = 4096, READING_DEPTH_MAX = 1024 };

struct read_item {
    size_t begin, end; /* in the stream: of its first byte, and of the byte behind its last */
    uint64_t named;    /* a hash of its namespace and name */
    uint64_t meant;    /* of everything in it, as struct element has it */
};

enum reading_end {
    READING_MORE,   /* nothing is wrong so far */
    READING_CLOSED, /* the stream's end tag was read */
    READING_WRONG,
};

struct reading {
    enum reading_end end;
    bool opened;    /* the header was read, and is fine */
    size_t opens;   /* the byte behind it */
    uint64_t named; /* a hash of the root's namespace and name */
    struct read_item items[READING_ITEMS_MAX];
    size_t count;

    /* Of Holdfast alone. */
    bool stricter;    /* it ended at something that may be XML, and that Holdfast does not take */
    const char *why;  /* what that was */
    bool spaced;      /* white space stood in front of an XML declaration */
    bool uncounted;   /* READING_ITEMS_MAX was reached */
    size_t wrong_at;  /* where the first item begins that was not accepted */
    int wrong_by;     /* of libxml2 alone: the number of its first error */
    char context[64]; /* a note for whoever reads a finding */
};

/* --- hashes of what was understood --- */

/* A tree as it is being read: text of an element is put together, whatever stands in between. */
struct meaning {
    struct {
        uint64_t head, text, children, named;
    } open[READING_DEPTH_MAX];
    size_t depth;
    bool too_deep;
};

uint64_t meaning_hash(uint64_t h, struct span s);
uint64_t meaning_name(struct span ns, struct span name);

/* An element begins; then its attributes, its text and its children in order; it ends, and what it
 * and all in it mean is returned. */
void meaning_open(struct meaning *m, struct span ns, struct span name);
void meaning_attribute(struct meaning *m, struct span ns, struct span name, struct span value);
void meaning_text(struct meaning *m, struct span text);
uint64_t meaning_close(struct meaning *m, uint64_t *named);
uint64_t meaning_of_tree(struct meaning *m, const struct element *e);

/* --- the readers --- */

/* In pieces of so many bytes; 0: at once. */
void read_by_holdfast(struct reading *r, struct span stream, size_t piece);
void read_by_expat(struct reading *r, struct span stream);
void read_by_libxml2(struct reading *r, struct span stream);

/* The root ended: with an end tag of its own, behind white space, or the stream was none. */
void reading_close(struct reading *r, struct span stream, size_t end);

/* An item that ends at `end`, if nothing but white space stands between it and what was read before
 * it. False, and the reading is wrong, if anything else does. */
[[nodiscard]] bool reading_add(struct reading *r, struct span stream, struct read_item item);
