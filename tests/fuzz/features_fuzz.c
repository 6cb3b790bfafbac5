/* SPDX-License-Identifier: MIT */
/*
 * What a client is shown of a server's features: nothing that it must not see, all that
 * it may, in the same order; and what it is shown stays the same if it is shown again.
 *
 * Input: what stands in <stream:features>.
 */
#include "parser/features.h"
#include "tests/fuzz/fuzz_xml.h"

enum { WRITTEN_MAX = 1024 * 1024 };

#define FEATURE "http://jabber.org/features/"

/* Nothing may be offered after SASL in these namespaces, and in those that begin so. */
static const char *const forbidden[] = {
    NS_TLS,
    NS_SASL,
    FEATURE "iq-auth",
    FEATURE "iq-register",
    FEATURE "compress",
    "http://jabber.org/protocol/compress",
    "urn:xmpp:features:dialback",
    "http://www.xmpp.org/extensions/xep-0198.html#ns",
};
static const char *const forbidden_families[] = {
    "urn:xmpp:sasl:", "urn:xmpp:bind:", "urn:xmpp:bind2:", "urn:xmpp:isr:", "urn:xmpp:sm:",
};

static bool begins(struct span s, const char *with)
{
    return s.len >= strlen(with) && !memcmp(s.p, with, strlen(with));
}

static bool is_forbidden(struct span ns)
{
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (span_is(ns, forbidden[i]))
            return true;
    for (size_t i = 0; i < sizeof forbidden_families / sizeof *forbidden_families; i++)
        if (begins(ns, forbidden_families[i]))
            return true;
    return false;
}

static bool is_sm(const struct element *e)
{
    return (span_is(e->ns, NS_SM3) || span_is(e->ns, NS_SM2)) && span_is(e->name, "sm");
}

static bool is_plus(struct span mechanism)
{
    return mechanism.len > 5 && !memcmp(mechanism.p + mechanism.len - 5, "-PLUS", 5);
}

/* What was written, read by a parser of its own. */
static const struct element *read(struct xml *x, const struct sink *k)
{
    const struct element *e = NULL;
    enum xml_verdict v;

    HOLDS(!k->full && fuzz_one_element(sink_span(k)), "%.*s", (int)k->len, k->p);
    v = xml_tree(x, NULL, sink_span(k), &e);
    HOLDS(v == XML_FINE && element_is(e, NS_STREAMS, "features"), "%d: %.*s", v, (int)k->len, k->p);
    return e;
}

static void check_after(const struct element *shown, const struct element *offered)
{
    const struct element *e = shown->child, *o = offered->child;
    unsigned sm = 0;

    for (; e && !is_sm(e); e = e->next) {
        HOLDS(!is_forbidden(e->ns), "%.*s", (int)e->ns.len, e->ns.p);
        while (o && fuzz_trees_differ(o, e))
            o = o->next;
        HOLDS(o, "%.*s is not the server's", (int)e->name.len, e->name.p);
        o = o->next;
    }
    for (; e; e = e->next, sm++)
        HOLDS(is_sm(e), "%.*s behind ours", (int)e->name.len, e->name.p);
    HOLDS(sm == 2 && element_child(shown, NS_SM3, "sm") && element_child(shown, NS_SM2, "sm"),
          "%u of ours", sm);
    HOLDS(!element_child(offered, NS_BIND, "bind") == !element_child(shown, NS_BIND, "bind"),
          "bind");
}

static void after_sasl(const struct element *offered)
{
    static char first[WRITTEN_MAX], second[WRITTEN_MAX];
    struct sink one = SINK(first), two = SINK(second);
    struct xml *x = fuzz_parser();
    const struct element *shown;

    features_write_after_sasl(&one, offered);
    shown = read(x, &one);
    check_after(shown, offered);
    features_write_after_sasl(&two, shown);
    HOLDS(span_eq(sink_span(&one), sink_span(&two)), "%.*s", (int)two.len, two.p);
    xml_free(x);
}

/* Of the mechanisms offered, all that work through Holdfast, in order, and no other. */
static void check_mechanisms(const struct element *shown, const struct element *offered)
{
    const struct element *s = shown ? shown->child : NULL;

    for (const struct element *o = offered ? offered->child : NULL; o; o = o->next) {
        if (!element_is(o, NS_SASL, "mechanism") || is_plus(o->text) ||
            span_is(o->text, "EXTERNAL"))
            continue;
        while (s && !element_is(s, NS_SASL, "mechanism"))
            s = s->next;
        HOLDS(s && span_eq(s->text, o->text), "%.*s is not shown", (int)o->text.len, o->text.p);
        s = s->next;
    }
    for (; s; s = s->next)
        HOLDS(!element_is(s, NS_SASL, "mechanism"), "%.*s is shown", (int)s->text.len, s->text.p);
}

static void before_sasl(const struct element *offered)
{
    static char first[WRITTEN_MAX], second[WRITTEN_MAX];
    struct sink one = SINK(first), two = SINK(second);
    struct xml *x = fuzz_parser();
    const struct element *shown;
    struct features f, was = features_read(offered);

    features_write_before_sasl(&one, offered);
    shown = read(x, &one);
    f = features_read(shown);
    HOLDS(!f.starttls && !f.bind && !f.channel_binding, "more than SASL");
    HOLDS(f.iq_auth == was.iq_auth && f.iq_register == was.iq_register, "less");
    for (const struct element *e = shown->child; e; e = e->next)
        HOLDS(element_is(e, NS_SASL, "mechanisms") || span_is(e->ns, FEATURE "iq-auth") ||
                  span_is(e->ns, FEATURE "iq-register"),
              "%.*s", (int)e->name.len, e->name.p);
    if (!element_child(offered, NS_SASL, "mechanisms") ||
        element_child(shown, NS_SASL, "mechanisms"))
        check_mechanisms(element_child(shown, NS_SASL, "mechanisms"),
                         element_child(offered, NS_SASL, "mechanisms"));
    features_write_before_sasl(&two, shown);
    HOLDS(span_eq(sink_span(&one), sink_span(&two)), "%.*s", (int)two.len, two.p);
    xml_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char open[] = "<stream:features>", close[] = "</stream:features>";
    size_t len = sizeof open - 1 + size + sizeof close - 1;
    char *bytes = malloc(len);
    struct xml *x = fuzz_parser();
    const struct element *offered;

    HOLDS(bytes, "no memory");
    memcpy(bytes, open, sizeof open - 1);
    if (size)
        memcpy(bytes + sizeof open - 1, data, size);
    memcpy(bytes + len - (sizeof close - 1), close, sizeof close - 1);
    if (xml_tree(x, NULL, (struct span){bytes, len}, &offered) == XML_FINE) {
        before_sasl(offered);
        after_sasl(offered);
    }
    free(bytes);
    xml_free(x);
    return 0;
}
