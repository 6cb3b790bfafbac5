/* SPDX-License-Identifier: MIT */
/*
 * wslay's frame layer is given a frame's header when that is whole, and then of the
 * payload no more than belongs to the frame. So it never reads ahead: when a frame ends
 * it holds nothing, and its 4 KB can serve another connection.
 *
 * wslay tells a header only along with the first byte of payload. What is refused for
 * its header is to be refused at once, so the few fields that this needs are read here.
 */
#include "parser/websocket.h"

#include <assert.h>
#include <stdlib.h>

#include <wslay/wslay.h>

/* The bits of a header's first two bytes (RFC 6455, 5.2). */
enum { FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0F, MASKED = 0x80, LENGTH = 0x7F };

enum { FIRST_BYTES = 2, MASK_BYTES = 4, LENGTH_IN_16_BITS = 126, LENGTH_IN_64_BITS = 127 };

enum opcode { CONTINUATION = 0, TEXT = WS_OP_TEXT, BINARY = 2, CONTROL = WS_OP_CLOSE };

enum close_code {
    PROTOCOL_ERROR = 1002,
    UNACCEPTABLE,
    NO_CODE = 1005,
    NO_UTF8 = 1007,
    TOO_BIG = 1009
};

enum fault {
    FAULT_NONE,
    FAULT_RESERVED,
    FAULT_OPCODE,
    FAULT_UNMASKED,
    FAULT_BINARY,
    FAULT_CONTINUES_NOTHING,
    FAULT_INTERLEAVED,
    FAULT_FORM,
    FAULT_TOO_BIG,
    FAULT_CLOSE_BYTE,
    FAULT_CLOSE_CODE,
    FAULT_CLOSE_REASON,
};

static const struct {
    uint16_t code;
    const char *why;
} faults[] = {
    [FAULT_RESERVED] = {PROTOCOL_ERROR, "reserved bits are set"},
    [FAULT_OPCODE] = {PROTOCOL_ERROR, "unknown opcode"},
    [FAULT_UNMASKED] = {PROTOCOL_ERROR, "frame not masked"},
    [FAULT_BINARY] = {UNACCEPTABLE, "binary message"},
    [FAULT_CONTINUES_NOTHING] = {PROTOCOL_ERROR, "continuation of no message"},
    [FAULT_INTERLEAVED] = {PROTOCOL_ERROR, "new message inside a fragmented one"},
    [FAULT_FORM] = {PROTOCOL_ERROR, "control frame long or fragmented, or length not minimal"},
    [FAULT_TOO_BIG] = {TOO_BIG, "message too long"},
    [FAULT_CLOSE_BYTE] = {PROTOCOL_ERROR, "Close with half a code"},
    [FAULT_CLOSE_CODE] = {PROTOCOL_ERROR, "Close with a code that may not be sent"},
    [FAULT_CLOSE_REASON] = {NO_UTF8, "reason of a Close is not UTF-8"},
};

struct ws_reader {
    wslay_frame_context_ptr wslay;
    struct span give;             /* what wslay may read */
    char control[WS_CONTROL_MAX]; /* a control frame's payload, as far as it has come */
    size_t control_len;
};

/* --- the reader --- */

static ssize_t read_given(uint8_t *to, size_t len, int, void *reader)
{
    struct ws_reader *r = reader;

    if (!r->give.len)
        return -1;
    if (len > r->give.len)
        len = r->give.len;
    memcpy(to, r->give.p, len);
    r->give = (struct span){r->give.p + len, r->give.len - len};
    return (ssize_t)len;
}

static struct ws_reader *reader_new(void)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = read_given};
    struct ws_reader *r = calloc(1, sizeof *r);

    if (r && wslay_frame_context_init(&r->wslay, &callbacks, r) < 0) {
        free(r);
        return NULL;
    }
    return r;
}

void ws_reader_free(struct ws_reader *r)
{
    if (!r)
        return;
    wslay_frame_context_free(r->wslay);
    free(r);
}

static bool borrow(struct ws_frames *f, struct ws_reader **spare)
{
    if (f->reader)
        return true;
    f->reader = *spare ? *spare : reader_new();
    *spare = NULL;
    return f->reader;
}

