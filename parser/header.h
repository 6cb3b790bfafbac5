/* SPDX-License-Identifier: MIT */
/*
 * Stream headers (RFC 6120, 4.7): read, judged, and written anew.
 *
 * Holdfast never passes a header on. It reads what the client or the server said,
 * and writes one of its own to the other side.
 */
#pragma once

#include "parser/xml.h"

enum { /* bytes, decoded: a header that has longer ones is XML_TOO_BIG */
       HEADER_ID_MAX = 1024,
       HEADER_LANG_MAX = 255, /* it is written into every stanza that inherits it */
};

struct header {
    struct span to, from, id, lang; /* decoded; absent if the attribute is */
    struct span prefixes;           /* as in struct context */
    bool modern; /* version 1.0 or above (RFC 6120, 4.7.5); false: a stream of before */
};

/* Judges and reads a header; the spans are valid until the parser's next call. Verdicts as in
 * xml.h; a major version above 1 is read as 1.0. */
[[nodiscard]] enum xml_verdict header_read(struct xml *x, struct span in, struct header *out);

/* The same of an <open/> (RFC 7395, 3.4), read as an item: there are no prefixes. */
[[nodiscard]] enum xml_verdict header_read_open(struct xml *x, struct span in, struct header *out);

/* Writes "<?xml version='1.0'?><stream:stream …>" from the fields that are present. */
void header_write(struct sink *k, const struct header *h);

/* Writes <open/> from the same fields but the prefixes: what stands in a message of its own
 * inherits nothing. */
void header_write_open(struct sink *k, const struct header *h);

/* Writes "<stream:error><condition …/><text>…</text></stream:error>", the text in English; without
 * a text element if it is absent. */
void header_stream_error(struct sink *k, const char *condition, struct span text);
