/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the small trees that xml_tree builds.
 *
 * The writer knows no prefixes: an element says its namespace as the default one
 * where it differs from what is above it, an attribute of a namespace gets a prefix
 * of its own. The namespace of XML is the exception, for only `xml:` may stand for it.
 */
#include "parser/element.h"

#define NS_XML "http://www.w3.org/XML/1998/namespace"

bool element_is(const struct element *e, const char *ns, const char *name)
{
    return e && span_eq(e->name, span_of(name)) && span_eq(e->ns, span_of(ns));
}

const struct element *element_child(const struct element *e, const char *ns, const char *name)
{
    for (const struct element *c = e ? e->child : NULL; c; c = c->next)
        if (element_is(c, ns, name))
            return c;
    return NULL;
}

static struct span find(const struct element *e, const char *ns, const char *name)
{
    for (const struct attribute *a = e ? e->attributes : NULL; a; a = a->next)
        if (span_eq(a->name, span_of(name)) && span_eq(a->ns, span_of(ns)))
            return a->value;
    return SPAN_NONE;
}

struct span element_attribute(const struct element *e, const char *name)
{
    return find(e, "", name);
}

struct span element_lang(const struct element *e)
{
    return find(e, NS_XML, "lang");
}

/* " a:", where the letter is new for each attribute of the element; its declaration in front. */
static void write_prefix(struct sink *k, struct span ns, unsigned number)
{
    char prefix[] = {'a', (char)('a' + number / 26 % 26), (char)('a' + number % 26), 0};

    sink_puts(k, " xmlns:");
    sink_puts(k, prefix);
    sink_puts(k, "='");
    sink_escape(k, ns);
    sink_puts(k, "' ");
    sink_puts(k, prefix);
    sink_puts(k, ":");
}

static void write_attributes(struct sink *k, const struct element *e)
{
    unsigned number = 0;

    for (const struct attribute *a = e->attributes; a; a = a->next) {
        if (!a->ns.len)
            sink_puts(k, " ");
        else if (span_is(a->ns, NS_XML))
            sink_puts(k, " xml:");
        else
            write_prefix(k, a->ns, number++);
        sink_put(k, a->name);
        sink_puts(k, "='");
        sink_escape(k, a->value);
        sink_puts(k, "'");
    }
}

static void write_name(struct sink *k, const struct element *e)
{
    if (span_is(e->ns, NS_XML))
        sink_puts(k, "xml:");
    sink_put(k, e->name);
}

void element_write(struct sink *k, const struct element *e, struct span ns_above)
{
    sink_puts(k, "<");
    write_name(k, e);
    if (!span_is(e->ns, NS_XML) && !span_eq(e->ns, ns_above)) {
        sink_puts(k, " xmlns='");
        sink_escape(k, e->ns);
        sink_puts(k, "'");
        ns_above = e->ns;
    }
    write_attributes(k, e);
    if (!e->child && !e->text.len) {
        sink_puts(k, "/>");
        return;
    }

    sink_puts(k, ">");
    sink_escape(k, e->text);
    for (const struct element *c = e->child; c; c = c->next)
        element_write(k, c, ns_above);
    sink_puts(k, "</");
    write_name(k, e);
    sink_puts(k, ">");
}
