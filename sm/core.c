/* SPDX-License-Identifier: MIT */
/*
 * One arena and the sessions in it. The order of stores is the one idea here: what a
 * commit lets go of is freed after it, never before.
 */
#include "sm/core.h"

#include "sm/core_priv.h"
#include "sm/deaths.h"
#include "sm/session_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PRESSED_PERCENT = 90 };

static_assert(offsetof(struct sm_session, node) == 0, "a node is its session");
static_assert((int)SM_STAGING == (int)ARENA_STAGING, "one staging area");

/* --- a life --- */

int core_new(struct sm_core **out, const struct sm_core_config *config, arena_begin *begin)
{
    struct sm_core *core = calloc(1, sizeof *core);
    int r;

    if (!core)
        return -ENOMEM;
    core->limits = config->limits;
    core->sessions = (struct pool)POOL(sizeof(struct sm_session));
    core->node = config->node;
    core->number = config->arena;
    if ((r = begin(&core->arena, config->base, config->size, sizeof(struct record_slot),
                   sizeof(struct core_stone), config->budget)) < 0) {
        free(core);
        return r;
    }
    core->stone_heads = calloc(CORE_STONE_CHAINS, sizeof *core->stone_heads);
    core->stone_nexts = calloc(core->arena.stones, sizeof *core->stone_nexts);
    if (!core->stone_heads || !core->stone_nexts ||
        registry_init(&core->registry, core->arena.slots, config->key) < 0) {
        sm_core_free(core);
        return -ENOMEM;
    }
    *out = core;
    return 0;
}

int sm_core_new(struct sm_core **out, const struct sm_core_config *config)
{
    return core_new(out, config, arena_init);
}

static struct sm_session *session_of(struct registry_node *n)
{
    return (struct sm_session *)n;
}

void core_forget(struct sm_core *core, struct registry_node *n)
{
    if (n->left) {
        free(n);
        return;
    }
    free(session_of(n)->waiting);
    pool_give(&core->sessions, session_of(n));
}

void sm_core_free(struct sm_core *core)
{
    if (!core)
        return;
    for (uint32_t slot = 0; slot < core->registry.slot_count; slot++) {
        struct registry_node *n = registry_slot(&core->registry, slot);

        if (n)
            core_forget(core, n);
    }
    atomic_fetch_sub_explicit(&core->arena.budget->leaving, core->leaving, memory_order_relaxed);
    registry_clear(&core->registry);
    arena_clear(&core->arena);
    free(core->stone_heads);
    free(core->stone_nexts);
    free(core);
}

/* --- sessions in the arena --- */

void core_name(struct registry_node *n, const struct arena *a, uint32_t slot)
{
    struct sm_identity identity = record_identity(a, slot);

    n->slot = slot;
    n->account = identity.account;
    n->jid = identity.jid;
}

int core_admit(struct sm_core *core, struct sm_session *s, const struct sm_identity *identity,
               const uint8_t random[16])
{
    struct sm_id id;
    int r;

    memset(&id, 0, sizeof id); /* its holes are in the arena, too */
    id.node = core->node;
    id.arena = core->number;
    memcpy(id.random, random, sizeof id.random);
    if ((r = record_new(&core->arena, &id, identity)) < 0)
        return r;

    core_name(&s->node, &core->arena, id.slot);
    s->node.left = false;
    if ((r = registry_add(&core->registry, &s->node)) < 0) {
        record_drop(&core->arena, id.slot);
        return r;
    }
    s->core = core;
    queue_init(&s->down, &core->arena, &s->record.down);
    queue_init(&s->up, &core->arena, &s->record.up);
    return 0;
}

static uint32_t generation_of(const struct sm_core *core, uint32_t slot)
{
    return record_slot(&core->arena, slot)->id.generation;
}

