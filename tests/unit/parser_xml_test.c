/* SPDX-License-Identifier: MIT */
/* One parser judges item after item, and none leaves a trace for the next. */
#include "parser/xml.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

/* By a parser that judged much before, and by a new one; as an item, and as a tree. */
static enum xml_verdict judge_below(const struct context *above, struct span in)
{
    struct span copy = guard_copy(in);
    const struct element *tree;
    struct item item, again;
    enum xml_verdict v = xml_next(parser, above, copy, &item);
    struct xml *other;

    assert_int_equal(xml_new(&other), 0);
    assert_int_equal(xml_next(other, above, copy, &again), v);
    if (v == XML_FINE) {
        assert_int_equal(item.kind, again.kind);
        assert_int_equal(item.flags, again.flags);
        assert_int_equal(item.content_end, again.content_end);
    }
    if (v != XML_TOO_BIG)
        assert_int_equal(xml_tree(other, above, copy, &tree), v);
    xml_free(other);

    assert_int_equal(xml_next(parser, NULL, SPAN_LIT("<iq/>"), &item), XML_FINE);
    return v;
}

static enum xml_verdict judge(const char *item)
{
    return judge_below(NULL, span_of(item));
}

static void one_whole_element_is_fine(void **)
{
    static const char *const fine[] = {
        "<a/>",
        "<a />",
        "<a></a>",
        "<a></a >",
        "<a b='c'/>",
        "<a>b<c>d</c>e</a>",
        "<a b='>'>></a>",
        "<a><![CDATA[</a>]]></a>",
        "<a><![CDATA[]]></a>",
        "<a>&lt;&amp;&#65;&#x41;</a>",
        "<a xmlns='b'/>",
        "<a xmlns=''/>",
        "<a xmlns:b='c'><b:d b:e='f'/></a>",
        "<b:a xmlns:b='c'/>",
        "<stream:features/>",
        "<a xml:lang='de'/>",
        "<a xml:space='preserve'> </a>",
        "<\xC3\xA9t\xC3\xA9>\xF0\x9F\x98\x80</\xC3\xA9t\xC3\xA9>",
        "<a\n\tb\r=\n'c'\n/>",
    };

    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        assert_int_equal(judge(fine[i]), XML_FINE);
}

