/* SPDX-License-Identifier: MIT */
/*
 * Which of a session's clocks runs out next. Nothing is set or cancelled: each time is
 * a function of what the session holds, and is looked at once for each commit.
 */
#pragma once

#include "sm/rules.h"

struct sm_due {
    uint64_t at_ms; /* UINT64_MAX: never */
    int event;      /* of enum sm_rule_event */
};

struct sm_due sm_clocks_next(const struct sm_session *s);
