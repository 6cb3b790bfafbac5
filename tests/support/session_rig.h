/* SPDX-License-Identifier: MIT */
/*
 * One session between a client and a server that are only strings: what the session
 * writes and sends is gathered, and time moves when the test says so.
 */
#pragma once

#include "sm/core.h"
#include "sm/session.h"
#include "sm/wire.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define RIG_ID "0123456789abcdef"

struct rig {
    struct sm_core *core;
    struct sm_budget budget;
    struct sm_limits limits;
    size_t size, used; /* of the memory, and of the budget at first */
    void *base;
    uint64_t now;
    struct sm_session *s;
    struct sm_orders o;
    char wire[65536]; /* what the server got */
    size_t wire_len;
    char client[65536]; /* the stanzas that the client got */
    size_t client_len;
};

static inline struct sm_text rig_text(const char *text)
{
    return (struct sm_text){text, strlen(text)};
}

static inline struct rig *rig_core(size_t max)
{
    struct rig *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->limits = (struct sm_limits){
        .resume_timeout_ms = 600000,
        .request_after = 1000,
        .request_idle_ms = 1000,
        .request_every_ms = 60000,
        .ack_timeout_ms = 60000,
        .idle_check_ms = 300000,
        .queue_stanzas = 1000,
        .queue_bytes = 1 << 20,
        .stanza_bytes = 1 << 18,
        .sessions_per_account = 20,
    };
    r->now = 1000000;
    r->budget.max = max;
    r->size = 64u << 20;
    r->base = mmap(NULL, r->size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(r->base != MAP_FAILED);

    struct sm_core_config config = {
        .base = r->base,
        .size = r->size,
        .limits = &r->limits,
        .budget = &r->budget,
    };
    assert_int_equal(sm_core_new(&r->core, &config), 0);
    r->used = r->budget.used;
    return r;
}

static inline int rig_try_birth(struct rig *r, const struct sm_birth *wish)
{
    static uint8_t births;
    struct sm_birth birth = *wish;

    birth.identity.account = rig_text("alice@example.org");
    if (!birth.identity.jid.p)
        birth.identity.jid = rig_text("alice@example.org/phone");
    birth.identity.domain = rig_text("example.org");
    birth.now_ms = r->now;
    for (size_t i = 0; i < sizeof birth.random; i++)
        birth.random[i] = (uint8_t)(births * 31 + i);
    births++;
    return sm_session_new(r->core, &birth, &r->s, &r->o);
}

static inline void rig_birth(struct rig *r, const struct sm_birth *wish)
{
    assert_int_equal(rig_try_birth(r, wish), 0);
}

/* A session that was just enabled, resumable, its <enabled/> said. */
static inline struct rig *rig_enable(struct rig *r)
{
    rig_birth(r, &(struct sm_birth){.resumable = true});
    sm_commit(r->s);
    r->o = (struct sm_orders){0};
    return r;
}

static inline struct rig *rig_new(void)
{
    return rig_enable(rig_core(32u << 20));
}

static inline void rig_free(struct rig *r)
{
    if (r->s)
        sm_session_free(r->s, r->now);
    sm_core_free(r->core);
    munmap(r->base, r->size);
    free(r);
}

/* The session is freed, and nothing of it is left in the memory. */
static inline void rig_free_clean(struct rig *r)
{
    sm_session_free(r->s, r->now);
    r->s = NULL;
    assert_true(r->budget.used == r->used);
    rig_free(r);
}

/* --- events --- */

static inline bool rig_step(struct rig *r, struct sm_event e)
{
    e.now_ms = r->now;
    return sm_step(r->s, &e, &r->o);
}

#define STEP(r, ...) rig_step(r, (struct sm_event){.type = __VA_ARGS__})

static inline bool to_client(struct rig *r, const char *xml)
{
    return STEP(r, SM_TO_CLIENT,
                .stanza = {.xml = xml, .len = strlen(xml), .stamp_ms = 5, .fate = SM_FATE_KEEP});
}

static inline bool to_server(struct rig *r, const char *xml)
{
    return STEP(r, SM_TO_SERVER, .stanza = {.xml = xml, .len = strlen(xml)});
}

static inline bool ack(struct rig *r, uint32_t h)
{
    return STEP(r, SM_CLIENT_ACK, .h = h);
}

static inline bool gone(struct rig *r)
{
    return STEP(r, SM_CLIENT_GONE);
}

/* Time passes, and the clocks are asked as the caller's loop asks them. */
static inline void pass_ms(struct rig *r, uint64_t ms)
{
    uint64_t until = r->now + ms;

    for (int turn = 0;; turn++) {
        sm_commit(r->s);
        uint64_t at = sm_core_deadline(r->core);

        assert_true(turn < 10000); /* a clock that runs out again and again */
        if (at > until)
            break;
        r->now = at > r->now ? at : r->now;
        if (sm_core_due(r->core, r->now) == r->s)
            STEP(r, SM_DEADLINE);
    }
    r->now = until;
}

/* --- orders --- */

/* The text to the client since the last time, without a zero in it. */
static inline const char *said(struct rig *r)
{
    static char text[sizeof r->o.text + 1];

    memcpy(text, r->o.text, r->o.text_len);
    text[r->o.text_len] = 0;
    r->o.text_len = 0;
    r->o.todo &= ~(uint32_t)SM_DO_SAY;
    return text;
}

static inline bool told(struct rig *r, enum sm_todo order)
{
    bool yes = r->o.todo & order;

    r->o.todo &= ~(uint32_t)order;
    return yes;
}

/* Sends all that is unsent; gives what that was. */
static inline const char *sent(struct rig *r)
{
    struct sm_text bytes;
    size_t from = r->wire_len;

    sm_commit(r->s);
    while (sm_unsent(r->s, &bytes)) {
        assert_true(bytes.len < sizeof r->wire - r->wire_len);
        memcpy(r->wire + r->wire_len, bytes.p, bytes.len);
        r->wire_len += bytes.len;
        STEP(r, SM_LINK_SENT, .count = bytes.len);
        sm_commit(r->s);
    }
    r->wire[r->wire_len] = 0;
    return r->wire + from;
}

/* Writes all that is unwritten; gives what that was, each late stanza in brackets. */
static inline const char *written(struct rig *r)
{
    struct sm_text run;
    struct sm_stanza one;
    size_t from = r->client_len;

    sm_commit(r->s);
    while (sm_unwritten(r->s, &run, &one)) {
        size_t len = run.len ? run.len : one.len;

        assert_true(len + 3 < sizeof r->client - r->client_len);
        r->client_len += (size_t)sprintf(r->client + r->client_len, run.len ? "%.*s" : "[%.*s]",
                                         (int)len, run.len ? run.p : one.xml);
        STEP(r, SM_CLIENT_WROTE, .count = len);
        sm_commit(r->s);
    }
    r->client[r->client_len] = 0;
    return r->client + from;
}

/* The id of the last probe on the wire. */
static inline uint64_t probe_of(const char *text)
{
    const char *at = NULL;
    uint64_t id = 0;

    for (const char *next = text; (next = strstr(next, "'hf-")); next++)
        at = next + 1;
    assert_non_null(at);
    assert_true(sm_wire_probe_id(&id, (struct sm_text){at, 19}));
    return id;
}

/* The server gets what was sent and answers the last ping in it. */
static inline void answer_probe(struct rig *r)
{
    const char *text = sent(r);

    assert_true(STEP(r, SM_PROBE_ANSWER, .probe = probe_of(text)));
}

static inline void resume(struct rig *r, uint32_t h)
{
    assert_int_equal(sm_may_resume(r->s, h), SM_RESUME_FINE);
    assert_true(STEP(r, SM_RESUME, .h = h));
}
