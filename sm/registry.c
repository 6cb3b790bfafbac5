/* SPDX-License-Identifier: MIT */
/*
 * Chained hash tables that double, a binary heap of deadlines, and lists of the
 * detached by the size of what they hold. Room for one more in the heap is made
 * when a node is added, so that to set a deadline never fails.
 */
#include "sm/registry.h"

#include "sm/siphash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 64, HEAP_MIN = 64 };
#define NOT_IN_HEAP UINT32_MAX

/* --- text --- */

uint64_t registry_hash(const char *bytes, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint32_t short_hash(const struct registry *r, struct sm_text text)
{
    uint64_t hash = siphash(r->key, text.p, text.len);

    return (uint32_t)(hash ^ hash >> 32);
}

static bool same(struct sm_text a, struct sm_text b)
{
    return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

/* --- chains: by account, and by JID --- */

static struct registry_node **account_link(struct registry_node *n)
{
    return &n->account_next;
}

static struct registry_node **jid_link(struct registry_node *n)
{
    return &n->jid_next;
}

static uint32_t account_hash(const struct registry_node *n)
{
    return n->account_hash;
}

static uint32_t jid_hash(const struct registry_node *n)
{
    return n->jid_hash;
}

struct way {
    struct registry_node **(*link)(struct registry_node *n);
    uint32_t (*hash)(const struct registry_node *n);
};

static const struct way by_account = {account_link, account_hash};
static const struct way by_jid = {jid_link, jid_hash};

static int chains_init(struct registry_chains *c)
{
    c->buckets = BUCKETS_MIN;
    c->bucket = calloc(c->buckets, sizeof *c->bucket);
    return c->bucket ? 0 : -ENOMEM;
}

/* At the end of its chain, so that a chain keeps the order in which its nodes came. */
static void chain_add(struct registry_chains *c, const struct way *way, struct registry_node *n)
{
    struct registry_node **at = &c->bucket[way->hash(n) & (c->buckets - 1)];

    while (*at)
        at = way->link(*at);
    *at = n;
    *way->link(n) = NULL;
}

static void chain_drop(struct registry_chains *c, const struct way *way, struct registry_node *n)
{
    struct registry_node **at = &c->bucket[way->hash(n) & (c->buckets - 1)];

    while (*at != n) {
        assert(*at);
        at = way->link(*at);
    }
    *at = *way->link(n);
}

/* Twice the buckets. Without memory for them the chains get longer, and all still works. */
static void chains_grow(struct registry_chains *c, const struct way *way)
{
    struct registry_chains old = *c;
    struct registry_node **bucket = calloc((size_t)old.buckets * 2, sizeof *bucket);

    if (!bucket)
        return;
    c->bucket = bucket;
    c->buckets *= 2;
    for (uint32_t i = 0; i < old.buckets; i++) {
        for (struct registry_node *n = old.bucket[i], *next; n; n = next) {
            next = *way->link(n);
            chain_add(c, way, n);
        }
    }
    free(old.bucket);
}

/* --- the heap: the earliest key first --- */

static void heap_place(struct registry *r, uint32_t at, struct registry_key key)
{
    r->heap[at] = key;
    key.node->heap_at = at;
}

static void heap_up(struct registry *r, uint32_t at)
{
    struct registry_key key = r->heap[at];

    for (; at && key.at_ms < r->heap[(at - 1) / 2].at_ms; at = (at - 1) / 2)
        heap_place(r, at, r->heap[(at - 1) / 2]);
    heap_place(r, at, key);
}

static void heap_down(struct registry *r, uint32_t at)
{
    struct registry_key key = r->heap[at];

    for (uint32_t child; (child = 2 * at + 1) < r->heap_count; at = child) {
        if (child + 1 < r->heap_count && r->heap[child + 1].at_ms < r->heap[child].at_ms)
            child++;
        if (key.at_ms <= r->heap[child].at_ms)
            break;
        heap_place(r, at, r->heap[child]);
    }
    heap_place(r, at, key);
}

static void heap_drop(struct registry *r, struct registry_node *n)
{
    uint32_t at = n->heap_at;

    if (at == NOT_IN_HEAP)
        return;
    n->heap_at = NOT_IN_HEAP;
    r->heap_count--;
    if (at == r->heap_count)
        return;

    struct registry_node *moved = r->heap[r->heap_count].node;

    heap_place(r, at, r->heap[r->heap_count]);
    heap_up(r, at);
    heap_down(r, moved->heap_at);
}

static int heap_reserve(struct registry *r, uint32_t count)
{
    if (count <= r->heap_room)
        return 0;

    uint32_t room = r->heap_room ? r->heap_room * 2 : HEAP_MIN;
    struct registry_key *heap = realloc(r->heap, room * sizeof *heap);

    if (!heap)
        return -ENOMEM;
    r->heap = heap;
    r->heap_room = room;
    return 0;
}

void registry_set_deadline(struct registry *r, struct registry_node *n, uint64_t at_ms)
{
    n->deadline_ms = at_ms;
    if (n->heap_at == NOT_IN_HEAP) {
        if (at_ms == UINT64_MAX)
            return;
        heap_place(r, r->heap_count++, (struct registry_key){.at_ms = at_ms, .node = n});
        heap_up(r, n->heap_at);
    } else if (at_ms < r->heap[n->heap_at].at_ms) {
        r->heap[n->heap_at].at_ms = at_ms;
        heap_up(r, n->heap_at);
    } /* else: the key is too early, which registry_due sees */
}

uint64_t registry_deadline(const struct registry *r)
{
    return r->heap_count ? r->heap[0].at_ms : UINT64_MAX;
}

struct registry_node *registry_due(struct registry *r, uint64_t now_ms)
{
    while (r->heap_count && r->heap[0].at_ms <= now_ms) {
        struct registry_node *n = r->heap[0].node;

        if (n->deadline_ms <= now_ms) {
            heap_drop(r, n);
            n->deadline_ms = UINT64_MAX;
            return n;
        }
        r->heap[0].at_ms = n->deadline_ms; /* if it has none: behind all others */
        heap_down(r, 0);
    }
    return NULL;
}

/* --- lists of the detached by size --- */

void registry_set_held(struct registry *r, struct registry_node *n, bool held, size_t bytes)
{
    unsigned size_class = held ? 1 : 0;

    if (held && bytes)
        size_class += 63 - (unsigned)__builtin_clzll(bytes);
    if (size_class >= REGISTRY_CLASSES)
        size_class = REGISTRY_CLASSES - 1;
    if (n->size_class == size_class)
        return;

    if (n->size_class) {
        if (n->size_prev)
            n->size_prev->size_next = n->size_next;
        else
            r->sizes[n->size_class] = n->size_next;
        if (n->size_next)
            n->size_next->size_prev = n->size_prev;
        n->size_prev = n->size_next = NULL;
    }
    n->size_class = (uint8_t)size_class;
    if (size_class) {
        n->size_next = r->sizes[size_class];
        if (n->size_next)
            n->size_next->size_prev = n;
        r->sizes[size_class] = n;
    }
}

struct registry_node *registry_largest(const struct registry *r)
{
    for (unsigned i = REGISTRY_CLASSES; i-- > 1;) {
        if (r->sizes[i])
            return r->sizes[i];
    }
    return NULL;
}

/* --- a life --- */

int registry_init(struct registry *r, uint32_t slots, const uint64_t key[2])
{
    *r = (struct registry){.slot_count = slots, .key = {key[0], key[1]}};
    r->slots = calloc(slots, sizeof *r->slots);
    if (!r->slots || chains_init(&r->accounts) < 0 || chains_init(&r->jids) < 0) {
        registry_clear(r);
        return -ENOMEM;
    }
    return 0;
}

void registry_clear(struct registry *r)
{
    free(r->slots);
    free(r->accounts.bucket);
    free(r->jids.bucket);
    free(r->heap);
    *r = (struct registry){0};
}

int registry_add(struct registry *r, struct registry_node *n)
{
    int e = heap_reserve(r, r->count + 1);

    if (e < 0)
        return e;
    assert(n->slot < r->slot_count && !r->slots[n->slot]);
    r->count++;
    if (r->count > r->accounts.buckets)
        chains_grow(&r->accounts, &by_account);
    if (r->count > r->jids.buckets)
        chains_grow(&r->jids, &by_jid);

    n->account_hash = short_hash(r, n->account);
    n->jid_hash = short_hash(r, n->jid);
    n->heap_at = NOT_IN_HEAP;
    n->deadline_ms = UINT64_MAX;
    n->size_class = 0;
    n->size_prev = n->size_next = NULL;
    r->slots[n->slot] = n;
    chain_add(&r->accounts, &by_account, n);
    chain_add(&r->jids, &by_jid, n);
    return 0;
}

void registry_drop(struct registry *r, struct registry_node *n)
{
    assert(registry_slot(r, n->slot) == n);
    heap_drop(r, n);
    registry_set_held(r, n, false, 0);
    chain_drop(&r->accounts, &by_account, n);
    chain_drop(&r->jids, &by_jid, n);
    r->slots[n->slot] = NULL;
    r->count--;
}

/* --- finding --- */

struct registry_node *registry_slot(const struct registry *r, uint32_t slot)
{
    return slot < r->slot_count ? r->slots[slot] : NULL;
}

struct registry_node *registry_next(const struct registry *r, const struct registry_node *after)
{
    for (uint32_t slot = after ? after->slot + 1 : 0; slot < r->slot_count; slot++) {
        if (r->slots[slot])
            return r->slots[slot];
    }
    return NULL;
}

struct registry_node *registry_next_of(const struct registry *r, struct sm_text account,
                                       const struct registry_node *after)
{
    uint32_t hash = short_hash(r, account);
    struct registry_node *n =
        after ? after->account_next : r->accounts.bucket[hash & (r->accounts.buckets - 1)];

    while (n && (n->account_hash != hash || !same(n->account, account)))
        n = n->account_next;
    return n;
}

struct registry_node *registry_next_at(const struct registry *r, struct sm_text jid,
                                       const struct registry_node *after)
{
    uint32_t hash = short_hash(r, jid);
    struct registry_node *n =
        after ? after->jid_next : r->jids.bucket[hash & (r->jids.buckets - 1)];

    while (n && (n->jid_hash != hash || !same(n->jid, jid)))
        n = n->jid_next;
    return n;
}
