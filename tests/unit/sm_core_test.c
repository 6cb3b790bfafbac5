/* SPDX-License-Identifier: MIT */
/*
 * What is stored, found and freed, and in which order. The sessions here have no
 * rules: their records are written by hand.
 */
#include "tests/support/core_rig.h"

#include <errno.h>

/* --- finding --- */

static void a_session_is_found_by_its_whole_id_only(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard), *t = admit(core, romeo, orchard);
    struct sm_id id = *id_of(s);

    assert_int_equal(id.node, 1);
    assert_int_equal(id.arena, 2);
    assert_ptr_equal(sm_core_find(core, &id), s);
    assert_ptr_equal(sm_core_find(core, id_of(t)), t);
    id.random[15]++;
    assert_null(sm_core_find(core, &id));
    id = *id_of(s);
    id.generation++;
    assert_null(sm_core_find(core, &id));
    id = *id_of(s);
    id.slot = UINT32_MAX;
    assert_null(sm_core_find(core, &id));
    id = *id_of(s);
    dismiss(core, s);
    assert_null(sm_core_find(core, &id));
    s = admit(core, romeo, orchard); /* in the same slot */
    assert_int_equal(id_of(s)->slot, id.slot);
    assert_null(sm_core_find(core, &id));
    free_core(core);
}

static void a_resource_is_one_that_is_not_ending(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard), *t = admit(core, romeo, orchard);

    for (enum sm_state state = SM_LIVE; state <= SM_OVER; state++) {
        bool is_there = state <= SM_RESUMING;

        s->record.state = state;
        t->record.state = SM_CLOSING;
        assert_ptr_equal(sm_core_resource(core, text(orchard)), is_there ? s : NULL);
        t->record.state = SM_HELD;
        assert_ptr_equal(sm_core_resource(core, text(orchard)), is_there ? s : t);
    }
    assert_null(sm_core_resource(core, text(romeo)));
    assert_null(sm_core_resource(core, text("romeo@example.net/balcony")));
    free_core(core);
}

static void the_sessions_of_an_account_come_one_after_another(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard);
    struct sm_session *t = admit(core, "juliet@example.com", "juliet@example.com/balcony");
    struct sm_session *u = admit(core, romeo, "romeo@example.net/tomb");

    assert_ptr_equal(sm_core_next_of(core, text(romeo), NULL), s);
    assert_ptr_equal(sm_core_next_of(core, text(romeo), s), u);
    assert_null(sm_core_next_of(core, text(romeo), u));
    assert_null(sm_core_next_of(core, text("nurse@example.com"), NULL));
    assert_ptr_equal(sm_core_next(core, NULL), s);
    assert_ptr_equal(sm_core_next(core, s), t);
    assert_ptr_equal(sm_core_next(core, t), u);
    assert_null(sm_core_next(core, u));
    assert_int_equal(sm_core_counts(core).sessions, 3);
    free_core(core);
}

static void the_one_detached_longest_is_one_too_many(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s[4];

    for (int i = 0; i < 4; i++) {
        assert_null(sm_core_crowded(core, text(romeo)));
        s[i] = admit(core, romeo, orchard);
        s[i]->record.state = SM_LIVE;
        s[i]->record.since_ms = 100 - (unsigned)i;
    }
    assert_null(sm_core_crowded(core, text(romeo))); /* nobody is detached */
    s[1]->record.state = s[2]->record.state = SM_HELD;
    assert_ptr_equal(sm_core_crowded(core, text(romeo)), s[2]);
    s[2]->record.state = SM_ENDING;
    assert_null(sm_core_crowded(core, text(romeo)));
    free_core(core);
}

