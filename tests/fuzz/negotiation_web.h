/* SPDX-License-Identifier: MIT */
/*
 * A client that comes by WebSocket, below its stream: what it says as a stream becomes messages
 * (RFC 7395), and what Holdfast writes is taken apart and becomes a stream again, which the
 * oracle reads like any other.
 *
 * What has to be true of it: one HTTP answer; then whole frames, unmasked, in their shortest form;
 * each text an element that stands for itself; no pong that nobody asked for; and nothing
 * behind a Close.
 */
#pragma once

#include "tests/fuzz/negotiation_wire.h"

enum web_state {
    WEB_NONE,   /* it is no such client */
    WEB_HEAD,   /* the head of the answer is awaited */
    WEB_BODY,   /* it was refused */
    WEB_FRAMES, /* it was granted */
    WEB_OVER,   /* a Close came */
};

struct web {
    enum web_state state;
    struct buffer came;   /* of Holdfast's, not whole yet */
    struct buffer spoken; /* of the client's stream, likewise */
    size_t body;          /* bytes of it that may still come */
    unsigned pings, pongs;
};

void web_clear(struct web *w);

/* The request for an upgrade; the web server in front of Holdfast saw that address. */
void web_request(struct buffer *out, unsigned address);

/* The items of a stream, each as a message. Half an item waits for the rest of it. */
void web_speak(struct web *w, struct span text, struct buffer *out);

/* One frame; `first` is its first byte. */
void web_frame(struct web *w, uint8_t first, struct span payload, struct buffer *out);

/* True if a text is one whole element, and may be said between what was spoken. */
bool web_is_item(const struct web *w, struct span text);

/* Reads what Holdfast wrote, as a stream for `got`. */
void web_hear(struct web *w, struct span bytes, struct wire *got);
