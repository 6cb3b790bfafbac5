/* SPDX-License-Identifier: MIT */
/*
 * One arena, its sessions, and what they leave behind. The order of stores is the one
 * idea here: what a commit lets go of is freed after it, never before.
 */
#include "sm/core.h"

#include "sm/core_priv.h"
#include "sm/session_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STONE_CHAINS = 4096, PRESSED_PERCENT = 90 };

static_assert(offsetof(struct sm_session, node) == 0, "a node is its session");
static_assert(offsetof(struct core_left, node) == 0, "a node is what was left");
static_assert((int)SM_STAGING == (int)ARENA_STAGING, "one staging area");
static_assert(SM_TOMBSTONES < UINT16_MAX, "places in the ring fit");
static_assert(sizeof(struct core_stone) == 56, "no holes");

/* --- a life --- */

int sm_core_new(struct sm_core **out, const struct sm_core_config *config)
{
    struct sm_core *core = calloc(1, sizeof *core);
    int r;

    if (!core)
        return -ENOMEM;
    core->limits = config->limits;
    core->node = config->node;
    core->number = config->arena;
    if ((r = arena_init(&core->arena, config->base, config->size, sizeof(struct record_slot),
                        sizeof(struct core_stone), config->budget)) < 0) {
        free(core);
        return r;
    }
    core->stone_heads = calloc(STONE_CHAINS, sizeof *core->stone_heads);
    core->stone_nexts = calloc(core->arena.stones, sizeof *core->stone_nexts);
    if (!core->stone_heads || !core->stone_nexts ||
        registry_init(&core->registry, core->arena.slots) < 0) {
        sm_core_free(core);
        return -ENOMEM;
    }
    *out = core;
    return 0;
}

static struct sm_session *session_of(struct registry_node *n)
{
    return (struct sm_session *)n;
}

static void free_handle(struct registry_node *n)
{
    if (!n->left)
        free(session_of(n)->waiting);
    free(n);
}

void sm_core_free(struct sm_core *core)
{
    if (!core)
        return;
    for (uint32_t slot = 0; slot < core->registry.slot_count; slot++) {
        struct registry_node *n = registry_slot(&core->registry, slot);

        if (n)
            free_handle(n);
    }
    registry_clear(&core->registry);
    arena_clear(&core->arena);
    free(core->stone_heads);
    free(core->stone_nexts);
    free(core);
}

/* --- sessions in the arena --- */

static void name(struct registry_node *n, const struct arena *a, uint32_t slot)
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

    name(&s->node, &core->arena, id.slot);
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

static void dismiss_left(struct sm_core *core, struct core_left *left)
{
    struct sm_record copy = *record_read(&core->arena, left->node.slot);
    struct queue down, up;

    queue_init(&down, &core->arena, &copy.down);
    queue_init(&up, &core->arena, &copy.up);
    registry_drop(&core->registry, &left->node);
    record_drop(&core->arena, left->node.slot);
    queue_clear(&down);
    queue_clear(&up);
    core->lefts--;
    free(left);
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
        dismiss_left(core, (struct core_left *)n);
    r->adopted_slot = r->adopted_generation = 0;
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
    registry_set_deadline(&core->registry, &s->node, deadline_ms);
    registry_set_held(&core->registry, &s->node, s->record.state == SM_HELD,
                      (size_t)s->record.down.size + s->record.up.size);
}

void core_dismiss(struct sm_core *core, struct sm_session *s)
{
    registry_drop(&core->registry, &s->node);
    record_drop(&core->arena, s->node.slot);
    queue_clear(&s->down);
    queue_clear(&s->up);
}

bool core_leave(struct sm_core *core, struct sm_session *s, uint64_t expires_ms)
{
    struct core_left *left = calloc(1, sizeof *left);

    if (!left)
        return false;
    queue_tail_drop(&s->down);
    queue_empty(&s->up);
    s->record.state = SM_LEFT;
    s->record.expires_ms = expires_ms;
    core_commit(core, s, UINT64_MAX);

    registry_drop(&core->registry, &s->node);
    name(&left->node, &core->arena, s->node.slot);
    left->node.left = true;
    int r = registry_add(&core->registry, &left->node);

    assert(r == 0); /* there is room where one was just dropped */
    core->lefts++;
    registry_set_deadline(&core->registry, &left->node, expires_ms);
    return true;
}

/* --- tombstones --- */

static uint64_t stone_at(const struct sm_core *core, uint32_t place)
{
    return core->arena.stones_at + (uint64_t)place * sizeof(struct core_stone);
}

static const struct core_stone *stone(const struct sm_core *core, uint32_t place)
{
    return arena_at(&core->arena, stone_at(core, place));
}

static uint16_t *stone_chain(const struct sm_core *core, const struct sm_id *id)
{
    return &core->stone_heads[(id->random[0] | (unsigned)id->random[1] << 8) % STONE_CHAINS];
}

static void unchain_stone(struct sm_core *core, uint32_t place)
{
    uint16_t *at = stone_chain(core, &stone(core, place)->id);

    while (*at != place + 1)
        at = &core->stone_nexts[*at - 1];
    *at = core->stone_nexts[place];
}