static void the_largest_detached_is_named_when_memory_is_short(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s[4];

    for (int i = 0; i < 4; i++) {
        s[i] = admit(core, romeo, orchard);
        s[i]->record.state = i ? SM_HELD : SM_LIVE;
        for (int j = 0; j < 1000 >> i; j++)
            push(s[i], "<message><body>O, I am fortune's fool!</body></message>", SM_FATE_KEEP);
        core_commit(core, s[i], UINT64_MAX);
    }
    assert_null(sm_core_pressed(core));
    assert_false(core_short(core));
    budget.max = budget.used + budget.used / 9 + 20;
    assert_null(sm_core_pressed(core));
    budget.max -= 40;
    assert_true(core_short(core));
    assert_ptr_equal(sm_core_pressed(core), s[1]);
    queue_pop(&s[1]->down, 500);
    core_commit(core, s[1], UINT64_MAX);
    budget.max = budget.used;
    assert_ptr_equal(sm_core_pressed(core), s[2]);
    s[2]->record.state = SM_LIVE;
    core_commit(core, s[2], UINT64_MAX);
    assert_ptr_equal(sm_core_pressed(core), s[3]);
    dismiss(core, s[3]);
    budget.max = budget.used;
    assert_ptr_equal(sm_core_pressed(core), s[1]); /* it holds nothing but its record */
    free_core(core);
}

/* --- storing --- */

static void a_session_without_stanzas_costs_little(void **)
{
    struct sm_core *core = new_core();

    for (int i = 0; i < 100; i++)
        core_commit(core, admit(core, romeo, orchard), 1000);

    struct sm_counts counts = sm_core_counts(core);
    size_t heap = sizeof(struct sm_session) + 16 /* malloc's */ + sizeof(struct registry_key) +
                  3 * sizeof(void *);

    assert_int_equal(counts.bytes, budget.used);
    print_message("%zu bytes in the arena, %zu in the heap\n", counts.bytes / 100, heap);
    assert_true(counts.bytes / 100 + heap <= 1536);
    free_core(core);
}

static void what_is_popped_is_freed_after_the_commit(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard);
    size_t empty = budget.used;

    push(s, "<a/>", SM_FATE_DROP);
    core_commit(core, s, UINT64_MAX);
    assert_int_equal(budget.used, empty + 128);
    queue_pop(&s->down, 1);
    assert_int_equal(budget.used, empty + 128);
    core_commit(core, s, UINT64_MAX);
    assert_int_equal(budget.used, empty);
    assert_true(record_valid(&core->arena, s->node.slot));
    push(s, "<a/>", SM_FATE_DROP);
    core_commit(core, s, UINT64_MAX);
    push(s, "<b/>", SM_FATE_DROP);
    assert_true(queue_push(&s->up, &(struct sm_stanza){.xml = "<up/>", .len = 5}, true));
    dismiss(core, s);
    assert_int_equal(budget.used, 0);
    free_core(core);
}

static void a_deadline_goes_with_the_commit(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard);

    assert_true(sm_core_deadline(core) == UINT64_MAX);
    core_commit(core, s, 500);
    assert_int_equal(sm_core_deadline(core), 500);
    assert_null(sm_core_due(core, 499));
    assert_ptr_equal(sm_core_due(core, 500), s);
    assert_null(sm_core_due(core, 500));
    core_commit(core, s, 600);
    assert_int_equal(sm_core_deadline(core), 600);
    dismiss(core, s);
    assert_true(sm_core_deadline(core) == UINT64_MAX);
    free_core(core);
}

static void the_post_names_a_session_until_its_commit(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard), *t = admit(core, romeo, orchard);

    memset(sm_core_staging(core), 0xff, SM_STAGING);
    sm_core_post(core, t);
    uint64_t posted = arena_posted(&core->arena);

    assert_int_equal((uint32_t)posted, t->node.slot + 1);
    assert_int_equal(posted >> 32, id_of(t)->generation);
    core_commit(core, s, UINT64_MAX);
    assert_true(arena_posted(&core->arena) == posted);
    core_commit(core, t, UINT64_MAX);
    assert_int_equal(arena_posted(&core->arena), 0);
    sm_core_post(core, t);
    dismiss(core, t);
    assert_int_equal(arena_posted(&core->arena), 0);
    assert_ptr_equal(sm_core_find(core, id_of(s)), s);
    free_core(core);
}

