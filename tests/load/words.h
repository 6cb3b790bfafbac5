/* SPDX-License-Identifier: MIT */
/*
 * What is said: numbered messages, whose text follows from the seed, the speaker and the
 * number. So nothing said need be kept to be said again, or to know whether
 * it came unaltered. And the dice that all chance in these programs comes from.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/load/bytes.h"
#include "tests/load/scan.h"

struct dice {
    uint64_t state;
};

struct dice dice_of(uint64_t seed, uint64_t who);
uint64_t dice_roll(struct dice *d);
uint32_t dice_below(struct dice *d, uint32_t bound);
bool dice_share(struct dice *d, double share);   /* true so often */
double dice_around(struct dice *d, double mean); /* exponential */

enum { NOISE_BYTES = 1 << 17 };

struct words {
    uint64_t seed;
    size_t len_max; /* bytes of a message's body */
    char noise[NOISE_BYTES];
};

struct words *words_new(uint64_t seed, size_t len_max);
void words_free(struct words *w);

/* Writes message `number` of speaker `who`. */
void words_message(const struct words *w, struct bytes *out, uint32_t who, uint32_t number,
                   const char *to);

/* The number of a stanza whose id is this letter and digits. */
bool words_number(struct text item, char letter, uint32_t *out);

/* The message has the body that speaker `who` gave to this number. */
bool words_true(const struct words *w, struct text item, uint32_t who, uint32_t number);
