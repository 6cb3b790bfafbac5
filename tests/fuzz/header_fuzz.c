/* SPDX-License-Identifier: MIT */
/*
 * Stream headers: what is written of a header reads as that header, and what it
 * declares can be used below it, and is the same there.
 *
 * Input: the beginning of a stream. Besides, the header's id goes as text into a stream
 * error.
 */
#include "tests/fuzz/fuzz_xml.h"

#include "parser/framer.h"

enum { WRITTEN_MAX = 1024 * 1024 };

static bool same_span(struct span a, struct span b)
{
    return !a.p == !b.p && span_eq(a, b);
}

static void compare(const struct header *a, const struct header *b)
{
    HOLDS(same_span(a->to, b->to) && same_span(a->from, b->from) && same_span(a->id, b->id) &&
              same_span(a->lang, b->lang),
          "an attribute");
    HOLDS(same_span(a->prefixes, b->prefixes), "%.*s, %.*s", (int)a->prefixes.len, a->prefixes.p,
          (int)b->prefixes.len, b->prefixes.p);
    HOLDS(a->modern == b->modern, "%d, %d", a->modern, b->modern);
}

static bool is_header(struct span s)
{
    struct framer f;
    size_t used;

    framer_init(&f);
    return framer_next(&f, s, &used) == FRAMED_HEADER && used == s.len;
}

static void write_and_read(const struct header *h)
{
    static char bytes[WRITTEN_MAX];
    struct sink k = SINK(bytes);
    struct xml *x = fuzz_parser();
    struct header again;
    struct span copy;
    enum xml_verdict v;

    header_write(&k, h);
    HOLDS(!k.full && is_header(sink_span(&k)), "%.*s", (int)k.len, k.p);
    copy = fuzz_copy(sink_span(&k));
    v = header_read(x, copy, &again);
    HOLDS(v == XML_FINE, "%d: %.*s", v, (int)k.len, k.p);
    compare(h, &again);
    fuzz_drop(copy);
    xml_free(x);
}

/* Each prefix in the list names the same namespace, whether it stands on the element or on the
 * stream; then the element borrows it, and says so. */
static void use_prefix(const struct context *above, struct span declaration)
{
    char borrowed[2 * XML_PREFIXES_MAX], own[4 * XML_PREFIXES_MAX];
    const char *colon = memchr(declaration.p, ':', declaration.len);
    const char *is = memchr(declaration.p, '=', declaration.len);
    struct xml *one = fuzz_parser(), *two = fuzz_parser();
    const struct element *a, *b;
    struct item item;
    int len;

    HOLDS(colon && is && colon < is, "%.*s", (int)declaration.len, declaration.p);
    len = snprintf(borrowed, sizeof borrowed, "<%.*s:a/>", (int)(is - colon - 1), colon + 1);
    HOLDS(xml_tree(one, above, (struct span){borrowed, (size_t)len}, &a) == XML_FINE, "%s",
          borrowed);
    HOLDS(xml_next(two, above, (struct span){borrowed, (size_t)len}, &item) == XML_FINE &&
              item.flags & ITEM_BORROWS,
          "%s", borrowed);
    len = snprintf(own, sizeof own, "<%.*s:a%.*s/>", (int)(is - colon - 1), colon + 1,
                   (int)declaration.len, declaration.p);
    HOLDS(xml_tree(two, NULL, (struct span){own, (size_t)len}, &b) == XML_FINE, "%s", own);
    HOLDS(!fuzz_trees_differ(a, b), "%s, %s", borrowed, own);
    xml_free(one);
    xml_free(two);
}

static void use_prefixes(const struct header *h)
{
    struct context above = {.prefixes = fuzz_copy(h->prefixes)};
    unsigned count = 0;

    HOLDS(above.prefixes.len <= XML_PREFIXES_MAX, "%zu", above.prefixes.len);
    for (struct span rest = above.prefixes; rest.len; count++) {
        const char *open = memchr(rest.p, '\'', rest.len), *close;
        size_t len;

        HOLDS(open, "%.*s", (int)rest.len, rest.p);
        close = memchr(open + 1, '\'', rest.len - (size_t)(open + 1 - rest.p));
        HOLDS(close, "%.*s", (int)rest.len, rest.p);
        len = (size_t)(close + 1 - rest.p);
        use_prefix(&above, (struct span){rest.p, len});
        rest = (struct span){rest.p + len, rest.len - len};
    }
    HOLDS(count <= XML_DECLARATIONS_MAX, "%u", count);
    fuzz_drop(above.prefixes);
}

static void write_error(struct span text)
{
    static char bytes[WRITTEN_MAX];
    struct sink k = SINK(bytes);
    struct xml *x = fuzz_parser();
    const struct element *e, *t;

    header_stream_error(&k, "undefined-condition", text);
    HOLDS(!k.full && fuzz_one_element(sink_span(&k)), "%.*s", (int)k.len, k.p);
    HOLDS(xml_tree(x, NULL, sink_span(&k), &e) == XML_FINE, "%.*s", (int)k.len, k.p);
    t = element_child(e, NS_STREAM_ERRORS, "text");
    HOLDS(!t == !text.p && (!t || span_eq(t->text, text)), "%.*s", (int)k.len, k.p);
    xml_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size}, raw;
    struct xml *x = fuzz_parser();
    struct framer f;
    struct header h;
    size_t used = size;

    framer_init(&f);
    if (size && framer_next(&f, in, &used) != FRAMED_HEADER)
        used = size; /* judged all the same */
    raw = fuzz_copy((struct span){in.p, used});
    if (header_read(x, raw, &h) == XML_FINE) {
        write_and_read(&h);
        use_prefixes(&h);
        write_error(h.id);
    }
    fuzz_drop(raw);
    xml_free(x);
    return 0;
}
