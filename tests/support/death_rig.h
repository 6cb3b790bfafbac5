/* SPDX-License-Identifier: MIT */
/*
 * A process dies, and the next one finds its sessions in the memory. What the kernel
 * knows of a link is a pair of numbers here.
 */
#pragma once

#include "tests/support/session_rig.h"

#include "sm/core_priv.h"
#include "sm/recover.h"
#include "sm/session_priv.h"

static const char *const phone = "alice@example.org/phone", *const alice = "alice@example.org";

static inline struct sm_core_config config_of(struct rig *r)
{
    return (struct sm_core_config){
        .base = r->base,
        .size = r->size,
        .now_ms = r->now,
        .limits = &r->limits,
        .budget = &r->budget,
    };
}

/* Everything in the heap is gone, and what was found is what should be. */
static inline void die_and_find(struct rig *r, struct sm_recovery expected)
{
    struct sm_core_config config = config_of(r);
    struct sm_recovery found;

    sm_core_free(r->core);
    assert_int_equal(r->budget.used, 0);
    r->o = (struct sm_orders){0};
    assert_int_equal(sm_core_open(&r->core, &config, &found), 0);
    assert_int_equal(found.sessions, expected.sessions);
    assert_int_equal(found.left, expected.left);
    assert_int_equal(found.damaged, expected.damaged);
    r->s = sm_core_next(r->core, NULL);
}

static inline void die(struct rig *r)
{
    die_and_find(r, (struct sm_recovery){.sessions = 1});
    assert_non_null(r->s);
}

static inline enum sm_recovered recover(struct rig *r, uint64_t received, uint64_t sent,
                                        size_t *staged)
{
    return sm_recover(r->s, &(struct sm_link_counts){received, sent}, r->now, &r->o, staged);
}

static inline uint64_t received(const struct rig *r)
{
    return r->s->record.link_received;
}

static inline uint64_t put_on_link(const struct rig *r)
{
    return r->s->record.link_sent;
}

/* As it stood, or not at all. */
static inline void recover_as_it_was(struct rig *r)
{
    size_t staged;

    assert_int_equal(recover(r, received(r), put_on_link(r), &staged), SM_RECOVERED);
    assert_int_equal(staged, 0);
    sm_commit(r->s);
}

static inline void finish(struct rig *r)
{
    sm_session_free(r->s, r->now);
    r->s = NULL;
    rig_free(r);
}
