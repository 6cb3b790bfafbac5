/* SPDX-License-Identifier: MIT */
/*
 * The words of a script: $name or $name(…) stands for a well-formed piece of a conversation, with
 * what has to be right in it, ids and counts above all, as Holdfast really said it. All else
 * is said as it stands, so that every byte of it may be wrong.
 */
#pragma once

#include "parser/sink.h"
#include "tests/fuzz/negotiation_peers.h"

enum { WORDS_MAX = 30000 }; /* bytes of one line, in full */

/* Who speaks: one of the two. */
struct speaker {
    struct client_peer *client;
    struct server_peer *server;
};

/* The text in full, with its escapes (\n, \\, \x00) resolved. What is too long is cut off. */
void words_expand(struct speaker who, struct span text, struct sink *out);

/* The n-th word's name; NULL: there are no more. For the mutator. */
const char *words_name(size_t n);
