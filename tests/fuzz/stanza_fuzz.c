/* SPDX-License-Identifier: MIT */
/*
 * Stanzas carried from below one stream's header to below another's: there they are
 * still one element, and mean what they meant. Answers to them are one element, too,
 * with the addresses exchanged.
 *
 * Input: two lines, each a stream's header (anything else declares nothing); two bytes,
 * and the digits of a time, for the edit; and the stanza.
 */
#include "parser/stanza.h"

#include <expat.h>

#include "tests/fuzz/fuzz_xml.h"

enum { EXTRA_MAX = 16 * 1024 }; /* more than an edit inserts */

static struct span effective_lang(const struct element *e, const struct context *above)
{
    struct span own = element_lang(e);

    return own.p ? own : above->lang;
}

static bool is_lang(const struct attribute *a)
{
    return a && span_is(a->ns, "http://www.w3.org/XML/1998/namespace") && span_is(a->name, "lang");
}

/* The attributes in the same order, but for the language. */
static const char *attributes_differ(const struct element *a, const struct element *b)
{
    const struct attribute *i = a->attributes, *j = b->attributes;

    for (;;) {
        struct attribute one, other;

        i = is_lang(i) ? i->next : i;
        j = is_lang(j) ? j->next : j;
        if (!i || !j)
            return i || j ? "the number of attributes" : NULL;
        one = *i;
        other = *j;
        one.next = other.next = NULL;
        if (fuzz_attributes_differ(&one, &other))
            return "an attribute";
        i = i->next;
        j = j->next;
    }
}

/* True if the last child of `now`, which `was` has not got, is the delay of the edit. */
static bool is_added_delay(const struct element *e, const struct stanza_edit *edit)
{
    return !e->next && element_is(e, NS_DELAY, "delay") && !e->child && !e->text.len &&
           span_eq(element_attribute(e, "from"), edit->delay_from) &&
           element_attribute(e, "stamp").len == strlen("2026-01-02T03:04:05.678Z");
}

static void compare(const struct element *was, const struct context *from,
                    const struct element *now, const struct context *to,
                    const struct stanza_edit *edit)
{
    const struct element *i = was->child, *j = now->child;
    bool message =
        element_is(was, NS_CLIENT, "message") && !span_is(element_attribute(was, "type"), "error");
    bool delayed = element_child(was, NS_DELAY, "delay");

    HOLDS(span_eq(was->name, now->name) && span_eq(was->ns, now->ns), "another element");
    HOLDS(span_eq(was->text, now->text), "other text");
    HOLDS(!attributes_differ(was, now), "%s", attributes_differ(was, now));
    HOLDS(span_eq(effective_lang(was, from), effective_lang(now, to)), "another language");
    for (; i && j; i = i->next, j = j->next)
        HOLDS(!fuzz_trees_differ(i, j), "%s", fuzz_trees_differ(i, j));
    HOLDS(!i, "a child is gone");
    if (edit && edit->delay_from.p && message && !delayed)
        HOLDS(j && is_added_delay(j, edit), "no delay");
    else
        HOLDS(!j, "a child more");
}

static void note_name(void *user, const char *name, const char **)
{
    char *first = user;

    if (!*first)
        snprintf(first, 64, "%s", name);
}

/* Below nothing at all (RFC 7395, 3.3). */
static void check_alone(struct span stanza)
{
    XML_Parser expat = XML_ParserCreateNS("UTF-8", '\x1f');
    char name[64] = "";

    HOLDS(expat, "no memory");
    XML_SetUserData(expat, name);
    XML_SetStartElementHandler(expat, note_name);
    HOLDS(XML_Parse(expat, stanza.p, (int)stanza.len, 1) == XML_STATUS_OK, "%s: %.*s",
          XML_ErrorString(XML_GetErrorCode(expat)), (int)stanza.len, stanza.p);
    HOLDS(!*name || !strncmp(name, NS_CLIENT "\x1f", sizeof NS_CLIENT), "%s", name);
    XML_ParserFree(expat);
}

struct carry {
    const struct context *from, *to;
    const struct stanza_edit *edit; /* may be NULL */
};

