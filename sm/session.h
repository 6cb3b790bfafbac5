/* SPDX-License-Identifier: MIT */
/*
 * A session: what XEP-0198 resumes, and the rules of its life.
 *
 * Its record and its queues lie in an arena; everything in memory beside them can
 * be lost without loss. Events change a working copy; sm_commit makes the whole
 * batch true at once; only after it may bytes leave, and space be used again.
 */
#pragma once

#include "sm/core.h"
#include "sm/event.h"
#include "sm/ids.h"

enum sm_state {
    SM_LIVE,     /* attached to a connection */
    SM_HELD,     /* detached, kept for a resumption */
    SM_RESUMING, /* attached again; <resumed/> waits for the server's confirmation */
    SM_ENDING,   /* unavailable and a probe were sent; its answer is awaited */
    SM_CLOSING,  /* all was answered and </stream:stream> sent; the server's is awaited */
    SM_LEFT,     /* no link any more: messages that wait for the next session of this full JID */
    SM_OVER,
};

/* Copied; all but account, jid and domain may be empty. */
struct sm_identity {
    struct sm_text account;  /* bare JID, prepared: the owner */
    struct sm_text jid;      /* full JID, as the server gave it */
    struct sm_text domain;   /* of the host, prepared */
    struct sm_text lang;     /* what the link's header gives to its stanzas: */
    struct sm_text prefixes; /* declarations, as text of a start tag */
    struct sm_text
        up_lang; /* and what the header that Holdfast sent on the link gives to the client's: */
    struct sm_text up_prefixes;
};

struct sm_birth {
    struct sm_identity identity;
    bool resumable;
    uint64_t max_ms;        /* the client's wish for the resume time; 0 = none */
    bool ns2;               /* enabled in urn:xmpp:sm:2 */
    uint64_t link_received; /* bytes since connect, up to where the session begins */
    uint64_t link_sent;
    uint8_t random[24]; /* 16 for the SM-ID, 8 for the probes */
    uint64_t now_ms;
};

/* A new session, LIVE, with <enabled/> in its first orders. -ENOMEM if there is no room for a
 * record; if `memory` is short (90 %), it is born not resumable, which sm_session_resumable tells:
 * the caller then answers <failed/> and frees it. Not in the arena for good before the first
 * sm_commit. */
[[nodiscard]] int sm_session_new(struct sm_core *core, const struct sm_birth *birth,
                                 struct sm_session **out, struct sm_orders *orders);

/* After SM_DO_OVER, or right after birth: leaves a tombstone (if it was resumable) and frees record
 * and queues. A session with messages to hand over stays in the arena as SM_LEFT, without a handle.
 */
void sm_session_free(struct sm_session *s, uint64_t now_ms);

/* Applies one event by the table in rules.c; an event without a row for the state changes nothing
 * and gives false, which is no error of the caller. False also for a probe's answer that is none of
 * this session's, and for an SM_PASS for which there is no link or no memory. -> orders are added
 * to *orders. */
bool sm_step(struct sm_session *s, const struct sm_event *event, struct sm_orders *orders);

/* True when orders' text has no room for another event's: commit, obey, clear, go on. */
[[nodiscard]] static inline bool sm_orders_full(const struct sm_orders *o)
{
    return o->text_len > sizeof o->text - SM_TEXT_ROOM;
}

/* Makes the batch true. Cheap if nothing changed. */
void sm_commit(struct sm_session *s);

/* Hints (fetch.h): the session will be told something; and, when that much is here already, a
 * stanza of so many bytes will be put into one of its queues and committed. */
void sm_fetch(const struct sm_session *s);
void sm_fetch_room(const struct sm_session *s, bool to_client, size_t len);

/* --- the tail: bytes of the link's next stanza, which is not whole yet --- */

/* Appends to the tail. False, and nothing changed, if there is no memory: the session is to be
 * finished. */
[[nodiscard]] bool sm_tail_add(struct sm_session *s, struct sm_text bytes);
[[nodiscard]] struct sm_text sm_tail(const struct sm_session *s);
void sm_tail_drop(struct sm_session *s);
/* 16 bytes of the caller's scanner, kept with the tail in the record. */
void *sm_scan(struct sm_session *s);

/* --- what is to be written and sent --- */

