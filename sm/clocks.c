/* SPDX-License-Identifier: MIT */
#include "sm/clocks.h"

#include "sm/acks.h"
#include "sm/asks.h"
#include "sm/session_priv.h"

static void sooner(struct sm_due *due, int event, uint64_t at_ms)
{
    if (at_ms < due->at_ms)
        *due = (struct sm_due){ at_ms, event };
}

/* The clocks of the link run whether a client is attached or not. */
static void link_clocks(const struct sm_session *s, struct sm_due *due)
{
    sooner(due, SM_DUE_PROBE, sm_acks_probe_pace(s));
    sooner(due, SM_DUE_OVERDUE, sm_acks_overdue_at(s));
    sooner(due, SM_DUE_TCP, sm_acks_tcp_due(s));
}

struct sm_due sm_clocks_next(const struct sm_session *s)
{
    struct sm_due due = { UINT64_MAX, SM_RULE_EVENTS };

    switch ((enum sm_state)s->record.state) {
    case SM_LIVE:
        link_clocks(s, &due);
        sooner(&due, SM_DUE_ANSWER, sm_acks_answer_due(s));
        sooner(&due, SM_DUE_ASK, sm_asks_due(s));
        sooner(&due, SM_DUE_ACK, sm_asks_overdue_at(s));
        break;
    case SM_HELD:
        link_clocks(s, &due);
        sooner(&due, SM_DUE_EXPIRY, s->record.expires_ms);
        break;
    case SM_RESUMING:
        link_clocks(s, &due);
        sooner(&due, SM_DUE_RESUMED, s->record.since_ms + SM_ACK_WAIT_MS);
        break;
    case SM_ENDING:
        if (!s->returning)
            sooner(&due, SM_DUE_END, s->record.since_ms + SM_ENDING_MS);
        break;
    case SM_CLOSING:
        sooner(&due, SM_DUE_END, s->record.since_ms + SM_ENDING_MS);
        break;
    case SM_LEFT:
    case SM_OVER:
        break;
    }
    return due;
}
