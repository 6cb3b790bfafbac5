/* SPDX-License-Identifier: MIT */
/* Headers are read as clients and servers write them; what is written reads back as it was. */
#include "parser/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/guard.h"

#define NAMESPACES " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"

static struct xml *x;

static int set_up(void **)
{
    return xml_new(&x);
}

static int tear_down(void **)
{
    xml_free(x);
    return 0;
}

static struct header read_fine(const char *text)
{
    struct header h;

    assert_int_equal(header_read(x, guard_copy(span_of(text)), &h), XML_FINE);
    return h;
}

static enum xml_verdict verdict_of(const char *text)
{
    struct header h = {.id = SPAN_LIT("untouched")};
    enum xml_verdict v = header_read(x, guard_copy(span_of(text)), &h);

    if (v != XML_FINE)
        assert_true(span_is(h.id, "untouched"));
    return v;
}

static void the_headers_of_clients_are_read(void **)
{
    struct header slixmpp =
        read_fine("<stream:stream to='example.org' xmlns:stream='http://etherx.jabber.org/streams'"
                  " xmlns='jabber:client' xml:lang='en' version='1.0'>");
    assert_true(span_is(slixmpp.to, "example.org"));
    assert_true(span_is(slixmpp.lang, "en"));
    assert_true(slixmpp.modern);
    assert_null(slixmpp.from.p);
    assert_null(slixmpp.id.p);
    assert_null(slixmpp.prefixes.p);

    struct header gloox =
        read_fine("<?xml version='1.0' ?><stream:stream to='example.org' xmlns='jabber:client' "
                  "xmlns:stream='http://etherx.jabber.org/streams'  xml:lang='en' version='1.0'>");
    assert_true(span_is(gloox.to, "example.org"));
}

static void the_headers_of_servers_are_read(void **)
{
    struct header jabberd2 = read_fine(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams' from='example.org' version='1.0' "
        "id='uznn5dwrk6c4k4ncp2gl4oytqpp0jpksm0vxkwzr' "
        "xmlns:ack='http://www.xmpp.org/extensions/xep-0198.html#ns'>");
    assert_true(span_is(jabberd2.from, "example.org"));
    assert_true(span_is(jabberd2.id, "uznn5dwrk6c4k4ncp2gl4oytqpp0jpksm0vxkwzr"));
    assert_true(
        span_is(jabberd2.prefixes, " xmlns:ack='http://www.xmpp.org/extensions/xep-0198.html#ns'"));
    assert_null(jabberd2.lang.p);

    struct header ejabberd = read_fine(
        "<?xml version='1.0'?><stream:stream id='13905184654798148610' version='1.0' xml:lang='en' "
        "xmlns:stream='http://etherx.jabber.org/streams' from='localhost' xmlns='jabber:client'>");
    assert_true(span_is(ejabberd.id, "13905184654798148610"));
    assert_true(span_is(ejabberd.lang, "en"));
}

static bool modern(const char *version_attribute)
{
    char text[256] = "<stream:stream" NAMESPACES;

    strcat(strcat(strcat(text, " "), version_attribute), ">");
    return read_fine(text).modern;
}

static void a_version_tells_the_stream_of_today(void **)
{
    assert_true(modern("version='1.0'"));
    assert_true(modern("version='1.1'"));
    assert_true(modern("version='2.0'"));
    assert_true(modern("version='10.0'"));
    assert_true(modern("version='9.9'"));
    assert_true(modern("version='01.0'"));
    assert_true(modern("version='1'"));
    assert_false(modern(""));
    assert_false(modern("version=''"));
    assert_false(modern("version='0.9'"));
    assert_false(modern("version='0'"));
    assert_false(modern("version='00.1'"));
    assert_false(modern("version='.1'"));
    assert_false(modern("version='x'"));
    assert_false(modern("version='1x.0'"));
    assert_false(modern("version='-1.0'"));
    assert_false(modern("xml:version='1.0'"));
}

static void what_is_no_header_is_judged(void **)
{
    assert_int_equal(verdict_of("<stream:stream" NAMESPACES ">"), XML_FINE);
    assert_int_equal(verdict_of("<stream" NAMESPACES ">"), XML_BAD_NAMESPACE);
    assert_int_equal(verdict_of("<stream:message" NAMESPACES ">"), XML_BAD_FORMAT);
    assert_int_equal(verdict_of("<stream:stream xmlns='jabber:server' "
                                "xmlns:stream='http://etherx.jabber.org/streams'>"),
                     XML_BAD_NAMESPACE);
    assert_int_equal(verdict_of("<stream:stream to=example.org>"), XML_NOT_WELL_FORMED);
}

static void a_header_has_no_long_id_nor_language(void **)
{
    char text[2048];
    int lengths[] = {HEADER_ID_MAX, HEADER_LANG_MAX};
    const char *names[] = {"id", "xml:lang"};

    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "<stream:stream" NAMESPACES " %s='%0*d'>", names[i], lengths[i],
                 0);
        assert_int_equal(verdict_of(text), XML_FINE);
        snprintf(text, sizeof text, "<stream:stream" NAMESPACES " %s='%0*d'>", names[i],
                 lengths[i] + 1, 0);
        assert_int_equal(verdict_of(text), XML_TOO_BIG);
    }
}

