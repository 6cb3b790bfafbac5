/* SPDX-License-Identifier: MIT */
/*
 * What must be true, whatever happened. The process tells what it does, and is
 * believed in nothing that its peers can see for themselves; what it tells after its
 * death counts for nothing.
 */
#pragma once

#include "tests/sim/holder.h"
#include "tests/sim/stanzas.h"

/* --- told by the process --- */

void oracle_born(struct hold_link *l);
/* A commit is done: what it holds can never be lost any more. */
void oracle_committed(struct hold_link *l);
/* Text with an h in it is about to be written to the client. */
void oracle_said(struct hold_link *l, const char *text, size_t len);
void oracle_refused(struct hold_connection *c, bool known, uint32_t h);
/* What becomes of a stanza of the server that its client does not acknowledge; with the next
 * commit. */
void oracle_fate(struct hold_link *l, struct span raw, enum fate fate);
void oracle_given_back(struct hold_link *l, struct span raw);
void oracle_ends(struct hold_link *l, enum sm_end end);
/* Around sm_session_free. */
void oracle_freeing(struct hold_link *l);
void oracle_freed(struct world *w, struct story *s, bool left);
/* What a commit was to make true is true. */
void oracle_sure(struct world *w);

/* --- told by the server and the clients --- */

void oracle_handled(struct world *w, struct story *s, uint32_t number);
void oracle_bounced(struct world *w, struct story *by, struct tag tag);
void oracle_unavailable(struct world *w, struct story *s, bool said);
void oracle_got(struct world *w, struct story *s, struct span raw);
void oracle_got_plain(struct world *w, struct story *s, struct span raw);
void oracle_heard(struct world *w, struct story *s, uint32_t h);

/* --- between oracle.c and oracle_end.c --- */

struct sm_record;
struct truth *oracle_truth(struct world *w, uint32_t x);
/* The queue holds what it held, and perhaps more. */
void oracle_look(struct world *w, struct story *s, struct sm_session *session);
/* What a committed record says, apart from its queues. */
void oracle_read(struct world *w, struct story *s, const struct sm_record *r, bool crowded);

/* --- deaths --- */

/* What was found, against what had been committed. */
void oracle_recovered(struct world *w);

/* --- the end --- */

/* True if this story's session has nothing under way in either direction. */
bool oracle_settled(const struct world *w, const struct story *s);
void oracle_compare(struct world *w);
/* Every session is over, and everything that was left has expired. */
void oracle_life_over(struct world *w);
