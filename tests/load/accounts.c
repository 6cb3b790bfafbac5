/* SPDX-License-Identifier: MIT */
/*
 * A table of chains, long enough for tens of thousands of accounts.
 */
#include "tests/load/accounts.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1 << 14 };

struct accounts {
    struct account *bucket[BUCKETS];
};

static uint32_t hash(struct text t)
{
    uint32_t h = 2166136261;

    for (size_t i = 0; i < t.len; i++)
        h = (h ^ (unsigned char)t.p[i]) * 16777619;
    return h % BUCKETS;
}

struct accounts *accounts_new(void)
{
    struct accounts *all = calloc(1, sizeof *all);

    if (!all)
        abort();
    return all;
}

struct account *accounts_find(struct accounts *all, struct text jid)
{
    struct account **place = &all->bucket[hash(jid)], *a;

    for (a = *place; a; a = a->next)
        if (text_is(jid, a->jid))
            return a;
    if (!(a = calloc(1, sizeof *a)) || !(a->jid = strndup(jid.p, jid.len)))
        abort();
    a->next = *place;
    *place = a;
    return a;
}

void accounts_free(struct accounts *all)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct account *a = all->bucket[i], *next; a; a = next) {
            next = a->next;
            bytes_clear(&a->waiting);
            free(a->jid);
            free(a);
        }
    free(all);
}
