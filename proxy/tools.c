/* SPDX-License-Identifier: MIT */
/*
 * Clocks and randomness.
 */
#include "proxy/tools.h"

#include <assert.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <time.h>

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t tools_now(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

uint64_t tools_wall(void)
{
    return clock_ms(CLOCK_REALTIME);
}

void tools_random(void *p, size_t len)
{
    int r = RAND_bytes(p, (int)len);

    assert(r == 1);
}

void tools_give_back(struct tools *tools, size_t arena, size_t offset, size_t len)
{
    /* A hole that cannot be punched costs memory, nothing else. */
    (void)fallocate(tools->arena_fds[arena], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    (off_t)offset, (off_t)len);
}
