/* SPDX-License-Identifier: MIT */
/*
 * Writing XML into a bounded buffer.
 *
 * What is escaped reads back as it was, in text and in attribute values: a reader
 * turns a raw tab or line end of an attribute into a space, and a raw carriage
 * return into a line feed wherever it stands, so these are written as references.
 */
#include "parser/sink.h"

void sink_put(struct sink *k, struct span s)
{
    if (k->full || !s.len)
        return;
    if (s.len > k->max - k->len) {
        k->full = true;
        return;
    }
    memcpy(k->p + k->len, s.p, s.len);
    k->len += s.len;
}

void sink_puts(struct sink *k, const char *zero_terminated)
{
    sink_put(k, span_of(zero_terminated));
}

/* What stands for a byte that cannot stand for itself; NULL for all others. */
static const char *const references[256] = {
    ['&'] = "&amp;",  ['<'] = "&lt;",  ['>'] = "&gt;",   ['\''] = "&apos;",
    ['"'] = "&quot;", ['\t'] = "&#9;", ['\n'] = "&#10;", ['\r'] = "&#13;",
};

void sink_escape(struct sink *k, struct span s)
{
    size_t plain = 0; /* where the bytes begin that are written as they are */

    for (size_t i = 0; i < s.len; i++) {
        const char *ref = references[(uint8_t)s.p[i]];

        if (!ref)
            continue;
        sink_put(k, (struct span){s.p + plain, i - plain});
        sink_puts(k, ref);
        plain = i + 1;
    }
    if (plain < s.len)
        sink_put(k, (struct span){s.p + plain, s.len - plain});
}

void sink_attribute(struct sink *k, const char *name, struct span value)
{
    if (!value.p)
        return;
    sink_puts(k, " ");
    sink_puts(k, name);
    sink_puts(k, "='");
    sink_escape(k, value);
    sink_puts(k, "'");
}
