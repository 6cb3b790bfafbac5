/* SPDX-License-Identifier: MIT */
/*
 * Items of a stream, found fast: nearly all that passes here are messages, in which no other
 * message is nested, so that one search finds the end. All else goes to the scanner of tests/load.
 */
#include "tests/bench/channel.h"

#include <string.h>

static const char begins[] = "<message ", ends[] = "</message>";

enum { BEGINS_LEN = sizeof begins - 1, ENDS_LEN = sizeof ends - 1 };

enum scan_found items_next(struct scan *s, struct bytes *in, struct text *out)
{
    const char *p, *end;
    size_t len;

    if (s->depth != 1 || s->at)
        return scan_next(s, in, out);
    bytes_take(in, s->given);
    s->given = 0;
    p = bytes_front(in);
    len = bytes_len(in);
    if (len < BEGINS_LEN || memcmp(p, begins, BEGINS_LEN) != 0)
        return scan_next(s, in, out);
    if (!(end = memmem(p, len, ends, ENDS_LEN)))
        return SCAN_MORE;
    *out = (struct text){p, (size_t)(end - p) + ENDS_LEN};
    s->given = out->len;
    return SCAN_ITEM;
}
