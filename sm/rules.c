/* SPDX-License-Identifier: MIT */
/*
 * First what a session does, row by row; then how a row is applied; last the clocks,
 * which are rows as well.
 */
#include "sm/rules.h"

#include "sm/acks.h"
#include "sm/asks.h"
#include "sm/ending.h"
#include "sm/resume.h"
#include "sm/session_priv.h"

#include <assert.h>

struct rule {
    sm_deed *deed;
    enum sm_state yes, no;
};

/* clang-format off */

/* A session's whole life. An event without a row changes nothing. */
static const struct rule rules[SM_OVER + 1][SM_RULE_EVENTS] = {
    /* Attached: XEP-0198, 4. */
    [SM_LIVE][SM_TO_CLIENT]     = { sm_asks_queue,         SM_LIVE,     SM_ENDING },
    [SM_LIVE][SM_LINK_READ]     = { sm_acks_received,      SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_LINK_SENT]     = { sm_acks_sent,          SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_PROBE_ANSWER]  = { sm_acks_probed,        SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_LINK_CLOSED]   = { sm_ending_link_closed, SM_ENDING,   SM_ENDING },
    [SM_LIVE][SM_TCP_ACKED]     = { sm_acks_tcp,           SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_TO_SERVER]     = { sm_acks_take,          SM_LIVE,     SM_ENDING },
    [SM_LIVE][SM_ANSWERED]      = { sm_acks_answered,      SM_LIVE,     SM_ENDING },
    [SM_LIVE][SM_PASS]          = { sm_acks_pass,          SM_LIVE,     SM_ENDING },
    [SM_LIVE][SM_REPLY]         = { sm_asks_queue,         SM_LIVE,     SM_ENDING },
    [SM_LIVE][SM_REQUEST_DONE]  = { sm_asks_answered,      SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_CLIENT_ACK]    = { sm_asks_acked,         SM_LIVE,     SM_ENDING }, /* 6: too high */
    [SM_LIVE][SM_CLIENT_ASK]    = { sm_acks_asked,         SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_CLIENT_BYTES]  = { sm_asks_heard,         SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_CLIENT_WROTE]  = { sm_asks_wrote,         SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_CLIENT_CLOSE]  = { sm_ending_client,      SM_ENDING,   SM_ENDING }, /* 7: a clean end */
    [SM_LIVE][SM_CLIENT_GONE]   = { sm_resume_hold,        SM_HELD,     SM_ENDING },
    [SM_LIVE][SM_READING]       = { sm_asks_reading,       SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_FINISH]        = { sm_ending_finish,      SM_ENDING,   SM_ENDING },
    [SM_LIVE][SM_DETACH]        = { sm_resume_detach,      SM_HELD,     SM_ENDING },
    [SM_LIVE][SM_DUE_ASK]       = { sm_asks_ask,           SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_DUE_ACK]       = { sm_resume_detach,      SM_HELD,     SM_ENDING },
    [SM_LIVE][SM_DUE_ANSWER]    = { sm_acks_waited,        SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_DUE_PROBE]     = { sm_acks_probe_due,     SM_LIVE,     SM_LIVE },
    [SM_LIVE][SM_DUE_OVERDUE]   = { sm_acks_overdue,       SM_LIVE,     SM_ENDING },
    [SM_LIVE][SM_DUE_TCP]       = { sm_acks_check_tcp,     SM_LIVE,     SM_LIVE },

    /* Detached. */
    [SM_HELD][SM_TO_CLIENT]     = { sm_asks_hold,          SM_HELD,     SM_ENDING }, /* full */
    [SM_HELD][SM_LINK_READ]     = { sm_acks_received,      SM_HELD,     SM_HELD },
    [SM_HELD][SM_LINK_SENT]     = { sm_acks_sent,          SM_HELD,     SM_HELD },
    [SM_HELD][SM_PROBE_ANSWER]  = { sm_acks_probed,        SM_HELD,     SM_HELD },
    [SM_HELD][SM_LINK_CLOSED]   = { sm_ending_link_closed, SM_ENDING,   SM_ENDING },
    [SM_HELD][SM_TCP_ACKED]     = { sm_acks_tcp,           SM_HELD,     SM_HELD },
    [SM_HELD][SM_PASS]          = { sm_acks_pass,          SM_HELD,     SM_ENDING },
    [SM_HELD][SM_RESUME]        = { sm_resume_begin,       SM_LIVE,     SM_RESUMING }, /* 5 */
    [SM_HELD][SM_FINISH]        = { sm_ending_finish,      SM_ENDING,   SM_ENDING },
    [SM_HELD][SM_DUE_PROBE]     = { sm_acks_probe_due,     SM_HELD,     SM_HELD },
    [SM_HELD][SM_DUE_OVERDUE]   = { sm_acks_overdue,       SM_HELD,     SM_ENDING },
    [SM_HELD][SM_DUE_TCP]       = { sm_acks_check_tcp,     SM_HELD,     SM_HELD },
    [SM_HELD][SM_DUE_EXPIRY]    = { sm_ending_expire,      SM_ENDING,   SM_ENDING },

    /* Attached again, and nothing is written or taken before <resumed/>. */
    [SM_RESUMING][SM_TO_CLIENT]    = { sm_asks_queue,         SM_RESUMING, SM_ENDING },
    [SM_RESUMING][SM_LINK_READ]    = { sm_acks_received,      SM_RESUMING, SM_RESUMING },
    [SM_RESUMING][SM_LINK_SENT]    = { sm_resume_sent,        SM_LIVE,     SM_RESUMING },
    [SM_RESUMING][SM_PROBE_ANSWER] = { sm_resume_probed,      SM_LIVE,     SM_RESUMING },
    [SM_RESUMING][SM_LINK_CLOSED]  = { sm_ending_link_closed, SM_ENDING,   SM_ENDING },
    [SM_RESUMING][SM_TCP_ACKED]    = { sm_resume_tcp,         SM_LIVE,     SM_RESUMING },
    [SM_RESUMING][SM_PASS]         = { sm_acks_pass,          SM_RESUMING, SM_ENDING },
    [SM_RESUMING][SM_CLIENT_GONE]  = { sm_resume_hold,        SM_HELD,     SM_ENDING },
    [SM_RESUMING][SM_FINISH]       = { sm_ending_finish,      SM_ENDING,   SM_ENDING },
    [SM_RESUMING][SM_DETACH]       = { sm_resume_detach,      SM_HELD,     SM_ENDING },
    [SM_RESUMING][SM_DUE_PROBE]    = { sm_acks_probe_due,     SM_RESUMING, SM_RESUMING },
    [SM_RESUMING][SM_DUE_OVERDUE]  = { sm_acks_overdue,       SM_RESUMING, SM_ENDING },
    [SM_RESUMING][SM_DUE_TCP]      = { sm_acks_check_tcp,     SM_RESUMING, SM_RESUMING },
    [SM_RESUMING][SM_DUE_RESUMED]  = { sm_resume_waited,      SM_LIVE,     SM_LIVE },

    /* Unavailable and a probe are on their way; or the link is dead, and only the rest is dealt with. */
    [SM_ENDING][SM_TO_CLIENT]    = { sm_asks_keep,          SM_ENDING,  SM_ENDING },
    [SM_ENDING][SM_LINK_READ]    = { sm_acks_received,      SM_ENDING,  SM_ENDING },
    [SM_ENDING][SM_LINK_SENT]    = { sm_acks_sent,          SM_ENDING,  SM_ENDING },
    [SM_ENDING][SM_PROBE_ANSWER] = { sm_ending_probed,      SM_ENDING,  SM_ENDING },
    [SM_ENDING][SM_LINK_CLOSED]  = { sm_ending_link_closed, SM_ENDING,  SM_ENDING },
    [SM_ENDING][SM_PASS]         = { sm_acks_pass,          SM_ENDING,  SM_ENDING },
    [SM_ENDING][SM_DUE_END]      = { sm_ending_waited,      SM_ENDING,  SM_ENDING },
    [SM_ENDING][SM_RETURNED_ALL] = { sm_ending_close_link,  SM_CLOSING, SM_OVER },

    /* </stream:stream> is on its way. */
    [SM_CLOSING][SM_TO_CLIENT]    = { sm_asks_keep,     SM_CLOSING, SM_CLOSING },
    [SM_CLOSING][SM_LINK_READ]    = { sm_acks_received, SM_CLOSING, SM_CLOSING },
    [SM_CLOSING][SM_LINK_SENT]    = { sm_acks_sent,     SM_CLOSING, SM_CLOSING },
    [SM_CLOSING][SM_PROBE_ANSWER] = { sm_acks_probed,   SM_CLOSING, SM_CLOSING },
    [SM_CLOSING][SM_LINK_CLOSED]  = { sm_ending_over,   SM_OVER,    SM_OVER },
    [SM_CLOSING][SM_DUE_END]      = { sm_ending_over,   SM_OVER,    SM_OVER },

    /* What is unsent goes out with the order to send, once. */
    [SM_OVER][SM_LINK_SENT]       = { sm_acks_sent,     SM_OVER,    SM_OVER },
};

