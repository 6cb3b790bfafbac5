/* SPDX-License-Identifier: MIT */
/*
 * Slots and their two copies. The checksums are not against a torn commit, which the
 * selector excludes, but against bugs: a record that fails them is not believed.
 */
#include "sm/record.h"

#include "sm/deaths.h"
#include "sm/fetch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { SLOT = sizeof(struct record_slot), TEXTS = 7 };

static_assert(sizeof(struct sm_record) % 8 == 0 && SLOT % 8 == 0, "whole words");
static_assert(sizeof(struct record_slot) == 56 + 2 * sizeof(struct sm_record), "no holes");
static_assert(sizeof(struct sm_identity) == TEXTS * sizeof(struct sm_text), "all are kept");
static_assert(offsetof(struct sm_record, down) == 16, "what is checked begins there");

/* In front of the identity's bytes. */
struct identity_head {
    uint32_t len[TEXTS];
};

/* --- checksums --- */

static uint64_t turn(uint64_t a, uint64_t word)
{
    a = (a ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return a ^ a >> 32;
}

/* Four lanes, so that the multiplications of one do not wait for those of another. */
uint64_t record_mix(const void *bytes, size_t len, uint64_t seed)
{
    uint64_t lane[4] = {seed, seed + 1, seed + 2, seed + 3};
    const char *p = bytes;
    uint64_t word;

    assert(len % 8 == 0);
    for (; len >= 32; len -= 32, p += 32) {
        for (int i = 0; i < 4; i++) {
            memcpy(&word, p + 8 * i, 8);
            lane[i] = turn(lane[i], word);
        }
    }
    for (int i = 0; len; len -= 8, p += 8, i++) {
        memcpy(&word, p, 8);
        lane[i] = turn(lane[i], word);
    }
    return turn(turn(turn(turn(seed, lane[0]), lane[1]), lane[2]), lane[3]);
}

static uint64_t check_of(const struct sm_record *r, uint32_t generation)
{
    const char *from = (const char *)&r->down;

    return record_mix(from, sizeof *r - offsetof(struct sm_record, down),
                      (uint64_t)generation << 32 ^ r->commit);
}

static uint64_t birth_check(const struct record_slot *s)
{
    struct {
        struct sm_id id;
        uint32_t identity_len;
        uint64_t identity;
    } part;

    memset(&part, 0, sizeof part);
    part.id = s->id;
    part.identity_len = s->identity_len;
    part.identity = s->identity;
    return record_mix(&part, sizeof part, 0);
}

/* --- identities --- */

static void identity_texts(const struct sm_identity *identity, struct sm_text text[TEXTS])
{
    text[0] = identity->account;
    text[1] = identity->jid;
    text[2] = identity->domain;
    text[3] = identity->lang;
    text[4] = identity->prefixes;
    text[5] = identity->up_lang;
    text[6] = identity->up_prefixes;
}

/* The extent's offset, or 0; its length in *len. */
static uint64_t put_identity(struct arena *a, const struct sm_identity *identity, uint32_t *len)
{
    struct sm_text text[TEXTS];
    struct identity_head head;
    size_t sum = sizeof head;

    identity_texts(identity, text);
    for (int i = 0; i < TEXTS; i++) {
        if (text[i].len > (UINT64_C(1) << EXTENT_MAX_ORDER) - sum)
            return 0;
        sum += text[i].len;
        head.len[i] = (uint32_t)text[i].len;
    }

    uint64_t extent = arena_take(a, sum);
    uint64_t at = extent + sizeof head;

    if (!extent)
        return 0;
    arena_put(a, extent, &head, sizeof head);
    for (int i = 0; i < TEXTS; i++) {
        arena_put(a, at, text[i].p, text[i].len);
        at += text[i].len;
    }
    *len = (uint32_t)sum;
    return extent;
}

struct sm_identity record_identity(const struct arena *a, uint32_t slot)
{
    const struct record_slot *s = record_slot(a, slot);
    const struct identity_head *head = arena_at(a, s->identity);
    const char *p = (const char *)(head + 1);
    struct sm_text text[TEXTS];

    for (int i = 0; i < TEXTS; i++) {
        text[i] = (struct sm_text){.p = p, .len = head->len[i]};
        p += head->len[i];
    }
    return (struct sm_identity){
        .account = text[0],
        .jid = text[1],
        .domain = text[2],
        .lang = text[3],
        .prefixes = text[4],
        .up_lang = text[5],
        .up_prefixes = text[6],
    };
}

/* --- slots --- */

static uint64_t slot_at(const struct arena *a, uint32_t slot)
{
    assert(slot < a->slots);
    return a->slots_at + (uint64_t)slot * SLOT;
}

const struct record_slot *record_slot(const struct arena *a, uint32_t slot)
{
    return arena_at(a, slot_at(a, slot));
}

void record_fetch(const struct arena *a, uint32_t slot, const struct sm_record *r)
{
    const struct record_slot *s = record_slot(a, slot);

    fetch(s, offsetof(struct record_slot, copy));
    fetch(&s->copy[(r->commit + 1) & 1], sizeof *r);
}

int record_new(struct arena *a, struct sm_id *id, const struct sm_identity *identity)
{
    uint32_t slot = arena_take_slot(a, SLOT);
    uint32_t len = 0;

    if (slot == UINT32_MAX)
        return -ENOMEM;

    uint64_t extent = put_identity(a, identity, &len);

    if (!extent) {
        arena_give_slot(a, slot, SLOT);
        return -ENOMEM;
    }

    /* The generation outlives the slot's use, so that an id never comes twice; 0 means none. */
    uint32_t generation = record_slot(a, slot)->id.generation + 1;

    id->slot = slot;
    id->generation = generation ? generation : 1;

    struct record_slot born;

    memset(&born, 0, sizeof born);
    born.id = *id;
    born.identity_len = len;
    born.identity = extent;
    born.check = birth_check(&born);
    arena_put(a, slot_at(a, slot) + offsetof(struct record_slot, id), &born.id,
              offsetof(struct record_slot, copy) - offsetof(struct record_slot, id));
    return 0;
}

/* A commit of the session that a receive was outstanding for holds what was received. */
void record_unpost(struct arena *a, uint32_t slot)
{
    if ((uint32_t)arena_posted(a) == slot + 1)
        arena_post(a, 0);
    deaths_end(a, slot);
}

void record_commit(struct arena *a, uint32_t slot, struct sm_record *r)
{
    uint64_t at = slot_at(a, slot);

    r->commit++;
    r->check = check_of(r, record_slot(a, slot)->id.generation);
    arena_put(a,
              at + offsetof(struct record_slot, copy) + (r->commit & 1) * sizeof(struct sm_record),
              r, sizeof *r);
    arena_commit(a, at + offsetof(struct record_slot, selector), r->commit);
    record_unpost(a, slot);
}

void record_drop(struct arena *a, uint32_t slot)
{
    const struct record_slot *s = record_slot(a, slot);

    arena_commit(a, slot_at(a, slot) + offsetof(struct record_slot, selector), 0);
    record_unpost(a, slot);
    arena_give(a, s->identity, extent_size(s->identity_len));
    arena_give_slot(a, slot, SLOT);
}

const struct sm_record *record_read(const struct arena *a, uint32_t slot)
{
    const struct record_slot *s = record_slot(a, slot);

    return s->selector ? &s->copy[s->selector & 1] : NULL;
}

/* --- recovery --- */

static bool identity_valid(const struct arena *a, const struct record_slot *s)
{
    struct identity_head head;
    uint64_t sum = sizeof head;

    if (s->identity_len < sum || !arena_holds(a, s->identity, extent_size(s->identity_len)))
        return false;
    memcpy(&head, arena_at(a, s->identity), sizeof head);
    for (int i = 0; i < TEXTS; i++)
        sum += head.len[i];
    return sum == s->identity_len;
}

bool record_valid(const struct arena *a, uint32_t slot)
{
    const struct record_slot *s = record_slot(a, slot);
    const struct sm_record *r = record_read(a, slot);

    if (!r || s->check != birth_check(s) || s->id.slot != slot || !identity_valid(a, s))
        return false;
    return r->commit == s->selector && r->check == check_of(r, s->id.generation) &&
           queue_valid(&r->down, a) && queue_valid(&r->up, a);
}

static bool claim_queue(struct arena *a, const struct sm_queue *q)
{
    return !q->extent || arena_claim(a, q->extent, q->size);
}

static void give_queue(struct arena *a, const struct sm_queue *q)
{
    if (q->extent)
        arena_give(a, q->extent, q->size);
}

bool record_claim(struct arena *a, uint32_t slot)
{
    const struct record_slot *s = record_slot(a, slot);
    const struct sm_record *r = record_read(a, slot);
    size_t identity = extent_size(s->identity_len);

    if (!arena_claim_slot(a, slot, SLOT))
        return false;
    if (arena_claim(a, s->identity, identity)) {
        if (claim_queue(a, &r->down)) {
            if (claim_queue(a, &r->up))
                return true;
            give_queue(a, &r->down);
        }
        arena_give(a, s->identity, identity);
    }
    arena_give_slot(a, slot, SLOT);
    return false;
}

void record_discard(struct arena *a, uint32_t slot)
{
    arena_commit(a, slot_at(a, slot) + offsetof(struct record_slot, selector), 0);
}
