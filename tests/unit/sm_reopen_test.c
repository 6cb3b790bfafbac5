/* SPDX-License-Identifier: MIT */
/*
 * Memory that an earlier process left: what is believed, what is not, and what was
 * waiting in it.
 */
#include "tests/support/death_rig.h"

#include <cmocka.h>
#include <errno.h>

/* --- what is left --- */

static void leave(struct rig *r, const char *xml)
{
    rig_birth(r, &(struct sm_birth){.resumable = true});
    to_client(r, xml);
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    sm_commit(r->s);
    sm_returned(r->s, r->now, &r->o);
    sm_session_free(r->s, r->now);
    r->s = NULL;
}

static void messages_wait_in_their_order(void **)
{
    struct rig *r = rig_enable(rig_core(32u << 20));
    struct sm_session *first = r->s; /* in the lowest slot */
    struct sm_stanza stanza;

    leave(r, "<m n='1'/>");
    r->s = first;
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    sm_returned(r->s, r->now, &r->o);
    sm_session_free(r->s, r->now);
    leave(r, "<m n='2'/>"); /* before the other in the memory */
    die_and_find(r, (struct sm_recovery){.left = 2});
    assert_int_equal(r->core->left_serial, 2);
    for (char n = '1'; n <= '2'; n++) {
        assert_true(sm_core_left_first(r->core, rig_text(phone), &stanza));
        assert_int_equal(stanza.xml[6], n);
        sm_core_left_done(r->core, rig_text(phone));
    }
    assert_int_equal(r->budget.used, 0);
    leave(r, "<m n='3'/>");
    r->now += r->limits.resume_timeout_ms;
    die_and_find(r, (struct sm_recovery){.left = 1});
    assert_null(sm_core_due(r->core, r->now)); /* and they expire */
    assert_int_equal(sm_core_counts(r->core).lost, 1);
    rig_free(r);
}

static jmp_buf death;
static uint64_t selector_at;

static void die_at_selector(void *, uint64_t at, size_t)
{
    if (at == selector_at)
        longjmp(death, 1);
}

static void an_adoption_is_whole_or_none(void **)
{
    struct rig *r = rig_core(32u << 20);

    leave(r, "<m n='1'/>");
    rig_birth(r, &(struct sm_birth){.resumable = true});
    sm_commit(r->s);
    assert_int_equal(sm_adopt(r->s, &r->o, r->now), 1);
    struct arena *a = &r->core->arena;
    selector_at = (uint64_t)((const char *)record_slot(a, r->s->node.slot) - a->base);
    a->stored = die_at_selector;
    if (!setjmp(death))
        sm_commit(r->s);
    a->stored = NULL; /* both have the message, but only one of them names the other */
    die(r);
    recover_as_it_was(r);
    assert_false(sm_core_left(r->core, rig_text(phone)));
    resume(r, 0);
    assert_string_equal(written(r), "[<m n='1'/>]");
    finish(r);
}

static void tombstones_are_found_the_youngest_first(void **)
{
    struct rig *r = rig_core(32u << 20);
    enum { DEAD = 5 };
    struct sm_id id[DEAD];
    uint32_t h;

    for (uint32_t i = 0; i < DEAD; i++) {
        r->limits.counter_start = 100 + i;
        rig_enable(r);
        id[i] = record_slot(&r->core->arena, r->s->node.slot)->id;
        sm_session_free(r->s, r->now);
    }
    struct core_stone *third =
        (struct core_stone *)((char *)r->base + r->core->arena.stones_at) + 3;
    third->h++; /* a bug */
    die_and_find(r, (struct sm_recovery){0});
    for (uint32_t i = 0; i < DEAD; i++) {
        bool known = sm_core_tombstone(r->core, &id[i], rig_text(alice), r->now, &h);

        assert_int_equal(known, i != 2);
        if (known)
            assert_int_equal(h, 100 + i);
    }
    rig_enable(r); /* the ring goes on behind the youngest */
    sm_session_free(r->s, r->now);
    r->s = NULL;
    assert_int_equal(r->core->stone_serial, DEAD + 1);
    rig_free(r);
}

/* --- memory that is not as it should be --- */

static void a_damaged_record_is_that_session_alone(void **)
{
    struct rig *r = rig_new();
    struct sm_session *first = r->s;

    to_client(r, "<m n='1'/>");
    sm_commit(r->s);
    rig_birth(r, &(struct sm_birth){.resumable = true,
                                    .identity.jid = rig_text("alice@example.org/home")});
    sm_commit(r->s);
    struct record_slot *slot = (struct record_slot *)record_slot(&r->core->arena, first->node.slot);
    slot->copy[slot->selector & 1].taken ^= 4;

    die_and_find(r, (struct sm_recovery){.sessions = 1, .damaged = 1});
    assert_null(sm_core_resource(r->core, rig_text(phone)));
    recover_as_it_was(r);
    sm_session_free(r->s, r->now);
    r->s = NULL;
    assert_int_equal(r->budget.used, 0); /* what the other had is free */
    die_and_find(r, (struct sm_recovery){0});
    rig_free(r);
}

