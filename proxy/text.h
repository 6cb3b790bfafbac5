/* SPDX-License-Identifier: MIT */
/*
 * Spans that own their memory: short texts that outlive the call that brought them.
 */
#pragma once

#include "parser/span.h"

/* Replaces *owned by a copy; an absent text stays absent. False, and *owned is absent: no memory.
 */
[[nodiscard]] bool text_keep(struct span *owned, struct span text);
void text_free(struct span *owned);
