/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket's frames become items, one for each message, whether their bytes come at once or in
 * pieces, and whether they are taken at once or kept for later: those that an expat finds which
 * gets each message as a document. What Holdfast says comes as messages that mean the same.
 *
 * Input: four bytes for the bound of an item; how the second reading cuts (a run of lengths); when
 * it keeps what it has not yet taken; whether there may be passwords in it; then frames, one in a
 * line. Its first byte says which: t is a text, f and c begin and continue a message, l is its
 * last part, p and o are ping and pong, x is Close, b binary, u not masked, r just bytes. In it,
 * `*` stands for many bytes.
 */
#include "tests/fuzz/messages_model.h"

#include <expat.h>

#include "proxy/websocket.h"

enum { PIECE_MAX = 256 };

/* --- what Holdfast reads --- */

/* As Holdfast's own judge would do it: who sends what is no element is done with. */
static bool is_element(struct span s)
{
    XML_Parser p = XML_ParserCreate("UTF-8");
    bool fine = XML_Parse(p, s.p, (int)s.len, 1) == XML_STATUS_OK;

    XML_ParserFree(p);
    return fine;
}

static void note(struct reading *r, enum inflow_found found, struct span item)
{
    char tag[INFLOW_TAG_MAX];

    if (found == INFLOW_SKIPPED)
        item = item.p ? inflow_start_tag(item, tag) : item;
    if (found >= INFLOW_RESTRICTED)
        item = SPAN_NONE;
    HOLDS(found == INFLOW_ELEMENT || found == INFLOW_SKIPPED || found >= INFLOW_RESTRICTED,
          "found %d", found);
    HOLDS(found != INFLOW_NO_MEMORY, "no memory");
    r->all[r->count++] = (struct seen){found, fuzz_copy(item)};
    r->over = found >= INFLOW_RESTRICTED || (found == INFLOW_ELEMENT && !is_element(item)) ||
              r->count == ITEMS_MAX;
}

/* `pause`: after the next item the rest is kept. */
static void take(struct websocket *w, struct inflow *f, struct ws_reader **spare,
                 struct span *fresh, bool pause, struct reading *r)
{
    while (!r->over) {
        struct span item = SPAN_NONE;
        enum inflow_found found = websocket_next(w, f, spare, fresh, &item);

        if (found == INFLOW_MORE) {
            HOLDS(!fresh->len && !buffer_len(&w->held), "%zu bytes are left", fresh->len);
            HOLDS(!w->frames.reader || w->frames.head_len, "a reader between frames");
            return;
        }
        note(r, found, item);
        if (pause)
            return;
    }
}

static void check_kept(const struct websocket *w, const struct inflow *f, size_t held)
{
    size_t max = f->item_max > INFLOW_TAG_MAX ? f->item_max : INFLOW_TAG_MAX;

    HOLDS(websocket_held(w, f) <= max + held + PIECE_MAX, "%zu bytes, for items of %zu",
          websocket_held(w, f), f->item_max);
}

/* `lengths` absent: at once. The bits of `keeps` say when the rest of a piece is kept. */
static void read_all(struct reading *r, struct span frames, size_t item_max, struct span lengths,
                     uint8_t keeps, bool secret)
{
    struct ws_reader *spare = NULL;
    struct websocket *w;
    struct inflow f;
    size_t next = 0;

    HOLDS(websocket_new(&w) == 0, "no memory");
    websocket_request_done(w);
    w->secret = secret;
    inflow_init(&f, item_max);
    for (size_t at = 0; at < frames.len && !r->over;) {
        size_t len = lengths.len ? 1 + (uint8_t)lengths.p[next++ % lengths.len] : frames.len;
        struct span copy, fresh;
        bool pause = keeps >> next % 8 & 1;

        len = len < frames.len - at ? len : frames.len - at;
        copy = fresh = fuzz_copy((struct span){frames.p + at, len});
        at += len;
        if (!(keeps >> (next + 3) % 8 & 1))
            take(w, &f, &spare, &fresh, pause, r);
        if (!r->over)
            HOLDS(websocket_hold(w, &f, fresh), "no memory");
        fuzz_drop(copy);
        fresh = SPAN_NONE;
        if (!r->over && (at == frames.len || (pause && keeps >> (next + 5) % 8 & 1)))
            take(w, &f, &spare, &fresh, false, r);
        if (!r->over)
            HOLDS(websocket_hold(w, &f, SPAN_NONE), "no memory");
        if (lengths.len)
            check_kept(w, &f, keeps ? frames.len : 0);
    }
    r->end = w->end;
    r->code = w->code;
    r->pong_due = w->pong_due;
    r->pong_len = w->pong_len;
    memcpy(r->pong, w->pong, w->pong_len);
    websocket_free(w);
    inflow_clear(&f);
    ws_reader_free(spare);
}

