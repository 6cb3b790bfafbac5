/* SPDX-License-Identifier: MIT */
/*
 * Every bound and every clock that the rules of a session go by.
 *
 * Those above come from the configuration and are arguments; those below are ours.
 * Times are milliseconds.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_limits {
    uint64_t resume_timeout_ms;
    bool ack_forwarded;     /* ack = forwarded: what is taken counts as handled at once */
    uint32_t request_after; /* stanzas */
    uint64_t request_idle_ms;
    uint64_t request_every_ms;
    uint64_t ack_timeout_ms;
    uint64_t idle_check_ms;
    uint32_t queue_stanzas;
    size_t queue_bytes;
    size_t stanza_bytes;
    uint32_t sessions_per_account;
    uint32_t counter_start; /* where both counters of a new session begin; 0 outside of tests */
};

/* The memory of all arenas together. One for the whole process; the arenas' workers share it. */
struct sm_budget {
    _Atomic size_t used;    /* bytes in extents and records */
    _Atomic size_t leaving; /* of them: those of sessions whose end has begun */
    size_t max;
};

enum {
    SM_ARENAS = 16,         /* fixed: an account's arena is its hash modulo this */
    SM_ACK_WAIT_MS = 2000,  /* an <r/> is answered, and <resumed/> sent, at the latest after this */
    SM_PROBE_PACE_MS = 100, /* at most one probe in this time */
    SM_PROBE_TIMEOUT_MS = 60000, /* an unanswered probe says that the link is dead */
    SM_ENDING_MS = 5000,         /* for each of the two waits while a session ends in order */
    SM_TOMBSTONE_MS = 48 * 3600 * 1000,
    SM_TOMBSTONES = 100000 / SM_ARENAS,
    SM_INACTIVE_FACTOR =
        10,               /* so many times request_after, while the client is inactive (XEP-0352) */
    SM_ASKS_WAITING = 64, /* <r/> of one client that wait for an answer, at different counts */
    SM_UP_RESERVE = 65536, /* bytes a client may still send while its queues are full */
    SM_TEXT_MAX = 8192,    /* bytes of orders' text in one batch */
    SM_TEXT_ROOM = 4096, /* the most that one event adds to it: SM_ASKS_WAITING answers, and some */
};