static void pages_of_ended_sessions_are_spare(void **)
{
    struct sm_core *core = new_core();
    static struct sm_session *s[100];
    size_t at, len, sum = 0;

    for (int i = 0; i < 100; i++) {
        s[i] = admit(core, romeo, orchard);
        for (int j = 0; j < 50; j++)
            push(s[i], "<message><body>O, I am fortune's fool!</body></message>", SM_FATE_KEEP);
        core_commit(core, s[i], UINT64_MAX);
    }
    assert_false(sm_core_spare(core, &at, &len));
    for (int i = 0; i < 100; i++)
        dismiss(core, s[i]);
    while (sm_core_spare(core, &at, &len)) {
        assert_true(at % 4096 == 0 && len % 4096 == 0 && at + len <= CORE_RIG_SIZE);
        memset((char *)memory + at, 0, len); /* as punching does */
        sum += len;
    }
    assert_true(sum >= 100 * 4096 - 65536); /* so much is kept for reuse */
    push(admit(core, romeo, orchard), "<a/>", SM_FATE_KEEP);
    free_core(core);
}

/* --- refusals --- */

/* To end takes seconds; if the memory counted as used until then, all the detached would have to
 * go. */
static void no_more_are_named_than_must_go(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s[100], *named;
    int count = 0;

    for (int i = 0; i < 100; i++) {
        s[i] = admit(core, romeo, orchard);
        s[i]->record.state = SM_HELD;
        core_commit(core, s[i], UINT64_MAX);
    }
    budget.max = budget.used / 97 * 100; /* 7 of 97 are too many */
    while ((named = sm_core_pressed(core))) {
        named->record.state = count % 2 ? SM_ENDING : SM_CLOSING;
        core_commit(core, named, UINT64_MAX);
        count++;
    }
    assert_in_range(count, 7, 10);
    for (int i = 0; i < 100; i++) {
        if (s[i]->record.state != SM_HELD)
            dismiss(core, s[i]);
    }
    assert_int_equal(core->leaving, 0);
    assert_false(core_short(core));
    free_core(core);
}

static void beyond_the_budget_nobody_is_admitted(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard);
    size_t one = budget.used;

    for (budget.max = one; budget.max < 2 * one; budget.max++) {
        assert_null(try_admit(core, romeo, orchard));
        assert_int_equal(budget.used, one);
    }
    assert_ptr_equal(sm_core_next_of(core, text(romeo), NULL), s);
    assert_non_null(try_admit(core, romeo, orchard));
    free_core(core);
}

static void what_is_too_small_is_refused(void **)
{
    struct sm_core_config config = {.size = 4096, .limits = &limits, .budget = &budget};
    struct sm_core *core = (void *)&config;

    config.base = memory = aligned_alloc(4096, 4096);
    memset(memory, 0, 4096);
    assert_int_equal(sm_core_new(&core, &config), -EINVAL);
    assert_ptr_equal(core, &config);
    sm_core_free(NULL);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_found_by_its_whole_id_only),
        cmocka_unit_test(a_resource_is_one_that_is_not_ending),
        cmocka_unit_test(the_sessions_of_an_account_come_one_after_another),
        cmocka_unit_test(the_one_detached_longest_is_one_too_many),
        cmocka_unit_test(the_largest_detached_is_named_when_memory_is_short),
        cmocka_unit_test(a_session_without_stanzas_costs_little),
        cmocka_unit_test(what_is_popped_is_freed_after_the_commit),
        cmocka_unit_test(a_deadline_goes_with_the_commit),
        cmocka_unit_test(the_post_names_a_session_until_its_commit),
        cmocka_unit_test(pages_of_ended_sessions_are_spare),
        cmocka_unit_test(no_more_are_named_than_must_go),
        cmocka_unit_test(beyond_the_budget_nobody_is_admitted),
        cmocka_unit_test(what_is_too_small_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
