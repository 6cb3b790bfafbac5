/* SPDX-License-Identifier: MIT */
/*
 * Judges whole items by expat, and says of each what Holdfast decides upon.
 *
 * One parser belongs to a worker and takes one item after another, whosesoever
 * they are: expat has read a stream header of Holdfast's own and stands at depth 1
 * between items. It is made anew now and then (expat remembers every name it ever
 * met) and after any error. An item that uses a prefix which only its stream's own
 * header declares is judged a second time, below that header.
 */
#pragma once

#include "parser/element.h"
#include "parser/span.h"

enum xml_verdict {
    XML_FINE,
    XML_NOT_WELL_FORMED,
    XML_RESTRICTED,    /* DTD, comment, processing instruction, entity (RFC 6120, 11.1) */
    XML_BAD_PREFIX,    /* a prefix that nothing declares, or in a header one named `stream` that is
                        * not the stream's (RFC 6120, 4.9.3.2) */
    XML_BAD_FORMAT,    /* a header that is no stream header */
    XML_BAD_NAMESPACE, /* a header whose namespaces are not those of RFC 6120, 4.8 */
    XML_BAD_ENCODING,  /* the XML declaration names an encoding that is not UTF-8 */
    XML_TOO_BIG,       /* too deep, too many attributes, or something larger than its bound */
    XML_NO_MEMORY,
};

enum {
    XML_DEPTH_MAX = 256,       /* elements open within each other in an item */
    XML_ATTRIBUTES_MAX = 256,  /* of an element */
    XML_VALUE_MAX = 4096,      /* bytes of an attribute that struct item gives */
    XML_DECLARATIONS_MAX = 16, /* of prefixes in a stream's header … */
    XML_PREFIXES_MAX = 1024,   /* … and their bytes, as written in struct context */
};

/* What a stream's header gives to everything below it, apart from jabber:client and stream: both
 * empty or absent on most streams. `prefixes` is text as it stands in a start tag, each declaration
 * with a space before it: " xmlns:ack='http://…'". */
struct context {
    struct span lang;
    struct span prefixes;
};

enum item_kind {
    ITEM_MESSAGE, /* these three in jabber:client: the stanzas */
    ITEM_PRESENCE,
    ITEM_IQ,
    ITEM_SM_ENABLE, /* XEP-0198, in urn:xmpp:sm:3 or urn:xmpp:sm:2 */
    ITEM_SM_RESUME,
    ITEM_SM_R,
    ITEM_SM_A,
    ITEM_SM_OTHER, /* any other element of these namespaces, and of jabberd2's ancient ack */
    ITEM_STARTTLS, /* urn:ietf:params:xml:ns:xmpp-tls */
    ITEM_PROCEED,
    ITEM_TLS_FAILURE,
    ITEM_AUTH, /* urn:ietf:params:xml:ns:xmpp-sasl */
    ITEM_CHALLENGE,
    ITEM_RESPONSE,
    ITEM_SUCCESS,
    ITEM_FAILURE,
    ITEM_ABORT,
    ITEM_FEATURES, /* http://etherx.jabber.org/streams */
    ITEM_STREAM_ERROR,
    ITEM_STREAM, /* a whole stream inside the stream, which is none of RFC 6120's */
    ITEM_OPEN,   /* urn:ietf:params:xml:ns:xmpp-framing (RFC 7395) */
    ITEM_CLOSE,
    ITEM_CSI_ACTIVE, /* urn:xmpp:csi:0 */
    ITEM_CSI_INACTIVE,
    ITEM_OTHER,
};

enum item_type { /* the attribute `type` of a stanza */
                 TYPE_NONE,
                 TYPE_NORMAL,
                 TYPE_CHAT,
                 TYPE_GROUPCHAT,
                 TYPE_HEADLINE,
                 TYPE_ERROR,
                 TYPE_GET,
                 TYPE_SET,
                 TYPE_RESULT,
                 TYPE_UNAVAILABLE,
                 TYPE_OTHER,
};

enum item_payload { /* what an iq has in it, as far as it matters */
                    PAYLOAD_OTHER,
                    PAYLOAD_NONE,
                    PAYLOAD_PING, /* nothing but <ping xmlns='urn:xmpp:ping'/>: an only child,
                                     childless */
                    /* A child of one of these namespaces, wherever it stands among them, for
                     * servers differ in which child they take. If there are several, the last one
                     * named here counts. */
                    PAYLOAD_REGISTER, /* jabber:iq:register */
                    PAYLOAD_AUTH,     /* jabber:iq:auth */
                    PAYLOAD_BIND,     /* urn:ietf:params:xml:ns:xmpp-bind */
};

enum item_flag {
    ITEM_XMLNS = 1,    /* the start tag declares the default namespace itself */
    ITEM_LANG = 2,     /* the start tag has an xml:lang */
    ITEM_BORROWS = 4,  /* uses a prefix that only the stream's header declares */
    ITEM_DELAYED = 8,  /* has <delay xmlns='urn:xmpp:delay'/> as a direct child */
    ITEM_CONTENT = 16, /* a message with content worth keeping: any child but chat states, hints,
                        * receipts' and markers' requests, stanza ids, delay and thread, and
                        * what the server has all the same: carbons, results of its archive */
    ITEM_SM2 = 32,     /* an SM element of urn:xmpp:sm:2 */
};

/* Spans point into the parser and are valid until its next call. */
struct item {
    enum item_kind kind;
    enum item_type type;
    enum item_payload payload;
    unsigned flags;                     /* enum item_flag */
    struct span id, from, to;           /* of stanzas; decoded; absent if the attribute is */
    struct span h, previd, resume, max; /* of SM elements; likewise */
    struct span needs;  /* with ITEM_BORROWS: declarations to write into the start tag */
    size_t name_end;    /* offset in the item of the byte behind the element's name */
    size_t content_end; /* offset of the end tag; of "/>" if it has none */
};

struct xml;

/* 0 or -ENOMEM. */
[[nodiscard]] int xml_new(struct xml **out);
void xml_free(struct xml *x);

/* Wipes what is left of the items so far: there was a password among them. */
void xml_forget(struct xml *x);

/* Judges one element as the framer cut it out; `above` is what its stream's header gives. */
[[nodiscard]] enum xml_verdict xml_next(struct xml *x, const struct context *above, struct span in,
                                        struct item *out);

/* Offset of the byte behind the name of an element that was judged before. */
[[nodiscard]] size_t xml_name_end(struct span element);

/* The same item as a tree, for what is acted upon: valid until the parser's next call. */
[[nodiscard]] enum xml_verdict xml_tree(struct xml *x, const struct context *above, struct span in,
                                        const struct element **out);

/* A stream header as the framer cut it out, with the XML declaration: the root, childless, and the
 * declarations of prefixes but `stream` in *prefixes (as in struct context; absent if none). */
[[nodiscard]] enum xml_verdict xml_header(struct xml *x, struct span in, const struct element **out,
                                          struct span *prefixes);
