/* SPDX-License-Identifier: MIT */
/*
 * What the messages target's lines are as frames, and what has to come of them: an expat reads each
 * message as a document of its own, and says which element it is.
 */
#pragma once

#include "proxy/websocket.h"
#include "tests/fuzz/fuzz.h"

enum { ITEMS_MAX = 512, FRAMES_MAX = 1 << 18 };

struct seen {
    enum inflow_found found;
    struct span text; /* a copy: the item; of a skipped one its start tag */
};

struct reading {
    struct seen all[ITEMS_MAX];
    size_t count;
    bool over;
    enum end end; /* with INFLOW_ENDED */
    uint16_t code;
    bool pong_due;
    uint8_t pong_len;
    char pong[WS_CONTROL_MAX];
};

struct frames {
    char bytes[FRAMES_MAX];
    size_t len;
};

struct model {
    const struct reading *got;
    size_t at; /* the item of it that is due */
    size_t item_max;
    bool inside;      /* a message */
    bool done;        /* nothing more can be said */
    struct span ping; /* the last; a copy */
    struct buffer message;
};

/* Builds the frame, if `f` is not NULL; or else says what has to come of it. */
void messages_frame(struct frames *f, struct model *m, struct span line);

/* All frames were whole, and none was wrong. */
void messages_end(struct model *m);

/* The one element that a document is; absent if it is something else. */
[[nodiscard]] struct span messages_element(struct span document);

/* Said twice by Holdfast, it is two messages, and means in each what it means below a header. */
void messages_said(struct span element);
