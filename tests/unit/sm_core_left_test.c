/* SPDX-License-Identifier: MIT */
/*
 * What stays of sessions that are no more: tombstones, and messages for the next
 * session of the same full JID.
 */
#include "tests/support/core_rig.h"

#include <stdio.h>

/* --- tombstones --- */

static struct sm_id bury(struct sm_core *core, const char *account, uint32_t h, uint64_t now_ms)
{
    struct sm_session *s = admit(core, account, orchard);
    struct sm_id id = *id_of(s);

    core_commit(core, s, UINT64_MAX);
    core_bury(core, s, h, now_ms);
    dismiss(core, s);
    return id;
}

static void a_tombstone_speaks_to_its_owner_for_two_days(void **)
{
    struct sm_core *core = new_core();
    struct sm_id id = bury(core, romeo, 77, 1000), other = id;
    uint32_t h = 5;

    other.random[8]++;
    assert_false(sm_core_tombstone(core, &other, text(romeo), 1000, &h));
    assert_false(sm_core_tombstone(core, &id, text("paris@example.net"), 1000, &h));
    assert_false(sm_core_tombstone(core, &id, text(romeo), 1000 + SM_TOMBSTONE_MS, &h));
    assert_int_equal(h, 5);
    assert_true(sm_core_tombstone(core, &id, text(romeo), 999 + SM_TOMBSTONE_MS, &h));
    assert_int_equal(h, 77);
    free_core(core);
}

static void the_oldest_tombstone_makes_room_for_the_youngest(void **)
{
    struct sm_core *core = new_core();
    uint32_t stones = core->arena.stones, h;
    struct sm_id *ids = calloc(3 * (size_t)stones, sizeof *ids);

    for (uint32_t i = 0; i < 3 * stones; i++) {
        ids[i] = bury(core, romeo, i, 1000);
        if (i % 7)
            continue;
        for (uint32_t j = i > stones + 3 ? i - stones - 3 : 0; j <= i; j++) {
            bool known = sm_core_tombstone(core, &ids[j], text(romeo), 2000, &h);

            assert_int_equal(known, j + stones > i);
            if (known)
                assert_int_equal(h, j);
        }
    }
    free(ids);
    free_core(core);
}

static uint64_t buried;

/* A process that dies here must not leave a tombstone that says what it never said. */
static void no_tombstone_is_half_written(void *arg, uint64_t, size_t)
{
    const struct sm_core *core = arg;
    uint64_t place = (buried + 1) % core->arena.stones;
    const struct core_stone *t = arena_at(&core->arena, core->arena.stones_at + place * sizeof *t);

    if (t->serial)
        assert_true(t->h == t->serial && t->expires_ms == t->serial + SM_TOMBSTONE_MS);
}

static void a_tombstone_is_whole_or_none(void **)
{
    struct sm_core *core = new_core();

    core->arena.stored_arg = core;
    core->arena.stored = no_tombstone_is_half_written;
    for (buried = 0; buried < 2 * core->arena.stones + 5; buried++)
        bury(core, romeo, (uint32_t)buried + 1, buried + 1);
    core->arena.stored = NULL;
    free_core(core);
}

/* --- what was left --- */

static void leave(struct sm_core *core, const char *jid, const char *const *xml,
                  uint64_t expires_ms)
{
    struct sm_session *s = admit(core, romeo, jid);

    for (; *xml; xml++)
        push(s, *xml, strstr(*xml, "<m") ? SM_FATE_KEEP : SM_FATE_DROP);
    assert_true(queue_tail_add(&s->down, "<half", 5));
    assert_true(queue_push(&s->up, &(struct sm_stanza){.xml = "<up/>", .len = 5}, true));
    core_commit(core, s, 10);
    assert_true(core_leave(core, s, expires_ms));
    assert_true(record_valid(&core->arena, s->node.slot));
    free(s);
}

static void assert_first(struct sm_core *core, const char *jid, const char *xml)
{
    struct sm_stanza first;

    assert_true(sm_core_left(core, text(jid)));
    assert_true(sm_core_left_first(core, text(jid), &first));
    assert_int_equal(first.len, strlen(xml));
    assert_memory_equal(first.xml, xml, first.len);
    assert_true(first.late);
}

static void messages_left_are_handed_over_in_order(void **)
{
    struct sm_core *core = new_core();
    struct sm_stanza first;

    leave(core, orchard, (const char *[]){"<p/>", "<m1/>", "<p/>", "<m2/>", "<p/>", NULL}, 1000);
    leave(core, orchard, (const char *[]){"<m3/>", NULL}, 1000);
    assert_false(sm_core_left(core, text(romeo)));
    assert_false(sm_core_left_first(core, text(romeo), &first));
    assert_null(sm_core_resource(core, text(orchard)));
    assert_null(sm_core_next_of(core, text(romeo), NULL));
    assert_null(sm_core_next(core, NULL));
    assert_int_equal(sm_core_counts(core).sessions, 0);
    assert_null(sm_core_find(core, &record_slot(&core->arena, 0)->id));
    assert_first(core, orchard, "<m1/>");
    assert_first(core, orchard, "<m1/>"); /* until it is done */
    sm_core_left_done(core, text(orchard));
    assert_first(core, orchard, "<m2/>");
    sm_core_left_done(core, text(orchard));
    assert_first(core, orchard, "<m3/>");
    sm_core_left_done(core, text(orchard));
    assert_false(sm_core_left(core, text(orchard)));
    assert_false(sm_core_left_first(core, text(orchard), &first));
    sm_core_left_done(core, text(orchard));
    assert_int_equal(sm_core_counts(core).adopted, 3);
    assert_int_equal(sm_core_counts(core).sessions, 0);
    assert_int_equal(budget.used, 0);
    free_core(core);
}

