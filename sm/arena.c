/* SPDX-License-Identifier: MIT */
/*
 * The layout of an arena, its two ways to write, and its share of the budget.
 *
 * After a SIGKILL the successor sees every completed store in order, so only the
 * compiler has to be kept from moving stores across a commit.
 */
#include "sm/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define ARENA_MAGIC UINT64_C(0x31646c6f66646c48) /* "Hldfold1", little-endian */

enum { SLOTS_MIN = 4, DATA_MIN = 65536 };

struct arena_header {    /* at offset 0 */
    uint64_t magic;      /* stored last */
    uint64_t posted;     /* the session that a receive is outstanding for */
    uint64_t slots_high; /* no slot from this number on was ever in use */
    uint64_t size;
    uint32_t layout; /* ARENA_LAYOUT */
    uint32_t slot_size, slots;
    uint32_t stone_size, stones;
    uint32_t reserved;
};

static uint64_t page_up(uint64_t at)
{
    return (at + EXTENT_PAGE - 1) / EXTENT_PAGE * EXTENT_PAGE;
}

static uint32_t at_most(uint64_t n, uint32_t max)
{
    return n < max ? (uint32_t)n : max;
}

/* --- writing --- */

void arena_put(struct arena *a, uint64_t at, const void *bytes, size_t len)
{
    assert(at < a->size && len <= a->size - at);
    if (!len)
        return;
    if (!a->stored) {
        memcpy(a->base + at, bytes, len);
        return;
    }
    for (size_t done = 0; done < len;) {
        size_t piece = 8 - (at + done) % 8;

        if (piece > len - done)
            piece = len - done;
        memcpy(a->base + at + done, (const char *)bytes + done, piece);
        a->stored(a->stored_arg, at + done, piece);
        done += piece;
    }
}

void arena_commit(struct arena *a, uint64_t at, uint64_t word)
{
    assert(at < a->size && at % 8 == 0);
    atomic_signal_fence(memory_order_seq_cst);
    *(volatile uint64_t *)(void *)(a->base + at) = word;
    atomic_signal_fence(memory_order_seq_cst);
    if (a->stored)
        a->stored(a->stored_arg, at, 8);
}

void arena_post(struct arena *a, uint64_t word)
{
    arena_commit(a, offsetof(struct arena_header, posted), word);
}

uint64_t arena_posted(const struct arena *a)
{
    return arena_word(a, offsetof(struct arena_header, posted));
}

struct keepsake { /* in the header page, behind all else; a page that never had one is zeroes */
    uint64_t len;
    char bytes[ARENA_KEEPSAKE];
};

enum { KEEPSAKE_AT = 2048 };

static_assert(KEEPSAKE_AT + sizeof(struct keepsake) <= EXTENT_PAGE);

void arena_keep(struct arena *a, const void *bytes, size_t len)
{
    assert(len <= ARENA_KEEPSAKE);
    arena_commit(a, KEEPSAKE_AT, 0);
    arena_put(a, KEEPSAKE_AT + offsetof(struct keepsake, bytes), bytes, len);
    arena_commit(a, KEEPSAKE_AT, len);
}

size_t arena_kept(const struct arena *a, void *bytes)
{
    const struct keepsake *k = arena_at(a, KEEPSAKE_AT);

    if (k->len > ARENA_KEEPSAKE)
        return 0;
    memcpy(bytes, k->bytes, k->len);
    return k->len;
}

/* --- a life --- */

/* As a formatted arena's header begins, but for what changes in it. */
static struct arena_header header_of(const struct arena *a, size_t slot_size, size_t stone_size)
{
    return (struct arena_header){
        .size = a->size,
        .layout = ARENA_LAYOUT,
        .slot_size = (uint32_t)slot_size,
        .slots = a->slots,
        .stone_size = (uint32_t)stone_size,
        .stones = a->stones,
    };
}

static void format(struct arena *a, size_t slot_size, size_t stone_size)
{
    struct arena_header header = header_of(a, slot_size, stone_size);

    arena_put(a, 0, &header, sizeof header);
    arena_commit(a, offsetof(struct arena_header, magic), ARENA_MAGIC);
}

static bool formatted_so(const struct arena *a, size_t slot_size, size_t stone_size)
{
    struct arena_header header = header_of(a, slot_size, stone_size);
    size_t from = offsetof(struct arena_header, size);

    return arena_word(a, offsetof(struct arena_header, magic)) == ARENA_MAGIC &&
           arena_word(a, offsetof(struct arena_header, slots_high)) <= a->slots &&
           !memcmp(a->base + from, (char *)&header + from, sizeof header - from);
}

/* Of an earlier program, or a later one. */
static bool has_another_layout(const struct arena *a)
{
    const struct arena_header *h = arena_at(a, 0);

    return h->magic == ARENA_MAGIC && h->layout != ARENA_LAYOUT;
}

/* Everything but the memory itself. */
static int lay_out(struct arena *a, void *base, size_t size, size_t slot_size, size_t stone_size,
                   struct sm_budget *budget)
{
    int r;

    assert(slot_size % 8 == 0 && stone_size % 8 == 0);
    *a = (struct arena){.base = base, .size = size, .budget = budget};
    a->slots = at_most(size / 16 / slot_size, ARENA_SLOTS_MAX);
    a->stones = at_most(size / 64 / stone_size, SM_TOMBSTONES);
    a->staging_at = EXTENT_PAGE;
    a->slots_at = a->staging_at + ARENA_STAGING;
    a->stones_at = page_up(a->slots_at + (uint64_t)a->slots * slot_size);
    a->data_at = page_up(a->stones_at + (uint64_t)a->stones * stone_size);
    if (a->slots < SLOTS_MIN || a->data_at > size || size - a->data_at < DATA_MIN)
        return -EINVAL;

