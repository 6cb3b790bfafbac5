/* SPDX-License-Identifier: MIT */
/*
 * Making trees in a bounded piece of memory that is only ever filled.
 *
 * Text is gathered on a stack beside it: when an element ends, its own text is on
 * top, for that of its children was taken off when they ended.
 */
#include "parser/xml_priv.h"

/* NULL, and the item is refused, if it does not fit. `align` is a power of two; it divides the size
 * of the memory, so that what is aligned begins in it, or right behind it. */
static void *allot(struct xml *x, size_t bytes, size_t align)
{
    struct xml_tree *t = &x->tree;
    size_t begin = (t->len + align - 1) & ~(align - 1);

    if (bytes > sizeof t->memory - begin) {
        xml_refuse(x, XML_TOO_BIG);
        return NULL;
    }
    t->len = begin + bytes;
    return t->memory + begin;
}

static struct span copy(struct xml *x, struct span s)
{
    char *p = allot(x, s.len, 1);

    if (!p)
        return SPAN_NONE;
    if (s.len)
        memcpy(p, s.p, s.len);
    return (struct span){p, s.len};
}

/* Splits what expat calls a name; the namespace is shared with `near` if it is the same. */
static void copy_name(struct xml *x, const char *full, struct span near, struct span *ns,
                      struct span *name)
{
    const char *separator = strchr(full, XML_SEPARATOR[0]);
    struct span in = {full, separator ? (size_t)(separator - full) : 0};

    *ns = span_eq(in, near) ? near : copy(x, in);
    *name = copy(x, span_of(separator ? separator + 1 : full));
}

static void copy_attributes(struct xml *x, struct element *e, const char **attributes)
{
    const struct attribute **link = &e->attributes;

    for (const char **a = attributes; *a; a += 2) {
        struct attribute *new = allot(x, sizeof *new, _Alignof(struct attribute));

        if (!strncmp(a[0], "xmlns:", 6)) /* expat had no memory for the prefix: see xml.c */
            xml_refuse(x, XML_NO_MEMORY);
        if (!new || x->verdict != XML_FINE)
            return;
        copy_name(x, a[0], SPAN_NONE, &new->ns, &new->name);
        new->value = copy(x, span_of(a[1]));
        new->next = NULL;
        *link = new;
        link = &new->next;
    }
}

void xml_tree_begin(struct xml *x)
{
    x->tree.len = 0;
    x->tree.root = NULL;
    x->tree.text = SINK(x->tree.text_memory);
}

void xml_tree_open(struct xml *x, const char *name, const char **attributes)
{
    struct xml_tree *t = &x->tree;
    struct xml_open *parent = x->depth > 1 ? &t->open[x->depth - 2] : NULL;
    struct element *e = allot(x, sizeof *e, _Alignof(struct element));

    if (!e)
        return;
    *e = (struct element){0};
    copy_name(x, name, parent ? parent->e->ns : SPAN_NONE, &e->ns, &e->name);
    copy_attributes(x, e, attributes);

    if (!parent)
        t->root = e;
    else if (parent->last)
        parent->last->next = e;
    else
        parent->e->child = e;
    if (parent)
        parent->last = e;
    t->open[x->depth - 1] = (struct xml_open){.e = e, .text = t->text.len};
}

static void tree_start(void *user, const char *name, const char **attributes)
{
    struct xml *x = user;

    if (xml_enter(x))
        xml_tree_open(x, name, attributes);
}

static void tree_end(void *user, const char *)
{
    struct xml *x = user;
    struct xml_tree *t = &x->tree;
    struct xml_open *o;

    if (!xml_leave(x))
        return;
    o = &t->open[x->depth];
    o->e->text = copy(x, (struct span){t->text.p + o->text, t->text.len - o->text});
    t->text.len = o->text;
}

static void tree_text(void *user, const char *s, int len)
{
    struct xml *x = user;

    if (x->verdict != XML_FINE)
        return;
    sink_put(&x->tree.text, (struct span){s, (size_t)len});
    if (x->tree.text.full)
        xml_refuse(x, XML_TOO_BIG);
}

static const struct xml_readers tree_readers = {
    .begin = xml_tree_begin,
    .start = tree_start,
    .end = tree_end,
    .text = tree_text,
};

enum xml_verdict xml_tree(struct xml *x, const struct context *above, struct span in,
                          const struct element **out)
{
    enum xml_verdict v = xml_judge(x, &tree_readers, above, in);

    if (v == XML_FINE)
        *out = x->tree.root;
    return v;
}
