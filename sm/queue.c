/* SPDX-License-Identifier: MIT */
/*
 * All stores go to bytes and entries behind those of the last commit, so a process
 * that dies in the middle leaves what was committed as it was. What must go where
 * committed bytes are goes to another extent instead.
 */
#include "sm/queue.h"

#include "sm/fetch.h"

#include <assert.h>
#include <string.h>

enum { ENTRY = sizeof(struct queue_entry), LEAN = 16384, LEAN_ROOM = 512 };

static_assert(ENTRY == 24 && sizeof(struct sm_queue) == 56, "no holes");

/* --- the index --- */

static uint64_t entry_place(const struct sm_queue *q, uint32_t n)
{
    return q->extent + q->size - ((uint64_t)q->first + n + 1) * ENTRY;
}

static const struct queue_entry *entry_at(const struct queue *h, uint32_t n)
{
    return arena_at(h->arena, entry_place(h->q, n));
}

static bool is_late(const struct queue *h, uint32_t n)
{
    return n < h->q->late || entry_at(h, n)->marks & QUEUE_LATE;
}

/* Stanzas that the cursor has reached the end of: how many more than before. */
static uint32_t pass(const struct queue *h)
{
    struct sm_queue *q = h->q;
    uint32_t n = 0;

    while (q->passed < q->count) {
        const struct queue_entry *e = entry_at(h, q->passed);

        if (e->at + e->len > q->cursor)
            break;
        q->passed++;
        n++;
    }
    return n;
}

/* --- the extent --- */

void queue_init(struct queue *h, struct arena *arena, struct sm_queue *q)
{
    *h = (struct queue){.arena = arena, .q = q};
    h->committed = q->extent;
    h->committed_size = q->size;
    h->committed_end = q->end + q->tail;
}

/* The working copy has no use for its extent any more. A commit may still name it. */
static void let_go(struct queue *h, uint64_t extent, uint32_t size)
{
    if (extent && extent != h->committed)
        arena_give(h->arena, extent, size);
}

void queue_clear(struct queue *h)
{
    let_go(h, h->q->extent, h->q->size);
    if (h->committed)
        arena_give(h->arena, h->committed, h->committed_size);
    *h->q = (struct sm_queue){0};
    h->committed = 0;
}

/* Entries carry where their bytes are, which is `less` nearer to the extent's begin than before. */
static void move_entries(struct queue *h, const struct sm_queue *to)
{
    for (uint32_t n = 0; n < to->count; n++) {
        struct queue_entry e = *entry_at(h, n);

        e.at -= h->q->start;
        arena_put(h->arena, entry_place(to, n), &e, sizeof e);
    }
}

/* Moves all that lives to a new extent with room for `need` bytes more, of which `gap` lie before
 * the tail. */
static bool move(struct queue *h, size_t gap, size_t need)
{
    struct sm_queue to = *h->q;
    const struct sm_queue *q = h->q;
    size_t bytes = q->end - q->start;
    size_t live = bytes + q->tail + (size_t)q->count * ENTRY;
    size_t now = q->extent ? q->size : 0;
    uint64_t extent = 0;

    if (need > UINT64_C(1) << EXTENT_MAX_ORDER)
        return false;
    to.size = (uint32_t)extent_size(live + live / 2 + need);
    if (to.size)
        extent = arena_take_instead(h->arena, to.size, now);
    if (!extent) { /* memory is short: without room for growth, then */
        to.size = (uint32_t)extent_size(live + need);
        if (!to.size || !(extent = arena_take_instead(h->arena, to.size, now)))
            return false;
    }
    to.extent = extent;
    to.start = 0;
    to.end -= q->start;
    to.cursor -= q->start;
    to.first = 0;
    if (q->extent) {
        const char *from = arena_at(h->arena, q->extent + q->start);

        arena_put(h->arena, to.extent, from, bytes);
        arena_put(h->arena, to.extent + bytes + gap, from + bytes, q->tail);
        move_entries(h, &to);
        let_go(h, q->extent, q->size);
    }
    *h->q = to;
    return true;
}

bool queue_affords(const struct queue *h, size_t bytes)
{
    const struct sm_queue *q = h->q;
    size_t live = q->end - q->start + q->tail + (size_t)q->count * ENTRY;

    return arena_affords(h->arena, live + bytes, q->extent ? q->size : 0);
}

/* True if so many bytes and one entry go into the extent behind the tail, and nothing that was
 * committed lies there. */
static bool has_room(const struct queue *h, size_t bytes)
{
    const struct sm_queue *q = h->q;
    size_t used = (size_t)q->end + q->tail + ((size_t)q->first + q->count + 1) * ENTRY;
    bool covered = q->extent == h->committed && q->end + q->tail < h->committed_end;

    return q->extent && used <= q->size && bytes <= q->size - used && !covered;
}

/* Room for so many bytes behind the tail, and one entry. */
static bool make_room(struct queue *h, size_t bytes)
{
    if (has_room(h, bytes))
        return true;
    if (bytes > UINT64_C(1) << EXTENT_MAX_ORDER)
        return false;
    return move(h, 0, bytes + ENTRY);
}

