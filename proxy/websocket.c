/* SPDX-License-Identifier: MIT */
/*
 * Between frames and items stands the message: where one ends, the item has to. The
 * framer begins anew with each message, so that nothing is carried over.
 */
#include "proxy/websocket.h"

#include <errno.h>
#include <stdlib.h>

#include "parser/element.h"
#include "parser/stanza.h"

int websocket_new(struct websocket **out)
{
    struct websocket *w = calloc(1, sizeof *w);

    if (!w || http_new(&w->request) < 0) {
        free(w);
        return -ENOMEM;
    }
    *out = w;
    return 0;
}

void websocket_request_done(struct websocket *w)
{
    http_free(w->request);
    w->request = NULL;
    w->asked = (struct http_request){0};
}

/* What was taken of the reader's memory does not stay there: the next connection gets it. */
static void forget_loan(struct websocket *w)
{
    if (w->secret && w->loan.len)
        explicit_bzero((char *)w->loan.p, w->loan.len);
    w->loan = SPAN_NONE;
}

void websocket_free(struct websocket *w)
{
    if (!w)
        return;
    forget_loan(w);
    http_free(w->request);
    ws_clear(&w->frames);
    buffer_clear(&w->held);
    free(w);
}

/* --- frames to items --- */

static enum inflow_found ended(struct websocket *w, enum end end, uint16_t code, const char *why)
{
    w->end = end;
    w->code = code;
    w->why = why;
    return INFLOW_ENDED;
}

/* An XML declaration may stand in front (RFC 7395, 3.3.3); it says nothing that counts. */
static struct span behind_declaration(struct span item)
{
    const char *root = item.len > 2 && item.p[1] == '?' ? memmem(item.p, item.len, "?>", 2) : NULL;

    if (root)
        root = memchr(root, '<', item.len - (size_t)(root - item.p));
    return root ? (struct span){root, item.len - (size_t)(root - item.p)} : item;
}

/* An item of the message at hand, or MORE if its payload has no further one. */
static enum inflow_found item_of(struct websocket *w, struct inflow *in, struct span *item)
{
    enum inflow_found found = inflow_next(in, &w->payload, item);

    if (found == INFLOW_ELEMENT || found == INFLOW_SKIPPED) {
        if (w->taken)
            return ended(w, END_BAD_FORMAT, 0, "two elements in a message");
        w->taken = true;
        *item = behind_declaration(*item);
    }
    return found == INFLOW_CLOSE ? INFLOW_BAD : found;
}

/* What the next frame's piece says; MORE if it is payload, or asks for nothing. */
static enum inflow_found take_piece(struct websocket *w, struct inflow *in,
                                    const struct ws_piece *piece)
{
    switch (piece->found) {
    case WS_TEXT:
        if (piece->begins) {
            framer_document(&in->framer);
            w->taken = false;
        }
        w->payload = w->loan = piece->data;
        w->ends = piece->ends;
        break;
    case WS_PING:
        memcpy(w->pong, piece->data.p, piece->data.len);
        w->pong_len = (uint8_t)piece->data.len;
        w->pong_due = true;
        break;
    case WS_CLOSE:
        return ended(w, END_WS_CLOSED, piece->code, NULL);
    case WS_BAD:
        return ended(w, END_WS_FAULT, piece->code, piece->why);
    case WS_NO_MEMORY:
        return INFLOW_NO_MEMORY;
    case WS_PONG:
    case WS_MORE:
        break;
    }
    return INFLOW_MORE;
}

/* The next piece of what is held, or of *fresh where nothing is. */
static struct ws_piece next_piece(struct websocket *w, struct inflow *in, struct ws_reader **spare,
                                  struct span *fresh)
{
    uint64_t most = 16 * (uint64_t)in->item_max; /* as inflow skips, and no more */
    struct span held = buffer_span(&w->held);
    struct ws_piece piece;

    if (!held.len)
        return ws_next(&w->frames, spare, fresh, most);
    piece = ws_next(&w->frames, spare, &held, most);
    buffer_take(&w->held, buffer_len(&w->held) - held.len);
    return piece;
}

enum inflow_found websocket_next(struct websocket *w, struct inflow *in, struct ws_reader **spare,
                                 struct span *fresh, struct span *item)
{
    if (buffer_len(&w->held) && fresh->len) {
        if (!buffer_put(&w->held, *fresh))
            return INFLOW_NO_MEMORY;
        *fresh = SPAN_NONE;
    }
    for (;;) {
        enum inflow_found found = item_of(w, in, item);
        struct ws_piece piece;

        if (found != INFLOW_MORE)
            return found;
        if (w->ends && !framer_idle(&in->framer))
            return ended(w, END_BAD_FORMAT, 0, "an element that its message does not end");
        w->ends = false;
        forget_loan(w);
        piece = next_piece(w, in, spare, fresh);
        found = take_piece(w, in, &piece);
        if (found != INFLOW_MORE)
            return found;
        if (piece.found == WS_MORE && !buffer_len(&w->held))
            return INFLOW_MORE;
    }
}

bool websocket_hold(struct websocket *w, struct inflow *in, struct span fresh)
{
    bool kept = inflow_hold(in, w->payload) && buffer_put(&w->held, fresh);

    w->payload = SPAN_NONE;
    forget_loan(w);
    return kept;
}

size_t websocket_held(const struct websocket *w, const struct inflow *in)
{
    return buffer_len(&w->held) + buffer_len(&in->kept);
}

/* --- texts to frames --- */

static bool put_frame(struct buffer *out, enum ws_opcode op, const struct span *parts, size_t count)
{
    char header[WS_HEADER_MAX];
    size_t len = 0;
    char *room;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    if (!(room = buffer_room(out, len + WS_HEADER_MAX)))
        return false;
    len = ws_header(header, op, len);
    memcpy(room, header, len);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(room + len, parts[i].p, parts[i].len);
        len += parts[i].len;
    }
    buffer_filled(out, len);
    return true;
}

bool websocket_frame(struct buffer *out, enum ws_opcode op, struct span payload)
{
    return put_frame(out, op, &payload, 1);
}

bool websocket_close(struct buffer *out, uint16_t code)
{
    char bytes[2] = {(char)(code >> 8), (char)code};

    return websocket_frame(out, WS_OP_CLOSE,
                           (struct span){bytes, code == WEBSOCKET_NO_CODE ? 0 : sizeof bytes});
}

/* What its start tag lacks to stand for itself. */
static struct span lacking(struct span element, size_t name_end)
{
    bool prefixed = name_end > 8 && !memcmp(element.p + 1, "stream:", 7);

    if (stanza_has_attribute(element, prefixed ? SPAN_LIT("xmlns:stream") : SPAN_LIT("xmlns")))
        return SPAN_NONE;
    return prefixed ? SPAN_LIT(" xmlns:stream='" NS_STREAMS "'")
                    : SPAN_LIT(" xmlns='" NS_CLIENT "'");
}

bool websocket_say(struct buffer *out, struct span text)
{
    while (text.len) {
        struct framer framer;
        struct span element = text, parts[3];
        size_t used, name_end;

        framer_document(&framer);
        (void)framer_next(&framer, text, &used); /* Holdfast writes whole elements only */
        element.len = used;
        text = (struct span){text.p + used, text.len - used};
        name_end = xml_name_end(element);
        parts[0] = (struct span){element.p, name_end};
        parts[1] = lacking(element, name_end);
        parts[2] = (struct span){element.p + name_end, element.len - name_end};
        if (!put_frame(out, WS_OP_TEXT, parts, 3))
            return false;
    }
    return true;
}
