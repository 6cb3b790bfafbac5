/* SPDX-License-Identifier: MIT */
/*
 * Chance that is none: everything in a life is a function of its seed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chance {
    uint64_t state; /* never 0 */
};

/* splitmix64: neighbouring numbers have nothing to do with each other. */
static inline uint64_t chance_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline void chance_init(struct chance *c, uint64_t seed)
{
    c->state = chance_mix(seed) | 1;
}

/* xorshift64* */
static inline uint64_t chance_next(struct chance *c)
{
    c->state ^= c->state >> 12;
    c->state ^= c->state << 25;
    c->state ^= c->state >> 27;
    return c->state * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0 to limit - 1. */
static inline uint32_t chance_below(struct chance *c, uint32_t limit)
{
    return (uint32_t)((chance_next(c) >> 32) * limit >> 32);
}
