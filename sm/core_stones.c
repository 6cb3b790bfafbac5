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
static_assert(sizeof(struct core_stone) == 56, "no holes");

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
    return &core->stone_heads[(id->random[0] | (unsigned)id->random[1] << 8) % CORE_STONE_CHAINS];
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
