/* SPDX-License-Identifier: MIT */
/*
 * A place to write XML into: the caller's buffer, with a bound. Writing past the
 * bound writes nothing more and is remembered in `full`, so that a writer checks
 * once, at its end.
 */
#pragma once

#include "parser/span.h"

struct sink {
    char *p;
    size_t len;
    size_t max; /* bytes at p */
    bool full;  /* something did not fit; what stands at p is useless */
};

#define SINK(array) ((struct sink){.p = (array), .max = sizeof(array)})

/* As it is. */
void sink_put(struct sink *k, struct span s);
void sink_puts(struct sink *k, const char *zero_terminated);

/* With &, <, >, ' and " escaped: fit for text and for attribute values. */
void sink_escape(struct sink *k, struct span s);

/* " name='value'", escaped; nothing if the value is absent. */
void sink_attribute(struct sink *k, const char *name, struct span value);

static inline struct span sink_span(const struct sink *k)
{
    return (struct span){k->p, k->len};
}