/* A bit for each state that may follow. SM_LEFT comes after SM_OVER, when the handle is freed. */
static const uint8_t follows[SM_OVER + 1] = {
    [SM_LIVE]     = 1 << SM_HELD | 1 << SM_ENDING,
    [SM_HELD]     = 1 << SM_LIVE | 1 << SM_RESUMING | 1 << SM_ENDING,
    [SM_RESUMING] = 1 << SM_LIVE | 1 << SM_HELD | 1 << SM_ENDING,
    [SM_ENDING]   = 1 << SM_CLOSING | 1 << SM_OVER,
    [SM_CLOSING]  = 1 << SM_OVER,
};

/* clang-format on */

static void enter(struct sm_session *s, enum sm_state state, uint64_t now_ms)
{
    if (s->record.state == state)
        return;
    assert(follows[s->record.state] & 1 << state);
    assert((state >= SM_ENDING) == (s->record.end != SM_END_NONE));
    s->record.state = (uint8_t)state;
    s->record.since_ms = now_ms;
}

/* What moved no more than a cursor is in the next commit, whenever that comes: a successor learns
 * from the kernel how far the link got, and an attached client's connection does not outlive us. */
static bool found_anew(const struct sm_session *s, int event)
{
    if (event == SM_LINK_SENT)
        return s->record.state == SM_LIVE || s->record.state == SM_HELD;
    return event == SM_CLIENT_WROTE ||
           event == SM_CLIENT_BYTES; /* the latter changes clocks only */
}