/* The commit says that these stanzas are now the adopter's: the record that had them goes. */
static void end_adopted(struct sm_core *core, struct sm_record *r)
{
    struct registry_node *n = registry_slot(&core->registry, r->adopted_slot);

    if (n && n->left && generation_of(core, n->slot) == r->adopted_generation)
        core_left_drop(core, (struct core_left *)n);
    r->adopted_slot = r->adopted_generation = 0;
}

static size_t held_bytes(const struct sm_session *s)
{
    return (size_t)s->record.down.size + s->record.up.size;
}

/* What is soon free, because the session's end has begun. */
static size_t leaving_bytes(const struct sm_session *s)
{
    switch ((enum sm_state)s->record.state) {
    case SM_ENDING:
    case SM_CLOSING:
    case SM_OVER:
        return held_bytes(s) + sizeof(struct record_slot);
    case SM_LIVE:
    case SM_HELD:
    case SM_RESUMING:
    case SM_LEFT:
        break;
    }
    return 0;
}

static void set_leaving(struct sm_core *core, struct registry_node *n, size_t bytes)
{
    if (bytes == n->leaving)
        return;
    core->leaving += bytes - n->leaving;
    atomic_fetch_add_explicit(&core->arena.budget->leaving, bytes - n->leaving,
                              memory_order_relaxed);
    n->leaving = bytes;
}

void core_commit(struct sm_core *core, struct sm_session *s, uint64_t deadline_ms)
{
    queue_settle(&s->down);
    queue_settle(&s->up);
    record_commit(&core->arena, s->node.slot, &s->record);
    queue_committed(&s->down);
    queue_committed(&s->up);
    if (s->record.adopted_generation)
        end_adopted(core, &s->record);
    core_sort(core, s, deadline_ms);
}

void core_idle(struct sm_core *core, struct sm_session *s, uint64_t deadline_ms)
{
    record_unpost(&core->arena, s->node.slot);
    registry_set_deadline(&core->registry, &s->node, deadline_ms);
}

void core_sort(struct sm_core *core, struct sm_session *s, uint64_t deadline_ms)
{
    registry_set_deadline(&core->registry, &s->node, deadline_ms);
    registry_set_held(&core->registry, &s->node, s->record.state == SM_HELD, held_bytes(s));
    set_leaving(core, &s->node, leaving_bytes(s));
}

void core_dismiss(struct sm_core *core, struct sm_session *s)
{
    set_leaving(core, &s->node, 0);
    registry_drop(&core->registry, &s->node);
    record_drop(&core->arena, s->node.slot);
    queue_clear(&s->down);
    queue_clear(&s->up);
}

/* --- finding --- */

struct sm_session *sm_core_find(struct sm_core *core, const struct sm_id *id)
{
    struct registry_node *n = registry_slot(&core->registry, id->slot);

    if (!n || n->left || !sm_id_same(&record_slot(&core->arena, n->slot)->id, id))
        return NULL;
    return session_of(n);
}

struct sm_session *sm_core_resource(struct sm_core *core, struct sm_text jid)
{
    struct registry_node *n = NULL;

    while ((n = registry_next_at(&core->registry, jid, n))) {
        if (n->left)
            continue;
        switch ((enum sm_state)session_of(n)->record.state) {
        case SM_LIVE:
        case SM_HELD:
        case SM_RESUMING:
            return session_of(n);
        case SM_ENDING:
        case SM_CLOSING:
        case SM_LEFT:
        case SM_OVER:
            break;
        }
    }
    return NULL;
}

struct sm_session *sm_core_next_of(struct sm_core *core, struct sm_text account,
                                   struct sm_session *after)
{
    struct registry_node *n = after ? &after->node : NULL;

    do
        n = registry_next_of(&core->registry, account, n);
    while (n && n->left);
    return n ? session_of(n) : NULL;
}

struct sm_session *sm_core_next(struct sm_core *core, struct sm_session *after)
{
    struct registry_node *n = after ? &after->node : NULL;

    do
        n = registry_next(&core->registry, n);
    while (n && n->left);
    return n ? session_of(n) : NULL;
}

