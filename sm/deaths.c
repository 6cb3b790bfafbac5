/* SPDX-License-Identifier: MIT */
/*
 * A ring in the header page, behind the header; a page that never held one is zeroes,
 * which is an empty ring. The count is committed behind the entry that it makes valid.
 */
#include "sm/deaths.h"

#include <assert.h>
#include <stddef.h>

enum { DEATHS_AT = 1024 };

struct death {
    uint64_t posted; /* as arena_posted gives it; 0: nobody */
    uint64_t at_ms;
};

struct deaths {
    uint64_t count; /* ever */
    struct death last[DEATHS_MAX];
};

static_assert(DEATHS_AT + sizeof(struct deaths) <= EXTENT_PAGE);

static const struct deaths *deaths_of(const struct arena *a)
{
    return arena_at(a, DEATHS_AT);
}

bool deaths_note(struct arena *a, uint64_t now_ms)
{
    uint64_t count = deaths_of(a)->count;
    struct death now = {arena_posted(a), now_ms};
    size_t at = DEATHS_AT + offsetof(struct deaths, last) + count % DEATHS_MAX * sizeof now;

    arena_put(a, at, &now, sizeof now);
    arena_commit(a, DEATHS_AT + offsetof(struct deaths, count), count + 1);
    if (!now.posted || count + 1 < DEATHS_MAX)
        return false;
    for (unsigned i = 0; i < DEATHS_MAX; i++) {
        const struct death *d = &deaths_of(a)->last[i];

        if (d->posted != now.posted || now_ms - d->at_ms > DEATHS_WITHIN_MS)
            return false;
    }
    return true;
}
