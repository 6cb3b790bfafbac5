/* SPDX-License-Identifier: MIT */
/* Elements are found by namespace and name, and what is written reads back the same. */
#include "parser/element.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "parser/xml.h"
#include "tests/support/guard.h"

static struct xml *parser;

static int open_parser(void **)
{
    return xml_new(&parser);
}

static int close_parser(void **)
{
    xml_free(parser);
    return 0;
}

static const struct element *read(const char *raw)
{
    const struct element *e;

    assert_int_equal(xml_tree(parser, NULL, guard_copy(span_of(raw)), &e), XML_FINE);
    return e;
}

static void writes_as(const char *raw, const char *ns_above, const char *expected)
{
    char room[1024];
    struct sink k = SINK(room);

    element_write(&k, read(raw), span_of(ns_above));
    assert_false(k.full);
    if (!span_is(sink_span(&k), expected))
        fail_msg("%.*s", (int)k.len, k.p);
}

static void an_element_is_its_name_and_its_namespace(void **)
{
    const struct element *e = read("<x:b xmlns:x='a'/>");

    assert_true(element_is(e, "a", "b"));
    assert_false(element_is(e, "a", "c"));
    assert_false(element_is(e, "ab", "b"));
    assert_false(element_is(e, "", "b"));
    assert_false(element_is(NULL, "a", "b"));
    assert_true(element_is(read("<b xmlns=''/>"), "", "b"));
}

static void the_first_child_of_that_name_is_found(void **)
{
    const struct element *e = read("<a><b xmlns='c' d='1'/><b d='2'/><b d='3'/><e><f/></e></a>");

    assert_true(span_is(element_attribute(element_child(e, NS_CLIENT, "b"), "d"), "2"));
    assert_true(span_is(element_attribute(element_child(e, "c", "b"), "d"), "1"));
    assert_null(element_child(e, NS_CLIENT, "f"));
    assert_null(element_child(e, "c", "e"));
    assert_non_null(element_child(element_child(e, NS_CLIENT, "e"), NS_CLIENT, "f"));
    assert_null(element_child(element_child(e, "no", "such"), NS_CLIENT, "f"));
}

static void an_attribute_is_one_without_namespace(void **)
{
    const struct element *e = read("<a xmlns:b='c' b:d='1' d='2' e='' b:f='3'/>");

    assert_true(span_is(element_attribute(e, "d"), "2"));
    assert_true(span_is(element_attribute(e, "e"), ""));
    assert_null(element_attribute(e, "f").p);
    assert_null(element_attribute(e, "xmlns").p);
    assert_null(element_attribute(NULL, "d").p);
}

static void a_language_is_that_of_xml(void **)
{
    assert_true(span_is(element_lang(read("<a lang='de' xml:lang='en'/>")), "en"));
    assert_null(element_lang(read("<a lang='de'/>")).p);
    assert_null(element_lang(NULL).p);
}

static void a_namespace_is_declared_where_it_changes(void **)
{
    writes_as("<a/>", NS_CLIENT, "<a/>");
    writes_as("<a/>", "", "<a xmlns='jabber:client'/>");
    writes_as("<x:a xmlns:x='y'><x:b/><c><d/></c></x:a>", NS_CLIENT,
              "<a xmlns='y'><b/><c xmlns='jabber:client'><d/></c></a>");
    writes_as("<a xmlns=''><b xmlns='c'/></a>", NS_CLIENT, "<a xmlns=''><b xmlns='c'/></a>");
    writes_as("<a xmlns=''/>", "", "<a/>");
    writes_as("<a xmlns='b'/>", "b", "<a/>");
    writes_as("<a xmlns=\"it's\"/>", "b", "<a xmlns='it&apos;s'/>");
}

static void attributes_and_text_are_escaped(void **)
{
    writes_as("<a b='&lt;\"&apos;&amp;&#10;'>&lt;&amp;<![CDATA[]]]>]]&gt;</a>", NS_CLIENT,
              "<a b='&lt;&quot;&apos;&amp;&#10;'>&lt;&amp;]]]&gt;</a>");
}

static void an_attribute_of_a_namespace_gets_a_prefix(void **)
{
    writes_as("<a xml:lang='de' xmlns:p='q' xmlns:r='s' p:b='1' r:b='2' b='3'/>", NS_CLIENT,
              "<a xml:lang='de' xmlns:aaa='q' aaa:b='1' xmlns:aab='s' aab:b='2' b='3'/>");
}

static void an_element_of_xmls_own_namespace_is_written_with_its_prefix(void **)
{
    writes_as("<xml:a><b/></xml:a>", NS_CLIENT, "<xml:a><b/></xml:a>");
    writes_as("<a xmlns='b'><xml:c><d/></xml:c></a>", NS_CLIENT,
              "<a xmlns='b'><xml:c><d/></xml:c></a>");
}

