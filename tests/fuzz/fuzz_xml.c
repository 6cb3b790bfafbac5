/* SPDX-License-Identifier: MIT */
/*
 * Two trees mean the same if every name, namespace, attribute and text in them is the
 * same, in the same order.
 */
#include "tests/fuzz/fuzz_xml.h"

#include "parser/framer.h"

struct xml *fuzz_parser(void)
{
    struct xml *x = NULL;
    int r = xml_new(&x);

    HOLDS(!r, "no parser: %d", r);
    return x;
}

const char *fuzz_attributes_differ(const struct attribute *a, const struct attribute *b)
{
    for (; a && b; a = a->next, b = b->next) {
        if (!span_eq(a->ns, b->ns))
            return "the namespace of an attribute";
        if (!span_eq(a->name, b->name))
            return "the name of an attribute";
        if (!span_eq(a->value, b->value))
            return "the value of an attribute";
    }
    return a || b ? "the number of attributes" : NULL;
}

const char *fuzz_trees_differ(const struct element *a, const struct element *b)
{
    const char *what = fuzz_attributes_differ(a->attributes, b->attributes);

    if (what)
        return what;
    if (!span_eq(a->ns, b->ns))
        return "the namespace of an element";
    if (!span_eq(a->name, b->name))
        return "the name of an element";
    if (!span_eq(a->text, b->text))
        return "text";
    for (a = a->child, b = b->child; a && b; a = a->next, b = b->next)
        if ((what = fuzz_trees_differ(a, b)))
            return what;
    return a || b ? "the number of children" : NULL;
}

bool fuzz_one_element(struct span s)
{
    struct framer f;
    size_t used;

    framer_init(&f);
    if (framer_next(&f, SPAN_LIT("<stream:stream>"), &used) != FRAMED_HEADER)
        return false;
    return framer_next(&f, s, &used) == FRAMED_ELEMENT && used == s.len;
}

struct context fuzz_context(struct xml *x, struct span header)
{
    struct header h;

    if (header_read(x, header, &h) != XML_FINE)
        return (struct context){0};
    return (struct context){.lang = fuzz_copy(h.lang), .prefixes = fuzz_copy(h.prefixes)};
}

void fuzz_context_drop(struct context *c)
{
    fuzz_drop(c->lang);
    fuzz_drop(c->prefixes);
}
