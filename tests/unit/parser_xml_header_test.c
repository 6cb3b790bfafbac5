/* SPDX-License-Identifier: MIT */
/* A stream's header is fine only if all that can be below it reads the same below one of ours. */
#include "parser/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/guard.h"

#define DECLARATIONS " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"

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
    struct span prefixes;
    enum xml_verdict v = xml_header(parser, guard_copy(span_of(raw)), &e, &prefixes);
    struct item item;

    assert_int_equal(xml_next(parser, NULL, SPAN_LIT("<iq><stream:x/></iq>"), &item), XML_FINE);
    return v;
}

static const struct element *read(const char *raw, struct span *prefixes)
{
    const struct element *e;

    assert_int_equal(xml_header(parser, guard_copy(span_of(raw)), &e, prefixes), XML_FINE);
    return e;
}

static void a_header_gives_its_attributes(void **)
{
    struct span prefixes = SPAN_LIT("x");
    const struct element *e = read("<?xml version='1.0'?>\n<stream:stream" DECLARATIONS
                                   " to='a&amp;b' xml:lang=\"de\" version='1.0'>",
                                   &prefixes);

    assert_true(element_is(e, NS_STREAMS, "stream"));
    assert_true(span_is(element_attribute(e, "to"), "a&b"));
    assert_true(span_is(element_attribute(e, "version"), "1.0"));
    assert_null(element_attribute(e, "id").p);
    assert_true(span_is(element_lang(e), "de"));
    assert_null(e->child);
    assert_null(prefixes.p);
}

static void the_usual_forms_are_fine(void **)
{
    static const char *const fine[] = {
        "<stream:stream" DECLARATIONS ">",
        "<?xml version='1.0' ?><stream:stream" DECLARATIONS " >",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><stream:stream" DECLARATIONS ">",
        "<?xml version='1.0' encoding='UTF-8' standalone='yes'?><stream:stream" DECLARATIONS ">",
        "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>",
        "<stream:stream" DECLARATIONS " xmlns:xml='http://www.w3.org/XML/1998/namespace'>",
    };

    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        assert_int_equal(judge(fine[i]), XML_FINE);
}

static void other_prefixes_are_collected_as_they_can_be_written(void **)
{
    struct span prefixes;

    (void)read("<stream:stream" DECLARATIONS
               " xmlns:db='jabber:server:dialback' xmlns:a=\"it's &lt;&#10;\">",
               &prefixes);
    assert_true(
        span_is(prefixes, " xmlns:db='jabber:server:dialback' xmlns:a='it&apos;s &lt;&#10;'"));
    (void)read("<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>",
               &prefixes);
    assert_true(span_is(prefixes, " xmlns:s='http://etherx.jabber.org/streams'"));
    (void)read("<stream:stream" DECLARATIONS " xmlns:xml='http://www.w3.org/XML/1998/namespace'>",
               &prefixes);
    assert_null(prefixes.p);
}

static void what_was_collected_resolves_an_items_prefixes(void **)
{
    struct span prefixes;
    struct context above;
    const struct element *e;
    char bytes[XML_PREFIXES_MAX];

    (void)read("<stream:stream" DECLARATIONS " xmlns:a=\"it's &lt;&#10;\">", &prefixes);
    memcpy(bytes, prefixes.p, prefixes.len);
    above = (struct context){.prefixes = {bytes, prefixes.len}};
    assert_int_equal(xml_tree(parser, &above, SPAN_LIT("<a:b/>"), &e), XML_FINE);
    assert_true(element_is(e, "it's <\n", "b"));
}

static void what_opens_no_stream_has_a_bad_format(void **)
{
    assert_int_equal(judge("<message" DECLARATIONS ">"), XML_BAD_FORMAT);
    assert_int_equal(judge("<stream:streams" DECLARATIONS ">"), XML_BAD_FORMAT);
    assert_int_equal(judge("<stream:stream" DECLARATIONS "/>"), XML_BAD_FORMAT);
    assert_int_equal(judge("<stream:stream" DECLARATIONS "></stream:stream>"), XML_BAD_FORMAT);
    assert_int_equal(judge("<stream:stream" DECLARATIONS "><a/>"), XML_BAD_FORMAT);
    assert_int_equal(judge("<stream:stream" DECLARATIONS "> "), XML_BAD_FORMAT);
}