static void text_stands_in_front_of_children(void **)
{
    writes_as("<a>b<c/>d<e>f</e></a>", NS_CLIENT, "<a>bd<c/><e>f</e></a>");
    writes_as("<a></a>", NS_CLIENT, "<a/>");
    writes_as("<a> </a>", NS_CLIENT, "<a> </a>");
}

static void what_does_not_fit_is_known(void **)
{
    char room[1024];
    const struct element *e = read("<a b='c' xmlns:d='e' d:f='g'>h<i xmlns='j'>k</i></a>");
    struct sink k = SINK(room);
    size_t whole;

    element_write(&k, e, SPAN_NONE);
    whole = k.len;
    for (size_t max = 0; max <= whole; max++) {
        k = (struct sink){.p = room, .max = max};
        element_write(&k, e, SPAN_NONE);
        assert_int_equal(k.full, max < whole);
    }
}

static bool same(const struct element *a, const struct element *b)
{
    const struct attribute *p = a->attributes, *q = b->attributes;

    if (!span_eq(a->ns, b->ns) || !span_eq(a->name, b->name) || !span_eq(a->text, b->text))
        return false;
    for (; p && q; p = p->next, q = q->next)
        if (!span_eq(p->ns, q->ns) || !span_eq(p->name, q->name) || !span_eq(p->value, q->value))
            return false;
    if (p || q)
        return false;
    a = a->child;
    b = b->child;
    for (; a && b; a = a->next, b = b->next)
        if (!same(a, b))
            return false;
    return !a && !b;
}

static void what_is_written_reads_back_the_same(void **)
{
    static const char *const corpus[] = {
        "<stream:features><mechanisms "
        "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>"
        "</mechanisms><x:y xmlns:x='z' x:a='b' x:c='d'><w/></x:y></stream:features>",
        "<a xml:lang='de'>\xC3\xA9&#13;&#9; <b xmlns=''><c xmlns='d'>]]&gt;</c></b></a>",
        "<a b='&#13;&#10;&#9;\xF0\x9F\x98\x80'/>",
        "<xml:a><b/><xml:c xml:d=''/></xml:a>",
        "<a:b xmlns:a='&lt;&apos;&quot;' a:c=''/>",
    };

    for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++) {
        const struct element *first = read(corpus[i]), *second;
        char room[1024];
        struct sink k = SINK(room);
        struct xml *other;

        element_write(&k, first, SPAN_LIT(NS_CLIENT));
        assert_int_equal(xml_new(&other), 0);
        assert_int_equal(xml_tree(other, NULL, guard_copy(sink_span(&k)), &second), XML_FINE);
        assert_true(same(first, second));
        xml_free(other);
    }
}

/* The most attributes of as many namespaces that an item can have. */
static void each_attribute_has_a_prefix_of_its_own(void **)
{
    static char raw[32 * 1024], room[64 * 1024];
    char *p = stpcpy(raw, "<a");
    struct sink k = SINK(room);
    const struct element *e;

    for (int i = 0; i < XML_ATTRIBUTES_MAX; i++) {
        p = stpcpy(p, " xmlns:n");
        *p++ = (char)('a' + i / 26);
        *p++ = (char)('a' + i % 26);
        p = stpcpy(p, "='u");
        *p++ = (char)('a' + i / 26);
        *p++ = (char)('a' + i % 26);
        p = stpcpy(p, "' n");
        *p++ = (char)('a' + i / 26);
        *p++ = (char)('a' + i % 26);
        p = stpcpy(p, ":x=''");
    }
    stpcpy(p, "/>");
    element_write(&k, read(raw), SPAN_LIT(NS_CLIENT));
    assert_false(k.full);
    assert_int_equal(xml_tree(parser, NULL, sink_span(&k), &e), XML_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_is_its_name_and_its_namespace),
        cmocka_unit_test(the_first_child_of_that_name_is_found),
        cmocka_unit_test(an_attribute_is_one_without_namespace),
        cmocka_unit_test(a_language_is_that_of_xml),
        cmocka_unit_test(a_namespace_is_declared_where_it_changes),
        cmocka_unit_test(attributes_and_text_are_escaped),
        cmocka_unit_test(an_attribute_of_a_namespace_gets_a_prefix),
        cmocka_unit_test(an_element_of_xmls_own_namespace_is_written_with_its_prefix),
        cmocka_unit_test(text_stands_in_front_of_children),
        cmocka_unit_test(what_does_not_fit_is_known),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(each_attribute_has_a_prefix_of_its_own),
    };

    return cmocka_run_group_tests(tests, open_parser, close_parser);
}
