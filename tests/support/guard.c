/* SPDX-License-Identifier: MIT */
/*
 * A ring of areas, each with an unreadable page behind it; pages that were never
 * written cost nothing.
 */
#include "tests/support/guard.h"

#include <assert.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static char *area_new(void)
{
    char *p = mmap(NULL, GUARD_BYTES_MAX + PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int r;

    assert(p != MAP_FAILED);
    r = mprotect(p + GUARD_BYTES_MAX, PAGE, PROT_NONE);
    assert(r == 0);
    return p;
}

struct span guard_copy(struct span bytes)
{
    static char *areas[GUARD_COPIES];
    static unsigned next;
    unsigned i = next++ % GUARD_COPIES;
    char *p;

    assert(bytes.len <= GUARD_BYTES_MAX);
    if (!bytes.p)
        return bytes;
    if (!areas[i])
        areas[i] = area_new();
    p = areas[i] + GUARD_BYTES_MAX - bytes.len;
    memcpy(p, bytes.p, bytes.len);
    return (struct span){p, bytes.len};
}