static void each_message_handed_over_is_committed(void **)
{
    struct sm_core *core = new_core();

    leave(core, orchard, (const char *[]){"<p/>", "<m1/>", "<p/>", "<m2/>", NULL}, 1000);
    uint32_t slot = core_left(core, text(orchard))->node.slot;

    assert_int_equal(record_read(&core->arena, slot)->down.count, 4);
    assert_int_equal(record_read(&core->arena, slot)->down.tail, 0);
    assert_int_equal(record_read(&core->arena, slot)->up.extent, 0);
    sm_core_left_done(core, text(orchard));
    assert_true(record_valid(&core->arena, slot));
    assert_int_equal(record_read(&core->arena, slot)->down.count, 2);
    assert_int_equal(record_read(&core->arena, slot)->state, SM_LEFT);
    sm_core_left_done(core, text(orchard));
    assert_null(record_read(&core->arena, slot));
    free_core(core);
}

static void an_account_leaves_so_much_and_the_oldest_goes(void **)
{
    struct sm_core *core = new_core();
    char jid[64];

    for (uint32_t i = 0; i < 2 * limits.sessions_per_account; i++) {
        snprintf(jid, sizeof jid, "%s/%u", romeo, i);
        leave(core, jid, (const char *[]){"<m1/>", "<m2/>", NULL}, 1000);
    }
    for (uint32_t i = 0; i < 2 * limits.sessions_per_account; i++) {
        snprintf(jid, sizeof jid, "%s/%u", romeo, i);
        assert_int_equal(sm_core_left(core, text(jid)), i >= limits.sessions_per_account);
    }
    assert_int_equal(sm_core_counts(core).lost, 2 * limits.sessions_per_account);
    free_core(core);
}

static void messages_left_are_lost_when_their_time_is_over(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard);

    leave(core, orchard, (const char *[]){"<m1/>", "<p/>", "<m2/>", NULL}, 1000);
    core_commit(core, s, 2000);
    assert_int_equal(sm_core_deadline(core), 1000);
    assert_null(sm_core_due(core, 999));
    assert_true(sm_core_left(core, text(orchard)));
    assert_ptr_equal(sm_core_due(core, 2000), s);
    assert_false(sm_core_left(core, text(orchard)));
    assert_int_equal(sm_core_counts(core).lost, 2);
    free_core(core);
}

static struct sm_session *adopter;
static struct sm_core *watched;
static uint32_t left_slot;

/* At any instant, the messages are in one of the two; or in both, and the adopter's record says so.
 */
static void there_once(void *, uint64_t, size_t)
{
    const struct sm_record *left = record_read(&watched->arena, left_slot);
    const struct sm_record *new = record_read(&watched->arena, adopter->node.slot);
    bool has = new &&new->down.count;

    assert_true(left || has);
    if (left && has) {
        assert_int_equal(new->adopted_slot, left_slot);
        assert_int_equal(new->adopted_generation,
                         record_slot(&watched->arena, left_slot)->id.generation);
    }
}

static void an_adopted_message_is_never_in_two_sessions(void **)
{
    struct sm_core *core = new_core();
    struct sm_record copy;
    struct sm_stanza stanza;

    leave(core, orchard, (const char *[]){"<m1/>", NULL}, 1000);
    adopter = admit(core, romeo, orchard);
    core_commit(core, adopter, UINT64_MAX);
    struct core_left *left = core_left(core, text(orchard));

    left_slot = left->node.slot;
    watched = core;
    core->arena.stored = there_once;
    struct queue from = core_left_queue(core, left, &copy);

    assert_true(queue_nth(&from, 0, &stanza));
    stanza.late = true;
    assert_true(queue_push(&adopter->down, &stanza, true));
    adopter->record.adopted_slot = left_slot;
    adopter->record.adopted_generation = record_slot(&core->arena, left_slot)->id.generation;
    core_commit(core, adopter, UINT64_MAX);
    assert_null(record_read(&core->arena, left_slot));
    assert_false(sm_core_left(core, text(orchard)));
    assert_int_equal(adopter->record.adopted_generation, 0);
    assert_true(queue_nth(&adopter->down, 0, &stanza) && stanza.late);
    core->arena.stored = NULL;
    free_core(core);
}

static void an_adoption_does_not_end_the_next_session_in_the_slot(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard);

    leave(core, orchard, (const char *[]){"<m1/>", NULL}, 1000);
    uint32_t slot = core_left(core, text(orchard))->node.slot;

    s->record.adopted_slot = slot;
    s->record.adopted_generation = record_slot(&core->arena, slot)->id.generation + 1;
    core_commit(core, s, UINT64_MAX);
    assert_true(sm_core_left(core, text(orchard)));
    struct sm_session *t = admit(core, romeo, orchard);

    s->record.adopted_slot = t->node.slot;
    s->record.adopted_generation = id_of(t)->generation;
    core_commit(core, s, UINT64_MAX); /* not one that was left */
    assert_ptr_equal(sm_core_find(core, id_of(t)), t);
    free_core(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tombstone_speaks_to_its_owner_for_two_days),
        cmocka_unit_test(the_oldest_tombstone_makes_room_for_the_youngest),
        cmocka_unit_test(a_tombstone_is_whole_or_none),
        cmocka_unit_test(messages_left_are_handed_over_in_order),
        cmocka_unit_test(each_message_handed_over_is_committed),
        cmocka_unit_test(messages_left_are_lost_when_their_time_is_over),
        cmocka_unit_test(an_account_leaves_so_much_and_the_oldest_goes),
        cmocka_unit_test(an_adopted_message_is_never_in_two_sessions),
        cmocka_unit_test(an_adoption_does_not_end_the_next_session_in_the_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
