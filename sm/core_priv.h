/* SPDX-License-Identifier: MIT */
/*
 * The core as sm/ itself sees it: what sessions are born into, committed to and
 * buried in. The rules decide; this stores.
 */
#pragma once

#include "sm/arena.h"
#include "sm/core.h"
#include "sm/pool.h"
#include "sm/record.h"
#include "sm/registry.h"

struct core_stone {  /* a tombstone, in the arena */
    uint64_t serial; /* 0 while the rest is written; 0: none; the greatest is the youngest */
    uint64_t check;  /* of all behind it, and of the serial */
    uint64_t owner;  /* registry_hash of the account */
    uint64_t expires_ms;
    struct sm_id id;
    uint32_t h;
};

/* A session that is SM_LEFT. All but its place is in its record. */
struct core_left {
    struct registry_node node;
};

enum { CORE_STONE_CHAINS = 4096 };

struct sm_core {
    struct arena arena;
    struct registry registry;
    const struct sm_limits *limits;
    struct pool sessions;    /* struct sm_session */
    struct sm_counts counts; /* sessions and bytes are filled in when asked for */
    uint8_t node, number;
    uint64_t leaving;      /* bytes of sessions whose end has begun */
    uint32_t lefts;        /* nodes of the registry that are struct core_left */
    uint64_t left_serial;  /* of the last that became one */
    uint64_t stone_serial; /* of the youngest tombstone */
    uint16_t *stone_heads; /* chains of tombstones by id; 0: the end, otherwise 1 + place */
    uint16_t *stone_nexts;
};

/* arena_init or arena_open: the core on memory that is begun so. As sm_core_new and sm_core_open.
 */
typedef int arena_begin(struct arena *a, void *base, size_t size, size_t slot_size,
                        size_t stone_size, struct sm_budget *budget);
[[nodiscard]] int core_new(struct sm_core **out, const struct sm_core_config *config,
                           arena_begin *begin);

/* Gives s (zeroed) a slot and an id, copies the identity, sets up record, queues and node, and
 * makes it found by account and JID. -ENOMEM: nothing changed. Not in the arena for good before
 * core_commit. */
[[nodiscard]] int core_admit(struct sm_core *core, struct sm_session *s,
                             const struct sm_identity *identity, const uint8_t random[16]);

/* Makes s->record true, then frees what it let go of: popped extents, and the session that it
 * adopted. Sets the deadline (UINT64_MAX: none), and what sm_core_pressed goes by. */
void core_commit(struct sm_core *core, struct sm_session *s, uint64_t deadline_ms);

/* For a record that is true already: nothing is to be committed, … */
void core_idle(struct sm_core *core, struct sm_session *s, uint64_t deadline_ms);
/* … or it was just found. */
void core_sort(struct sm_core *core, struct sm_session *s, uint64_t deadline_ms);

/* Frees what is in the heap for a session, with or without a handle, that nothing finds any more.
 */
void core_forget(struct sm_core *core, struct registry_node *n);

/* Frees slot, identity and queues, and finds it no more. The struct is the caller's to free. */
void core_dismiss(struct sm_core *core, struct sm_session *s);

/* Commits s->record as SM_LEFT with expires_ms, and finds it by its full JID only. The struct is
 * the caller's to free. False, and nothing changed, if there is no memory for it. */
[[nodiscard]] bool core_leave(struct sm_core *core, struct sm_session *s, uint64_t expires_ms);

/* A tombstone for s; before core_dismiss. */
void core_bury(struct sm_core *core, const struct sm_session *s, uint32_t h, uint64_t now_ms);
/* Finds again those that an earlier process left; what is not to be believed is no more. */
void core_stones_open(struct sm_core *core);

/* What an ended session of that full JID left behind, the oldest such session; NULL: nothing. */
struct core_left *core_left(const struct sm_core *core, struct sm_text jid);
/* Its stanzas, to look at: those of SM_FATE_KEEP from number `returned` of its record on count, the
 * others do not. *copy is the caller's room. To adopt it, push them to the adopter's queue and name
 * it in the adopter's record: the next core_commit of the adopter ends it. One for each commit. */
struct queue core_left_queue(struct sm_core *core, const struct core_left *left,
                             struct sm_record *copy);

/* After it the messages are no more. */
void core_left_drop(struct sm_core *core, struct core_left *left);
/* The same, and what it held counts as lost. */
void core_left_expire(struct sm_core *core, struct core_left *left);

/* Sets what the node is found by, from the slot. */
void core_name(struct registry_node *n, const struct arena *a, uint32_t slot);

/* True if less than three quarters of it are: what a session leaves behind has room. */
[[nodiscard]] bool core_may_leave(const struct sm_core *core);

/* True if more than 90 % of the memory of all is in use: no new session is resumable. */
[[nodiscard]] bool core_short(const struct sm_core *core);
