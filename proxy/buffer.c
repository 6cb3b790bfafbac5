/* SPDX-License-Identifier: MIT */
/*
 * Growing by halves again and moving to the front when that makes room.
 */
#include "proxy/buffer.h"

#include <stdint.h>
#include <stdlib.h>

static void give_up(struct buffer *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    free(b->p);
}

char *buffer_room(struct buffer *b, size_t len)
{
    size_t held = buffer_len(b);

    if (b->cap - b->end >= len && b->p)
        return b->p + b->end;
    if (len > SIZE_MAX / 2 - held)
        return NULL;
    if (b->cap >= held + len && b->start >= held) {
        memcpy(b->p, b->p + b->start, held);
    } else {
        size_t cap = held + len < 512 ? 512 : held + len + held / 2;
        char *p = malloc(cap);

        if (!p)
            return NULL;
        if (held)
            memcpy(p, b->p + b->start, held);
        give_up(b);
        b->p = p;
        b->cap = cap;
    }
    b->start = 0;
    b->end = held;
    return b->p + b->end;
}

void buffer_filled(struct buffer *b, size_t len)
{
    b->end += len;
}

bool buffer_put(struct buffer *b, struct span s)
{
    char *to;

    if (!s.len)
        return true;
    if (!(to = buffer_room(b, s.len)))
        return false;
    memcpy(to, s.p, s.len);
    b->end += s.len;
    return true;
}

void buffer_take(struct buffer *b, size_t len)
{
    b->start += len;
    if (b->start == b->end)
        buffer_clear(b);
}

void buffer_clear(struct buffer *b)
{
    give_up(b);
    *b = (struct buffer){0};
}