/* A tail may be written over where no commit has named it. */
static bool tail_is_free(const struct queue *h)
{
    return !h->q->tail || h->q->extent != h->committed;
}

bool queue_reserve(struct queue *h, size_t cost)
{
    if (tail_is_free(h) && has_room(h, cost))
        return true;
    return move(h, 0, cost + ENTRY);
}

/* --- around a commit --- */

void queue_settle(struct queue *h)
{
    struct sm_queue *q = h->q;
    size_t live = (size_t)(q->end - q->start) + q->tail + (size_t)q->count * ENTRY;

    if (!q->extent)
        return;
    if (!live) {
        let_go(h, q->extent, q->size);
        *q = (struct sm_queue){0};
    } else if (q->size >= LEAN && live < q->size / 8) {
        /* A burst is over, and its memory is worth more than a copy of what is left. If there is no
         * memory for the copy, the queue stays where it is. */
        if (move(h, 0, LEAN_ROOM))
            return;
    }
}

void queue_committed(struct queue *h)
{
    const struct sm_queue *q = h->q;

    if (h->committed && h->committed != q->extent)
        arena_give(h->arena, h->committed, h->committed_size);
    h->committed = q->extent;
    h->committed_size = q->size;
    h->committed_end = q->end + q->tail;
}

enum { FETCHED_MAX = 512 }; /* the processor itself sees a longer run coming */

void queue_fetch(const struct queue *h, size_t len)
{
    const struct sm_queue *q = h->q;

    if (!q->extent)
        return;
    fetch(arena_at(h->arena, q->extent + q->end), len < FETCHED_MAX ? len : FETCHED_MAX);
    fetch(arena_at(h->arena, entry_place(q, q->count)), ENTRY);
}

/* --- at the young end --- */

/* The tail moves up by so many bytes, for which there is room, its last bytes first. */
static void shift_tail(struct queue *h, size_t by)
{
    uint64_t from = h->q->extent + h->q->end;

    for (size_t left = by ? h->q->tail : 0; left;) {
        size_t piece = left < by ? left : by;

        left -= piece;
        arena_put(h->arena, from + left + by, arena_at(h->arena, from + left), piece);
    }
}

/* Bytes for a stanza behind the last whole one; a tail moves up behind them. */
static bool put_bytes(struct queue *h, const struct sm_stanza *s)
{
    if (s->len > UINT64_C(1) << EXTENT_MAX_ORDER)
        return false;
    if (tail_is_free(h) && has_room(h, s->len))
        shift_tail(h, s->len);
    else if (!move(h, s->len, s->len + ENTRY))
        return false;
    arena_put(h->arena, h->q->extent + h->q->end, s->xml, s->len);
    return true;
}

bool queue_push(struct queue *h, const struct sm_stanza *s, bool counted)
{
    struct sm_queue *q = h->q;
    struct queue_entry e = {
        .len = s->xml ? (uint32_t)s->len : q->tail,
        .stamp_ms = s->stamp_ms,
        .request = s->request,
        .flags = s->flags,
        .fate = s->fate,
        .marks = (uint8_t)((counted ? QUEUE_COUNTED : 0) | (s->late ? QUEUE_LATE : 0)),
    };

    if (!(s->xml ? put_bytes(h, s) : make_room(h, 0)))
        return false;
    e.at = q->end;
    arena_put(h->arena, entry_place(q, q->count), &e, sizeof e);
    q->end += e.len;
    if (!s->xml)
        q->tail = 0;
    q->count++;
    q->counted += counted;
    q->marked += s->late;
    pass(h);
    return true;
}

bool queue_tail_add(struct queue *h, const char *bytes, size_t len)
{
    struct sm_queue *q = h->q;

    if (!len)
        return true;
    if (!make_room(h, len))
        return false;
    arena_put(h->arena, q->extent + q->end + q->tail, bytes, len);
    q->tail += (uint32_t)len;
    return true;
}

void queue_tail_drop(struct queue *h)
{
    h->q->tail = 0;
}

struct sm_text queue_tail(const struct queue *h)
{
    const struct sm_queue *q = h->q;

    if (!q->tail)
        return (struct sm_text){0};
    return (struct sm_text){.p = arena_at(h->arena, q->extent + q->end), .len = q->tail};
}

/* --- at the old end --- */

void queue_pop_one(struct queue *h)
{
    struct sm_queue *q = h->q;

    assert(q->count);
    const struct queue_entry *e = entry_at(h, 0);

    q->start = e->at + e->len;
    q->first++;
    q->count--;
    q->counted -= e->marks & QUEUE_COUNTED ? 1 : 0;
    q->marked -= e->marks & QUEUE_LATE ? 1 : 0;
    q->late -= q->late ? 1 : 0;
    q->passed -= q->passed ? 1 : 0;
    if (q->cursor < q->start)
        q->cursor = q->start;
    pass(h);
}

void queue_pop(struct queue *h, uint32_t n)
{
    assert(n <= h->q->counted);
    while (n) {
        n -= queue_nth_counted(h, 0) ? 1 : 0;
        queue_pop_one(h);
    }
}

