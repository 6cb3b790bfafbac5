/* SPDX-License-Identifier: MIT */
/*
 * A small tree of one element, for what Holdfast acts upon: features, SASL, bind,
 * stream errors. It lies in the parser's own bounded memory and is valid until the
 * parser's next call. Namespaces are resolved, entities decoded. What is sent on is
 * written anew from here, so that the server cannot understand something else.
 */
#pragma once

#include "parser/sink.h"
#include "parser/span.h"

#define NS_CLIENT        "jabber:client"
#define NS_STREAMS       "http://etherx.jabber.org/streams"
#define NS_FRAMING       "urn:ietf:params:xml:ns:xmpp-framing"
#define NS_TLS           "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL          "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_BIND          "urn:ietf:params:xml:ns:xmpp-bind"
#define NS_STANZAS       "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_STREAM_ERRORS "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_SM3           "urn:xmpp:sm:3"
#define NS_SM2           "urn:xmpp:sm:2"
#define NS_IQ_AUTH       "jabber:iq:auth"
#define NS_PING          "urn:xmpp:ping"
#define NS_DELAY         "urn:xmpp:delay"

struct attribute {
    struct span ns;   /* empty: none; xml:lang has the XML namespace */
    struct span name; /* without prefix */
    struct span value;
    const struct attribute *next;
};

struct element {
    struct span ns, name;
    struct span text; /* the character data directly in it, put together */
    const struct attribute *attributes;
    const struct element *child; /* the first one */
    const struct element *next;  /* sibling */
};

/* The first child of that name, or NULL. A NULL element has no children. */
const struct element *element_child(const struct element *e, const char *ns, const char *name);

/* The value of an attribute without namespace; absent if there is none. */
struct span element_attribute(const struct element *e, const char *name);
struct span element_lang(const struct element *e);

bool element_is(const struct element *e, const char *ns, const char *name);

/* Written anew with every namespace declared where it changes from `ns_above` (mixed content keeps
 * its text in front of its children; nothing that Holdfast acts upon has mixed content). */
void element_write(struct sink *k, const struct element *e, struct span ns_above);
