/* SPDX-License-Identifier: MIT */
/*
 * Bytes on the heap that wait: put behind the end, taken from the front. The programs
 * of this folder share no code with what they test, so they have their own.
 * Whoever has no memory left aborts: these are tests.
 */
#pragma once

#include <stddef.h>

struct bytes {
    char *p;
    size_t start, end; /* of the bytes that wait */
    size_t cap;        /* bytes at p */
};

/* Room for `len` bytes behind the end, to be filled and then claimed by bytes_filled. */
char *bytes_room(struct bytes *b, size_t len);
void bytes_filled(struct bytes *b, size_t len);

void bytes_put(struct bytes *b, const void *p, size_t len);
void bytes_print(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops `len` bytes from the front; the memory is given back when none is left. */
void bytes_take(struct bytes *b, size_t len);
void bytes_clear(struct bytes *b);

static inline size_t bytes_len(const struct bytes *b)
{
    return b->end - b->start;
}

static inline char *bytes_front(const struct bytes *b)
{
    return b->p + b->start;
}
