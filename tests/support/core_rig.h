/* SPDX-License-Identifier: MIT */
/*
 * A core on memory of its own, and sessions in it without rules: their records are
 * written by hand.
 */
#pragma once

#include "sm/core_priv.h"
#include "sm/session_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { CORE_RIG_SIZE = 4 << 20, CORE_RIG_NODE = 1, CORE_RIG_ARENA = 2 };

static struct sm_budget budget;
static struct sm_limits limits = {.sessions_per_account = 3, .resume_timeout_ms = 600000};
static void *memory;

static const char *const romeo = "romeo@example.net", *const orchard = "romeo@example.net/orchard";

static inline void new_memory(void)
{
    memory = aligned_alloc(EXTENT_PAGE, CORE_RIG_SIZE);
    assert_non_null(memory);
    memset(memory, 0, CORE_RIG_SIZE);
    budget.used = 0;
    budget.max = SIZE_MAX;
}

static inline int try_core(struct sm_core **out)
{
    struct sm_core_config config = {
        .base = memory,
        .size = CORE_RIG_SIZE,
        .node = CORE_RIG_NODE,
        .arena = CORE_RIG_ARENA,
        .limits = &limits,
        .budget = &budget,
    };

    return sm_core_new(out, &config);
}

static inline struct sm_core *new_core(void)
{
    struct sm_core *core;

    new_memory();
    assert_int_equal(try_core(&core), 0);
    return core;
}

static inline void free_core(struct sm_core *core)
{
    sm_core_free(core);
    assert_int_equal(budget.used, 0);
    free(memory);
}

static inline struct sm_text text(const char *s)
{
    return (struct sm_text){.p = s, .len = strlen(s)};
}

/* In the caller's handle, which is zeroed. */
static inline int admit_into(struct sm_core *core, struct sm_session *s, const char *account,
                             const char *jid)
{
    static uint8_t random[16];
    struct sm_identity identity = {
        .account = text(account), .jid = text(jid), .domain = text("example.net")};

    random[0]++;
    return core_admit(core, s, &identity, random);
}

/* NULL: there was no room. */
static inline struct sm_session *try_admit(struct sm_core *core, const char *account,
                                           const char *jid)
{
    struct sm_session *s = calloc(1, sizeof *s);

    if (admit_into(core, s, account, jid) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

static inline struct sm_session *admit(struct sm_core *core, const char *account, const char *jid)
{
    struct sm_session *s = try_admit(core, account, jid);

    assert_non_null(s);
    return s;
}

static inline void dismiss(struct sm_core *core, struct sm_session *s)
{
    core_dismiss(core, s);
    free(s);
}

static inline const struct sm_id *id_of(const struct sm_session *s)
{
    return &record_slot(&s->core->arena, s->node.slot)->id;
}

static inline void push(struct sm_session *s, const char *xml, enum sm_fate fate)
{
    struct sm_stanza stanza = {.xml = xml, .len = strlen(xml), .fate = (uint8_t)fate};

    assert_true(queue_push(&s->down, &stanza, true));
}
