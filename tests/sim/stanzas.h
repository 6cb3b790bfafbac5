/* SPDX-License-Identifier: MIT */
/*
 * The text of every stanza is a function of its number, so it can be written again, and
 * what arrives be compared byte for byte.
 *
 * The server's are named s<story>.<number>, the client's c<story>.<number>: by their id;
 * or, where the id is a request's, by an element in them.
 */
#pragma once

#include "tests/sim/world.h"

enum down_kind {
    DOWN_CHAT,
    DOWN_HEADLINE,
    DOWN_STATE, /* a chat state alone */
    DOWN_GROUP,
    DOWN_PRESENCE,
    DOWN_REQUEST,
    DOWN_RESULT, /* to a request of the client */
};

enum up_kind {
    UP_CHAT,
    UP_REQUEST,
    UP_PRESENCE,   /* to one contact */
    UP_AVAILABLE,  /* the first one, to all */
    UP_LONG,       /* over-long: answered by Holdfast */
    UP_LONG_ERROR, /* the same, but of type error, which is never answered */
    UP_RESULT,     /* to a request that came */
};

enum down_kind stanza_down_kind(const struct world *w, const struct story *s, uint32_t number);
enum up_kind stanza_up_kind(const struct world *w, const struct story *s, uint32_t number);
/* True for those that never reach the server. */
bool stanza_answered(const struct world *w, const struct story *s, uint32_t number);

enum { STANZA_TEXT = 16384 }; /* room for any */

size_t stanza_down(const struct world *w, const struct story *s, uint32_t number,
                   char out[STANZA_TEXT]);
size_t stanza_up(const struct world *w, const struct story *s, uint32_t number,
                 char out[STANZA_TEXT]);

struct tag {
    char side; /* 's' or 'c'; 0: it has none */
    uint32_t story, number;
};

/* The name of a stanza, wherever it stands in it. */
struct tag stanza_tag(struct span raw);
/* A name as an id. */
struct tag stanza_tag_of(struct span id);

static inline uint32_t stanza_x(struct tag tag)
{
    return tag.story << 16 | tag.number;
}