/* What is written, read below the other header. */
static void check_carried(const struct carry *c, struct span raw, struct span carried,
                          const struct item *item)
{
    struct xml *x = fuzz_parser(), *y = fuzz_parser();
    struct item now;
    const struct element *a, *b;
    enum xml_verdict v = xml_next(x, c->to, carried, &now);

    HOLDS(fuzz_one_element(carried), "%.*s", (int)carried.len, carried.p);
    HOLDS(v == XML_FINE || v == XML_TOO_BIG, "%d: %.*s", v, (int)carried.len, carried.p);
    if (v == XML_FINE) {
        HOLDS(now.kind == item->kind && now.type == item->type && now.payload == item->payload &&
                  span_eq(now.id, item->id) && span_eq(now.from, item->from) &&
                  span_eq(now.to, item->to),
              "another stanza: %.*s", (int)carried.len, carried.p);
        HOLDS((now.flags & ITEM_CONTENT) == (item->flags & ITEM_CONTENT), "%x, %x", now.flags,
              item->flags);
    }
    if (xml_tree(x, c->from, raw, &a) == XML_FINE && xml_tree(y, c->to, carried, &b) == XML_FINE)
        compare(a, c->from, b, c->to, c->edit);
    if (c->edit && c->edit->self_contained && !c->to->prefixes.len)
        check_alone(carried);
    xml_free(x);
    xml_free(y);
}

static void carry(const struct carry *c, struct span raw, const struct item *item)
{
    size_t max = raw.len + EXTRA_MAX;
    char *bytes = malloc(max);
    struct sink k = {.p = bytes, .max = max}, less;

    HOLDS(bytes, "no memory");
    stanza_carry(&k, raw, item, c->from, c->to, c->edit);
    if (k.full) {
        HOLDS(c->from->lang.len > XML_VALUE_MAX / 6, "%zu bytes are not enough", max);
        free(bytes);
        return;
    }
    if (!c->edit)
        HOLDS(stanza_passes(item->flags, c->from, c->to) == span_eq(sink_span(&k), raw),
              "passes, or not: %.*s", (int)k.len, k.p);
    check_carried(c, raw, sink_span(&k), item);
    less = (struct sink){.p = bytes, .max = k.len - 1};
    stanza_carry(&less, raw, item, c->from, c->to, c->edit);
    HOLDS(less.full, "%zu bytes in %zu", k.len, less.max);
    free(bytes);
}

static void check_answer(const struct item *item, const struct sink *k, enum item_type type)
{
    struct xml *x = fuzz_parser();
    struct item answer;
    enum xml_verdict v;

    HOLDS(!k->full && fuzz_one_element(sink_span(k)), "%.*s", (int)k->len, k->p);
    v = xml_next(x, NULL, sink_span(k), &answer);
    HOLDS(v == XML_FINE, "%d: %.*s", v, (int)k->len, k->p);
    HOLDS(answer.kind == item->kind && answer.type == type && span_eq(answer.id, item->id) &&
              span_eq(answer.to, item->from) &&
              span_eq(answer.from, item->to.p ? item->to : SPAN_LIT("own@example.org")),
          "%.*s", (int)k->len, k->p);
    xml_free(x);
}

static void answer(const struct item *item)
{
    static char bytes[6 * 3 * XML_VALUE_MAX + 1024];
    struct sink k = SINK(bytes);

    stanza_error(&k, item, SPAN_LIT("own@example.org"), "cancel", "service-unavailable");
    check_answer(item, &k, TYPE_ERROR);
    k.len = 0;
    stanza_result(&k, item, SPAN_LIT("own@example.org"));
    check_answer(item, &k, TYPE_RESULT);
}

static struct stanza_edit take_edit(struct span *in)
{
    uint8_t what = fuzz_byte(in), more = fuzz_byte(in);

    return (struct stanza_edit){
        .delay_from = what & 1 ? SPAN_LIT("example.org") : SPAN_NONE,
        .delay_ms = (uint64_t)fuzz_number(in) << more % 16, /* until the year 6429 */
        .self_contained = what & 2,
    };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size}, raw;
    struct xml *x = fuzz_parser();
    struct context from = fuzz_context(x, fuzz_until(&in, '\n'));
    struct context to = fuzz_context(x, fuzz_until(&in, '\n'));
    struct stanza_edit edit = take_edit(&in);
    struct item item;

    raw = fuzz_copy(in);
    if (fuzz_one_element(raw) && xml_next(x, &from, raw, &item) == XML_FINE &&
        item.kind <= ITEM_IQ) {
        carry(&(struct carry){&from, &to, NULL}, raw, &item);
        carry(&(struct carry){&from, &to, &edit}, raw, &item);
        carry(&(struct carry){&from, &from, &edit}, raw, &item);
        answer(&item);
    }
    fuzz_drop(raw);
    fuzz_context_drop(&from);
    fuzz_context_drop(&to);
    xml_free(x);
    return 0;
}
