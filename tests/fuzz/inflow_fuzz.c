/* SPDX-License-Identifier: MIT */
/*
 * A stream's bytes become the same items whether they come at once or in pieces, and
 * whether they are taken at once or kept for later; and what is kept has a bound.
 *
 * Input: four bytes for the bound of an item; how the second reading cuts (a run of
 * lengths), whether it keeps what it has not yet taken; and the stream. An element whose
 * name begins with `z` makes a stream restart behind it, as SASL does.
 */
#include "tests/fuzz/fuzz.h"

#include "proxy/inflow.h"

enum { ITEMS_MAX = 512, PIECE_MAX = 256 };

struct seen {
    enum inflow_found found;
    struct span text; /* a copy: the item; of a skipped one its start tag */
};

struct reading {
    struct seen all[ITEMS_MAX];
    size_t count;
    bool over;
};

static void note(struct reading *r, enum inflow_found found, struct span item)
{
    char tag[INFLOW_TAG_MAX];

    if (found == INFLOW_SKIPPED)
        item = item.p ? inflow_start_tag(item, tag) : item;
    if (found >= INFLOW_RESTRICTED)
        item = SPAN_NONE;
    HOLDS(r->count < ITEMS_MAX, "more items than were fed");
    r->all[r->count++] = (struct seen){found, fuzz_copy(item)};
    r->over = found >= INFLOW_RESTRICTED || found == INFLOW_CLOSE || r->count == ITEMS_MAX;
}

/* Of an item that is longer than its bound, no more than a start tag is kept; of what was not yet
 * looked at, what was held. */
static void check_kept(const struct inflow *f, size_t held)
{
    size_t max = f->item_max > INFLOW_TAG_MAX ? f->item_max : INFLOW_TAG_MAX;

    HOLDS(buffer_len(&f->kept) <= max + held + PIECE_MAX, "%zu bytes, for items of %zu",
          buffer_len(&f->kept), f->item_max);
    HOLDS(f->scanned <= buffer_len(&f->kept) && f->given <= f->scanned, "%zu %zu %zu", f->given,
          f->scanned, buffer_len(&f->kept));
}

static void take_all(struct inflow *f, struct span fresh, struct reading *r)
{
    while (!r->over) {
        struct span item = SPAN_NONE;
        enum inflow_found found = inflow_next(f, &fresh, &item);

        if (found == INFLOW_MORE) {
            HOLDS(!fresh.len, "%zu bytes are left", fresh.len);
            return;
        }
        note(r, found, item);
        if (found == INFLOW_ELEMENT && item.len > 1 && item.p[1] == 'z') {
            HOLDS(inflow_hold(f, fresh), "no memory");
            fresh = SPAN_NONE;
            inflow_restart(f);
        }
    }
}

/* `lengths` absent: at once. `keeps`: a piece of which the first item was taken is kept, and the
 * rest of it taken up again without fresh bytes, or in front of them. */
static void read_all(struct reading *r, struct span stream, size_t item_max, struct span lengths,
                     uint8_t keeps)
{
    struct inflow f;
    size_t next = 0;

    inflow_init(&f, item_max);
    for (size_t at = 0; at < stream.len && !r->over;) {
        size_t len = lengths.len ? 1 + (uint8_t)lengths.p[next++ % lengths.len] : stream.len;
        struct span copy, fresh;

        len = len < stream.len - at ? len : stream.len - at;
        copy = fresh = fuzz_copy((struct span){stream.p + at, len});
        at += len;
        if (keeps >> next % 8 & 1) {
            HOLDS(inflow_hold(&f, fresh), "no memory");
            fresh = SPAN_NONE;
        }
        if (!(keeps >> (next + 3) % 8 & 1) || at == stream.len)
            take_all(&f, fresh, r);
        else
            HOLDS(inflow_hold(&f, fresh), "no memory");
        if (lengths.len)
            check_kept(&f, keeps ? stream.len : 0);
        fuzz_drop(copy);
    }
    inflow_clear(&f);
}

static void compare(const struct reading *a, const struct reading *b, size_t item_max)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        const struct seen *one = &a->all[i], *other = &b->all[i];

        if (one->found >= INFLOW_RESTRICTED && other->found >= INFLOW_RESTRICTED)
            return; /* it may be too long before it is seen to be wrong */
        HOLDS(one->found == other->found, "item %zu: %d, %d", i, one->found, other->found);
        if (one->found == INFLOW_SKIPPED && one->text.len > item_max && !other->text.p)
            continue; /* settings have no bound that is less than a start tag's */
        HOLDS(span_eq(one->text, other->text), "item %zu: %.*s, %.*s", i, (int)one->text.len,
              one->text.p, (int)other->text.len, other->text.p);
    }
    HOLDS(a->count == b->count, "%zu items, %zu", a->count, b->count);
}

static void drop(struct reading *r)
{
    for (size_t i = 0; i < r->count; i++)
        fuzz_drop(r->all[i].text);
    r->count = 0;
    r->over = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reading whole, pieces;
    struct span in = {(const char *)data, size};
    size_t item_max = 1 + (fuzz_number(&in) >> 8) % 8192;
    struct span lengths = fuzz_bytes(&in, 1 + fuzz_byte(&in) % 8);
    uint8_t keeps = fuzz_byte(&in);

    read_all(&whole, in, item_max, SPAN_NONE, 0);
    read_all(&pieces, in, item_max, lengths, keeps);
    compare(&whole, &pieces, item_max);
    drop(&whole);
    drop(&pieces);
    return 0;
}
