/* SPDX-License-Identifier: MIT */
/*
 * Hashes by FNV-1a: what two readers understood is the same if they are, and what is
 * different is told by running the finding once more by hand.
 */
#include "tests/fuzz/agreement_reading.h"

static const uint64_t basis = 0xcbf29ce484222325;

static uint64_t hash_byte(uint64_t h, uint8_t byte)
{
    return (h ^ byte) * 0x100000001b3;
}

/* The length goes in behind the bytes, so that two spans are not one. */
uint64_t meaning_hash(uint64_t h, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        h = hash_byte(h, (uint8_t)s.p[i]);
    for (size_t n = s.len, i = 0; i < 4; i++, n >>= 8)
        h = hash_byte(h, (uint8_t)n);
    return h;
}

static uint64_t hash_number(uint64_t h, uint64_t n)
{
    for (int i = 0; i < 8; i++, n >>= 8)
        h = hash_byte(h, (uint8_t)n);
    return h;
}

uint64_t meaning_name(struct span ns, struct span name)
{
    return meaning_hash(meaning_hash(basis, ns), name);
}

void meaning_open(struct meaning *m, struct span ns, struct span name)
{
    uint64_t named = meaning_name(ns, name);

    if (m->depth == READING_DEPTH_MAX) {
        m->too_deep = true;
        return;
    }
    m->open[m->depth].head = m->open[m->depth].named = named;
    m->open[m->depth].text = m->open[m->depth].children = basis;
    m->depth++;
}

void meaning_attribute(struct meaning *m, struct span ns, struct span name, struct span value)
{
    uint64_t *head = &m->open[m->depth - 1].head;

    *head = hash_number(*head, meaning_name(ns, name));
    *head = meaning_hash(*head, value);
}

/* It comes in pieces, of which nothing may be seen. */
void meaning_text(struct meaning *m, struct span text)
{
    uint64_t *h = &m->open[m->depth - 1].text;

    for (size_t i = 0; i < text.len; i++)
        *h = hash_byte(*h, (uint8_t)text.p[i]);
}

uint64_t meaning_close(struct meaning *m, uint64_t *named)
{
    size_t at = --m->depth;
    uint64_t h = hash_number(m->open[at].head, m->open[at].text);

    h = hash_number(h, m->open[at].children);
    *named = m->open[at].named;
    if (at)
        m->open[at - 1].children = hash_number(m->open[at - 1].children, h);
    return h;
}

uint64_t meaning_of_tree(struct meaning *m, const struct element *e)
{
    uint64_t named;

    meaning_open(m, e->ns, e->name);
    for (const struct attribute *a = e->attributes; a; a = a->next)
        meaning_attribute(m, a->ns, a->name, a->value);
    meaning_text(m, e->text);
    for (const struct element *c = e->child; c; c = c->next)
        (void)meaning_of_tree(m, c);
    return meaning_close(m, &named);
}

void reading_close(struct reading *r, struct span stream, size_t end)
{
    size_t at = r->count ? r->items[r->count - 1].end : r->opens;

    if (end < 2 || !memcmp(stream.p + end - 2, "/>", 2)) {
        r->opened = false;
        r->end = READING_WRONG;
        return;
    }
    while (at < end && memchr(" \t\r\n", stream.p[at], 4))
        at++;
    r->end = end - at > 1 && !memcmp(stream.p + at, "</", 2) ? READING_CLOSED : READING_WRONG;
}

bool reading_add(struct reading *r, struct span stream, struct read_item item)
{
    size_t at = r->count ? r->items[r->count - 1].end : r->opens;

    for (; at < item.begin; at++)
        if (!memchr(" \t\r\n", stream.p[at], 4)) {
            r->end = READING_WRONG;
            return false;
        }
    if (r->count == READING_ITEMS_MAX) {
        r->uncounted = true;
        r->end = READING_WRONG;
        return false;
    }
    r->items[r->count++] = item;
    return true;
}
