/* SPDX-License-Identifier: MIT */
/*
 * The memory in which sessions outlive their process, addressed by offsets.
 *
 *     header page | staging area | record slots | tombstones | extents
 *
 * Only two functions write to it: arena_put, to places that nothing valid refers
 * to yet, and arena_commit, one aligned 64-bit store that makes it valid. Whatever
 * instant the process dies at, what was committed last is whole. Which extents are
 * free is known in the heap only; the records say it again after a restart.
 */
#pragma once

#include "sm/extent.h"
#include "sm/limits.h"

enum { ARENA_LAYOUT = 1, ARENA_STAGING = 65536, ARENA_SLOTS_MAX = 65536 };

struct arena {
    char *base;
    size_t size;
    struct sm_budget *budget;
    uint32_t slots;      /* record slots in the table */
    uint32_t stones;     /* tombstones in the ring */
    uint64_t staging_at; /* offsets from base */
    uint64_t slots_at;
    uint64_t stones_at;
    uint64_t data_at;
    size_t used; /* bytes of the budget that are this arena's */
    struct extents extents;
    struct extent_set vacant; /* record slots in no use */

    /* For tests: called after every store, which then are of 8 bytes at most. NULL otherwise. */
    void (*stored)(void *arg, uint64_t at, size_t len);
    void *stored_arg;
};

/* Formats the memory, which is zeroes. 0, -ENOMEM, or -EINVAL if it is too small. The sizes of a
 * slot and of a tombstone are the caller's. */
[[nodiscard]] int arena_init(struct arena *a, void *base, size_t size, size_t slot_size,
                             size_t stone_size, struct sm_budget *budget);
/* The same if the memory was never formatted to the end. Otherwise nothing in it changes, and
 * nothing of it is in use: what the records name is to be claimed. -EPROTO: it has another layout;
 * -EBADMSG: it is no arena, or of another size, or with other slots and tombstones. */
[[nodiscard]] int arena_open(struct arena *a, void *base, size_t size, size_t slot_size,
                             size_t stone_size, struct sm_budget *budget);
/* The memory stays as it is; its share of the budget is given back. */
void arena_clear(struct arena *a);

/* Copies len bytes to the offset. The bytes may lie in the arena, too. */
void arena_put(struct arena *a, uint64_t at, const void *bytes, size_t len);
/* After all that was put before it, in one store. The offset is a multiple of 8. */
void arena_commit(struct arena *a, uint64_t at, uint64_t word);

static inline const void *arena_at(const struct arena *a, uint64_t at)
{
    return a->base + at;
}
static inline uint64_t arena_word(const struct arena *a, uint64_t at)
{
    return *(const uint64_t *)(const void *)(a->base + at);
}

/* An extent of exactly extent_size(len) bytes; its offset is never 0. 0: no memory, or the budget
 * is used up. */
[[nodiscard]] uint64_t arena_take(struct arena *a, size_t len);
/* The same for somebody who gives up `instead` bytes for it: until they are given, they count for
 * both. */
[[nodiscard]] uint64_t arena_take_instead(struct arena *a, size_t len, size_t instead);
/* What arena_take_instead would say, if nobody else took anything meanwhile. */
[[nodiscard]] bool arena_affords(const struct arena *a, size_t len, size_t instead);
/* For a recovery: takes the extent that a record names. False if that cannot be. */
[[nodiscard]] bool arena_claim(struct arena *a, uint64_t at, size_t size);
void arena_give(struct arena *a, uint64_t at, size_t size);
/* True if [at, at + size) is a well-formed extent's place, in use or not. */
[[nodiscard]] bool arena_holds(const struct arena *a, uint64_t at, size_t size);

/* A vacant record slot, the lowest; UINT32_MAX: none, or the budget is used up. */
[[nodiscard]] uint32_t arena_take_slot(struct arena *a, size_t slot_size);
[[nodiscard]] bool arena_claim_slot(struct arena *a, uint32_t slot, size_t slot_size);
void arena_give_slot(struct arena *a, uint32_t slot, size_t slot_size);
/* No slot from this number on was ever in use: so a recovery does not touch the whole table. */
[[nodiscard]] uint32_t arena_slots_high(const struct arena *a);

/* As extents_spare, the offset from base. */
[[nodiscard]] bool arena_spare(struct arena *a, size_t *at, size_t *len);

/* The posted word: which session is being worked on, and received for. 0: none. */
void arena_post(struct arena *a, uint64_t word);
[[nodiscard]] uint64_t arena_posted(const struct arena *a);

/* A few bytes for the successor of this process: all of them are kept, or none. */
enum { ARENA_KEEPSAKE = 256 };
void arena_keep(struct arena *a, const void *bytes, size_t len);
/* What was kept, into ARENA_KEEPSAKE bytes; gives how much, 0: nothing. */
[[nodiscard]] size_t arena_kept(const struct arena *a, void *bytes);
