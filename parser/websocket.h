/* SPDX-License-Identifier: MIT */
/*
 * The frames of a WebSocket (RFC 6455): a client's are read, ours are begun.
 *
 * A message may come in many frames, a frame in many pieces, and pings between them. The
 * text of a message is handed on as it comes, and nothing waits for its end; control frames
 * come whole. A connection keeps a few bytes; the 4 KB in which a frame is unmasked it has
 * only inside one.
 */
#pragma once

#include "parser/span.h"

enum { WS_HEADER_MAX = 10, WS_CONTROL_MAX = 125 }; /* bytes: of a header of ours, of a Close */

enum ws_opcode {
    WS_OP_TEXT = 1,
    WS_OP_CLOSE = 8,
    WS_OP_PING = 9,
    WS_OP_PONG = 10,
};

enum ws_found {
    WS_MORE,      /* all of the input was used */
    WS_TEXT,      /* the next piece of a text message; its UTF-8 is not looked at */
    WS_PING,      /* whole: at most WS_CONTROL_MAX bytes */
    WS_PONG,      /* whole, too */
    WS_CLOSE,     /* all that comes behind it is used, and says nothing */
    WS_BAD,       /* a fault; it is said again by every call that follows */
    WS_NO_MEMORY, /* nothing is lost: the next call tries again */
};

struct ws_piece {
    enum ws_found found;
    struct span data;  /* the payload, unmasked; of WS_CLOSE the reason, which is UTF-8 */
    bool begins, ends; /* of WS_TEXT: the message begins with it, ends with it */
    uint16_t code;     /* of WS_CLOSE, 1005 if it has none; of WS_BAD: what to close with */
    const char *why;   /* of WS_BAD, in words for the log */
};

struct ws_reader; /* one frame that is being read: about 4 KB */

/* What a connection keeps. Zeroed, it is at the beginning. */
struct ws_frames {
    struct ws_reader *reader; /* NULL between frames; owned */
    uint64_t message;         /* bytes of the message so far, or of the last one */
    uint64_t left;            /* bytes of this frame's payload that have not come */
    unsigned char head[14];   /* this frame's header, as far as it has come */
    uint8_t head_len;         /* bytes of it; 0 between frames */
    bool payload;             /* the header is read, and the reader has it */
    bool fragmented;          /* inside a message of several frames */
    bool begun;               /* a piece of the message was handed on */
    bool closed;              /* a Close was handed on */
    int fault;                /* what was WS_BAD; 0: nothing was */
};

/*
 * The next piece of what came. *in is moved on past what was taken; a message has `max` bytes at
 * most, and the length that a frame announces suffices to be too long.
 *
 * `spare` is a reader that connections lend each other, or NULL in that place: who needs one takes
 * it, or allocates. It is put back with WS_MORE between frames, or freed if the place is not empty.
 * The piece's data is a loan until the next call for this connection.
 */
[[nodiscard]] struct ws_piece ws_next(struct ws_frames *f, struct ws_reader **spare,
                                      struct span *in, uint64_t max);

/* Frees what it holds, anywhere. It is at the beginning then. */
void ws_clear(struct ws_frames *f);

/* For the spare one. NULL is fine. */
void ws_reader_free(struct ws_reader *r);

/* The header of a frame of ours, whole (FIN) and unmasked, whose payload has so many bytes, at most
 * WS_CONTROL_MAX if it is not text. Gives the header's length. */
size_t ws_header(char out[WS_HEADER_MAX], enum ws_opcode op, uint64_t payload);
