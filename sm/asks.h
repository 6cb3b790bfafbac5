/* SPDX-License-Identifier: MIT */
/*
 * Server to client: what is queued, written and acknowledged, and when the client is
 * asked to acknowledge.
 *
 * The client is asked after some stanzas, after a burst, from time to time, when it is
 * silent for long, and when its queue is full; one <r/> at a time.
 */
#pragma once

#include "sm/rules.h"

sm_deed sm_asks_queue;    /* SM_TO_CLIENT, SM_REPLY */
sm_deed sm_asks_hold;     /* SM_TO_CLIENT while detached; false: the queue is full */
sm_deed sm_asks_keep;     /* SM_TO_CLIENT while the session ends */
sm_deed sm_asks_wrote;    /* SM_CLIENT_WROTE */
sm_deed sm_asks_acked;    /* SM_CLIENT_ACK; false: too high */
sm_deed sm_asks_heard;    /* SM_CLIENT_BYTES */
sm_deed sm_asks_reading;  /* SM_READING */
sm_deed sm_asks_answered; /* SM_REQUEST_DONE */
sm_deed sm_asks_ask;      /* SM_DUE_ASK */

/* The client has h stanzas: what it has is let go. */
void sm_asks_pop(struct sm_session *s, uint32_t h);
/* A connection begins: the clocks start anew, and nothing is asked. */
void sm_asks_begin(struct sm_session *s, uint64_t now_ms);

/* Asks if enough was queued, and notes which queue is full. */
void sm_asks_settle(struct sm_session *s, uint64_t now_ms, struct sm_orders *orders);

/* When: UINT64_MAX is never. */
uint64_t sm_asks_due(const struct sm_session *s);
uint64_t sm_asks_overdue_at(const struct sm_session *s);