/* Between frames only: inside one, the reader knows where it is. */
static void give_back(struct ws_frames *f, struct ws_reader **spare)
{
    if (!f->reader || f->head_len)
        return;
    if (*spare)
        ws_reader_free(f->reader);
    else
        *spare = f->reader;
    f->reader = NULL;
}

/* What wslay makes of the bytes, all of which are this frame's: payload, or less than 0. */
static ssize_t feed(struct ws_reader *r, struct span bytes, struct wslay_frame_iocb *frame)
{
    r->give = bytes;
    return wslay_frame_recv(r->wslay, frame);
}

/* --- the header --- */

static unsigned opcode_of(const struct ws_frames *f)
{
    return f->head[0] & OPCODE;
}

static bool is_control(const struct ws_frames *f)
{
    return opcode_of(f) & CONTROL;
}

static size_t length_bytes(const struct ws_frames *f)
{
    unsigned length = f->head[1] & LENGTH;

    return length == LENGTH_IN_16_BITS ? 2 : length == LENGTH_IN_64_BITS ? 8 : 0;
}

static uint64_t length_of(const struct ws_frames *f)
{
    uint64_t length = 0;

    if (!length_bytes(f))
        return f->head[1] & LENGTH;
    for (size_t i = 0; i < length_bytes(f); i++)
        length = length << 8 | f->head[FIRST_BYTES + i];
    return length;
}

/* What is wrong with the first two bytes. */
static enum fault judge_kind(const struct ws_frames *f)
{
    if (f->head[0] & RESERVED)
        return FAULT_RESERVED;
    if (!(f->head[1] & MASKED))
        return FAULT_UNMASKED;
    switch (opcode_of(f)) {
    case CONTINUATION:
        return f->fragmented ? FAULT_NONE : FAULT_CONTINUES_NOTHING;
    case TEXT:
        return f->fragmented ? FAULT_INTERLEAVED : FAULT_NONE;
    case BINARY:
        return f->fragmented ? FAULT_INTERLEAVED : FAULT_BINARY;
    case WS_OP_CLOSE:
    case WS_OP_PING:
    case WS_OP_PONG:
        return FAULT_NONE;
    }
    return FAULT_OPCODE;
}

/* The header is whole. wslay refuses control frames that are fragmented or have more than 125
 * bytes, and lengths that could be written shorter or have their highest bit set. */
static enum fault begin_payload(struct ws_frames *f, uint64_t max)
{
    struct wslay_frame_iocb frame;
    struct span head = {(const char *)f->head, f->head_len};

    if (feed(f->reader, head, &frame) == WSLAY_ERR_PROTO)
        return FAULT_FORM;
    f->left = length_of(f);
    f->payload = true;
    if (is_control(f)) {
        f->reader->control_len = 0;
        return FAULT_NONE;
    }
    if (opcode_of(f) == TEXT)
        f->message = 0;
    return f->message > max || f->left > max - f->message ? FAULT_TOO_BIG : FAULT_NONE;
}

/* Takes header bytes until `len` of them are there. */
static bool take_head_bytes(struct ws_frames *f, struct span *in, size_t len)
{
    while (f->head_len < len && in->len) {
        f->head[f->head_len++] = (unsigned char)*in->p;
        *in = (struct span){in->p + 1, in->len - 1};
    }
    return f->head_len >= len;
}

static enum fault take_head(struct ws_frames *f, struct span *in, uint64_t max)
{
    enum fault fault;

    if (!take_head_bytes(f, in, FIRST_BYTES))
        return FAULT_NONE;
    if ((fault = judge_kind(f)))
        return fault;
    if (!take_head_bytes(f, in, FIRST_BYTES + length_bytes(f) + MASK_BYTES))
        return FAULT_NONE;
    return begin_payload(f, max);
}

/* --- the payload --- */

/* 1004, 1005, 1006 and 1015 are never sent; the rest below 3000 that is not defined is reserved
 * (RFC 6455, 7.4). IANA has registered 1012 to 1014 since. */
