/* SPDX-License-Identifier: MIT */
/*
 * Puts a test's input where reading a byte too far is fatal: its end is the end of
 * the last readable page. For the unit tests; needs no sanitizer.
 */
#pragma once

#include "parser/span.h"

enum { GUARD_BYTES_MAX = 1024 * 1024, GUARD_COPIES = 8 };

/* A copy of the bytes, valid until GUARD_COPIES more are made; absent if they are. */
struct span guard_copy(struct span bytes);
