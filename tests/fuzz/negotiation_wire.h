/* SPDX-License-Identifier: MIT */
/*
 * One direction of a stream, read by an expat of our own as a peer would: the header, each
 * element below it when it is whole, the closing tag. A stream that begins anew on the
 * same connection is one more document.
 *
 * Of an element only what the test looks at is kept, cut off where it is too long.
 */
#pragma once

#include <expat.h>

#include "proxy/buffer.h"

enum { WIRE_NAME = 64, WIRE_VALUE = 256, WIRE_ATTRIBUTES = 10, WIRE_INNER = 6 };

struct wire_pair {
    char name[WIRE_NAME];
    char value[WIRE_VALUE];
};

struct wire_element {
    char name[WIRE_NAME]; /* "namespace|name" */
    struct wire_pair attributes[WIRE_ATTRIBUTES];
    unsigned attribute_count;
    struct wire_pair inner[WIRE_INNER]; /* the elements in it at any depth, with their text */
    unsigned inner_count;
    char text[4 * WIRE_VALUE]; /* its own */
    size_t size;               /* bytes, as it stood in the stream */
};

struct wire;

struct wire_reader {
    void (*header)(void *user, const struct wire_element *header, unsigned documents);
    void (*element)(void *user, const struct wire_element *e);
    void (*close)(void *user);
};

struct wire {
    XML_Parser parser;
    struct buffer text; /* this document, from its first byte */
    size_t read;        /* bytes of it */
    unsigned depth;
    unsigned documents;
    long begins;       /* where the element did */
    const char *wrong; /* why it is no stream; NULL: it is one so far */
    long anew;         /* where the next document begins; -1: nowhere yet */
    bool over;         /* the closing tag was seen */
    struct wire_element element;
    const struct wire_reader *reader;
    void *user;
};

/* As on a fresh connection. The parser is kept for the next one. */
void wire_init(struct wire *w, const struct wire_reader *reader, void *user);

/* From here on under TLS: what came before was another stream. */
void wire_restart(struct wire *w);

/* Reads on; calls the reader. What stands behind something wrong is not read. */
void wire_feed(struct wire *w, struct span bytes);

/* The attribute's value, or NULL. */
const char *wire_attribute(const struct wire_element *e, const char *name);
/* The text of the first element of that name in it, or NULL. */
const char *wire_inner(const struct wire_element *e, const char *name);

bool wire_is(const struct wire_element *e, const char *name);
bool wire_is_stanza(const struct wire_element *e);
bool wire_is_sm(const struct wire_element *e); /* XEP-0198's */
