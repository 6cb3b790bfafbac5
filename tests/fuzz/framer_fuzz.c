/* SPDX-License-Identifier: MIT */
/*
 * The framer cuts a stream in the same places however its bytes come: at once, in
 * pieces that the input chooses, and one by one.
 *
 * Input: a byte that says how many of the following bytes are lengths of pieces,
 * these lengths, and the stream. Where both ways cut, and what they say of it, is the
 * same; RESTRICTED and BAD are said at the same byte and from then on; and no
 * framer ever moves without reading, or reads what it was not given.
 */
#include "tests/fuzz/fuzz.h"

#include "parser/framer.h"

enum { CUTS_MAX = 4096 };

struct cut {
    enum framed found;
    size_t at; /* bytes of the stream in front of it */
};

struct cuts {
    struct cut all[CUTS_MAX];
    size_t count;
};

static bool is_over(enum framed found)
{
    return found == FRAMED_RESTRICTED || found == FRAMED_BAD;
}

/* A run of white space that comes in pieces is as many items: only its last is noted. */
static void note(struct cuts *c, enum framed found, size_t at)
{
    if (found == FRAMED_SPACE && c->count && c->all[c->count - 1].found == FRAMED_SPACE)
        c->count--;
    if (c->count < CUTS_MAX)
        c->all[c->count++] = (struct cut){found, at};
}

/* What was said of a wrong stream is said again, and nothing is read any more. */
static void stays_over(struct framer *f, enum framed found)
{
    size_t used = 1;
    enum framed again = framer_next(f, SPAN_LIT("<a/>"), &used);

    HOLDS(again == found && !used, "%d after %d, %zu bytes used", again, found, used);
    again = framer_next(f, SPAN_NONE, &used);
    HOLDS(again == found && !used, "%d after %d, %zu bytes used", again, found, used);
}

/* One piece of the stream. False if the stream is over. */
static bool feed(struct framer *f, struct span piece, size_t begins, struct cuts *c)
{
    struct span copy = fuzz_copy(piece), in = copy;
    enum framed found = FRAMED_MORE;

    while (in.len && !is_over(found)) {
        size_t used;

        found = framer_next(f, in, &used);
        HOLDS(used <= in.len, "%zu of %zu", used, in.len);
        HOLDS(used > 0, "stands still with %d", found);
        in = (struct span){in.p + used, in.len - used};
        HOLDS(found != FRAMED_MORE || !in.len, "wants more, and leaves %zu", in.len);
        if (found == FRAMED_MORE)
            break;
        note(c, found, begins + piece.len - in.len);
        HOLDS(is_over(found) || framer_idle(f), "%d, and not idle", found);
    }
    fuzz_drop(copy);
    if (is_over(found))
        stays_over(f, found);
    return !is_over(found);
}

/* `lengths` says how long the pieces are, again and again; absent: all at once. */
static void cut(struct cuts *c, struct span stream, struct span lengths)
{
    struct framer f;
    size_t next = 0;

    framer_init(&f);
    c->count = 0;
    for (size_t at = 0; at < stream.len;) {
        size_t len = lengths.len ? 1 + (uint8_t)lengths.p[next++ % lengths.len] : stream.len;

        if (len > stream.len - at)
            len = stream.len - at;
        if (!feed(&f, (struct span){stream.p + at, len}, at, c))
            break;
        at += len;
    }
}

static void compare(const struct cuts *one, const struct cuts *other, const char *how)
{
    HOLDS(one->count == other->count, "%s: %zu, not %zu", how, other->count, one->count);
    for (size_t i = 0; i < one->count; i++)
        HOLDS(one->all[i].found == other->all[i].found && one->all[i].at == other->all[i].at,
              "%s, item %zu: %d at %zu, not %d at %zu", how, i, other->all[i].found,
              other->all[i].at, one->all[i].found, one->all[i].at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cuts whole, pieces, bytes;
    struct span in = {(const char *)data, size};
    struct span lengths = fuzz_bytes(&in, fuzz_byte(&in) % 16);

    cut(&whole, in, SPAN_NONE);
    cut(&pieces, in, lengths);
    cut(&bytes, in, (struct span){"", 1});
    compare(&whole, &pieces, "in pieces");
    compare(&whole, &bytes, "byte by byte");
    return 0;
}