static void what_is_not_one_whole_element_is_not_well_formed(void **)
{
    static const char *const bad[] = {
        "",
        " ",
        "a",
        "<",
        "<a",
        "<a>",
        "<a/",
        "<a><b></a>",
        "<a></b>",
        "</a>",
        "</stream:stream>",
        "<a></stream:stream>",
        "<a/><b/>",
        "<a/> ",
        " <a/>",
        "<a/>b>",
        "<a/>b<c/>",
        "b<a/>",
        "<![CDATA[b]]><a/>",
        "<a/><![CDATA[b]]>",
        "<![CDATA[b]]>",
        "<a/></stream:stream>",
        "&lt;<a/>",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(judge(bad[i]), XML_NOT_WELL_FORMED);
}

static void what_is_not_xml_is_not_well_formed(void **)
{
    static const char *const bad[] = {
        "<a b='<'/>",
        "<a b=c/>",
        "<a b/>",
        "<a b='c'd='e'/>",
        "<a b='c' b='d'/>",
        "<1/>",
        "<a>&</a>",
        "<a>&#0;</a>",
        "<a>&#xFFFE;</a>",
        "<a>]]></a>",
        "<a>\x01</a>",
        "<a>\xFF</a>",
        "<a>\xC0\x80</a>",
        "<a>\xED\xA0\x80</a>",
        "<a>\xC3</a>",
        "<a:b:c xmlns:a='d'/>",
        "<:a/>",
        "<a:/>",
        "<a xmlns:b=''/>",
        "<a xmlns:xml='b'/>",
        "<a xmlns:xmlns='b'/>",
        "<a xmlns:b='c' xmlns:d='c' b:e='' d:e=''/>",
        "<a><?xml version='1.0'?></a>",
        "<a><!DOCTYPE b></a>",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(judge(bad[i]), XML_NOT_WELL_FORMED);
    assert_int_equal(judge_below(NULL, SPAN_LIT("<a>\0</a>")), XML_NOT_WELL_FORMED);
}

static void what_xmpp_forbids_is_restricted(void **)
{
    static const char *const bad[] = {
        "<a><!-- b --></a>", "<!-- b --><a/>", "<a><?b?></a>",   "<?b?><a/>",
        "<a>&b;</a>",        "<a b='&c;'/>",   "<a><!----></a>",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(judge(bad[i]), XML_RESTRICTED);
}

static void a_prefix_that_nothing_declares_is_bad(void **)
{
    const struct context other = {.prefixes = SPAN_LIT(" xmlns:d='e'")};

    assert_int_equal(judge("<b:a/>"), XML_BAD_PREFIX);
    assert_int_equal(judge("<a b:c='d'/>"), XML_BAD_PREFIX);
    assert_int_equal(judge("<a><b xmlns:c='d'/><c:e/></a>"), XML_BAD_PREFIX);
    assert_int_equal(judge_below(&other, SPAN_LIT("<a><b:c/></a>")), XML_BAD_PREFIX);
    assert_int_equal(judge_below(&(struct context){0}, SPAN_LIT("<a><b:c/></a>")), XML_BAD_PREFIX);
}

static void a_prefix_of_the_streams_header_is_fine_below_it_only(void **)
{
    const struct context above = {.prefixes = SPAN_LIT(" xmlns:b='c' xmlns:d=\"e'f\"")};

    assert_int_equal(judge_below(&above, SPAN_LIT("<b:a/>")), XML_FINE);
    assert_int_equal(judge("<b:a/>"), XML_BAD_PREFIX);
    assert_int_equal(judge_below(&above, SPAN_LIT("<a><d:a d:b=''/></a>")), XML_FINE);
    assert_int_equal(judge_below(&above, SPAN_LIT("<a><b:a></a>")), XML_NOT_WELL_FORMED);
    assert_int_equal(judge_below(&above, SPAN_LIT("<a><b:a/><!-- --></a>")), XML_RESTRICTED);
}

static void more_prefixes_than_a_header_may_have_are_refused(void **)
{
    char bytes[XML_PREFIXES_MAX + 64];
    int len = snprintf(bytes, sizeof bytes, " xmlns:b='%01050d'", 7);
    const struct context above = {.prefixes = {bytes, (size_t)len}};

    assert_int_equal(judge_below(&above, SPAN_LIT("<b:a/>")), XML_TOO_BIG);
    assert_int_equal(judge_below(&above, SPAN_LIT("<a/>")), XML_FINE);
}

static char *repeat(char *p, const char *s, size_t times)
{
    for (size_t i = 0; i < times; i++)
        p = stpcpy(p, s);
    return p;
}

static void depth_has_a_bound(void **)
{
    char bytes[8 * (XML_DEPTH_MAX + 1)], *p;

    p = repeat(bytes, "<a>", XML_DEPTH_MAX);
    repeat(p, "</a>", XML_DEPTH_MAX);
    assert_int_equal(judge(bytes), XML_FINE);
    p = repeat(bytes, "<a>", XML_DEPTH_MAX + 1);
    repeat(p, "</a>", XML_DEPTH_MAX + 1);
    assert_int_equal(judge(bytes), XML_TOO_BIG);
}

static void an_element_has_a_bound_of_attributes(void **)
{
    for (int count = XML_ATTRIBUTES_MAX; count <= XML_ATTRIBUTES_MAX + 1; count++) {
        char bytes[16 * (XML_ATTRIBUTES_MAX + 2)], *p = stpcpy(bytes, "<a><b");

        for (int i = 0; i < count; i++)
            p += sprintf(p, " a%d=''", i);
        stpcpy(p, "/></a>");
        assert_int_equal(judge(bytes), count > XML_ATTRIBUTES_MAX ? XML_TOO_BIG : XML_FINE);
    }
}

/* Expat puts off reading a tag that it was given a part of. Wherever a piece ends, the last is
 * read. */
static void an_item_of_any_length_is_read_to_its_end(void **)
{
    static char bytes[32 * 1024];

    for (size_t len = 1; len < 7000; len += 11) {
        struct span in = {bytes, 0};
        struct item item;

        in.len = (size_t)sprintf(bytes, "<message a='%0*d'><b c='%0*d'>\xC3\xA9</b ></message>",
                                 (int)len, 1, (int)(len % 2900), 2);
        assert_int_equal(xml_next(parser, NULL, guard_copy(in), &item), XML_FINE);
        assert_int_equal(item.content_end, in.len - 10);
    }
}

static void a_large_item_is_fine_and_leaves_room_for_the_next(void **)
{
    static char bytes[800 * 1024];
    char *p = stpcpy(bytes, "<message><body>");

    for (unsigned i = 0; i < 20000; i++)
        p += sprintf(p, "<n%u a%u='\xE2\x82\xAC'/>\xE2\x82\xAC", i, i);
    stpcpy(p, "</body></message>");

    for (int i = 0; i < 3; i++) {
        struct item item;

        assert_int_equal(xml_next(parser, NULL, guard_copy(span_of(bytes)), &item), XML_FINE);
        assert_int_equal(judge("<a/>"), XML_FINE);
    }
}

static void a_failure_leaves_the_answer_untouched(void **)
{
    struct item item = {.kind = ITEM_CSI_ACTIVE, .name_end = 77};
    const struct element *tree = (const struct element *)&item, *before = tree;
    struct span prefixes = SPAN_LIT("x");

    assert_int_equal(xml_next(parser, NULL, SPAN_LIT("<a>"), &item), XML_NOT_WELL_FORMED);
    assert_int_equal(item.kind, ITEM_CSI_ACTIVE);
    assert_int_equal(item.name_end, 77);
    assert_int_equal(xml_tree(parser, NULL, SPAN_LIT("<a>"), &tree), XML_NOT_WELL_FORMED);
    assert_int_equal(xml_header(parser, SPAN_LIT("<a>"), &tree, &prefixes), XML_BAD_FORMAT);
    assert_ptr_equal(tree, before);
    assert_true(span_is(prefixes, "x"));
}

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t heap_bytes(void)
{
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}

/* Expat keeps every name it ever met, some 100 bytes for each. */
static void names_are_forgotten_in_the_end(void **)
{
    size_t before = heap_bytes();

    for (int i = 0; i < 100000; i++) {
        char raw[32];
        struct item item;

        sprintf(raw, "<a%d/>", i);
        assert_int_equal(xml_next(parser, NULL, span_of(raw), &item), XML_FINE);
    }
    assert_true(heap_bytes() < before + 5 * 1024 * 1024);
}

static void freeing_nothing_is_fine(void **)
{
    xml_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_whole_element_is_fine),
        cmocka_unit_test(what_is_not_one_whole_element_is_not_well_formed),
        cmocka_unit_test(what_is_not_xml_is_not_well_formed),
        cmocka_unit_test(what_xmpp_forbids_is_restricted),
        cmocka_unit_test(a_prefix_that_nothing_declares_is_bad),
        cmocka_unit_test(a_prefix_of_the_streams_header_is_fine_below_it_only),
        cmocka_unit_test(more_prefixes_than_a_header_may_have_are_refused),
        cmocka_unit_test(depth_has_a_bound),
        cmocka_unit_test(an_element_has_a_bound_of_attributes),
        cmocka_unit_test(an_item_of_any_length_is_read_to_its_end),
        cmocka_unit_test(a_large_item_is_fine_and_leaves_room_for_the_next),
        cmocka_unit_test(a_failure_leaves_the_answer_untouched),
        cmocka_unit_test(freeing_nothing_is_fine),
        cmocka_unit_test(names_are_forgotten_in_the_end),
    };

    return cmocka_run_group_tests(tests, open_parser, close_parser);
}