/* The next bytes for the client: a run of whole fresh stanzas (contiguous, may begin inside a
 * stanza of which a part was written), or one stanza that is late (then run->len is 0 and *one is
 * filled: it is to be carried over by itself, and SM_CLIENT_WROTE is told its raw length). False if
 * there is nothing. Never while RESUMING. */
[[nodiscard]] bool sm_unwritten(const struct sm_session *s, struct sm_text *run,
                                struct sm_stanza *one);
/* True if no stanza is half written: other text may be put in. */
[[nodiscard]] bool sm_between(const struct sm_session *s);
/* The next fresh stanza alone, for a connection on which none passes as it is; as sm_unwritten. */
[[nodiscard]] bool sm_unwritten_one(const struct sm_session *s, struct sm_stanza *one);

[[nodiscard]] bool sm_unsent(const struct sm_session *s, struct sm_text *bytes);

/* --- levels: asked after each batch --- */

[[nodiscard]] bool sm_reads_link(const struct sm_session *s);   /* false: the client is too slow */
[[nodiscard]] bool sm_reads_client(const struct sm_session *s); /* false: the server is too slow */
[[nodiscard]] bool sm_finished_sending(const struct sm_session *s); /* nothing waits for the link */
[[nodiscard]] bool sm_sends_within(const struct sm_session *s); /* a stanza is half on the link */

/* --- the end --- */

/* The oldest stanza for the client that is neither acknowledged nor returned yet; false: none left.
 * In SM_END_REPLACED and SM_END_CONFLICT and when the link is dead, those of SM_FATE_KEEP are left
 * out: they stay for the next session. `answered` says how the stanza is counted. */
[[nodiscard]] bool sm_undelivered(struct sm_session *s, struct sm_stanza *out);
enum sm_undelivered_fate { SM_RETURNED, SM_DROPPED, SM_LOST };
void sm_undelivered_done(struct sm_session *s, enum sm_undelivered_fate how);
/* All were dealt with: </stream:stream> goes out (if the link lives) and CLOSING begins. */
void sm_returned(struct sm_session *s, uint64_t now_ms, struct sm_orders *orders);

/* After SM_DO_UNCONFIRMED: the next stanza of the client's that was said but not confirmed; false:
 * none. */
[[nodiscard]] bool sm_unconfirmed(struct sm_session *s, struct sm_stanza *out);

/* --- resuming, and a new login on the same resource --- */

enum sm_may_resume { SM_RESUME_FINE, SM_RESUME_TOO_HIGH, SM_RESUME_TOO_LOW, SM_RESUME_NOT };
[[nodiscard]] enum sm_may_resume sm_may_resume(const struct sm_session *s, uint32_t h);

/* Moves the messages that an ended session of the same full JID left behind into this one's queue,
 * as late; gives how many. The commit that follows holds both. 0, and they stay where they are, if
 * there is no room for all of them. */
size_t sm_adopt(struct sm_session *s, struct sm_orders *orders, uint64_t now_ms);

/* --- looking --- */

enum sm_state sm_session_state(const struct sm_session *s);
bool sm_session_resumable(const struct sm_session *s);
bool sm_session_ns2(const struct sm_session *s); /* it speaks urn:xmpp:sm:2 */
/* The last CSI state of the client that passed upstream was inactive; kept with the session. */
bool sm_session_inactive(const struct sm_session *s);
void sm_session_set_inactive(struct sm_session *s, bool inactive);
enum sm_end sm_session_end(const struct sm_session *s);
void sm_session_id(const struct sm_session *s, char out[SM_ID_TEXT]);
struct sm_identity sm_session_identity(const struct sm_session *s);
struct sm_core *sm_session_core(const struct sm_session *s);
void *sm_session_user(const struct sm_session *s); /* the caller's own, not kept */
void sm_session_set_user(struct sm_session *s, void *user);

struct sm_view { /* for holdfastctl and the log */
    enum sm_state state;
    uint32_t sent, acked;            /* server to client: pushed ever, last h accepted */
    uint32_t taken, confirmed, said; /* client to server */
    uint32_t held;                   /* stanzas in the queue for the client */
    uint32_t passed;                 /* of them: written whole to the connection of now */
    size_t held_bytes, up_bytes;
    uint64_t since_ms;   /* in this state since, CLOCK_BOOTTIME */
    uint64_t expires_ms; /* HELD: when */
    uint64_t max_ms;
    bool resumable;
};
struct sm_view sm_session_view(const struct sm_session *s);
