/* SPDX-License-Identifier: MIT */
/* Trees hold what the item says, decoded, in bounded memory. */
#include "parser/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

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

static enum xml_verdict judge(const char *raw)
{
    const struct element *e;

    return xml_tree(parser, NULL, guard_copy(span_of(raw)), &e);
}

static const struct element *read_below(const char *prefixes, const char *raw)
{
    struct context above = {.prefixes = span_of(prefixes)};
    const struct element *e;

    assert_int_equal(xml_tree(parser, &above, guard_copy(span_of(raw)), &e), XML_FINE);
    return e;
}

static const struct element *read(const char *raw)
{
    return read_below(NULL, raw);
}

static void an_element_alone_has_nothing_in_it(void **)
{
    const struct element *e = read("<a/>");

    assert_true(span_is(e->name, "a"));
    assert_true(span_is(e->ns, NS_CLIENT));
    assert_int_equal(e->text.len, 0);
    assert_null(e->attributes);
    assert_null(e->child);
    assert_null(e->next);
}

static void namespaces_are_resolved(void **)
{
    const struct element *e =
        read("<a xmlns='b'><c/><d:e xmlns:d='f'><g/></d:e><h xmlns=''/><i/></a>");

    assert_true(span_is(e->ns, "b"));
    e = e->child;
    assert_true(span_is(e->ns, "b") && span_is(e->name, "c"));
    e = e->next;
    assert_true(span_is(e->ns, "f") && span_is(e->name, "e"));
    assert_true(span_is(e->child->ns, "b") && span_is(e->child->name, "g"));
    e = e->next;
    assert_true(!e->ns.len && span_is(e->name, "h"));
    e = e->next;
    assert_true(span_is(e->ns, "b") && span_is(e->name, "i"));
    assert_null(e->next);
}

static void attributes_keep_their_order_and_are_decoded(void **)
{
    const struct attribute *a =
        read("<a z='&lt;1' xmlns:b='c' b:y=\"'\" x='' xml:lang='de'/>")->attributes;

    assert_true(span_is(a->name, "z") && span_is(a->value, "<1") && !a->ns.len);
    a = a->next;
    assert_true(span_is(a->name, "y") && span_is(a->value, "'") && span_is(a->ns, "c"));
    a = a->next;
    assert_true(span_is(a->name, "x") && span_is(a->value, ""));
    a = a->next;
    assert_true(span_is(a->name, "lang") && span_is(a->ns, "http://www.w3.org/XML/1998/namespace"));
    assert_null(a->next);
}

static void text_is_put_together_around_children(void **)
{
    const struct element *e =
        read("<a>one <b>two<c/>three</b>&amp; <![CDATA[<d>]]><e>four</e>\r\nfive</a>");

    assert_true(span_is(e->text, "one & <d>\nfive"));
    assert_true(span_is(e->child->text, "twothree"));
    assert_true(span_is(e->child->next->text, "four"));
    assert_int_equal(e->child->child->text.len, 0);
}

static void a_tree_is_read_below_its_streams_header(void **)
{
    const struct element *e = read_below(" xmlns:b='c'", "<a b:d='e'><b:f>g</b:f></a>");

    assert_true(element_is(e->child, "c", "f"));
    assert_true(span_is(e->child->text, "g"));
    assert_true(span_is(e->attributes->ns, "c"));
}

static void a_new_tree_knows_nothing_of_the_last(void **)
{
    const struct element *e;

    (void)read("<a b='c'>text<d><e>f</e></d></a>");
    assert_int_equal(judge("<a>text<b>"), XML_NOT_WELL_FORMED);
    e = read("<a><b/></a>");
    assert_int_equal(e->text.len, 0);
    assert_null(e->attributes);
    assert_null(e->child->child);
    assert_int_equal(e->child->text.len, 0);
}

static void a_tree_has_a_bound(void **)
{
    static char raw[128 * 1024];
    char *p = stpcpy(raw, "<a>");

    for (int i = 0; i < 400; i++)
        p += sprintf(p, "<b c='d'>e</b>");
    strcpy(p, "</a>");
    assert_int_equal(judge(raw), XML_FINE);
    for (int i = 0; i < 2000; i++)
        p += sprintf(p, "<b c='d'>e</b>");
    strcpy(p, "</a>");
    assert_int_equal(judge(raw), XML_TOO_BIG);
    sprintf(raw, "<a b='%070000d'/>", 1);
    assert_int_equal(judge(raw), XML_TOO_BIG);
    assert_int_equal(judge("<a/>"), XML_FINE);
}

static void text_has_a_bound(void **)
{
    static char raw[64 * 1024];

    sprintf(raw, "<a>%016384d<b>%016384d</b></a>", 1, 2);
    assert_int_equal(judge(raw), XML_FINE);
    assert_int_equal(read(raw)->child->text.len, 16384);
    sprintf(raw, "<a>%016384d<b>%016384d</b>3</a>", 1, 2);
    assert_int_equal(judge(raw), XML_FINE);
    sprintf(raw, "<a>%016385d<b>%016384d</b></a>", 1, 2);
    assert_int_equal(judge(raw), XML_TOO_BIG);
    assert_int_equal(judge("<a>b</a>"), XML_FINE);
}

/* Wherever the memory ends, in an element, a name, a value, the tree is refused and nothing else.
 */
static void a_tree_of_any_size_is_whole_or_refused(void **)
{
    static char raw[128 * 1024];
    unsigned fine = 0, refused = 0;

    for (int len = 65536 - 600; len < 65536; len++) {
        const struct element *e;

        sprintf(raw, "<a b='%0*d'><c xmlns='ns' d='e'>f</c></a>", len, 1);
        switch ((int)xml_tree(parser, NULL, guard_copy(span_of(raw)), &e)) {
        case XML_FINE:
            assert_true(span_is(e->child->text, "f"));
            assert_true(span_is(element_attribute(e->child, "d"), "e"));
            fine++;
            break;
        case XML_TOO_BIG:
            refused++;
            break;
        default:
            fail();
        }
    }
    assert_true(fine && refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_alone_has_nothing_in_it),
        cmocka_unit_test(namespaces_are_resolved),
        cmocka_unit_test(attributes_keep_their_order_and_are_decoded),
        cmocka_unit_test(text_is_put_together_around_children),
        cmocka_unit_test(a_tree_is_read_below_its_streams_header),
        cmocka_unit_test(a_new_tree_knows_nothing_of_the_last),
        cmocka_unit_test(a_tree_has_a_bound),
        cmocka_unit_test(text_has_a_bound),
        cmocka_unit_test(a_tree_of_any_size_is_whole_or_refused),
    };

    return cmocka_run_group_tests(tests, open_parser, close_parser);
}
