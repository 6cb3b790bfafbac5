/* SPDX-License-Identifier: MIT */
/*
 * A ring of stanzas that wait for their acknowledgement.
 */
#include "tests/load/session.h"

#include <stdlib.h>
#include <string.h>

enum { RING_LEAST = 8 };

static struct stanza *nth(const struct session *s, size_t n)
{
    return &s->ring[(s->first + n) & (s->cap - 1)];
}

void session_begin(struct session *s)
{
    *s = (struct session){.ring = s->ring, .cap = s->cap};
}

void session_close(struct session *s)
{
    s->enabled = false;
    s->count = s->written = 0;
}

static void grow(struct session *s)
{
    size_t cap = s->cap ? 2 * s->cap : RING_LEAST;
    struct stanza *ring = malloc(cap * sizeof *ring);

    if (!ring)
        abort();
    for (size_t i = 0; i < s->count; i++)
        ring[i] = *nth(s, i);
    free(s->ring);
    s->ring = ring;
    s->first = 0;
    s->cap = cap;
}

void session_say(struct session *s, enum said said, uint32_t number)
{
    if (s->count == s->cap)
        grow(s);
    *nth(s, s->count++) = (struct stanza){.number = number, .said = (uint8_t)said};
}

struct stanza *session_unwritten(struct session *s)
{
    return s->written < s->count ? nth(s, s->written) : NULL;
}

void session_wrote(struct session *s, uint64_t end)
{
    nth(s, s->written++)->end = end;
}

/* What can have come whole on the present connection raises the bound. */
static void raise_bound(struct session *s, uint64_t sent)
{
    size_t n = s->could - s->acked;

    while (n < s->written && nth(s, n)->end <= sent)
        n++;
    if (n > (uint32_t)(s->could - s->acked))
        s->could = s->acked + (uint32_t)n;
}

enum session_ack session_ack(struct session *s, uint32_t h, uint64_t sent)
{
    uint32_t count = h - s->acked;

    raise_bound(s, sent);
    if (count > INT32_MAX)
        return ACK_LOWER;
    if (count > (uint32_t)(s->could - s->acked))
        return ACK_HIGHER;
    s->acked = h;
    s->count -= count;
    s->written -= s->written < count ? s->written : count;
    s->first = s->cap ? (s->first + count) & (s->cap - 1) : 0;
    return ACK_FINE;
}

void session_cut(struct session *s, uint64_t sent)
{
    raise_bound(s, sent);
    s->written = 0;
}

void session_free(struct session *s)
{
    free(s->ring);
    *s = (struct session){0};
}
