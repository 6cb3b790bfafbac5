/* SPDX-License-Identifier: MIT */
/*
 * A run of bytes that somebody else owns: a loan, valid until its owner's next
 * call. Not terminated by a zero; a span whose p is NULL is one that is absent,
 * which is not the same as one that is empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *p;
    size_t len;
};

#define SPAN_NONE         ((struct span){0})
#define SPAN_LIT(literal) ((struct span){(literal), sizeof(literal) - 1})

static inline struct span span_of(const char *zero_terminated)
{
    return (struct span){zero_terminated, zero_terminated ? strlen(zero_terminated) : 0};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

static inline bool span_is(struct span a, const char *zero_terminated)
{
    return a.p && span_eq(a, span_of(zero_terminated));
}

/* xs:unsignedInt as XEP-0198's h is: 1 to 10 digits, at most 4294967295. False, *out untouched, for
 * anything else, an absent span among it. */
[[nodiscard]] bool span_uint32(struct span s, uint32_t *out);

/* xs:boolean: true, 1, false, 0. Anything else, an absent span too, reads as false. */
[[nodiscard]] bool span_boolean(struct span s);

/* True if it is valid UTF-8 (RFC 3629), zeros among it, or empty, or absent. */
[[nodiscard]] bool span_utf8(struct span s);