void queue_shed(struct queue *h)
{
    while (h->q->passed && !queue_nth_counted(h, 0))
        queue_pop_one(h);
}

void queue_empty(struct queue *h)
{
    struct sm_queue *q = h->q;

    q->start = q->cursor = q->end;
    q->first += q->count;
    q->count = q->counted = q->passed = q->late = q->marked = 0;
    q->tail = 0;
}

/* --- looking --- */

bool queue_nth(const struct queue *h, uint32_t n, struct sm_stanza *s)
{
    if (n >= h->q->count)
        return false;

    const struct queue_entry *e = entry_at(h, n);

    *s = (struct sm_stanza){
        .xml = arena_at(h->arena, h->q->extent + e->at),
        .len = e->len,
        .stamp_ms = e->stamp_ms,
        .request = e->request,
        .flags = e->flags,
        .fate = e->fate,
        .late = is_late(h, n),
        .answered = e->marks & QUEUE_ANSWERED,
    };
    return true;
}

bool queue_nth_counted(const struct queue *h, uint32_t n)
{
    assert(n < h->q->count);
    return entry_at(h, n)->marks & QUEUE_COUNTED;
}

bool queue_find_request(const struct queue *h, uint32_t most, uint32_t request, uint32_t *n)
{
    uint32_t at = most < h->q->count ? most : h->q->count;
    uint32_t least = at > QUEUE_REQUESTS_LOOKED ? at - QUEUE_REQUESTS_LOOKED : 0;

    while (at-- > least) {
        const struct queue_entry *e = entry_at(h, at);

        if (e->request == request && !(e->marks & QUEUE_ANSWERED)) {
            *n = at;
            return true;
        }
    }
    return false;
}

void queue_mark_answered(struct queue *h, uint32_t n)
{
    assert(n < h->q->count);
    uint8_t marks = entry_at(h, n)->marks | QUEUE_ANSWERED;

    arena_put(h->arena, entry_place(h->q, n) + offsetof(struct queue_entry, marks), &marks, 1);
}

void queue_mark_late(struct queue *h)
{
    h->q->late = h->q->count;
}

/* --- the cursor --- */

bool queue_within(const struct queue *h)
{
    const struct sm_queue *q = h->q;

    return q->passed < q->count && q->cursor > entry_at(h, q->passed)->at;
}

static bool run_to(const struct queue *h, uint32_t end, struct sm_text *run)
{
    const struct sm_queue *q = h->q;

    if (end == q->cursor)
        return false;
    run->p = arena_at(h->arena, q->extent + q->cursor);
    run->len = end - q->cursor;
    return true;
}

bool queue_ahead(const struct queue *h, struct sm_text *run)
{
    return run_to(h, h->q->end, run);
}

bool queue_fresh(const struct queue *h, struct sm_text *run, bool *late)
{
    const struct sm_queue *q = h->q;
    uint32_t n = q->passed;

    *late = false;
    if (n == q->count)
        return false;
    if (queue_within(h))
        n++;
    for (; n < q->count && (n < q->late || q->marked); n++) {
        if (is_late(h, n)) {
            *late = entry_at(h, n)->at == q->cursor;
            return run_to(h, entry_at(h, n)->at, run);
        }
    }
    return run_to(h, q->end, run);
}

uint32_t queue_advance(struct queue *h, size_t bytes)
{
    struct sm_queue *q = h->q;

    assert(bytes <= q->end - q->cursor);
    q->cursor += (uint32_t)bytes;
    return pass(h);
}

void queue_rewind(struct queue *h)
{
    h->q->cursor = h->q->start;
    h->q->passed = 0;
    pass(h);
}

/* --- recovery --- */

/* The entries lie one behind the other from start to end, as many of each kind as q says. */
static bool entries_valid(const struct queue *h)
{
    const struct sm_queue *q = h->q;
    uint32_t at = q->start, counted = 0, marked = 0, passed = 0;

    for (uint32_t n = 0; n < q->count; n++) {
        const struct queue_entry *e = entry_at(h, n);

        if (e->at != at || e->len > q->end - at)
            return false;
        at += e->len;
        counted += e->marks & QUEUE_COUNTED ? 1 : 0;
        marked += e->marks & QUEUE_LATE ? 1 : 0;
        passed += at <= q->cursor;
    }
    return at == q->end && counted == q->counted && marked == q->marked && passed == q->passed;
}

bool queue_valid(const struct sm_queue *q, const struct arena *arena)
{
    if (!q->extent) {
        static const struct sm_queue none;

        return !memcmp(q, &none, sizeof none);
    }
    if (!arena_holds(arena, q->extent, q->size))
        return false;
    if (q->start > q->cursor || q->cursor > q->end || q->end > q->size ||
        q->tail > q->size - q->end)
        return false;
    if ((uint64_t)q->first + q->count > (q->size - q->end - q->tail) / ENTRY || q->late > q->count)
        return false;

    struct sm_queue copy = *q;
    struct arena *a = (struct arena *)(uintptr_t)arena; /* only looked at */
    struct queue h = {.arena = a, .q = &copy};

    return entries_valid(&h);
}
