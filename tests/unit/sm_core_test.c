/* SPDX-License-Identifier: MIT */
/*
 * What is stored, found and freed, and in which order; and every allocation failing
 * in turn. The sessions here have no rules: their records are written by hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int allowed = -1; /* allocations until one fails; -1: none fails */

static bool refuse(void)
{
    return allowed >= 0 && allowed-- == 0;
}

static void *try_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : calloc(n, size);
}

static void *try_realloc(void *p, size_t size)
{
    return refuse() ? NULL : realloc(p, size);
}

#define calloc  try_calloc
#define realloc try_realloc
#include "sm/core.c"
#include "sm/core_left.c"
#include "sm/extent.c"
#include "sm/registry.c"
#undef calloc
#undef realloc

enum { SIZE = 4 << 20 };

static struct sm_budget budget;
static struct sm_limits limits = {.sessions_per_account = 3, .resume_timeout_ms = 600000};
static void *memory;

static int try_core(struct sm_core **out)
{
    struct sm_core_config config = {
        .base = memory,
        .size = SIZE,
        .node = 1,
        .arena = 2,
        .limits = &limits,
        .budget = &budget,
    };

    return sm_core_new(out, &config);
}

static struct sm_core *new_core(void)
{
    struct sm_core *core;

    memory = aligned_alloc(4096, SIZE);
    memset(memory, 0, SIZE);
    budget.used = 0;
    budget.max = SIZE_MAX;
    assert_int_equal(try_core(&core), 0);
    return core;
}

static void free_core(struct sm_core *core)
{
    sm_core_free(core);
    assert_int_equal(budget.used, 0);
    free(memory);
}

static struct sm_text text(const char *s)
{
    return (struct sm_text){.p = s, .len = strlen(s)};
}

static const char *const romeo = "romeo@example.net", *const orchard = "romeo@example.net/orchard";

static struct sm_session *try_admit(struct sm_core *core, const char *account, const char *jid)
{
    static uint8_t random[16];
    struct sm_identity identity = {
        .account = text(account), .jid = text(jid), .domain = text("example.net")};
    struct sm_session *s = calloc(1, sizeof *s);

    random[0]++;
    if (core_admit(core, s, &identity, random) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

static struct sm_session *admit(struct sm_core *core, const char *account, const char *jid)
{
    struct sm_session *s = try_admit(core, account, jid);

    assert_non_null(s);
    return s;
}

static void dismiss(struct sm_core *core, struct sm_session *s)
{
    core_dismiss(core, s);
    free(s);
}

static const struct sm_id *id_of(const struct sm_session *s)
{
    return &record_slot(&s->core->arena, s->node.slot)->id;
}

static void push(struct sm_session *s, const char *xml, enum sm_fate fate)
{
    struct sm_stanza stanza = {.xml = xml, .len = strlen(xml), .fate = (uint8_t)fate};

    assert_true(queue_push(&s->down, &stanza, true));
}

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
        assert_true(at % 4096 == 0 && len % 4096 == 0 && at + len <= SIZE);
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

static void every_allocation_may_fail(void **)
{
    struct sm_core *core;
    int first;

    memory = aligned_alloc(4096, SIZE);
    memset(memory, 0, SIZE);
    budget.used = 0;
    budget.max = SIZE_MAX;
    for (first = 0;; first++) {
        allowed = first;
        int r = try_core(&core);
        bool failed = allowed < 0;

        allowed = -1;
        if (!failed) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
    }
    assert_true(first > 10);

    for (uint32_t i = 0; i < core->arena.slots; i++) {
        size_t before = budget.used;

        allowed = 0;
        struct sm_session *s = try_admit(core, romeo, orchard);

        allowed = -1;
        if (s)
            continue;
        assert_int_equal(budget.used, before);
        assert_int_equal(core->registry.count, i);
        assert_non_null(try_admit(core, romeo, orchard));
    }
    assert_null(try_admit(core, romeo, orchard)); /* no slot is vacant */
    free_core(core);
}

static void without_memory_for_it_a_session_does_not_leave(void **)
{
    struct sm_core *core = new_core();
    struct sm_session *s = admit(core, romeo, orchard);

    push(s, "<m1/>", SM_FATE_KEEP);
    core_commit(core, s, 700);
    allowed = 0;
    assert_false(core_leave(core, s, 1000));
    allowed = -1;
    assert_int_equal(s->record.state, SM_LIVE);
    assert_int_equal(sm_core_deadline(core), 700);
    assert_ptr_equal(sm_core_find(core, id_of(s)), s);
    allowed = 1; /* the one that it needs, and no more */
    assert_true(core_leave(core, s, 1000));
    allowed = -1;
    free(s);
    assert_true(sm_core_left(core, text(orchard)));
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
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(without_memory_for_it_a_session_does_not_leave),
        cmocka_unit_test(beyond_the_budget_nobody_is_admitted),
        cmocka_unit_test(what_is_too_small_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
