/* SPDX-License-Identifier: MIT */
/*
 * After the death of a process: its sessions, from the arena that it left.
 *
 * What was committed is there, whole. What a system call did behind the last commit is
 * known to the kernel, which counted the link's bytes: so many more were sent than the
 * record says, and so many more received, which lie in the staging area. All of this
 * may itself be cut off at any store, and is then done again.
 *
 *     sm_core_open
 *     sm_recover for each session of sm_core_next, the one of sm_core_posted first,
 *         whose staged bytes are read before anything else is received; then sm_commit
 */
#pragma once

#include "sm/session.h"

/* Where a session lives: with its arena, what a socket is parked under. */
struct sm_place {
    uint32_t slot, generation;
    uint64_t received; /* bytes of its link that its record knows */
};

struct sm_recovery {       /* what sm_core_open found */
    uint32_t sessions;     /* with a handle */
    uint32_t left;         /* of ended ones, whose messages wait for the next session */
    uint32_t damaged;      /* records that were not to be believed, and are no more */
    uint32_t set_aside;    /* 1: a session was being worked on at each of the last deaths, … */
    struct sm_place aside; /* … lived here, … */
    uint32_t stanzas;      /* … held so many for its client, … */
    struct sm_text jid; /* … was this one's, and is no more; lies in the arena, for the moment */
};

/* The core on memory that an earlier process formatted and died on; fresh memory (zeroes, or not
 * wholly formatted) is formatted. -ENOMEM; -EINVAL: too small; -EPROTO: it has another layout;
 * -EBADMSG: it is no arena, or another one. Of what is refused nothing is touched. */
[[nodiscard]] int sm_core_open(struct sm_core **out, const struct sm_core_config *config,
                               struct sm_recovery *found);

/* The session that a receive was outstanding for, or NULL. Until its commit nothing may be received
 * in this arena. */
[[nodiscard]] struct sm_session *sm_core_posted(struct sm_core *core);

struct sm_place sm_session_place(const struct sm_session *s);

struct sm_link_counts { /* of the link's socket, since connect, as the kernel counts them */
    uint64_t received;  /* bytes that were taken out of it */
    uint64_t sent;      /* bytes that were put into it */
};

enum sm_recovered {
    SM_RECOVERED,
    SM_RECOVERED_NO_LINK,  /* it ends: there is no socket */
    SM_RECOVERED_MISMATCH, /* it ends: the counts cannot be; the link is to be reset, unread */
};

/* Puts a session that sm_core_open found where the kernel says that it stands. Its client is gone:
 * it is detached, or goes on ending. link NULL: there is none. *staged: so many bytes from the
 * begin of the staging area are to be read, as after a receive of which SM_LINK_READ was told
 * already; 0 for all but the posted one. Orders as from an event. */
[[nodiscard]] enum sm_recovered sm_recover(struct sm_session *s, const struct sm_link_counts *link,
                                           uint64_t now_ms, struct sm_orders *orders,
                                           size_t *staged);
