/* SPDX-License-Identifier: MIT */
/*
 * Finds sessions: by slot, by account, by full JID, by deadline, and the detached
 * one with the most bytes. In the heap only, and rebuilt from the records.
 *
 * A node is embedded in what it finds. Adding may fail; nothing else can. Deadlines are
 * raised lazily: the heap's key may be earlier than the truth, which is looked at when
 * the key comes due.
 */
#pragma once

#include "sm/event.h"

enum { REGISTRY_CLASSES = 33 };

/* What a commit touches comes last, next to the rest of that in a session. */
struct registry_node {
    struct sm_text account, jid; /* loans from the arena */
    struct registry_node *account_next, *jid_next;
    struct registry_node *size_prev, *size_next;
    uint32_t account_hash, jid_hash;
    uint32_t slot;
    uint32_t heap_at;     /* place in the heap; UINT32_MAX: in none */
    uint64_t deadline_ms; /* the true one; UINT64_MAX: none */
    uint64_t leaving;     /* its bytes if its end has begun: they will be free soon; otherwise 0 */
    uint8_t size_class;   /* of the detached: 1 + binary logarithm of its bytes; 0: in no list */
    bool left;            /* struct core_left, without a handle; otherwise struct sm_session */
};

struct registry_key {
    uint64_t at_ms;
    struct registry_node *node;
};

struct registry_chains { /* buckets, a power of two */
    struct registry_node **bucket;
    uint32_t buckets;
};

struct registry {
    struct registry_node **slots;
    uint32_t slot_count;
    uint32_t count;
    struct registry_chains accounts, jids;
    uint64_t key[2]; /* a user chooses resources, and often accounts: not those that meet */
    struct registry_key *heap;
    uint32_t heap_count, heap_room;
    struct registry_node *sizes[REGISTRY_CLASSES];
};

/* The key is of the chains' hash. */
[[nodiscard]] int registry_init(struct registry *r, uint32_t slots, const uint64_t key[2]);
void registry_clear(struct registry *r); /* the nodes are their owners' */

/* account, jid, slot and left are set. -ENOMEM: nothing changed. Right after a drop it does not
 * fail. */
[[nodiscard]] int registry_add(struct registry *r, struct registry_node *n);
void registry_drop(struct registry *r, struct registry_node *n);

struct registry_node *registry_slot(const struct registry *r, uint32_t slot);
/* The next in no order, of the account, of the full JID: NULL begins, NULL ends. */
struct registry_node *registry_next(const struct registry *r, const struct registry_node *after);
struct registry_node *registry_next_of(const struct registry *r, struct sm_text account,
                                       const struct registry_node *after);
struct registry_node *registry_next_at(const struct registry *r, struct sm_text jid,
                                       const struct registry_node *after);

void registry_set_deadline(struct registry *r, struct registry_node *n, uint64_t at_ms);
/* Not later than the earliest deadline. */
uint64_t registry_deadline(const struct registry *r);
/* One whose deadline has come; it has none any more. */
struct registry_node *registry_due(struct registry *r, uint64_t now_ms);

/* Detached, with so many bytes; or not detached. */
void registry_set_held(struct registry *r, struct registry_node *n, bool held, size_t bytes);
/* The first of the largest class that is not empty: among it and the next ones is the largest. */
struct registry_node *registry_largest(const struct registry *r);

/* FNV-1a, 64 bits: the same for ever, since tombstones and the arena of an account are chosen by
 * it. */
uint64_t registry_hash(const char *bytes, size_t len);
