/* SPDX-License-Identifier: MIT */
/*
 * What xml.c, xml_item.c, xml_tree.c and xml_header.c share: the parser itself.
 *
 * xml.c feeds expat and judges. What is made of an item meanwhile is the business of
 * one of the other three: each brings its handlers, which first ask xml_enter and
 * xml_leave whether the item is still worth reading.
 */
#pragma once

#include <expat.h>

#include "parser/xml.h"

/* Stands between namespace and name in what expat says; no XML can contain it. */
#define XML_SEPARATOR "\x1f"

enum {
    XML_VALUES = 4, /* attributes that an item gives at most */
    XML_TREE_BYTES = 64 * 1024,
    XML_TEXT_BYTES = 32 * 1024, /* of the text of elements open within each other */
};

struct xml_open { /* an element of a tree while it is not whole */
    struct element *e;
    struct element *last; /* its last child */
    size_t text;          /* where its text begins in the stack */
};

struct xml_tree {
    size_t len; /* of `memory`, in use */
    const struct element *root;
    struct xml_open open[XML_DEPTH_MAX];
    struct sink text; /* a stack: the text of the elements that are open, put together */
    char text_memory[XML_TEXT_BYTES];
    _Alignas(max_align_t) char memory[XML_TREE_BYTES];
};

struct xml_readers { /* what to do with an item */
    void (*begin)(struct xml *);
    XML_StartElementHandler start;
    XML_EndElementHandler end;
    XML_CharacterDataHandler text;        /* this and the following may be NULL */
    XML_StartNamespaceDeclHandler prefix; /* declared by the element that begins next */
    XML_XmlDeclHandler declaration;
};

struct xml {
    XML_Parser expat;                  /* NULL: to be made. Between items it stands in our root */
    size_t fed;                        /* bytes that it was given */
    const struct xml_readers *readers; /* that it calls; NULL: none yet */

    enum xml_verdict verdict; /* of the item that is being read */
    uint32_t depth;           /* its elements that are open */
    size_t begin, end;        /* where it stands in what expat is fed */
    bool whole;               /* its root was read to the end, and the end was the item's */

    struct item item;
    unsigned children; /* of the item's root */
    size_t values_len;
    char values[XML_VALUES * XML_VALUE_MAX];
    struct sink needs; /* what the item borrows; empty unless it is read below its own header */
    char needs_memory[XML_PREFIXES_MAX];

    bool client;           /* the header's default namespace is jabber:client */
    bool stream_differs;   /* its prefix `stream` is not what it is in all others */
    unsigned declarations; /* of other prefixes, which are in `prefixes` */
    struct sink prefixes;
    char prefixes_memory[XML_PREFIXES_MAX];

    struct xml_tree tree;
};

/* Expat's, in xml_memory.c. */
extern const XML_Memory_Handling_Suite xml_memory;

/* Ends the reading of the item with that verdict. For handlers. */
void xml_refuse(struct xml *x, enum xml_verdict v);

/* Where what expat reports begins, and ends, in what it was fed. For handlers. */
[[nodiscard]] size_t xml_position(const struct xml *x);
[[nodiscard]] size_t xml_position_behind(const struct xml *x);

/* An element begins, or ends. False if nothing more is to be made of the item. */
[[nodiscard]] bool xml_enter(struct xml *x);
[[nodiscard]] bool xml_leave(struct xml *x);

/* Judges an item, below a root that declares more if it has to. */
[[nodiscard]] enum xml_verdict xml_judge(struct xml *x, const struct xml_readers *readers,
                                         const struct context *above, struct span in);

/* Judges a stream header by an expat of its own. */
[[nodiscard]] enum xml_verdict xml_judge_header(struct xml *x, const struct xml_readers *readers,
                                                struct span in);

/* Begins a tree, and adds the element that was just entered. */
void xml_tree_begin(struct xml *x);
void xml_tree_open(struct xml *x, const char *name, const char **attributes);
