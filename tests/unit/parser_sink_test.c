/* SPDX-License-Identifier: MIT */
/* What is written is whole or known not to be, and what is escaped reads back as it was. */
#include "parser/sink.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "parser/xml.h"
#include "tests/support/guard.h"

static void writing_adds_to_what_was_written(void **)
{
    char room[16];
    struct sink k = SINK(room);

    assert_int_equal(sink_span(&k).len, 0);
    sink_put(&k, guard_copy(SPAN_LIT("ab")));
    sink_puts(&k, "cd");
    sink_put(&k, SPAN_NONE);
    sink_put(&k, SPAN_LIT(""));
    assert_true(span_is(sink_span(&k), "abcd"));
    assert_false(k.full);
}

static void a_sink_takes_exactly_its_bound(void **)
{
    char room[5] = {0, 0, 0, 0, '!'};
    struct sink k = {.p = room, .max = 4};

    sink_puts(&k, "abc");
    sink_puts(&k, "d");
    assert_false(k.full);
    assert_true(span_is(sink_span(&k), "abcd"));
    sink_puts(&k, "e");
    assert_true(k.full);
    assert_int_equal(k.len, 4);
    assert_int_equal(room[4], '!');
}

static void what_did_not_fit_stays_remembered(void **)
{
    char room[4];
    struct sink k = SINK(room);

    sink_puts(&k, "abcde");
    assert_true(k.full);
    assert_int_equal(k.len, 0);
    sink_puts(&k, "a"); /* it would fit, but would make a gap */
    assert_true(k.full);
    assert_int_equal(k.len, 0);
}

static void an_empty_sink_is_full_with_the_first_byte(void **)
{
    struct sink k = {0};

    sink_puts(&k, "");
    assert_false(k.full);
    sink_puts(&k, "a");
    assert_true(k.full);
}

static void markup_is_escaped(void **)
{
    char room[128];
    struct sink k = SINK(room);

    sink_escape(&k, guard_copy(SPAN_LIT("<a b='c' d=\"e\">&\t\n\r")));
    assert_true(
        span_is(sink_span(&k), "&lt;a b=&apos;c&apos; d=&quot;e&quot;&gt;&amp;&#9;&#10;&#13;"));
}

static void nothing_else_is_escaped(void **)
{
    static const char plain[] = "caf\xC3\xA9 \xF0\x9F\x98\x80 ;#/=!-]]";
    char room[64];
    struct sink k = SINK(room);

    sink_escape(&k, guard_copy(SPAN_LIT(plain)));
    assert_true(span_is(sink_span(&k), plain));
    k.len = 0;
    sink_escape(&k, SPAN_LIT(""));
    sink_escape(&k, SPAN_NONE);
    assert_int_equal(k.len, 0);
}

static void an_escape_at_the_bound_is_whole_or_not_written(void **)
{
    for (size_t max = 0; max <= 12; max++) {
        char room[16];
        struct sink k = {.p = room, .max = max};

        sink_escape(&k, SPAN_LIT("a<b>c"));
        assert_int_equal(k.full, max < 11);
        assert_true(k.full || span_is(sink_span(&k), "a&lt;b&gt;c"));
    }
}

static void an_absent_attribute_is_not_written_and_an_empty_one_is(void **)
{
    char room[64];
    struct sink k = SINK(room);

    sink_attribute(&k, "id", SPAN_NONE);
    sink_attribute(&k, "to", SPAN_LIT(""));
    sink_attribute(&k, "from", guard_copy(SPAN_LIT("o'neill@x")));
    assert_true(span_is(sink_span(&k), " to='' from='o&apos;neill@x'"));
}

/* Every character that XML can carry, in text and in an attribute, through a real reader. */
static void what_is_escaped_reads_back_as_it_was(void **)
{
    char raw[128], room[2048];
    struct sink k = SINK(room);
    struct span all = {raw, 0};
    const struct element *e;
    struct xml *x;

    raw[all.len++] = '\t';
    raw[all.len++] = '\n';
    raw[all.len++] = '\r';
    for (char c = ' '; c < 0x7F; c++)
        raw[all.len++] = c;

    sink_puts(&k, "<a");
    sink_attribute(&k, "b", all);
    sink_puts(&k, ">");
    sink_escape(&k, all);
    sink_puts(&k, "</a>");
    assert_false(k.full);

    assert_int_equal(xml_new(&x), 0);
    assert_int_equal(xml_tree(x, NULL, sink_span(&k), &e), XML_FINE);
    assert_true(span_eq(e->text, all));
    assert_true(span_eq(element_attribute(e, "b"), all));
    xml_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_adds_to_what_was_written),
        cmocka_unit_test(a_sink_takes_exactly_its_bound),
        cmocka_unit_test(what_did_not_fit_stays_remembered),
        cmocka_unit_test(an_empty_sink_is_full_with_the_first_byte),
        cmocka_unit_test(markup_is_escaped),
        cmocka_unit_test(nothing_else_is_escaped),
        cmocka_unit_test(an_escape_at_the_bound_is_whole_or_not_written),
        cmocka_unit_test(an_absent_attribute_is_not_written_and_an_empty_one_is),
        cmocka_unit_test(what_is_escaped_reads_back_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