static bool may_be_sent(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum fault take_close(struct ws_frames *f, struct ws_piece *piece)
{
    struct span data = piece->data;

    f->closed = true;
    piece->code = NO_CODE;
    if (!data.len)
        return FAULT_NONE;
    if (data.len == 1)
        return FAULT_CLOSE_BYTE;
    piece->code = (uint16_t)((unsigned char)data.p[0] << 8 | (unsigned char)data.p[1]);
    piece->data = (struct span){data.p + 2, data.len - 2};
    if (!may_be_sent(piece->code))
        return FAULT_CLOSE_CODE;
    return span_utf8(piece->data) ? FAULT_NONE : FAULT_CLOSE_REASON;
}

/* Gathers a control frame; *piece is it when it is whole. */
static enum fault take_control(struct ws_frames *f, struct span data, struct ws_piece *piece)
{
    struct ws_reader *r = f->reader;

    assert(data.len <= sizeof r->control - r->control_len);
    if (data.len)
        memcpy(r->control + r->control_len, data.p, data.len);
    r->control_len += data.len;
    if (f->left)
        return FAULT_NONE;
    piece->data = (struct span){r->control, r->control_len};
    piece->found = opcode_of(f) == WS_OP_CLOSE  ? WS_CLOSE
                   : opcode_of(f) == WS_OP_PING ? WS_PING
                                                : WS_PONG;
    return piece->found == WS_CLOSE ? take_close(f, piece) : FAULT_NONE;
}

static void take_text(struct ws_frames *f, struct span data, struct ws_piece *piece)
{
    bool fin = f->head[0] & FIN;

    f->message += data.len;
    f->fragmented = !fin;
    piece->data = data;
    piece->begins = !f->begun;
    piece->ends = fin && !f->left;
    f->begun = !piece->ends;
    if (data.len || piece->begins || piece->ends)
        piece->found = WS_TEXT;
}

/* As much of the payload as wslay has room for; *piece stays WS_MORE if there is nothing to say. */
static enum fault take_payload(struct ws_frames *f, struct span *in, struct ws_piece *piece)
{
    struct span mine = {in->p, in->len < f->left ? in->len : (size_t)f->left};
    struct span data = SPAN_LIT("");
    enum fault fault = FAULT_NONE;

    if (f->left) {
        struct wslay_frame_iocb frame;
        ssize_t got = feed(f->reader, mine, &frame);

        assert(got > 0 && (size_t)got == frame.data_length);
        assert(f->reader->give.p == in->p + got); /* it has read nothing ahead */
        data = (struct span){(const char *)frame.data, (size_t)got};
        *in = (struct span){in->p + got, in->len - (size_t)got};
        f->left -= (uint64_t)got;
    }
    if (is_control(f))
        fault = take_control(f, data, piece);
    else
        take_text(f, data, piece);
    if (!f->left) {
        f->payload = false;
        f->head_len = 0;
    }
    return fault;
}

/* --- all of it --- */

struct ws_piece ws_next(struct ws_frames *f, struct ws_reader **spare, struct span *in,
                        uint64_t max)
{
    struct ws_piece piece = {.found = WS_MORE};

    while (!f->fault && !f->closed && (in->len || (f->payload && !f->left))) {
        if (!borrow(f, spare))
            return (struct ws_piece){.found = WS_NO_MEMORY};
        f->fault = f->payload ? take_payload(f, in, &piece) : take_head(f, in, max);
        if (!f->fault && piece.found != WS_MORE)
            return piece;
    }
    if (f->fault)
        return (struct ws_piece){
            .found = WS_BAD, .code = faults[f->fault].code, .why = faults[f->fault].why};
    if (f->closed && in->len)
        *in = (struct span){in->p + in->len, 0};
    give_back(f, spare);
    return piece;
}

void ws_clear(struct ws_frames *f)
{
    ws_reader_free(f->reader);
    *f = (struct ws_frames){0};
}

/* By hand: wslay_frame_send would do it in 4 KB of its own, with a callback to copy it out. */
size_t ws_header(char out[WS_HEADER_MAX], enum ws_opcode op, uint64_t payload)
{
    size_t more = payload < LENGTH_IN_16_BITS ? 0 : payload <= UINT16_MAX ? 2 : 8;

    assert(op == WS_OP_TEXT || payload <= WS_CONTROL_MAX);
    out[0] = (char)(FIN | op);
    out[1] = (char)(more == 0 ? payload : more == 2 ? LENGTH_IN_16_BITS : LENGTH_IN_64_BITS);
    for (size_t i = 0; i < more; i++)
        out[FIRST_BYTES + i] = (char)(payload >> 8 * (more - 1 - i));
    return FIRST_BYTES + more;
}
