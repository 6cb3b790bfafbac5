/* SPDX-License-Identifier: MIT */
/*
 * What a parser says of an item does not depend on the items that it read before,
 * whosesoever they were; and it is what the item's tree shows.
 *
 * Input: a line that is a stream's header, and what comes below it. A parser judges one
 * item after another, those of the stream alternating with those of a stream that
 * declares nothing, as a worker's does; another judges the same item as its first.
 */
#include "tests/fuzz/fuzz_xml.h"

#include "parser/framer.h"

static bool is_stanza(enum item_kind k)
{
    return k == ITEM_MESSAGE || k == ITEM_PRESENCE || k == ITEM_IQ;
}

static bool is_sm(enum item_kind k)
{
    return k >= ITEM_SM_ENABLE && k <= ITEM_SM_OTHER;
}

static bool same_span(struct span a, struct span b)
{
    return !a.p == !b.p && span_eq(a, b);
}

static void compare(const struct item *a, const struct item *b)
{
    HOLDS(a->kind == b->kind && a->type == b->type && a->payload == b->payload,
          "%d %d %d, %d %d %d", a->kind, a->type, a->payload, b->kind, b->type, b->payload);
    HOLDS(a->flags == b->flags, "%x, %x", a->flags, b->flags);
    HOLDS(a->name_end == b->name_end && a->content_end == b->content_end, "%zu %zu, %zu %zu",
          a->name_end, a->content_end, b->name_end, b->content_end);
    HOLDS(same_span(a->id, b->id) && same_span(a->from, b->from) && same_span(a->to, b->to) &&
              same_span(a->h, b->h) && same_span(a->previd, b->previd) &&
              same_span(a->resume, b->resume) && same_span(a->max, b->max) &&
              same_span(a->needs, b->needs),
          "a value");
}

/* The two places into which an edit inserts. */
static void check_places(const struct item *item, struct span raw)
{
    HOLDS(item->name_end > 1 && item->name_end <= item->content_end && item->content_end < raw.len,
          "%zu %zu of %zu", item->name_end, item->content_end, raw.len);
    HOLDS(memchr(" \t\r\n/>", raw.p[item->name_end], 6), "%zu in %.*s", item->name_end,
          (int)raw.len, raw.p);
    HOLDS(!memcmp(raw.p + item->content_end, "</", 2) ||
              !memcmp(raw.p + item->content_end, "/>", 2),
          "%zu in %.*s", item->content_end, (int)raw.len, raw.p);
}

static void check_bounds(const struct item *item)
{
    const struct span values[] = {item->id,  item->from,   item->to,    item->h,
                                  item->max, item->previd, item->resume};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        HOLDS(values[i].len <= XML_VALUE_MAX, "%zu bytes", values[i].len);
    HOLDS(item->needs.len <= XML_PREFIXES_MAX, "%zu bytes", item->needs.len);
    HOLDS(item->flags & ITEM_BORROWS || !item->needs.len, "%x", item->flags);
}

static enum item_payload payload_of(const struct element *iq)
{
    enum item_payload found = iq->child ? PAYLOAD_OTHER : PAYLOAD_NONE;
    const struct element *only = iq->child && !iq->child->next ? iq->child : NULL;

    if (element_is(only, NS_PING, "ping") && !only->child)
        found = PAYLOAD_PING;
    for (const struct element *c = iq->child; c; c = c->next) {
        enum item_payload p = span_is(c->ns, NS_BIND)                ? PAYLOAD_BIND
                              : span_is(c->ns, NS_IQ_AUTH)           ? PAYLOAD_AUTH
                              : span_is(c->ns, "jabber:iq:register") ? PAYLOAD_REGISTER
                                                                     : PAYLOAD_OTHER;

        found = p > found && p != PAYLOAD_OTHER ? p : found;
    }
    return found;
}

