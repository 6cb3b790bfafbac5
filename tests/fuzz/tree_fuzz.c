/* SPDX-License-Identifier: MIT */
/*
 * Trees read and written anew: what element_write writes of a tree is one element, and
 * reads as that tree, below any header. What Holdfast acts upon goes to the other side
 * in this way, so the other side must not understand something else.
 *
 * Input: a line that is a stream's header (with anything else, nothing is declared),
 * and an element.
 */
#include "tests/fuzz/fuzz_xml.h"

enum { WRITTEN_MAX = 1024 * 1024 }; /* more than a tree of 64 KB becomes */

/* The writer fills a sink that is just enough, and no sink that is not. */
static void check_room(const struct element *e, struct span written)
{
    struct span room = fuzz_copy(written);
    struct sink enough = {.p = (char *)room.p, .max = room.len};
    struct sink less = {.p = (char *)room.p, .max = room.len - 1};

    element_write(&enough, e, SPAN_LIT(NS_CLIENT));
    HOLDS(!enough.full && span_eq(sink_span(&enough), written), "%zu bytes", enough.len);
    element_write(&less, e, SPAN_LIT(NS_CLIENT));
    HOLDS(less.full && less.len < room.len, "%zu bytes in %zu", room.len, less.max);
    fuzz_drop(room);
}

/* Each attribute is found by its name, and no bound is passed. */
static void check_tree(const struct element *e, unsigned depth)
{
    unsigned attributes = 0;

    HOLDS(depth <= XML_DEPTH_MAX, "%u", depth);
    for (const struct attribute *a = e->attributes; a; a = a->next)
        attributes++;
    HOLDS(attributes <= XML_ATTRIBUTES_MAX, "%u", attributes);
    for (const struct attribute *a = e->attributes; a; a = a->next) {
        char name[64] = {0};

        if (a->ns.len || a->name.len >= sizeof name)
            continue;
        memcpy(name, a->name.p, a->name.len);
        HOLDS(span_eq(element_attribute(e, name), a->value), "%s", name);
    }
    for (const struct element *c = e->child; c; c = c->next)
        check_tree(c, depth + 1);
}

static void write_and_read(const struct element *e)
{
    static char first[WRITTEN_MAX], second[WRITTEN_MAX];
    struct sink one = SINK(first), two = SINK(second);
    struct xml *x = fuzz_parser();
    const struct element *again;
    enum xml_verdict v;
    struct span copy;
    const char *what;

    element_write(&one, e, SPAN_LIT(NS_CLIENT));
    HOLDS(!one.full, "%zu bytes", one.len);
    HOLDS(fuzz_one_element(sink_span(&one)), "%.*s", (int)one.len, one.p);
    copy = fuzz_copy(sink_span(&one));
    v = xml_tree(x, NULL, copy, &again);
    HOLDS(v == XML_FINE, "%d: %.*s", v, (int)one.len, one.p);
    what = fuzz_trees_differ(e, again);
    HOLDS(!what, "%s: %.*s", what, (int)one.len, one.p);
    element_write(&two, again, SPAN_LIT(NS_CLIENT));
    HOLDS(span_eq(sink_span(&one), sink_span(&two)), "%.*s", (int)two.len, two.p);
    check_room(e, copy);
    fuzz_drop(copy);
    xml_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};
    struct xml *x = fuzz_parser();
    struct context above = fuzz_context(x, fuzz_until(&in, '\n'));
    struct span raw = fuzz_copy(in);
    const struct element *e;

    if (xml_tree(x, &above, raw, &e) == XML_FINE) {
        check_tree(e, 1);
        write_and_read(e);
    }
    fuzz_drop(raw);
    fuzz_context_drop(&above);
    xml_free(x);
    return 0;
}
