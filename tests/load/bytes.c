/* SPDX-License-Identifier: MIT */
/*
 * One block that grows by doubling; what was taken from its front is room again
 * once the rest has been moved there.
 */
#include "tests/load/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_LEAST = 256 };

char *bytes_room(struct bytes *b, size_t len)
{
    if (b->cap - b->end >= len)
        return b->p + b->end;
    if (b->start) {
        memmove(b->p, b->p + b->start, bytes_len(b));
        b->end -= b->start;
        b->start = 0;
    }
    if (b->cap - b->end < len) {
        size_t cap = b->cap ? b->cap : BYTES_LEAST;

        while (cap - b->end < len)
            cap *= 2;
        if (!(b->p = realloc(b->p, cap)))
            abort();
        b->cap = cap;
    }
    return b->p + b->end;
}

void bytes_filled(struct bytes *b, size_t len)
{
    b->end += len;
}

void bytes_put(struct bytes *b, const void *p, size_t len)
{
    if (!len)
        return;
    memcpy(bytes_room(b, len), p, len);
    b->end += len;
}

void bytes_print(struct bytes *b, const char *format, ...)
{
    va_list list;
    int len;

    va_start(list, format);
    len = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (len < 0)
        abort();
    va_start(list, format);
    vsnprintf(bytes_room(b, (size_t)len + 1), (size_t)len + 1, format, list);
    va_end(list);
    b->end += (size_t)len;
}

void bytes_take(struct bytes *b, size_t len)
{
    b->start += len;
    if (b->start == b->end)
        bytes_clear(b);
}

void bytes_clear(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){0};
}
