/* SPDX-License-Identifier: MIT */
/*
 * A peer's own end of a stream: bytes come in pieces of any size, whole items go out.
 * It has nothing of proxy/ in it, so that a mistake there is not made here, too.
 */
#pragma once

#include "parser/framer.h"

enum { SPLIT_SIZE = 16384 };

struct split {
    struct framer framer;
    uint32_t begin;   /* of the item in hand */
    uint32_t scanned; /* by the framer */
    uint32_t end;
    char bytes[SPLIT_SIZE];
};

/* A stream whose header was read already. */
void split_init(struct split *s);
/* The framer as it stands behind a stream's header. */
struct framer split_framer(void);

/* So many bytes can be put in. */
uint32_t split_room(const struct split *s);
/* Copies them. */
void split_put(struct split *s, const char *bytes, uint32_t len);

/* The next item, a loan until the next call; FRAMED_MORE: none is whole. White space is passed
 * over. */
enum framed split_next(struct split *s, struct span *item);