    if ((r = extents_init(&a->extents, size - a->data_at)) < 0 ||
        (r = extent_set_init(&a->vacant, a->slots)) < 0) {
        arena_clear(a);
        return r;
    }
    for (uint32_t slot = 0; slot < a->slots; slot++)
        extent_set_add(&a->vacant, slot);
    return 0;
}

int arena_init(struct arena *a, void *base, size_t size, size_t slot_size, size_t stone_size,
               struct sm_budget *budget)
{
    int r = lay_out(a, base, size, slot_size, stone_size, budget);

    if (r < 0)
        return r;
    format(a, slot_size, stone_size);
    return 0;
}

int arena_open(struct arena *a, void *base, size_t size, size_t slot_size, size_t stone_size,
               struct sm_budget *budget)
{
    int r = lay_out(a, base, size, slot_size, stone_size, budget);

    if (r < 0)
        return r;
    if (!arena_word(a, offsetof(struct arena_header, magic))) {
        format(a, slot_size, stone_size);
    } else if (!formatted_so(a, slot_size, stone_size)) {
        r = has_another_layout(a) ? -EPROTO : -EBADMSG;
        arena_clear(a);
        return r;
    }
    return 0;
}

static void budget_give(struct arena *a, size_t size)
{
    assert(size <= a->used);
    a->used -= size;
    atomic_fetch_sub_explicit(&a->budget->used, size, memory_order_relaxed);
}

void arena_clear(struct arena *a)
{
    budget_give(a, a->used);
    extents_clear(&a->extents);
    extent_set_clear(&a->vacant);
    *a = (struct arena){0};
}

/* --- dealing out --- */

/* Adds first and looks then: workers that ask at once may all be refused, never all be granted. */
static bool budget_take(struct arena *a, size_t size, size_t instead)
{
    size_t before = atomic_fetch_add_explicit(&a->budget->used, size, memory_order_relaxed);
    size_t max = a->budget->max;

    a->used += size;
    before -= before < instead ? before : instead;
    if (before <= max && size <= max - before)
        return true;
    budget_give(a, size);
    return false;
}

bool arena_affords(const struct arena *a, size_t len, size_t instead)
{
    size_t size = extent_size(len);
    size_t used = atomic_load_explicit(&a->budget->used, memory_order_relaxed);

    used -= used < instead ? used : instead;
    return size && used <= a->budget->max && size <= a->budget->max - used;
}

uint64_t arena_take(struct arena *a, size_t len)
{
    return arena_take_instead(a, len, 0);
}

uint64_t arena_take_instead(struct arena *a, size_t len, size_t instead)
{
    size_t size = extent_size(len);

    if (!size || !budget_take(a, size, instead))
        return 0;

    uint64_t at = extents_take(&a->extents, size);

    if (at == EXTENT_NONE) {
        budget_give(a, size);
        return 0;
    }
    return a->data_at + at;
}

bool arena_holds(const struct arena *a, uint64_t at, size_t size)
{
    if (size < UINT64_C(1) << EXTENT_MIN_ORDER || extent_size(size) != size)
        return false;
    return at >= a->data_at && at < a->size && size <= a->size - at &&
           (at - a->data_at) % size == 0;
}

/* What lives counts even beyond the budget, which may be smaller than it was before the restart. */
static void budget_count(struct arena *a, size_t size)
{
    a->used += size;
    atomic_fetch_add_explicit(&a->budget->used, size, memory_order_relaxed);
}

bool arena_claim(struct arena *a, uint64_t at, size_t size)
{
    if (!arena_holds(a, at, size) || !extents_claim(&a->extents, at - a->data_at, size))
        return false;
    budget_count(a, size);
    return true;
}

void arena_give(struct arena *a, uint64_t at, size_t size)
{
    assert(arena_holds(a, at, size));
    extents_give(&a->extents, at - a->data_at, size);
    budget_give(a, size);
}

uint32_t arena_take_slot(struct arena *a, size_t slot_size)
{
    uint64_t slot = extent_set_least(&a->vacant);

    if (slot == EXTENT_NONE || !budget_take(a, slot_size, 0))
        return UINT32_MAX;
    extent_set_drop(&a->vacant, slot);
    if (slot >= arena_slots_high(a))
        arena_commit(a, offsetof(struct arena_header, slots_high), slot + 1);
    return (uint32_t)slot;
}

uint32_t arena_slots_high(const struct arena *a)
{
    return (uint32_t)arena_word(a, offsetof(struct arena_header, slots_high));
}

bool arena_claim_slot(struct arena *a, uint32_t slot, size_t slot_size)
{
    if (!extent_set_has(&a->vacant, slot))
        return false;
    extent_set_drop(&a->vacant, slot);
    budget_count(a, slot_size);
    return true;
}

void arena_give_slot(struct arena *a, uint32_t slot, size_t slot_size)
{
    assert(slot < a->slots && !extent_set_has(&a->vacant, slot));
    extent_set_add(&a->vacant, slot);
    budget_give(a, slot_size);
}

bool arena_spare(struct arena *a, size_t *at, size_t *len)
{
    uint64_t from;

    if (!extents_spare(&a->extents, &from, len))
        return false;
    *at = a->data_at + from;
    return true;
}