void core_bury(struct sm_core *core, const struct sm_session *s, uint32_t h, uint64_t now_ms)
{
    uint64_t serial = core->stone_serial + 1;
    uint32_t place = (uint32_t)(serial % core->arena.stones);
    struct core_stone body;

    if (stone(core, place)->serial) {
        unchain_stone(core, place);
        arena_commit(&core->arena, stone_at(core, place), 0);
    }
    memset(&body, 0, sizeof body);
    body.id = record_slot(&core->arena, s->node.slot)->id;
    body.owner = registry_hash(s->node.account.p, s->node.account.len);
    body.expires_ms = now_ms + SM_TOMBSTONE_MS;
    body.h = h;
    arena_put(&core->arena, stone_at(core, place) + sizeof body.serial, &body.owner,
              sizeof body - sizeof body.serial);
    arena_commit(&core->arena, stone_at(core, place), serial);

    uint16_t *head = stone_chain(core, &body.id);

    core->stone_nexts[place] = *head;
    *head = (uint16_t)(place + 1);
    core->stone_serial = serial;
}

bool sm_core_tombstone(struct sm_core *core, const struct sm_id *id, struct sm_text account,
                       uint64_t now_ms, uint32_t *h)
{
    for (uint16_t at = *stone_chain(core, id); at; at = core->stone_nexts[at - 1]) {
        const struct core_stone *t = stone(core, at - 1u);

        if (!sm_id_same(&t->id, id))
            continue;
        if (t->owner != registry_hash(account.p, account.len) || t->expires_ms <= now_ms)
            return false;
        *h = t->h;
        return true;
    }
    return false;
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

bool core_short(const struct sm_core *core)
{
    const struct sm_budget *budget = core->arena.budget;
    size_t max = budget->max;

    return atomic_load_explicit(&budget->used, memory_order_relaxed) >
           max / 100 * PRESSED_PERCENT + max % 100 * PRESSED_PERCENT / 100;
}

static size_t held_bytes(const struct sm_session *s)
{
    return (size_t)s->record.down.size + s->record.up.size;
}

struct sm_session *sm_core_pressed(struct sm_core *core)
{
    struct registry_node *n = core_short(core) ? registry_largest(&core->registry) : NULL;
    struct sm_session *most = NULL;

    for (; n; n = n->size_next) {
        if (!most || held_bytes(session_of(n)) > held_bytes(most))
            most = session_of(n);
        if (!held_bytes(most))
            break; /* the class of those that hold nothing: one is as good as another */
    }
    return most;
}

/* --- what was left behind --- */

struct core_left *core_left(const struct sm_core *core, struct sm_text jid)
{
    struct registry_node *n = NULL;

    while ((n = registry_next_at(&core->registry, jid, n))) {
        if (n->left)
            return (struct core_left *)n; /* a chain keeps the order of coming */
    }
    return NULL;
}

struct queue core_left_queue(struct sm_core *core, const struct core_left *left,
                             struct sm_record *copy)
{
    struct queue down;

    *copy = *record_read(&core->arena, left->node.slot);
    queue_init(&down, &core->arena, &copy->down);
    return down;
}

/* The number of the oldest stanza that is still to be handed over; false: none. */
static bool oldest_kept(const struct queue *down, uint32_t *n, struct sm_stanza *out)
{
    struct sm_stanza s;

    for (; queue_nth(down, *n, &s); ++*n) {
        if (s.fate == SM_FATE_KEEP) {
            *out = s;
            out->late = true;
            return true;
        }
    }
    return false;
}

/* As long as there is one of that JID: how many are left in the oldest that holds any. */
static struct core_left *left_with_first(struct sm_core *core, struct sm_text jid, uint32_t *n,
                                         struct sm_stanza *out)
{
    struct core_left *left;

    while ((left = core_left(core, jid))) {
        struct sm_record copy;
        struct queue down = core_left_queue(core, left, &copy);

        *n = copy.returned;
        if (oldest_kept(&down, n, out))
            return left;
        dismiss_left(core, left);
    }
    return NULL;
}

bool sm_core_left(const struct sm_core *core, struct sm_text jid)
{
    return core_left(core, jid);
}

bool sm_core_left_first(struct sm_core *core, struct sm_text jid, struct sm_stanza *out)
{
    uint32_t n;

    return left_with_first(core, jid, &n, out);
}

void sm_core_left_done(struct sm_core *core, struct sm_text jid)
{
    struct sm_stanza s;
    uint32_t n;
    struct core_left *left = left_with_first(core, jid, &n, &s);
    struct sm_record copy;

    if (!left)
        return;
    struct queue down = core_left_queue(core, left, &copy);

    for (uint32_t i = 0; i <= n; i++)
        queue_pop_one(&down);
    copy.returned = n = 0;
    core->counts.adopted++;
    if (!oldest_kept(&down, &n, &s)) {
        dismiss_left(core, left);
        return;
    }
    queue_settle(&down);
    record_commit(&core->arena, left->node.slot, &copy);
    queue_committed(&down);
}

static void expire_left(struct sm_core *core, struct core_left *left)
{
    struct sm_record copy;
    struct queue down = core_left_queue(core, left, &copy);
    struct sm_stanza s;

    for (uint32_t n = copy.returned; oldest_kept(&down, &n, &s); n++)
        core->counts.lost++;
    dismiss_left(core, left);
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
        expire_left(core, (struct core_left *)n);
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

void sm_core_post(struct sm_core *core, struct sm_session *s)
{
    uint32_t slot = s->node.slot;

    arena_post(&core->arena, (uint64_t)generation_of(core, slot) << 32 | (slot + 1));
}

struct sm_counts sm_core_counts(const struct sm_core *core)
{
    struct sm_counts counts = core->counts;

    counts.sessions = core->registry.count - core->lefts;
    counts.bytes = core->arena.used;
    return counts;
}
