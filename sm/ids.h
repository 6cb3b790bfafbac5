/* SPDX-License-Identifier: MIT */
/*
 * SM-IDs: where a session lies, and 128 random bits that nobody can guess.
 * As text: base64url of version, node, arena, slot, generation and the random bits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SM_ID_TEXT = 48 }; /* with the terminating zero */

struct sm_id {
    uint8_t node;
    uint8_t arena;
    uint32_t slot;
    uint32_t generation;
    uint8_t random[16];
};

/* The id as text, terminated by a zero. */
void sm_id_write(const struct sm_id *id, char out[SM_ID_TEXT]);

/* False for anything that sm_id_write did not write. */
[[nodiscard]] bool sm_id_read(struct sm_id *id, const char *text, size_t len);

/* In a time that does not depend on where they differ. */
[[nodiscard]] bool sm_id_same(const struct sm_id *a, const struct sm_id *b);

/* The arena of an account, by a hash of its prepared bare JID that never changes. */
unsigned sm_id_arena(const char *account, size_t len);
