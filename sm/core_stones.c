/* SPDX-License-Identifier: MIT */
/*
 * What is known of sessions that are no more, so that <failed/> can say their h: a ring
 * in the arena, in which the youngest takes the place of the oldest, and chains in the
 * heap to find one by its id.
 */
#include "sm/core_priv.h"
#include "sm/session_priv.h"

#include <assert.h>
#include <string.h>

static_assert(SM_TOMBSTONES < UINT16_MAX, "places in the ring fit");
static_assert(sizeof(struct core_stone) == 64, "no holes");

static uint64_t stone_at(const struct sm_core *core, uint32_t place)
{
    return core->arena.stones_at + (uint64_t)place * sizeof(struct core_stone);
}

static const struct core_stone *stone(const struct sm_core *core, uint32_t place)
{
    return arena_at(&core->arena, stone_at(core, place));
}

static uint64_t check_of(const struct core_stone *t, uint64_t serial)
{
    return record_mix(&t->owner, sizeof *t - offsetof(struct core_stone, owner), serial);
}

static uint16_t *stone_chain(const struct sm_core *core, const struct sm_id *id)
{
    return &core->stone_heads[(id->random[0] | (unsigned)id->random[1] << 8) % CORE_STONE_CHAINS];
}

static void unchain_stone(struct sm_core *core, uint32_t place)
{
    uint16_t *at = stone_chain(core, &stone(core, place)->id);

    while (*at != place + 1)
        at = &core->stone_nexts[*at - 1];
    *at = core->stone_nexts[place];
}

static void chain_stone(struct sm_core *core, uint32_t place)
{
    uint16_t *head = stone_chain(core, &stone(core, place)->id);

    core->stone_nexts[place] = *head;
    *head = (uint16_t)(place + 1);
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
    body.check = check_of(&body, serial);
    arena_put(&core->arena, stone_at(core, place) + sizeof body.serial, &body.check,
              sizeof body - sizeof body.serial);
    arena_commit(&core->arena, stone_at(core, place), serial);
    chain_stone(core, place);
    core->stone_serial = serial;
}

/* --- recovery --- */

static bool never_used(const struct core_stone *t)
{
    static const struct core_stone none;

    return !memcmp(t, &none, sizeof none);
}

/* The greatest serial, after what is not to be believed was dropped. The first round fills the ring
 * from place 1 on, so where nothing ever was, nothing comes any more: its pages stay untouched. */
static uint64_t youngest(struct sm_core *core)
{
    uint64_t greatest = 0;

    for (uint32_t n = 1; n <= core->arena.stones; n++) {
        uint32_t place = n % core->arena.stones;
        const struct core_stone *t = stone(core, place);

        if (never_used(t))
            break;
        if (!t->serial)
            continue;
        if (t->serial % core->arena.stones != place || t->check != check_of(t, t->serial))
            arena_commit(&core->arena, stone_at(core, place), 0);
        else if (t->serial > greatest)
            greatest = t->serial;
    }
    return greatest;
}

void core_stones_open(struct sm_core *core)
{
    uint64_t last = youngest(core);
    uint64_t count = last < core->arena.stones ? last : core->arena.stones;

    for (uint64_t serial = last - count + 1; serial <= last; serial++) {
        uint32_t place = (uint32_t)(serial % core->arena.stones);

        if (stone(core, place)->serial == serial)
            chain_stone(core, place);
        else if (stone(core, place)->serial)
            arena_commit(&core->arena, stone_at(core, place), 0);
    }
    core->stone_serial = last;
}

/* --- asking --- */

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