static void namespaces_have_to_be_those_of_a_client(void **)
{
    static const char *const bad[] = {
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>",
        "<stream:stream xmlns='' xmlns:stream='http://etherx.jabber.org/streams'>",
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>",
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/stream'>",
        "<stream xmlns='http://etherx.jabber.org/streams'>",
        "<stream xmlns='jabber:client'>",
        "<stream>",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(judge("<stream:stream" DECLARATIONS ">"), XML_FINE);
        assert_int_equal(judge(bad[i]), XML_BAD_NAMESPACE);
    }
}

static void the_prefix_stream_is_taken(void **)
{
    assert_int_equal(
        judge("<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'"
              " xmlns:stream='a'>"),
        XML_BAD_PREFIX);
    assert_int_equal(
        judge("<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>"),
        XML_FINE);
    assert_int_equal(judge("<stream:stream xmlns='jabber:client'>"), XML_BAD_PREFIX);
    assert_int_equal(judge("<stream:stream" DECLARATIONS " a:b='c'>"), XML_BAD_PREFIX);
}

static void an_encoding_that_is_not_utf_8_is_bad(void **)
{
    static const char *const names[] = {"UTF-16", "ISO-8859-1", "US-ASCII", "utf8", "UTF-8x", "x"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char raw[256];

        snprintf(raw, sizeof raw,
                 "<?xml version='1.0' encoding='%s'?><stream:stream" DECLARATIONS ">", names[i]);
        assert_int_equal(judge(raw), XML_BAD_ENCODING);
    }
}

static void a_version_is_one_of_xml_1(void **)
{
    static const char *const fine[] = {"1.0", "1.1", "1.10"};
    static const char *const bad[] = {"", "1", "1.", "2.0", "1.0a", "1.x", "a", "1.0.0", "-1.0"};
    char raw[256];

    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        snprintf(raw, sizeof raw, "<?xml version='%s'?><stream:stream" DECLARATIONS ">", fine[i]);
        assert_int_equal(judge(raw), XML_FINE);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(raw, sizeof raw, "<?xml version='%s'?><stream:stream" DECLARATIONS ">", bad[i]);
        assert_int_equal(judge(raw), XML_BAD_FORMAT);
    }
}

/* Our own root declares it, but the stream does not. */
static void a_stream_of_another_prefix_does_not_lend_the_prefix_stream(void **)
{
    struct context other = {
        .prefixes = SPAN_LIT(" xmlns:a='b' xmlns:s='http://etherx.jabber.org/streams'")};
    struct context usual = {.prefixes = SPAN_LIT(" xmlns:a='http://etherx.jabber.org/streamss'")};
    static const struct {
        const char *raw;
        enum xml_verdict below_other;
    } items[] = {
        {"<iq><stream:x/></iq>", XML_BAD_PREFIX},
        {"<stream:features/>", XML_BAD_PREFIX},
        {"<iq stream:a='b'/>", XML_BAD_PREFIX},
        {"<iq><stream:x xmlns:stream='y'/></iq>", XML_FINE},
        {"<iq><s:x/></iq>", XML_FINE},
        {"<iq a:c='d'/>", XML_FINE},
        {"<iq/>", XML_FINE},
        {"<iq", XML_NOT_WELL_FORMED},
    };

    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        struct span raw = guard_copy(span_of(items[i].raw));
        struct item item;
        const struct element *e;

        assert_int_equal(xml_next(parser, &other, raw, &item), items[i].below_other);
        assert_int_equal(xml_tree(parser, &other, raw, &e), items[i].below_other);
    }
    for (size_t i = 0; i < 4; i++) {
        struct item item;

        assert_int_equal(xml_next(parser, &usual, span_of(items[i].raw), &item), XML_FINE);
    }
}

