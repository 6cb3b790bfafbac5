/* SPDX-License-Identifier: MIT */
/*
 * How a session ends: in order, while its link lives (unavailable, a probe, what is
 * undelivered, the closing tag), or at once where the link is dead; and what it leaves
 * behind for the next session of its full JID.
 */
#pragma once

#include "sm/rules.h"

/* The session ends for that reason: the client is told, the server too. Leads to SM_ENDING. */
void sm_ending_begin(struct sm_session *s, enum sm_end end, uint64_t now_ms,
                     struct sm_orders *orders);
/* The link is dead, or good for nothing. Leads to SM_ENDING. */
void sm_ending_lose(struct sm_session *s, enum sm_end end, struct sm_orders *orders);

/* Stanzas that were dealt with make room, where nothing is left for a next session. */
void sm_ending_forget(struct sm_session *s);
/* All that is held is to be dealt with now. */
void sm_ending_hurry(struct sm_session *s, struct sm_orders *o);

/* After a recovery: what was ordered is ordered again, and what was awaited is awaited anew. True:
 * the link had died, or nothing more is awaited of it. */
bool sm_ending_again(struct sm_session *s, uint64_t now_ms, struct sm_orders *o);

sm_deed sm_ending_finish;      /* SM_FINISH */
sm_deed sm_ending_client;      /* SM_CLIENT_CLOSE */
sm_deed sm_ending_expire;      /* SM_DUE_EXPIRY */
sm_deed sm_ending_link_closed; /* SM_LINK_CLOSED before SM_CLOSING */
sm_deed sm_ending_probed;      /* SM_PROBE_ANSWER in SM_ENDING */
sm_deed sm_ending_waited;      /* SM_DUE_END in SM_ENDING */
sm_deed sm_ending_close_link;  /* SM_RETURNED_ALL; false: there is no link to close */
sm_deed sm_ending_over;        /* nothing more is awaited */

/* True if a stanza is held that the next session of the full JID is to get. */
[[nodiscard]] bool sm_ending_leaves(const struct sm_session *s);
/* What is held and was not dealt with is counted as lost. */
void sm_ending_count_lost(struct sm_session *s);
