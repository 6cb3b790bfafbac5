/* SPDX-License-Identifier: MIT */
/*
 * One arena and all sessions that live in it: found by id, by account and by
 * deadline. Used by one thread at a time. The memory is the caller's (a mapped
 * memfd, sparse), and so are the clock and the random bytes.
 */
#pragma once

#include "sm/event.h"
#include "sm/ids.h"
#include "sm/limits.h"

struct sm_session;
struct sm_core;

struct sm_core_config {
    void *base;  /* page-aligned, zeroes when fresh; lives longer than the core */
    size_t size; /* bytes, multiple of the page size */
    uint8_t node, arena;
    uint64_t key[2]; /* random bytes, of this process alone: whose sessions are found by them */
    uint64_t now_ms; /* CLOCK_BOOTTIME; for sm_core_open */
    const struct sm_limits *limits; /* a loan for the core's life */
    struct sm_budget *budget;       /* shared by all cores */
};

/* Formats the memory. 0, -ENOMEM, or -EINVAL if it is too small. */
[[nodiscard]] int sm_core_new(struct sm_core **out, const struct sm_core_config *config);
/* The handles of sessions, too; the memory stays as it is. */
void sm_core_free(struct sm_core *core);

/* By SM-ID: the session whose id is exactly this, or NULL. Compared in constant time. */
[[nodiscard]] struct sm_session *sm_core_find(struct sm_core *core, const struct sm_id *id);

/* The account's session with that full JID that has a link and is not ending, or NULL. */
[[nodiscard]] struct sm_session *sm_core_resource(struct sm_core *core, struct sm_text jid);

/* The account's sessions, one after another: NULL begins, NULL is the end. */
[[nodiscard]] struct sm_session *sm_core_next_of(struct sm_core *core, struct sm_text account,
                                                 struct sm_session *after);

/* Of the account, the one detached the longest, if it has more than sessions_per_account; else
 * NULL. */
[[nodiscard]] struct sm_session *sm_core_crowded(struct sm_core *core, struct sm_text account);

/* At 90 % of the memory: the detached session with the most bytes; else NULL. What sessions hold
 * whose end has begun counts as free already, so it is asked again until it is NULL, with a commit
 * between. */
[[nodiscard]] struct sm_session *sm_core_pressed(struct sm_core *core);

/* The h that a session which is no more was last told, for its owner; false: nothing is known. */
[[nodiscard]] bool sm_core_tombstone(struct sm_core *core, const struct sm_id *id,
                                     struct sm_text account, uint64_t now_ms, uint32_t *h);

/* When the next session wants SM_DEADLINE, CLOCK_BOOTTIME; UINT64_MAX: never. */
[[nodiscard]] uint64_t sm_core_deadline(const struct sm_core *core);
/* A session whose deadline has come (and is taken off; its next event or commit sets a new one);
 * NULL: none. */
[[nodiscard]] struct sm_session *sm_core_due(struct sm_core *core, uint64_t now_ms);

/* All sessions with a handle, in no order: NULL begins. */
[[nodiscard]] struct sm_session *sm_core_next(struct sm_core *core, struct sm_session *after);

/* True if messages of an ended session wait for that full JID. */
[[nodiscard]] bool sm_core_left(const struct sm_core *core, struct sm_text jid);

/* The same as sm_adopt for a login without stream management: the oldest such message; done frees
 * it. */
[[nodiscard]] bool sm_core_left_first(struct sm_core *core, struct sm_text jid,
                                      struct sm_stanza *out);
void sm_core_left_done(struct sm_core *core, struct sm_text jid);

/* A range of memory whose pages hold nothing any more, to be given back to the system at once,
 * before anything else is asked; false: none. For a slow timer: a little is kept for reuse for a
 * while.
 */
[[nodiscard]] bool sm_core_spare(struct sm_core *core, size_t *offset, size_t *len);

/* That session is worked on until its next sm_commit. Should the process die meanwhile, and five in
 * a row within a minute, sm_core_open sets it aside. */
void sm_core_work(struct sm_core *core, struct sm_session *s);

/* The staging area: where the caller receives from links, SM_STAGING bytes, in the arena. The word
 * that names the session being received for is stored by sm_core_post before, and cleared by
 * sm_commit; it is worked on, too. */
enum { SM_STAGING = 65536 };
char *sm_core_staging(struct sm_core *core);
void sm_core_post(struct sm_core *core, struct sm_session *s);

/* A few bytes of the caller's that a successor of this process finds again, all or none of them:
 * sm_core_kept gives how many, 0 if there are none. */
enum { SM_KEEPSAKE = 256 };
void sm_core_keep(struct sm_core *core, const void *bytes, size_t len);
[[nodiscard]] size_t sm_core_kept(const struct sm_core *core, void *bytes);

struct sm_counts {
    uint64_t sessions, born, resumed, detached, taken_over;
    uint64_t to_client, to_server, acked, resent;
    uint64_t returned, dropped, lost, left, adopted; /* undelivered stanzas, by their fate */
    uint64_t unconfirmed;                            /* of clients, when links died */
    uint64_t probes, refused_births;
    uint64_t ended[SM_END_COUNT];
    size_t bytes;
};
struct sm_counts sm_core_counts(const struct sm_core *core);
