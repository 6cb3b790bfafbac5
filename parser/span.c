/* SPDX-License-Identifier: MIT */
/*
 * The two XML Schema types that XEP-0198's attributes have. They are read strictly:
 * a count that was misread would acknowledge what never arrived. And UTF-8.
 */
#include "parser/span.h"

enum { DIGITS_MAX = 10 }; /* of 4294967295 */

bool span_uint32(struct span s, uint32_t *out)
{
    uint64_t value = 0;

    if (!s.p || !s.len || s.len > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s.p[i] - '0');
    }
    if (value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

bool span_boolean(struct span s)
{
    return span_is(s, "true") || span_is(s, "1");
}

/* The length of the UTF-8 sequence at the start of s (RFC 3629, 4), 0 if there is none: neither
 * overlong forms nor surrogates nor anything above U+10FFFF is one. */
static size_t utf8_sequence(struct span s)
{
    const unsigned char *b = (const unsigned char *)s.p;
    size_t len = b[0] < 0x80   ? 1
                 : b[0] < 0xC2 ? 0
                 : b[0] < 0xE0 ? 2
                 : b[0] < 0xF0 ? 3
                 : b[0] < 0xF5 ? 4
                               : 0;

    if (len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((b[i] & 0xC0) != 0x80)
            return 0;
    if ((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F) ||
        (b[0] == 0xF0 && b[1] < 0x90) || (b[0] == 0xF4 && b[1] > 0x8F))
        return 0;
    return len;
}

bool span_utf8(struct span s)
{
    while (s.len) {
        size_t len = utf8_sequence(s);

        if (!len)
            return false;
        s = (struct span){s.p + len, s.len - len};
    }
    return true;
}
