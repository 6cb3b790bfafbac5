/* SPDX-License-Identifier: MIT */
/*
 * A session's handle: the working copy of its record, the views of its two queues,
 * its places in the registry, and what may be lost with the process.
 *
 * What the rules keep here and not in the record is forgotten by a restart without
 * harm: clocks that start anew, and what an attached client waits for, whose
 * connection dies with the process.
 */
#pragma once

#include "sm/core_priv.h"
#include "sm/session.h"

struct sm_waiting; /* acks.c: the client's <r/>s that are not answered yet */

struct sm_asking {     /* the client, for an <a/> */
    bool out;          /* an <r/> is unanswered */
    bool reading;      /* Holdfast reads the client */
    bool wrote;        /* something was written since <r/> was ordered */
    uint32_t since;    /* stanzas queued since the last <r/> */
    uint32_t behind;   /* the number of the last stanza that was queued when <r/> was ordered */
    uint64_t asked_ms; /* when that was, or later: while its stanzas were still being written */
    uint64_t
        unacked_ms;     /* since when some are unacknowledged, or the last <r/> if that was later */
    uint64_t queued_ms; /* when the last stanza was queued */
    uint64_t heard_ms;  /* when the last byte came from the client */
};

struct sm_session {
    /* Set by core_admit. */
    struct registry_node node; /* first: the registry gives nodes */
    struct sm_core *core;
    struct queue down, up; /* of record.down and record.up */
    struct sm_record record;

    void *user;
    struct sm_asking asking;
    struct sm_waiting *waiting; /* NULL: none waits */
    uint64_t taken_ms;          /* when the last stanza was taken */
    uint64_t checked_ms;        /* when SM_DO_CHECK_TCP was last ordered */

    bool changed;     /* since the last commit */
    bool held_now;    /* detached in this very batch: what follows is a takeover */
    bool refused;     /* the event in hand was not obeyed */
    bool ask_server;  /* a probe is wanted though nobody waits, since the client was detached */
    bool tell_client; /* the same since much is unconfirmed, and its answer is told unasked */
    bool link_heard;  /* something was read from the link since the probe */
    bool tcp_counts;  /* a probe is overdue while other traffic flows */
    bool link_dead;
    bool half_sent;    /* what was half on the link has left the queue since */
    bool returning;    /* SM_DO_RETURN was ordered */
    bool down_full;    /* with a quarter of hysteresis: the link is not read */
    bool up_full;      /* the same: the client is not read */
    bool link_stopped; /* the link was not to be read, when anything last happened to it */
};

/* Numbers of stanzas are compared as XEP-0198 counts: modulo 2^32. */
static inline bool sm_later(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

static inline bool sm_attached(const struct sm_session *s)
{
    return s->record.state == SM_LIVE || s->record.state == SM_RESUMING;
}

/* The number of the last stanza queued for the client. */
static inline uint32_t sm_sent(const struct sm_session *s)
{
    return s->record.acked + s->record.down.count;
}