struct sm_session *sm_core_crowded(struct sm_core *core, struct sm_text account)
{
    struct sm_session *longest = NULL;
    uint32_t count = 0;

    for (struct sm_session *s = NULL; (s = sm_core_next_of(core, account, s));) {
        switch ((enum sm_state)s->record.state) {
        case SM_HELD:
            if (!longest || s->record.since_ms < longest->record.since_ms)
                longest = s;
            count++;
            break;
        case SM_LIVE:
        case SM_RESUMING:
            count++;
            break;
        case SM_ENDING:
        case SM_CLOSING:
        case SM_LEFT:
        case SM_OVER:
            break;
        }
    }
    return count > core->limits->sessions_per_account ? longest : NULL;
}

/* More than 90 % in use, even if so many bytes were free already. */
static bool in_need(const struct sm_budget *budget, size_t soon_free)
{
    size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    size_t most = budget->max / 100 * PRESSED_PERCENT + budget->max % 100 * PRESSED_PERCENT / 100;

    return used > most && used - most > soon_free;
}

static size_t leaving(const struct sm_core *core)
{
    return atomic_load_explicit(&core->arena.budget->leaving, memory_order_relaxed);
}

bool core_may_leave(const struct sm_core *core)
{
    const struct sm_budget *budget = core->arena.budget;

    return atomic_load_explicit(&budget->used, memory_order_relaxed) <= budget->max / 4 * 3;
}

bool core_short(const struct sm_core *core)
{
    return in_need(core->arena.budget, 0);
}

enum { LOOKED_MAX = 64 }; /* of one class of sizes, which differ by a factor of two at most */

struct sm_session *sm_core_pressed(struct sm_core *core)
{
    struct sm_session *most = NULL;
    struct registry_node *n = NULL;

    /* One that was named before may take seconds to end: not all others must go meanwhile. */
    if (in_need(core->arena.budget, leaving(core)))
        n = registry_largest(&core->registry);

    for (int looked = 0; n && looked < LOOKED_MAX; n = n->size_next, looked++) {
        if (!most || held_bytes(session_of(n)) > held_bytes(most))
            most = session_of(n);
        if (!held_bytes(most))
            break; /* the class of those that hold nothing: one is as good as another */
    }
    return most;
}

/* --- time --- */

uint64_t sm_core_deadline(const struct sm_core *core)
{
    return registry_deadline(&core->registry);
}

struct sm_session *sm_core_due(struct sm_core *core, uint64_t now_ms)
{
    for (struct registry_node *n; (n = registry_due(&core->registry, now_ms));) {
        if (!n->left)
            return session_of(n);
        core_left_expire(core, (struct core_left *)n);
    }
    return NULL;
}

/* --- memory --- */

bool sm_core_spare(struct sm_core *core, size_t *offset, size_t *len)
{
    return arena_spare(&core->arena, offset, len);
}

char *sm_core_staging(struct sm_core *core)
{
    return core->arena.base + core->arena.staging_at;
}

static uint64_t name_of(const struct sm_core *core, const struct sm_session *s)
{
    return deaths_name(s->node.slot, generation_of(core, s->node.slot));
}

void sm_core_work(struct sm_core *core, struct sm_session *s)
{
    deaths_begin(&core->arena, name_of(core, s));
}

void sm_core_post(struct sm_core *core, struct sm_session *s)
{
    sm_core_work(core, s);
    arena_post(&core->arena, name_of(core, s));
}

static_assert((int)SM_KEEPSAKE == (int)ARENA_KEEPSAKE);

void sm_core_keep(struct sm_core *core, const void *bytes, size_t len)
{
    arena_keep(&core->arena, bytes, len);
}

size_t sm_core_kept(const struct sm_core *core, void *bytes)
{
    return arena_kept(&core->arena, bytes);
}

struct sm_counts sm_core_counts(const struct sm_core *core)
{
    struct sm_counts counts = core->counts;

    counts.sessions = core->registry.count - core->lefts;
    counts.bytes = core->arena.used;
    return counts;
}