static void a_header_is_xml(void **)
{
    static const char *const bad[] = {
        "",
        "<",
        "<stream:stream" DECLARATIONS,
        "<?xml version='1.0'?>",
        "<?xml?><stream:stream" DECLARATIONS ">",
        " <?xml version='1.0'?><stream:stream" DECLARATIONS ">",
        "<?xml encoding='UTF-8'?><stream:stream" DECLARATIONS ">",
        "<stream:stream" DECLARATIONS " to='a' to='b'>",
        "<stream:stream" DECLARATIONS " to='\xFF'>",
        "<stream:stream" DECLARATIONS " to='<'>",
        "a<stream:stream" DECLARATIONS ">",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(judge(bad[i]), XML_NOT_WELL_FORMED);
}

static void a_header_has_neither_dtd_nor_comment(void **)
{
    assert_int_equal(judge("<!DOCTYPE a><stream:stream" DECLARATIONS ">"), XML_RESTRICTED);
    assert_int_equal(
        judge("<!DOCTYPE a [<!ENTITY b 'c'>]><stream:stream" DECLARATIONS " to='&b;'>"),
        XML_RESTRICTED);
    assert_int_equal(judge("<!-- a --><stream:stream" DECLARATIONS ">"), XML_RESTRICTED);
    assert_int_equal(judge("<?a?><stream:stream" DECLARATIONS ">"), XML_RESTRICTED);
    assert_int_equal(judge("<stream:stream" DECLARATIONS " to='&b;'>"), XML_RESTRICTED);
}

static void declarations_have_bounds(void **)
{
    char raw[4096], *p;

    for (int count = XML_DECLARATIONS_MAX; count <= XML_DECLARATIONS_MAX + 1; count++) {
        p = stpcpy(raw, "<stream:stream" DECLARATIONS);
        for (int i = 0; i < count; i++)
            p += sprintf(p, " xmlns:a%d='b'", i);
        strcpy(p, ">");
        assert_int_equal(judge(raw), count > XML_DECLARATIONS_MAX ? XML_TOO_BIG : XML_FINE);
    }
    for (int len = XML_PREFIXES_MAX; len <= XML_PREFIXES_MAX + 1; len++) {
        sprintf(raw, "<stream:stream" DECLARATIONS " xmlns:a='%0*d'>",
                len - (int)strlen(" xmlns:a=''"), 1);
        assert_int_equal(judge(raw), len > XML_PREFIXES_MAX ? XML_TOO_BIG : XML_FINE);
    }
}

static void a_header_has_the_bounds_of_a_tree(void **)
{
    static char raw[128 * 1024];
    char *p = stpcpy(raw, "<stream:stream" DECLARATIONS);

    for (int i = 0; i <= XML_ATTRIBUTES_MAX; i++)
        p += sprintf(p, " a%d=''", i);
    strcpy(p, ">");
    assert_int_equal(judge(raw), XML_TOO_BIG);
    sprintf(raw, "<stream:stream" DECLARATIONS " to='%070000d'>", 1);
    assert_int_equal(judge(raw), XML_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_gives_its_attributes),
        cmocka_unit_test(the_usual_forms_are_fine),
        cmocka_unit_test(other_prefixes_are_collected_as_they_can_be_written),
        cmocka_unit_test(what_was_collected_resolves_an_items_prefixes),
        cmocka_unit_test(what_opens_no_stream_has_a_bad_format),
        cmocka_unit_test(namespaces_have_to_be_those_of_a_client),
        cmocka_unit_test(the_prefix_stream_is_taken),
        cmocka_unit_test(an_encoding_that_is_not_utf_8_is_bad),
        cmocka_unit_test(a_version_is_one_of_xml_1),
        cmocka_unit_test(a_stream_of_another_prefix_does_not_lend_the_prefix_stream),
        cmocka_unit_test(a_header_is_xml),
        cmocka_unit_test(a_header_has_neither_dtd_nor_comment),
        cmocka_unit_test(declarations_have_bounds),
        cmocka_unit_test(a_header_has_the_bounds_of_a_tree),
    };

    return cmocka_run_group_tests(tests, open_parser, close_parser);
}
