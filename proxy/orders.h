/* SPDX-License-Identifier: MIT */
/*
 * Events and orders: the caller tells a session what happened, event by event, and
 * when the batch is over has what follows from it obeyed. The worker holds the orders
 * of one batch, so one session's are obeyed before another's are made.
 */
#pragma once

#include "proxy/link.h"

/* The session is worked on from now until its next commit: should the process die of that, again
 * and again, its successors know of whom. */
void orders_begin(struct link *l);

/* One event for the session of a link, into the worker's orders. */
bool orders_tell(struct link *l, struct sm_event event);

/* Commits and obeys. Called again from within, it does nothing: the outer call goes on. Afterwards
 * the session may be gone (l->session NULL), and so may the client. */
void orders_obey(struct link *l);

/* What is committed is written and sent when the turn is over, all sessions' together: so a peer on
 * this machine is woken once and not for each stanza. With many it is done at once, behind the
 * event at hand. What was received is committed before, as ever. */
void orders_serve_due(struct tools *tools);

/* The same of one link at once, since it would be too late: for whoever ends the link, its client
 * or its session. Commits. */
void orders_settle(struct link *l);

/* The link's session is to be freed. */
void orders_forget(struct link *l);

/* Sends what is committed for the server, as much as its socket takes. */
void orders_send(struct link *l);

/* Orders that must not be obeyed: their session was not to be. */
void orders_take_back(struct tools *tools);

/* Sessions whose deadline has come. */
void orders_deadlines(struct tools *tools);

/* Ends detached sessions while memory is short; once a turn. */
void orders_relieve(struct tools *tools);

/* Once a second: memory that can be given back, links that waited for some. */
void orders_housekeeping(struct tools *tools);

/* Every session of this worker ends in order; leave: but for those that are parked. How many do. */
unsigned orders_finish_all(struct tools *tools, bool leave);
