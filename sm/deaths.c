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
    uint64_t name; /* 0: nobody was worked on */
    uint64_t at_ms;
};

struct deaths {
    uint64_t name;  /* who is worked on */
    uint64_t count; /* of deaths, ever */
    struct death last[DEATHS_MAX];
};

static_assert(DEATHS_AT + sizeof(struct deaths) <= EXTENT_PAGE);

static const struct deaths *deaths_of(const struct arena *a)
{
    return arena_at(a, DEATHS_AT);
}

void deaths_begin(struct arena *a, uint64_t name)
{
    arena_commit(a, DEATHS_AT + offsetof(struct deaths, name), name);
}

void deaths_end(struct arena *a, uint32_t slot)
{
    if ((uint32_t)deaths_of(a)->name == slot + 1)
        deaths_begin(a, 0);
}

uint64_t deaths_note(struct arena *a, uint64_t now_ms)
{
    uint64_t count = deaths_of(a)->count;
    struct death now = {deaths_of(a)->name, now_ms};
    size_t at = DEATHS_AT + offsetof(struct deaths, last) + count % DEATHS_MAX * sizeof now;

    arena_put(a, at, &now, sizeof now);
    arena_commit(a, DEATHS_AT + offsetof(struct deaths, count), count + 1);
    deaths_begin(a, 0);
    for (unsigned i = 0; i < DEATHS_MAX; i++) {
        const struct death *d = &deaths_of(a)->last[i];

        if (d->name != now.name || now_ms - d->at_ms > DEATHS_WITHIN_MS)
            return 0;
    }
    return now.name;
}
