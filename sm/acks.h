/* SPDX-License-Identifier: MIT */
/*
 * Client to server: what Holdfast has taken, what the server has confirmed, and what
 * the client is told of it.
 *
 * The server handles a stream in order, so its answer to a ping of ours confirms all
 * before it. An h never goes beyond what is confirmed, but for <resumed/>, and never
 * below one that was said. With ack = forwarded, what is taken counts at once, and is
 * kept until the server's TCP has it.
 */
#pragma once

#include "sm/rules.h"

sm_deed sm_acks_take;      /* SM_TO_SERVER */
sm_deed sm_acks_answered;  /* SM_ANSWERED */
sm_deed sm_acks_pass;      /* SM_PASS */
sm_deed sm_acks_asked;     /* SM_CLIENT_ASK */
sm_deed sm_acks_probed;    /* SM_PROBE_ANSWER */
sm_deed sm_acks_tcp;       /* SM_TCP_ACKED */
sm_deed sm_acks_received;  /* SM_LINK_READ */
sm_deed sm_acks_sent;      /* SM_LINK_SENT */
sm_deed sm_acks_waited;    /* SM_DUE_ANSWER */
sm_deed sm_acks_probe_due; /* SM_DUE_PROBE: settling does it */
sm_deed sm_acks_overdue;   /* SM_DUE_OVERDUE; false: the link is dead */
sm_deed sm_acks_check_tcp; /* SM_DUE_TCP */

/* Says h, or the highest that was said before if that is higher. */
void sm_acks_say(struct sm_session *s, uint32_t h, struct sm_orders *orders);
/* What may be said without being asked, at any time. */
uint32_t sm_acks_h(const struct sm_session *s);
/* Every <r/> that waits is answered with what is known now; gives how many there were. */
unsigned sm_acks_answer_all(struct sm_session *s, struct sm_orders *orders);
void sm_acks_forget(struct sm_session *s); /* the client that asked is gone */

/* True if that id is of a probe of this session, answered in time or not. */
[[nodiscard]] bool sm_acks_ours(const struct sm_session *s, uint64_t probe);
/* Queues a probe behind all that is queued. False: there is no memory for it. */
[[nodiscard]] bool sm_acks_probe(struct sm_session *s, uint64_t now_ms);

/* Sends the probe and orders the look at TCP that the session's state asks for. */
void sm_acks_settle(struct sm_session *s, uint64_t now_ms, struct sm_orders *orders);

/* When: UINT64_MAX is never. */
uint64_t sm_acks_answer_due(const struct sm_session *s);
uint64_t sm_acks_probe_pace(const struct sm_session *s);
uint64_t sm_acks_overdue_at(const struct sm_session *s);
uint64_t sm_acks_tcp_due(const struct sm_session *s);
