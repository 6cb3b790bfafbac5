/* SPDX-License-Identifier: MIT */
/*
 * A client's frames are read alike however their bytes come: at once, in pieces that the
 * input chooses, and one by one; and as a decoder reads them that has everything before
 * it and follows RFC 6455 word by word.
 *
 * Input: a byte that says how many of the following bytes are lengths of pieces, these
 * lengths, a number that bounds a message, and the frames. The pieces go to two
 * connections in turn that lend each other their reader; each reads what one alone does.
 */
#include "tests/fuzz/fuzz.h"

#include "parser/websocket.h"

enum { EVENTS_MAX = 4096, DATA_MAX = 1 << 20 };

struct event {
    enum ws_found found;
    bool begins, ends;
    uint16_t code;
    size_t at, len; /* of its data */
};

struct story {
    struct event all[EVENTS_MAX];
    size_t count;
    char data[DATA_MAX];
    size_t used;
};

/* The pieces of a message are one event, as long as nothing comes between them. */
static void note(struct story *s, struct event e, struct span data)
{
    struct event *last = s->count ? &s->all[s->count - 1] : NULL;

    if (s->count == EVENTS_MAX || data.len > DATA_MAX - s->used)
        return;
    if (data.len)
        memcpy(s->data + s->used, data.p, data.len);
    if (e.found == WS_TEXT && !e.begins && last && last->found == WS_TEXT && !last->ends) {
        last->len += data.len;
        last->ends = e.ends;
    } else {
        e.at = s->used;
        e.len = data.len;
        s->all[s->count++] = e;
    }
    s->used += data.len;
}

/* --- what ws_next reads --- */

static void judge(const struct ws_piece *p, const struct ws_frames *f, uint64_t max)
{
    if (p->found == WS_TEXT)
        HOLDS(p->data.len || p->begins || p->ends, "text that says nothing");
    else
        HOLDS(!p->begins && !p->ends, "found %d, of a message", p->found);
    if (p->found == WS_PING || p->found == WS_PONG || p->found == WS_CLOSE)
        HOLDS(p->data.len <= WS_CONTROL_MAX, "%zu bytes", p->data.len);
    HOLDS((p->found == WS_BAD) == !!p->why, "found %d, and a reason or none", p->found);
    HOLDS(p->found != WS_CLOSE || span_utf8(p->data), "a reason that is no text");
    HOLDS(f->message <= max || p->found == WS_BAD, "%llu bytes of a message",
          (unsigned long long)f->message);
    HOLDS(p->found != WS_NO_MEMORY, "no memory");
}

/* False if it is over. */
static bool feed(struct ws_frames *f, struct ws_reader **spare, struct span piece, uint64_t max,
                 struct story *s)
{
    struct span copy = fuzz_copy(piece), in = copy;
    struct ws_piece p;

    do {
        size_t before = in.len;

        p = ws_next(f, spare, &in, max);
        HOLDS(in.len <= before, "%zu of %zu", in.len, before);
        judge(&p, f, max);
        if (p.found != WS_MORE)
            note(s, (struct event){p.found, p.begins, p.ends, p.code, 0, 0}, p.data);
    } while (p.found != WS_MORE && p.found != WS_BAD);

    HOLDS(p.found == WS_BAD || !in.len, "wants more, and leaves %zu", in.len);
    HOLDS(p.found == WS_BAD || f->head_len || !f->reader, "a reader between frames");
    fuzz_drop(copy);
    return p.found != WS_BAD;
}

/* `lengths` says how long the pieces are, again and again; absent: all at once. */
static void read_in(struct story *a, struct story *b, struct span frames, struct span lengths,
                    uint64_t max)
{
    struct ws_frames one = {0}, other = {0};
    struct ws_reader *spare = NULL;
    size_t next = 0;
    bool more = true;

    a->count = a->used = b->count = b->used = 0;
    for (size_t at = 0; at < frames.len && more;) {
        size_t len = lengths.len ? 1 + (uint8_t)lengths.p[next++ % lengths.len] : frames.len;
        struct span piece = {frames.p + at, len < frames.len - at ? len : frames.len - at};

        more = feed(&one, &spare, piece, max, a);
        HOLDS(feed(&other, &spare, piece, max, b) == more, "another end at %zu", at);
        at += piece.len;
    }
    ws_clear(&one);
    ws_clear(&other);
    ws_reader_free(spare);
}

/* --- what the RFC reads --- */

static void note_bad(struct story *s, uint16_t code)
{
    note(s, (struct event){.found = WS_BAD, .code = code}, SPAN_NONE);
}

static bool close_is_bad(struct story *s, struct span payload)
{
    unsigned code = payload.len < 2 ? 0 : (uint8_t)payload.p[0] * 256u + (uint8_t)payload.p[1];
    bool known = (code > 999 && code < 1004) || (code > 1006 && code < 1015) || code / 1000 == 3 ||
                 code / 1000 == 4;

    if (!payload.len)
        note(s, (struct event){.found = WS_CLOSE, .code = 1005}, payload);
    else if (!known)
        note_bad(s, 1002);
    else if (!span_utf8((struct span){payload.p + 2, payload.len - 2}))
        note_bad(s, 1007);
    else
        note(s, (struct event){.found = WS_CLOSE, .code = (uint16_t)code},
             (struct span){payload.p + 2, payload.len - 2});
    return true;
}