static void check_values(const struct item *item, const struct element *e)
{
    static const struct span none;
    bool stanza = is_stanza(item->kind), sm = is_sm(item->kind);

    HOLDS(same_span(item->id, stanza ? element_attribute(e, "id") : none), "id");
    HOLDS(same_span(item->from, stanza ? element_attribute(e, "from") : none), "from");
    HOLDS(same_span(item->to, stanza ? element_attribute(e, "to") : none), "to");
    HOLDS(same_span(item->h, sm ? element_attribute(e, "h") : none), "h");
    HOLDS(same_span(item->previd, sm ? element_attribute(e, "previd") : none), "previd");
    HOLDS(same_span(item->resume, sm ? element_attribute(e, "resume") : none), "resume");
    HOLDS(same_span(item->max, sm ? element_attribute(e, "max") : none), "max");
    HOLDS((item->type != TYPE_NONE) == (stanza && element_attribute(e, "type").p), "%d",
          item->type);
}

/* The item against its tree. */
static void check_tree(const struct item *item, const struct element *e)
{
    bool message = element_is(e, NS_CLIENT, "message");
    bool ancient = span_is(e->ns, "http://www.xmpp.org/extensions/xep-0198.html#ns");
    bool has_delay = element_child(e, NS_DELAY, "delay");

    HOLDS((item->kind == ITEM_MESSAGE) == message, "%d", item->kind);
    HOLDS((item->kind == ITEM_PRESENCE) == element_is(e, NS_CLIENT, "presence"), "%d", item->kind);
    HOLDS((item->kind == ITEM_IQ) == element_is(e, NS_CLIENT, "iq"), "%d", item->kind);
    HOLDS(is_sm(item->kind) == (span_is(e->ns, NS_SM3) || span_is(e->ns, NS_SM2) || ancient), "%d",
          item->kind);
    HOLDS(!(item->flags & ITEM_SM2) == !span_is(e->ns, NS_SM2), "%x", item->flags);
    HOLDS(!(item->flags & ITEM_LANG) == !element_lang(e).p, "%x", item->flags);
    HOLDS(!(item->flags & ITEM_DELAYED) == !(message && has_delay), "%x", item->flags);
    HOLDS(!(item->flags & ITEM_CONTENT) || (message && e->child), "%x", item->flags);
    HOLDS(!(message && element_child(e, NS_CLIENT, "body")) || item->flags & ITEM_CONTENT, "%x",
          item->flags);
    if (item->kind == ITEM_IQ)
        HOLDS(item->payload == payload_of(e), "%d, not %d", item->payload, payload_of(e));
    check_values(item, e);
}

static void judge(struct xml *worker, const struct context *above, struct span bytes)
{
    struct span raw = fuzz_copy(bytes);
    struct xml *fresh = fuzz_parser();
    struct item item, other;
    const struct element *e;
    enum xml_verdict v = xml_next(fresh, above, raw, &other), tree;

    HOLDS(xml_next(worker, above, raw, &item) == v, "not %d: %.*s", v, (int)raw.len, raw.p);
    if (v == XML_FINE) {
        compare(&item, &other);
        check_places(&item, raw);
        check_bounds(&item);
    }
    tree = xml_tree(fresh, above, raw, &e);
    HOLDS(tree == v || tree == XML_TOO_BIG || v == XML_TOO_BIG, "%d, but the tree %d", v, tree);
    if (v == XML_FINE && tree == XML_FINE)
        check_tree(&item, e);
    xml_free(fresh);
    fuzz_drop(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};
    struct xml *worker = fuzz_parser();
    struct context above = fuzz_context(worker, fuzz_until(&in, '\n')), none = {0};
    struct framer f;
    size_t used;

    framer_init(&f);
    HOLDS(framer_next(&f, SPAN_LIT("<stream:stream>"), &used) == FRAMED_HEADER, "no header");
    for (bool other = false; in.len; other = !other) {
        enum framed found = framer_next(&f, in, &used);

        if (found == FRAMED_ELEMENT)
            judge(worker, other ? &none : &above, (struct span){in.p, used});
        else if (found != FRAMED_SPACE)
            break;
        in = (struct span){in.p + used, in.len - used};
    }
    fuzz_context_drop(&above);
    xml_free(worker);
    return 0;
}