static void a_header_is_written_as_it_was_read(void **)
{
    struct header h = {
        .to = SPAN_LIT("example.org"),
        .from = SPAN_LIT("a'b\"<&>@example.org"),
        .id = SPAN_LIT("++TR84Sm6A3hnt3Q065SnAbbk3Y="),
        .lang = SPAN_LIT("de-CH"),
        .prefixes = SPAN_LIT(" xmlns:a='urn:a' xmlns:b='urn:b&amp;c'"),
        .modern = true,
    };
    char out[1024];
    struct sink k = SINK(out);

    header_write(&k, &h);
    assert_true(span_is(sink_span(&k),
                        "<?xml version='1.0'?><stream:stream" NAMESPACES
                        " from='a&apos;b&quot;&lt;&amp;&gt;@example.org' to='example.org'"
                        " id='++TR84Sm6A3hnt3Q065SnAbbk3Y=' xml:lang='de-CH' version='1.0'"
                        " xmlns:a='urn:a' xmlns:b='urn:b&amp;c'>"));

    struct header back;
    assert_int_equal(header_read(x, guard_copy(sink_span(&k)), &back), XML_FINE);
    assert_true(span_eq(back.to, h.to) && span_eq(back.from, h.from) && span_eq(back.id, h.id));
    assert_true(span_eq(back.lang, h.lang) && span_eq(back.prefixes, h.prefixes) && back.modern);
}

static void an_absent_field_is_left_out(void **)
{
    struct header none = {0};
    char out[256];
    struct sink k = SINK(out), small = {.p = out, .max = 100};

    header_write(&k, &none);
    assert_true(span_is(sink_span(&k), "<?xml version='1.0'?><stream:stream" NAMESPACES ">"));
    header_write(&small, &none);
    assert_true(small.full);
}

#define FRAMING " xmlns='urn:ietf:params:xml:ns:xmpp-framing'"

/* RFC 7395, 3.4: the same fields, and no prefixes. */
static void an_open_is_read_as_a_header_is(void **)
{
    struct header h;
    struct span in = SPAN_LIT("<open" FRAMING " to='example.org' from='a@example.org' id='7' "
                              "xml:lang='de' version='1.0' xmlns:p='urn:p' />");

    assert_int_equal(header_read_open(x, guard_copy(in), &h), XML_FINE);
    assert_true(span_is(h.to, "example.org") && span_is(h.from, "a@example.org"));
    assert_true(span_is(h.id, "7") && span_is(h.lang, "de"));
    assert_true(h.modern);
    assert_null(h.prefixes.p);
    assert_int_equal(header_read_open(x, guard_copy(SPAN_LIT("<open" FRAMING "/>")), &h), XML_FINE);
    assert_null(h.to.p);
    assert_null(h.lang.p);
    assert_false(h.modern);
}

static void an_open_that_is_none_leaves_the_header_alone(void **)
{
    struct header h = {.id = SPAN_LIT("untouched")};
    char text[2048];

    assert_int_equal(header_read_open(x, guard_copy(SPAN_LIT("<open to=x/>")), &h),
                     XML_NOT_WELL_FORMED);
    snprintf(text, sizeof text, "<open" FRAMING " xml:lang='%0*d'/>", HEADER_LANG_MAX + 1, 0);
    assert_int_equal(header_read_open(x, guard_copy(span_of(text)), &h), XML_TOO_BIG);
    snprintf(text, sizeof text, "<open" FRAMING " id='%0*d'/>", HEADER_ID_MAX + 1, 0);
    assert_int_equal(header_read_open(x, guard_copy(span_of(text)), &h), XML_TOO_BIG);
    assert_true(span_is(h.id, "untouched"));
}

static void an_open_is_written_without_prefixes(void **)
{
    struct header h = {
        .from = SPAN_LIT("a'b&.example"),
        .id = SPAN_LIT("7"),
        .lang = SPAN_LIT("en"),
        .prefixes = SPAN_LIT(" xmlns:a='urn:a'"),
        .modern = true,
    };
    char out[512];
    struct sink k = SINK(out);
    struct header back;

    header_write_open(&k, &h);
    assert_true(span_is(sink_span(&k), "<open" FRAMING " from='a&apos;b&amp;.example' id='7'"
                                       " xml:lang='en' version='1.0'/>"));
    assert_int_equal(header_read_open(x, guard_copy(sink_span(&k)), &back), XML_FINE);
    assert_true(span_eq(back.from, h.from) && span_eq(back.id, h.id) && back.modern);
    k = SINK(out);
    header_write_open(&k, &(struct header){0});
    assert_true(span_is(sink_span(&k), "<open" FRAMING "/>"));
}

static void a_stream_error_has_a_condition_and_perhaps_a_text(void **)
{
    char out[512];
    struct sink k = SINK(out);

    header_stream_error(&k, "host-unknown", SPAN_NONE);
    assert_true(span_is(sink_span(&k),
                        "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                        "</stream:error>"));
    k = SINK(out);
    header_stream_error(&k, "conflict", SPAN_LIT("a < b"));
    assert_true(
        span_is(sink_span(&k),
                "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a &lt; b</text>"
                "</stream:error>"));

    struct context plain = {0};
    struct item item;
    assert_int_equal(xml_next(x, &plain, sink_span(&k), &item), XML_FINE);
    assert_int_equal(item.kind, ITEM_STREAM_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_headers_of_clients_are_read),
        cmocka_unit_test(the_headers_of_servers_are_read),
        cmocka_unit_test(a_version_tells_the_stream_of_today),
        cmocka_unit_test(what_is_no_header_is_judged),
        cmocka_unit_test(a_header_has_no_long_id_nor_language),
        cmocka_unit_test(a_header_is_written_as_it_was_read),
        cmocka_unit_test(an_absent_field_is_left_out),
        cmocka_unit_test(an_open_is_read_as_a_header_is),
        cmocka_unit_test(an_open_that_is_none_leaves_the_header_alone),
        cmocka_unit_test(an_open_is_written_without_prefixes),
        cmocka_unit_test(a_stream_error_has_a_condition_and_perhaps_a_text),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
