/* SPDX-License-Identifier: MIT */
/*
 * The two XML Schema types that XEP-0198's attributes have. They are read strictly:
 * a count that was misread would acknowledge what never arrived.
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
