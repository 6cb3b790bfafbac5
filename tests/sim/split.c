/* SPDX-License-Identifier: MIT */
/*
 * Items lie where they were put; what remains moves to the front when there is no room.
 */
#include "tests/sim/split.h"

#include <assert.h>

struct framer split_framer(void)
{
    static const char header[] = "<stream:stream xmlns='jabber:client'>";
    struct framer f;
    size_t used;

    framer_init(&f);
    enum framed framed = framer_next(&f, (struct span){header, sizeof header - 1}, &used);

    assert(framed == FRAMED_HEADER && used == sizeof header - 1);
    return f;
}

void split_init(struct split *s)
{
    s->framer = split_framer();
    s->begin = s->scanned = s->end = 0;
}

uint32_t split_room(const struct split *s)
{
    return SPLIT_SIZE - (s->end - s->begin);
}

void split_put(struct split *s, const char *bytes, uint32_t len)
{
    assert(len <= split_room(s));
    if (len > SPLIT_SIZE - s->end) {
        memmove(s->bytes, s->bytes + s->begin, s->end - s->begin);
        s->end -= s->begin;
        s->scanned -= s->begin;
        s->begin = 0;
    }
    memcpy(s->bytes + s->end, bytes, len);
    s->end += len;
}

enum framed split_next(struct split *s, struct span *item)
{
    while (s->scanned < s->end) {
        struct span rest = {s->bytes + s->scanned, s->end - s->scanned};
        size_t used;
        enum framed framed = framer_next(&s->framer, rest, &used);

        s->scanned += (uint32_t)used;
        if (framed == FRAMED_MORE)
            break;
        *item = (struct span){s->bytes + s->begin, s->scanned - s->begin};
        s->begin = s->scanned;
        if (framed != FRAMED_SPACE)
            return framed;
    }
    return FRAMED_MORE;
}