/* The code of what is wrong with a header; 0: nothing is. */
static uint16_t header_fault(unsigned first, unsigned second, bool inside)
{
    unsigned opcode = first % 16;

    if (first & 0x70 || second < 128)
        return 1002;
    if (opcode == 2 && !inside)
        return 1003;
    if ((opcode == 0 && !inside) || ((opcode == 1 || opcode == 2) && inside))
        return 1002;
    return (opcode > 2 && opcode < 8) || opcode > 10 ? 1002 : 0;
}

static uint16_t length_fault(unsigned first, unsigned second, uint64_t len, uint64_t room)
{
    unsigned form = second % 128;

    if (first & 8)
        return form > 125 || first < 128 ? 1002 : 0;
    if ((form == 126 && len < 126) || (form == 127 && (len < 65536 || len >> 63)))
        return 1002;
    return len > room ? 1009 : 0;
}

/* A number of so many bytes, the highest first. */
static uint64_t take_number(struct span *in, size_t bytes)
{
    uint64_t n = 0;

    while (bytes--)
        n = n * 256 + fuzz_byte(in);
    return n;
}

static bool note_payload(struct story *s, unsigned first, struct span payload, bool whole,
                         bool *inside, bool *begun)
{
    struct event text = {.found = WS_TEXT, .begins = !*begun, .ends = whole && first > 127};

    if ((first & 8) && !whole)
        return true;
    if (first % 16 == WS_OP_CLOSE)
        return close_is_bad(s, payload);
    if (first & 8) {
        note(s, (struct event){.found = first % 16 == WS_OP_PING ? WS_PING : WS_PONG}, payload);
        return false;
    }
    if (payload.len || (whole && (text.begins || text.ends))) {
        note(s, text, payload);
        *begun = !text.ends;
    }
    *inside = first < 128;
    return !whole;
}

static void read_by_the_rfc(struct story *s, struct span in, uint64_t max)
{
    static char plain[DATA_MAX];
    bool inside = false, begun = false, over = false;
    uint64_t message = 0;

    s->count = s->used = 0;
    while (!over && in.len >= 2) {
        unsigned first = fuzz_byte(&in), second = fuzz_byte(&in), form = second % 128;
        size_t more = form == 126 ? 2 : form == 127 ? 8 : 0, got;
        uint16_t fault = header_fault(first, second, inside);
        struct span mask;
        uint64_t len;

        if (fault || in.len < more + 4) {
            if (fault)
                note_bad(s, fault);
            return;
        }
        len = more ? take_number(&in, more) : form;
        mask = fuzz_bytes(&in, 4);
        message = first % 16 == WS_OP_TEXT ? 0 : message;
        if ((fault = length_fault(first, second, len, max - message))) {
            note_bad(s, fault);
            return;
        }
        got = len < in.len ? (size_t)len : in.len;
        HOLDS(got <= sizeof plain, "an input of %zu", got);
        for (size_t i = 0; i < got; i++)
            plain[i] = (char)(in.p[i] ^ mask.p[i & 3]);
        (void)fuzz_bytes(&in, got);
        message += first & 8 ? 0 : got;
        over = note_payload(s, first, (struct span){plain, got}, got == len, &inside, &begun);
    }
}

/* --- ours --- */

static void header_reads_as(enum ws_opcode op, uint64_t payload)
{
    char bytes[WS_HEADER_MAX];
    struct span header = {bytes, ws_header(bytes, op, payload)}, rest = header;
    unsigned first = fuzz_byte(&rest), second = fuzz_byte(&rest);
    uint64_t len = second < 126 ? second : take_number(&rest, second == 126 ? 2 : 8);

    HOLDS(first == (128u | op) && second < 128 && !rest.len, "%u %u", first, second);
    HOLDS(len == payload && !length_fault(first, second, len, len), "%llu, not %llu",
          (unsigned long long)len, (unsigned long long)payload);
}

/* --- all of it --- */

static void compare(const struct story *one, const struct story *other, const char *how)
{
    HOLDS(one->count == other->count, "%s: %zu, not %zu", how, other->count, one->count);
    for (size_t i = 0; i < one->count; i++) {
        const struct event *a = &one->all[i], *b = &other->all[i];

        HOLDS(a->found == b->found && a->code == b->code, "%s, %zu: %d %u, not %d %u", how, i,
              b->found, b->code, a->found, a->code);
        HOLDS(a->begins == b->begins && a->ends == b->ends, "%s, %zu: begins or ends", how, i);
        HOLDS(a->len == b->len && !memcmp(one->data + a->at, other->data + b->at, a->len),
              "%s, %zu: other data, %zu bytes, not %zu", how, i, b->len, a->len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct story rfc, whole, again;
    struct span in = {(const char *)data, size};
    struct span lengths = fuzz_bytes(&in, fuzz_byte(&in) % 16);
    uint64_t max = fuzz_number(&in);

    header_reads_as(WS_OP_TEXT, max);
    header_reads_as(WS_OP_TEXT, max % 65536);
    header_reads_as(WS_OP_PING, max % (WS_CONTROL_MAX + 1));
    read_by_the_rfc(&rfc, in, max);
    read_in(&whole, &again, in, SPAN_NONE, max);
    compare(&rfc, &whole, "at once");
    compare(&rfc, &again, "at once, with a used reader");
    read_in(&whole, &again, in, lengths, max);
    compare(&rfc, &whole, "in pieces");
    compare(&rfc, &again, "in pieces, in turn");
    read_in(&whole, &again, in, (struct span){"", 1}, max);
    compare(&rfc, &whole, "byte by byte");
    compare(&rfc, &again, "byte by byte, in turn");
    return 0;
}