/* Nothing is said about an item behind a declaration that alone is too long for one. */
static bool same_end(enum inflow_found a, enum inflow_found b)
{
    return (a >= INFLOW_RESTRICTED && b >= INFLOW_RESTRICTED) ||
           (a == INFLOW_SKIPPED && b == INFLOW_TOO_LONG) ||
           (b == INFLOW_SKIPPED && a == INFLOW_TOO_LONG);
}

static void compare(const struct reading *a, const struct reading *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        const struct seen *one = &a->all[i], *other = &b->all[i];

        if (one->found != other->found && same_end(one->found, other->found))
            return; /* it may be too long before it is seen to be wrong */
        HOLDS(one->found == other->found, "item %zu: %d, %d", i, one->found, other->found);
        if (one->found == INFLOW_SKIPPED && !other->text.p)
            continue; /* settings have no bound less than a declaration's and a start tag's */
        HOLDS(span_eq(one->text, other->text), "item %zu: %.*s, %.*s", i, (int)one->text.len,
              one->text.p, (int)other->text.len, other->text.p);
    }
    HOLDS(a->count == b->count, "%zu items, %zu", a->count, b->count);
    HOLDS(a->end == b->end && a->code == b->code, "%d %u, %d %u", a->end, a->code, b->end, b->code);
    HOLDS(a->pong_due == b->pong_due && a->pong_len == b->pong_len &&
              !memcmp(a->pong, b->pong, a->pong_len),
          "pongs %d %u, %d %u", a->pong_due, a->pong_len, b->pong_due, b->pong_len);
}

static void drop(struct reading *r)
{
    for (size_t i = 0; i < r->count; i++)
        fuzz_drop(r->all[i].text);
    *r = (struct reading){0};
}

/* --- all of it --- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reading whole, pieces;
    static struct frames frames;
    struct span in = {(const char *)data, size}, rest;
    size_t item_max = 1 + (fuzz_number(&in) >> 8) % 8192;
    struct span lengths = fuzz_bytes(&in, 1 + fuzz_byte(&in) % 8);
    uint8_t keeps = fuzz_byte(&in);
    bool secret = fuzz_byte(&in) & 1;
    struct model m = {.got = &whole, .item_max = item_max};

    frames.len = 0;
    for (rest = in; rest.len;)
        messages_frame(&frames, NULL, fuzz_until(&rest, '\n'));
    if (frames.len > FRAMES_MAX / 2) /* the last one may be cut off */
        return -1;
    read_all(&whole, (struct span){frames.bytes, frames.len}, item_max, SPAN_NONE, 0, false);
    read_all(&pieces, (struct span){frames.bytes, frames.len}, item_max, lengths, keeps, secret);
    compare(&whole, &pieces);
    for (rest = in; rest.len && !m.done && whole.count < ITEMS_MAX;) {
        struct span line = fuzz_until(&rest, '\n');

        messages_frame(NULL, &m, line);
        messages_said(messages_element((struct span){line.p + !!line.len, line.len - !!line.len}));
    }
    if (!m.done && whole.count < ITEMS_MAX)
        messages_end(&m);
    buffer_clear(&m.message);
    drop(&whole);
    drop(&pieces);
    return 0;
}
