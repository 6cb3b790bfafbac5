/* SPDX-License-Identifier: MIT */
/*
 * A thing stands behind the address of its slab. Slabs that are full are in no list: they
 * come back with the first thing that is given back.
 */
#include "sm/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { THINGS = 64 };

struct cell {
    _Alignas(max_align_t) struct pool_slab *slab;
    _Alignas(max_align_t) char thing[];
};

struct pool_slab {
    struct pool_slab *next, *prev; /* in the pool's list, while it has room */
    void *free;                    /* a thing that nobody has, which begins with the next one */
    unsigned used;
    _Alignas(max_align_t) char cells[];
};

static size_t cell_size(const struct pool *p)
{
    size_t unit = _Alignof(max_align_t);

    return sizeof(struct cell) + (p->size + unit - 1) / unit * unit;
}

static void link_slab(struct pool *p, struct pool_slab *s)
{
    s->prev = NULL;
    s->next = p->roomy;
    if (s->next)
        s->next->prev = s;
    p->roomy = s;
}

static void unlink_slab(struct pool *p, struct pool_slab *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        p->roomy = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

static void put_free(struct pool_slab *s, void *thing)
{
    memcpy(thing, &s->free, sizeof s->free);
    s->free = thing;
}

static bool grow(struct pool *p)
{
    struct pool_slab *s = malloc(sizeof *s + THINGS * cell_size(p));

    assert(p->size >= sizeof(void *));
    if (!s)
        return false;
    *s = (struct pool_slab){0};
    for (size_t i = THINGS; i-- > 0;) {
        struct cell *c = (struct cell *)(s->cells + i * cell_size(p));

        c->slab = s;
        put_free(s, c->thing);
    }
    link_slab(p, s);
    return true;
}

void *pool_take(struct pool *p)
{
    struct pool_slab *s;
    void *thing;

    if (p->plain)
        return calloc(1, p->size);
    if (!p->roomy && !grow(p))
        return NULL;
    s = p->roomy;
    thing = s->free;
    memcpy(&s->free, thing, sizeof s->free);
    if (++s->used == THINGS)
        unlink_slab(p, s);
    return memset(thing, 0, p->size);
}

void pool_give(struct pool *p, void *thing)
{
    struct pool_slab *s;

    if (p->plain || !thing) {
        free(thing);
        return;
    }
    s = ((struct cell *)((char *)thing - offsetof(struct cell, thing)))->slab;
    put_free(s, thing);
    if (s->used-- == THINGS)
        link_slab(p, s);
    if (!s->used) {
        unlink_slab(p, s);
        free(s);
    }
}