static void two_records_never_share_memory(void **)
{
    struct rig *r = rig_new();

    to_client(r, "<m n='1'/>");
    sm_commit(r->s);
    const struct record_slot *from = record_slot(&r->core->arena, r->s->node.slot);
    rig_birth(r, &(struct sm_birth){.resumable = true});
    r->s->record.up = from->copy[from->selector & 1].down;
    queue_init(&r->s->up, &r->core->arena, &r->s->record.up);
    sm_commit(r->s);
    /* The heap's books are wrong now: only the memory is left of this process. */
    r->s->record.up = (struct sm_queue){0};
    die_and_find(r, (struct sm_recovery){.sessions = 1, .damaged = 1});
    recover_as_it_was(r);
    to_client(r, "<m n='2'/>");
    sm_commit(r->s);
    finish(r);
}

/* It has the other's memory as its second queue: what it had taken by then is given back. */
static void one_that_is_refused_takes_nothing(void **)
{
    struct rig *r = rig_new();
    size_t used = r->budget.used;

    to_client(r, "<m n='1'/>");
    sm_commit(r->s);
    size_t held = r->budget.used;
    const struct sm_record *first = record_read(&r->core->arena, r->s->node.slot);

    rig_birth(r, &(struct sm_birth){.resumable = true});
    to_client(r, "<m n='2'/>");
    r->s->record.up = first->down;
    queue_init(&r->s->up, &r->core->arena, &r->s->record.up);
    sm_commit(r->s);
    die_and_find(r, (struct sm_recovery){.sessions = 1, .damaged = 1});
    assert_int_equal(r->budget.used, held);
    recover_as_it_was(r);
    ack(r, 0);
    finish(r);
    assert_true(held > used);
}

static void assert_refused(struct rig *r, struct sm_core_config config, int error)
{
    char *before = malloc(1 << 20);
    struct sm_recovery found;
    struct sm_core *core;

    assert_non_null(before);
    memcpy(before, r->base, 1 << 20);
    assert_int_equal(sm_core_open(&core, &config, &found), error);
    assert_memory_equal(before, r->base, 1 << 20);
    assert_int_equal(r->budget.used, 0);
    free(before);
}

static void what_another_made_is_not_touched(void **)
{
    struct rig *r = rig_new();
    struct sm_core_config mine = config_of(r), other = mine;

    sm_core_free(r->core);
    r->core = NULL;
    r->s = NULL;
    other.arena++;
    assert_refused(r, other, -EBADMSG);
    other = mine;
    other.node++;
    assert_refused(r, other, -EBADMSG);
    other = mine;
    other.size /= 2;
    assert_refused(r, other, -EBADMSG);
    ((uint64_t *)r->base)[2] += UINT64_C(1) << 32; /* more slots were used than there are */
    assert_refused(r, mine, -EBADMSG);
    ((uint64_t *)r->base)[2] -= UINT64_C(1) << 32;
    ++((uint32_t *)r->base)[8]; /* a layout to come */
    assert_refused(r, mine, -EPROTO);
    ++*(char *)r->base; /* not ours at all */
    assert_refused(r, mine, -EBADMSG);
    rig_free(r);
}

static void fresh_memory_is_formatted(void **)
{
    struct rig *r = rig_core(32u << 20);
    struct sm_core_config config = config_of(r);
    struct sm_recovery found = {.sessions = 1, .left = 1, .damaged = 1};

    sm_core_free(r->core);
    memset(r->base, 0, 8); /* the process died before it was formatted to the end */
    assert_int_equal(sm_core_open(&r->core, &config, &found), 0);
    assert_int_equal(found.sessions + found.left + found.damaged, 0);
    rig_enable(r);
    die(r);
    recover_as_it_was(r);
    finish(r);
}

static void slots_that_were_never_used_stay_untouched(void **)
{
    struct rig *r = rig_new();
    unsigned char resident[64];
    size_t pages = 0;

    die(r);
    recover_as_it_was(r);
    char *slots = (char *)r->base + r->core->arena.slots_at;
    slots += -(uintptr_t)slots % 4096;
    assert_int_equal(mincore(slots + 4096, sizeof resident * 4096, resident), 0);
    for (size_t i = 0; i < sizeof resident; i++)
        pages += resident[i] & 1;
    assert_int_equal(pages, 0);
    finish(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_wait_in_their_order),
        cmocka_unit_test(an_adoption_is_whole_or_none),
        cmocka_unit_test(tombstones_are_found_the_youngest_first),
        cmocka_unit_test(a_damaged_record_is_that_session_alone),
        cmocka_unit_test(two_records_never_share_memory),
        cmocka_unit_test(one_that_is_refused_takes_nothing),
        cmocka_unit_test(what_another_made_is_not_touched),
        cmocka_unit_test(fresh_memory_is_formatted),
        cmocka_unit_test(slots_that_were_never_used_stay_untouched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
