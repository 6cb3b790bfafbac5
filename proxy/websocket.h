/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket as a transport of XMPP (RFC 6455, RFC 7395), without sockets: frames
 * become items as they become on any stream, and texts become messages.
 *
 * A message is one item. What RFC 7395 calls <open/> and <close/> are items of their
 * own kinds (parser/xml.h); nobody else's item may look like them.
 */
#pragma once

#include "parser/http.h"
#include "parser/websocket.h"
#include "proxy/conf.h"
#include "proxy/ends.h"
#include "proxy/inflow.h"

enum { WEBSOCKET_NO_CODE = 1005 }; /* of a Close frame without one (RFC 6455, 7.1.5) */

enum websocket_phase {
    WEBSOCKET_READS, /* its request */
    WEBSOCKET_ASKED, /* the request is whole, and is not answered yet */
    WEBSOCKET_OPEN,
};

struct websocket {
    enum websocket_phase phase;
    struct http *request; /* while it is read and answered; NULL afterwards */
    struct http_request asked;
    const struct conf_host *origin; /* the only domain that the page it came from may open; NULL:
                                       any */
    struct ws_frames frames;
    struct buffer held;  /* bytes of frames that nobody wanted yet */
    struct span payload; /* of the message at hand, not taken yet: a loan of `frames` */
    struct span loan;    /* all of it, as it came … */
    bool secret;         /* … and is wiped: there may be a password in it */
    bool ends;           /* the message ends with its payload */
    bool taken;          /* the message's item was */
    bool pong_due;       /* the last ping is to be answered (RFC 6455, 5.5.3) … */
    uint8_t pong_len;    /* … with this */
    char pong[125];
    uint16_t code;   /* of the Close frame that came, or is to be sent for a fault */
    enum end end;    /* with INFLOW_ENDED: which end that is … */
    const char *why; /* … and in words */
};

/* -ENOMEM. */
[[nodiscard]] int websocket_new(struct websocket **out);
void websocket_free(struct websocket *w); /* NULL is allowed */

/* The request is answered: its memory is given back. */
void websocket_request_done(struct websocket *w);

/* The next item of what is held and of *fresh, which is moved on; as inflow_next, whose state `in`
 * is. INFLOW_ENDED says that `end` of `w` has come. `spare` is the worker's frame reader. */
[[nodiscard]] enum inflow_found websocket_next(struct websocket *w, struct inflow *in,
                                               struct ws_reader **spare, struct span *fresh,
                                               struct span *item);

/* Keeps what is left of `fresh` for later. False: no memory. */
[[nodiscard]] bool websocket_hold(struct websocket *w, struct inflow *in, struct span fresh);

/* Bytes that are kept for later. */
[[nodiscard]] size_t websocket_held(const struct websocket *w, const struct inflow *in);

/* One frame of ours. False: no memory, and nothing was added. */
[[nodiscard]] bool websocket_frame(struct buffer *out, enum ws_opcode op, struct span payload);

/* Elements of Holdfast's own as they stand on a stream, each as a message with the namespaces that
 * a stream's header would have given it (RFC 7395, 3.3.3). False: no memory. */
[[nodiscard]] bool websocket_say(struct buffer *out, struct span text);

/* A Close frame; WEBSOCKET_NO_CODE has none in it. */
[[nodiscard]] bool websocket_close(struct buffer *out, uint16_t code);