bool sm_rules_apply(struct sm_session *s, int event, const struct sm_event *told,
                    struct sm_orders *o)
{
    const struct rule *rule = &rules[s->record.state][event];

    if (!rule->deed)
        return false;
    s->changed |= !found_anew(s, event);
    enter(s, rule->deed(s, told, o) ? rule->yes : rule->no, told->now_ms);

    /* What follows from where the session stands now, whatever brought it there. */
    if (s->record.state <= SM_RESUMING) {
        sm_asks_settle(s, told->now_ms, o);
        /* While the caller writes and sends what is committed, nothing is put behind it. */
        if (event != SM_LINK_SENT && event != SM_CLIENT_WROTE)
            sm_acks_settle(s, told->now_ms, o);
    }
    struct sm_text bytes;
    if (s->record.state == SM_LIVE && s->record.down.cursor < s->record.down.end)
        o->todo |= SM_DO_WRITE;
    if (sm_unsent(s, &bytes))
        o->todo |= SM_DO_SEND;
    if (s->record.state == SM_OVER)
        o->todo |= SM_DO_OVER;
    o->end = s->record.end;
    return true;
}

/* --- the clocks: nothing is set or cancelled, each is a function of what the session holds --- */

static void sooner(struct sm_due *due, int event, uint64_t at_ms)
{
    if (at_ms < due->at_ms)
        *due = (struct sm_due){at_ms, event};
}

/* The clocks of the link run whether a client is attached or not. */
static void link_clocks(const struct sm_session *s, struct sm_due *due)
{
    sooner(due, SM_DUE_PROBE, sm_acks_probe_pace(s));
    sooner(due, SM_DUE_OVERDUE, sm_acks_overdue_at(s));
    sooner(due, SM_DUE_TCP, sm_acks_tcp_due(s));
}

struct sm_due sm_rules_next(const struct sm_session *s)
{
    struct sm_due due = {UINT64_MAX, SM_RULE_EVENTS};

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

/* Each clock that has run out, one after another: what one brings about may stop another. */
static bool run_clocks(struct sm_session *s, const struct sm_event *told, struct sm_orders *o)
{
    bool any = false;

    for (int turn = 0; turn < SM_RULE_EVENTS; turn++) {
        struct sm_due due = sm_rules_next(s);

        if (due.at_ms > told->now_ms || !sm_rules_apply(s, due.event, told, o))
            break;
        any = true;
    }
    return any;
}

bool sm_step(struct sm_session *s, const struct sm_event *event, struct sm_orders *o)
{
    if (event->type == SM_DEADLINE)
        return run_clocks(s, event, o);
    if (event->type == SM_PROBE_ANSWER && !sm_acks_ours(s, event->probe))
        return false;
    s->refused = false;
    bool known = sm_rules_apply(s, event->type, event, o);
    if (event->type == SM_READING) /* told behind a commit: its clock waits for no other */
        registry_set_deadline(&s->core->registry, &s->node, sm_rules_next(s).at_ms);
    return known && !s->refused;
}
