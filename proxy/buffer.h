/* SPDX-License-Identifier: MIT */
/*
 * Bytes on the heap that wait: taken from the front, put behind the end. An empty
 * buffer owns no memory. What is freed is wiped: passwords wait here, too.
 */
#pragma once

#include "parser/span.h"

struct buffer {
    char *p;
    size_t start, end; /* of the bytes that wait */
    size_t cap;        /* bytes at p */
};

/* False, and nothing changed, if there is no memory. */
[[nodiscard]] bool buffer_put(struct buffer *b, struct span s);

/* Room for at least `len` bytes behind the end, to be filled and then claimed by buffer_filled;
 * NULL: no memory. */
[[nodiscard]] char *buffer_room(struct buffer *b, size_t len);
void buffer_filled(struct buffer *b, size_t len);

/* Drops `len` bytes from the front; frees the memory when none is left. */
void buffer_take(struct buffer *b, size_t len);
void buffer_clear(struct buffer *b);

static inline size_t buffer_len(const struct buffer *b)
{
    return b->end - b->start;
}

/* A loan until the buffer changes. */
static inline struct span buffer_span(const struct buffer *b)
{
    return (struct span){b->p ? b->p + b->start : NULL, b->end - b->start};
}
