/* SPDX-License-Identifier: MIT */
/*
 * A client's frames, and what is read of them as a text: the pieces of a message put
 * together, whatever they were. It has to be the same for the whole input, byte by byte,
 * and cut in two anywhere.
 */
#pragma once

#include "parser/websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/guard.h"

enum { WIRE_MAX = 300000, TOLD_MAX = 300000, MESSAGE_MAX = 100000, NO_FIN = 0x80 };

static struct {
    char bytes[WIRE_MAX];
    size_t len;
} wire;

static struct {
    char text[TOLD_MAX];
    size_t len;
} told;

/* --- a client --- */

static inline void put(const void *p, size_t len)
{
    assert_true(len <= sizeof wire.bytes - wire.len);
    memcpy(wire.bytes + wire.len, p, len);
    wire.len += len;
}

static inline void put_byte(unsigned byte)
{
    char c = (char)byte;

    put(&c, 1);
}

static inline void put_masked(struct span payload)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};

    put(mask, sizeof mask);
    for (size_t i = 0; i < payload.len; i++)
        put_byte((unsigned char)payload.p[i] ^ mask[i % 4]);
}

/* A frame whose length has so many bytes beside the first: 0, 2 or 8. */
static inline void put_frame_of(unsigned first, size_t more, struct span payload)
{
    put_byte(first);
    put_byte(0x80 | (more == 8 ? 127 : more == 2 ? 126 : payload.len));
    for (size_t i = more; i-- > 0;)
        put_byte((unsigned)((uint64_t)payload.len >> 8 * i));
    put_masked(payload);
}

/* NO_FIN in the opcode: more frames of the message come. */
static inline void put_frame(unsigned opcode, struct span payload)
{
    put_frame_of(opcode ^ 0x80, payload.len < 126 ? 0 : payload.len < 65536 ? 2 : 8, payload);
}

static inline void put_text(unsigned opcode, const char *payload)
{
    put_frame(opcode, span_of(payload));
}

static inline void clear_wire(void)
{
    wire.len = 0;
}

/* --- what is read --- */

static inline void tell(struct span s)
{
    assert_true(s.len < sizeof told.text - told.len);
    if (s.len)
        memcpy(told.text + told.len, s.p, s.len);
    told.len += s.len;
    told.text[told.len] = '\0';
}

static inline void tell_piece(const struct ws_piece *p)
{
    char code[16];

    snprintf(code, sizeof code, "%u:", p->code);
    switch (p->found) {
    case WS_TEXT:
        assert_true(p->data.len || p->begins || p->ends);
        tell(span_of(p->begins ? "<" : ""));
        tell(p->data);
        tell(span_of(p->ends ? ">" : ""));
        break;
    case WS_PING:
    case WS_PONG:
        tell(span_of(p->found == WS_PING ? "ping(" : "pong("));
        tell(p->data);
        tell(SPAN_LIT(")"));
        break;
    case WS_CLOSE:
        tell(SPAN_LIT("close("));
        tell(span_of(code));
        tell(p->data);
        tell(SPAN_LIT(")"));
        break;
    case WS_BAD:
        tell(SPAN_LIT("bad("));
        tell(span_of(code));
        tell(span_of(p->why));
        tell(SPAN_LIT(")"));
        break;
    case WS_MORE:
    case WS_NO_MEMORY:
        fail();
    }
}

/* True if it is over: a fault, which stays one. */
static inline bool read_piece(struct ws_frames *f, struct ws_reader **spare, struct span bytes)
{
    struct span in = guard_copy(bytes);
    struct ws_piece p;

    while ((p = ws_next(f, spare, &in, MESSAGE_MAX)).found != WS_MORE) {
        tell_piece(&p);
        if (p.found == WS_BAD) {
            assert_int_equal(ws_next(f, spare, &in, MESSAGE_MAX).code, p.code);
            assert_ptr_equal(ws_next(f, spare, &in, MESSAGE_MAX).why, p.why);
            return true;
        }
    }
    assert_int_equal(in.len, 0);
    if (!f->head_len)
        assert_null(f->reader);
    return false;
}

/* Reads the wire in pieces: the first one has `first` bytes, the others have `then`. */
static inline const char *read_cut(size_t first, size_t then)
{
    struct ws_frames f = {0};
    struct ws_reader *spare = NULL;
    size_t len = first;

    told.len = 0;
    tell(SPAN_LIT(""));
    for (size_t at = 0; at < wire.len; at += len, len = then) {
        if (len > wire.len - at)
            len = wire.len - at;
        if (read_piece(&f, &spare, (struct span){wire.bytes + at, len}))
            break;
    }
    ws_clear(&f);
    ws_reader_free(spare);
    return told.text;
}

/* However it comes, the wire says this; and is empty then. */
static inline void wire_says(const char *what)
{
    assert_string_equal(read_cut(wire.len, 1), what);
    assert_string_equal(read_cut(1, 1), what);
    for (size_t first = 1; first < wire.len; first++)
        assert_string_equal(read_cut(first, wire.len), what);
    clear_wire();
}

/* For what is too long to be cut everywhere. */
static inline void wire_says_at_length(const char *what)
{
    assert_string_equal(read_cut(wire.len, 1), what);
    assert_string_equal(read_cut(1, 1), what);
    assert_string_equal(read_cut(4095, 4097), what);
    assert_string_equal(read_cut(3, 4096), what);
    clear_wire();
}

/* A fault with this code, after what else was said. */
static inline void wire_is_bad(const char *before, const char *why)
{
    char what[256];

    snprintf(what, sizeof what, "%sbad(%s)", before, why);
    wire_says(what);
}
