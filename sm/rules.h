/* SPDX-License-Identifier: MIT */
/*
 * The table of a session's life: in which state which event is heard, what is done
 * about it, and where it leads. What the deeds themselves bring about, and what the
 * clocks say, comes back in as further events of the same table.
 */
#pragma once

#include <stdbool.h>

#include "sm/event.h"
#include "sm/session.h"

enum sm_rule_event { /* behind those of enum sm_event_type */
                     SM_RETURNED_ALL =
                         SM_EVENT_COUNT, /* the caller dealt with all that was undelivered */
                     SM_DUE_ASK,         /* the client is to be asked for an <a/> */
                     SM_DUE_ACK,         /* an <r/> to the client went unanswered for ack_timeout */
                     SM_DUE_ANSWER,      /* an <r/> of the client waits for SM_ACK_WAIT_MS */
                     SM_DUE_PROBE,       /* a probe may be sent again */
                     SM_DUE_OVERDUE,     /* a probe went unanswered for SM_PROBE_TIMEOUT_MS */
                     SM_DUE_TCP,         /* the server's TCP is to be looked at */
                     SM_DUE_RESUMED,     /* <resumed/> was held back for SM_ACK_WAIT_MS */
                     SM_DUE_END,         /* a wait of the orderly end is over */
                     SM_DUE_EXPIRY,      /* nobody resumed */
                     SM_RULE_EVENTS,
};

/* A deed of the table: true leads to the row's first state, false to its second. */
typedef bool sm_deed(struct sm_session *s, const struct sm_event *event, struct sm_orders *orders);

/* Applies the row of state and event; false if there is none. */
bool sm_rules_apply(struct sm_session *s, int event, const struct sm_event *told,
                    struct sm_orders *orders);

struct sm_due {
    uint64_t at_ms; /* UINT64_MAX: never */
    int event;      /* of enum sm_rule_event */
};

/* The clock that runs out next. Looked at once for each commit, never for each stanza. */
struct sm_due sm_rules_next(const struct sm_session *s);
