/* SPDX-License-Identifier: MIT */
/*
 * First the arena as a whole: which records are to be believed, which of them were
 * given up by a commit, who takes which memory. Then each session by itself: what the
 * kernel knows of its link, and what ended with the process.
 *
 * Nothing is stored here but what would be stored again, should this be cut off.
 */
#include "sm/recover.h"

#include "sm/core_priv.h"
#include "sm/deaths.h"
#include "sm/ending.h"
#include "sm/session_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* --- records --- */

static bool ours(const struct sm_core *core, const struct sm_id *id)
{
    return id->node == core->node && id->arena == core->number;
}

/* Looked at before anything is touched. */
static bool somebody_elses(const struct sm_core *core)
{
    for (uint32_t slot = 0; slot < arena_slots_high(&core->arena); slot++)
        if (record_valid(&core->arena, slot) && !ours(core, &record_slot(&core->arena, slot)->id))
            return true;
    return false;
}

static void discard_damaged(struct sm_core *core, struct sm_recovery *found)
{
    for (uint32_t slot = 0; slot < arena_slots_high(&core->arena); slot++) {
        if (!record_read(&core->arena, slot) || record_valid(&core->arena, slot))
            continue;
        record_discard(&core->arena, slot);
        found->damaged++;
    }
}

/* What a commit took over is the adopter's: the record that it was in died a little later. */
static void discard_adopted(struct sm_core *core)
{
    for (uint32_t slot = 0; slot < arena_slots_high(&core->arena); slot++) {
        const struct sm_record *r = record_read(&core->arena, slot);

        if (!r || !r->adopted_generation || r->adopted_slot >= core->arena.slots)
            continue;

        const struct sm_record *from = record_read(&core->arena, r->adopted_slot);

        if (from && from->state == SM_LEFT &&
            record_slot(&core->arena, r->adopted_slot)->id.generation == r->adopted_generation)
            record_discard(&core->arena, r->adopted_slot);
    }
}

/* Whoever kills each process that takes it over does so no more. */
static void set_aside(struct sm_core *core, uint64_t now_ms, struct sm_recovery *found)
{
    uint64_t name = deaths_note(&core->arena, now_ms);
    uint32_t slot = (uint32_t)name - 1, generation = (uint32_t)(name >> 32);
    const struct sm_record *r;

    if (!name || slot >= arena_slots_high(&core->arena) || !(r = record_read(&core->arena, slot)) ||
        record_slot(&core->arena, slot)->id.generation != generation)
        return;
    found->set_aside = 1;
    found->aside = (struct sm_place){slot, generation, r->link_received};
    found->stanzas = r->down.count;
    found->jid = record_identity(&core->arena, slot).jid;
    record_discard(&core->arena, slot);
}

/* --- handles --- */

/* -ENOMEM, or -EEXIST: another record has its memory. */
static int find_session(struct sm_core *core, uint32_t slot)
{
    struct sm_session *s = pool_take(&core->sessions);

    if (!s)
        return -ENOMEM;
    if (!record_claim(&core->arena, slot)) {
        pool_give(&core->sessions, s);
        return -EEXIST;
    }
    s->core = core;
    s->record = *record_read(&core->arena, slot);
    queue_init(&s->down, &core->arena, &s->record.down);
    queue_init(&s->up, &core->arena, &s->record.up);
    core_name(&s->node, &core->arena, slot);
    if (registry_add(&core->registry, &s->node) < 0) {
        pool_give(&core->sessions, s);
        return -ENOMEM;
    }
    core_sort(core, s, UINT64_MAX);
    return 0;
}

static int find_left(struct sm_core *core, uint32_t slot, struct core_left **out)
{
    struct core_left *left = calloc(1, sizeof *left);

    if (!left)
        return -ENOMEM;
    if (!record_claim(&core->arena, slot)) {
        free(left);
        return -EEXIST;
    }
    core_name(&left->node, &core->arena, slot);
    left->node.left = true;
    *out = left;
    return 0;
}

static uint64_t serial_of(const struct sm_core *core, const struct core_left *left)
{
    return record_read(&core->arena, left->node.slot)->serial;
}

struct row { /* of what is left */
    uint64_t serial;
    struct core_left *left;
};

static int by_age(const void *a, const void *b)
{
    uint64_t one = ((const struct row *)a)->serial, other = ((const struct row *)b)->serial;

    return (one > other) - (one < other);
}

/* Into the registry, the oldest first: in that order they are adopted. */
static int sort_in(struct sm_core *core, struct row *rows, uint32_t count)
{
    qsort(rows, count, sizeof *rows, by_age);
    for (uint32_t n = 0; n < count; n++) {
        struct registry_node *node = &rows[n].left->node;

        if (registry_add(&core->registry, node) < 0)
            return -ENOMEM;
        rows[n].left = NULL; /* the registry's */
        core->lefts++;
        core->left_serial = rows[n].serial;
        registry_set_deadline(&core->registry, node,
                              record_read(&core->arena, node->slot)->expires_ms);
    }
    return 0;
}

static int find_all(struct sm_core *core, struct row *rows, struct sm_recovery *found)
{
    for (uint32_t slot = 0; slot < arena_slots_high(&core->arena); slot++) {
        const struct sm_record *record = record_read(&core->arena, slot);
        int r;

        if (!record)
            continue;
        if (record->state == SM_LEFT) {
            struct row *row = &rows[found->left];

            if ((r = find_left(core, slot, &row->left)) == 0) {
                row->serial = serial_of(core, row->left);
                found->left++;
            }
        } else if ((r = find_session(core, slot)) == 0) {
            found->sessions++;
        }
        if (r == -EEXIST) {
            record_discard(&core->arena, slot);
            found->damaged++;
        } else if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int find_and_sort(struct sm_core *core, struct sm_recovery *found)
{
    uint32_t high = arena_slots_high(&core->arena);
    struct row *rows = calloc(high ? high : 1, sizeof *rows);
    int r;

    if (!rows)
        return -ENOMEM;
    if ((r = find_all(core, rows, found)) == 0)
        r = sort_in(core, rows, found->left);
    for (uint32_t n = 0; r < 0 && n < found->left; n++)
        free(rows[n].left);
    free(rows);
    return r;
}

int sm_core_open(struct sm_core **out, const struct sm_core_config *config,
                 struct sm_recovery *found)
{
    struct sm_core *core;
    int r = core_new(&core, config, arena_open);

    if (r < 0)
        return r;
    *found = (struct sm_recovery){0};
    if (somebody_elses(core)) {
        sm_core_free(core);
        return -EBADMSG;
    }
    discard_damaged(core, found);
    set_aside(core, config->now_ms, found);
    discard_adopted(core);
    core_stones_open(core);
    if ((r = find_and_sort(core, found)) < 0) {
        sm_core_free(core);
        return r;
    }
    *out = core;
    return 0;
}

/* --- a session and its link --- */

struct sm_place sm_session_place(const struct sm_session *s)
{
    return (struct sm_place){
        .slot = s->node.slot,
        .generation = record_slot(&s->core->arena, s->node.slot)->id.generation,
        .received = s->record.link_received,
    };
}

struct sm_session *sm_core_posted(struct sm_core *core)
{
    uint64_t word = arena_posted(&core->arena);
    uint64_t slot = (word & UINT32_MAX) - 1;

    if (!word || slot >= core->arena.slots)
        return NULL;

    struct registry_node *n = registry_slot(&core->registry, (uint32_t)slot);

    if (!n || n->left || record_slot(&core->arena, n->slot)->id.generation != word >> 32)
        return NULL;
    return (struct sm_session *)n;
}

/* Only what had been committed can have been sent; and only for the posted session can anything
 * have been received that its record does not know. Fewer than the record knows are very many more.
 */
static bool may_be(const struct sm_session *s, const struct sm_link_counts *link)
{
    const struct sm_record *r = &s->record;
    uint64_t room = s == sm_core_posted(s->core) ? SM_STAGING : 0;

    return link->sent - r->link_sent <= r->up.end - r->up.cursor &&
           link->received - r->link_received <= room;
}

static void tell(struct sm_session *s, enum sm_event_type type, uint64_t count, uint64_t now_ms,
                 struct sm_orders *o)
{
    struct sm_event event = {.type = type, .now_ms = now_ms, .count = count, .end = SM_END_LINK};

    (void)sm_step(s, &event, o); /* where a state has no row for it, it is nothing new */
}

/* What a process keeps in its heap only, and that time stood still for the link. */
static void begin_again(struct sm_session *s, uint64_t now_ms)
{
    struct sm_record *r = &s->record;

    if (r->state == SM_LIVE) /* bytes may have left before the commit that would say so */
        r->written = sm_sent(s);
    if (r->state == SM_HELD)
        s->ask_server = r->taken != r->confirmed;
    if (r->flags & RECORD_PROBE_OUT)
        r->probe_sent_ms = now_ms;
    s->changed = true;
}

enum sm_recovered sm_recover(struct sm_session *s, const struct sm_link_counts *link,
                             uint64_t now_ms, struct sm_orders *o, size_t *staged)
{
    const uint64_t sent = s->record.link_sent, received = s->record.link_received;
    bool fits = link && may_be(s, link);

    *staged = 0;
    sm_core_work(s->core, s);
    begin_again(s, now_ms);
    tell(s, SM_CLIENT_GONE, 0, now_ms, o);
    if (sm_ending_again(s, now_ms, o))
        return SM_RECOVERED; /* its link had ended before */
    if (!fits) {
        tell(s, SM_LINK_CLOSED, 0, now_ms, o);
        return link ? SM_RECOVERED_MISMATCH : SM_RECOVERED_NO_LINK;
    }
    if (link->sent != sent)
        tell(s, SM_LINK_SENT, link->sent - sent, now_ms, o);
    if (link->received != received) {
        *staged = link->received - received;
        tell(s, SM_LINK_READ, *staged, now_ms, o);
    }
    if (!sm_finished_sending(s))
        o->todo |= SM_DO_SEND;
    return SM_RECOVERED;
}
