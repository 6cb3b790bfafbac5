/* SPDX-License-Identifier: MIT */
/*
 * Where items end. A test is a list of pieces, each with the letter of what the
 * framer has to call it in front; it is told the pieces' bytes without their borders,
 * in one go, byte by byte, and in between.
 */
#include "parser/framer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/guard.h"

enum { PIECES_MAX = 64, BYTES_MAX = 8192 };

#define EXPECT(...) expect((const char *const[]){__VA_ARGS__, NULL})
#define HEADER      "H<?xml version='1.0'?><stream:stream xmlns='jabber:client' to=\"a>b\">"

static char letter(enum framed found)
{
    return "MSHECRB"[found];
}

struct seen {
    char letter[PIECES_MAX];
    size_t len[PIECES_MAX];
    size_t count;
};

static void add(struct seen *s, char what, size_t len)
{
    bool goes_on = s->count && s->letter[s->count - 1] == 'M';
    bool more_space = s->count && s->letter[s->count - 1] == 'S' && what == 'S';

    if (!goes_on && !more_space) {
        assert_true(s->count < PIECES_MAX);
        s->len[s->count++] = 0;
    }
    s->letter[s->count - 1] = what;
    s->len[s->count - 1] += len;
}

/* Feeds at most `step` bytes at a time, from the edge of memory, and moves the framer meanwhile. */
static struct seen frame(struct span in, size_t step)
{
    struct framer f;
    struct seen s = {0};

    framer_init(&f);
    for (size_t at = 0; at < in.len;) {
        size_t len = in.len - at < step ? in.len - at : step;
        struct span piece = guard_copy((struct span){in.p + at, len});
        struct framer moved = f;
        size_t used = ~(size_t)0;
        enum framed found = framer_next(&moved, piece, &used);

        assert_true(used <= len);
        add(&s, letter(found), used);
        assert_int_equal(framer_idle(&moved), found != FRAMED_MORE && found < FRAMED_RESTRICTED);
        if (found >= FRAMED_RESTRICTED)
            break;
        assert_true(used);
        at += used;
        memset(&f, 0xA5, sizeof f);
        f = moved;
    }
    return s;
}

static void expect_step(struct span in, const char *const *pieces, size_t step)
{
    struct seen s = frame(in, step);
    size_t count = 0;

    for (; pieces[count]; count++) {
        assert_true(count < s.count);
        if (s.letter[count] != *pieces[count] || s.len[count] != strlen(pieces[count]) - 1)
            fail_msg("step %zu, piece %zu: %s: got %c of %zu", step, count, pieces[count],
                     s.letter[count], s.len[count]);
    }
    assert_int_equal(count, s.count);
}

static void expect(const char *const *pieces)
{
    static const size_t steps[] = {BYTES_MAX, 1, 2, 3, 5, 8, 13};
    char bytes[BYTES_MAX];
    struct span in = {bytes, 0};

    for (size_t i = 0; pieces[i]; i++) {
        size_t len = strlen(pieces[i] + 1);

        assert_true(len <= sizeof bytes - in.len);
        memcpy(bytes + in.len, pieces[i] + 1, len);
        in.len += len;
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        expect_step(in, pieces, steps[i]);
}

static void a_stream_is_a_header_items_and_a_closing_tag(void **)
{
    EXPECT(HEADER, "E<a/>", "E<b></b>", "C</stream:stream>");
    EXPECT("H<s>", "E<a/>", "C</s>");
}

static void white_space_between_items_is_an_item(void **)
{
    EXPECT("S\r\n", HEADER, "S \t\r\n", "E<a/>", "S ", "C</stream:stream>", "S\n");
    EXPECT("S ", "H<?xml version='1.0' ?>\n <s>", "S \n");
}

static void an_element_ends_with_its_own_end_tag(void **)
{
    EXPECT(HEADER, "E<a><a><a/></a><b></b ></a\n>", "E<a  />", "E<a>text</a>");
    EXPECT(HEADER, "E<a b='1' c=\"2\"><d e='3'/>f</a>", "E<x:y xmlns:x='z'/>");
    EXPECT(HEADER, "E<\xC3\xA9/>", "E<_></_>");
}

static void signs_in_attribute_values_are_not_markup(void **)
{
    EXPECT(HEADER, "E<a b='/>' c=\"</a>\" d='\"' e=\"'\"/>", "E<a/>");
    EXPECT(HEADER, "E<a b='<!--' c='<?x?>' d=']]>'></a>");
    EXPECT(HEADER, "E<a b=''/>", "E<a b=\"\"></a>");
}

static void signs_in_text_are_not_markup(void **)
{
    EXPECT(HEADER, "E<a>> ' \" / > /> = ? ! ]] [</a>", "E<a>&lt;b></a>");
}

static void cdata_ends_with_two_brackets_and_a_sign(void **)
{
    EXPECT(HEADER, "E<a><![CDATA[</a><b>]]></a>", "E<a><![CDATA[]]></a>");
    EXPECT(HEADER, "E<a><![CDATA[]]]></a>", "E<a><![CDATA[]>]]></a>",
           "E<a><![CDATA[]] ]>]]]]]></a>");
    EXPECT(HEADER, "E<a><![CDATA[<!-- ' \" <?]]><b/><![CDATA[>]]></a>");
    EXPECT(HEADER, "M<a><![CDATA[ ]] > </a>");
}

static void what_is_not_whole_goes_on(void **)
{
    static const char *const cut[] = {
        "M<",         "M<?", "M<?xm", "M<?xml version", "M<?xml ?>",  "M<?xml ?> \n",
        "M<?xml ?><", "M<s", "M<s a", "M<s a='>",       "M<s a='b' ", "M<s /",
    };
    static const char *const cut_below[] = {
        "M<",     "M<a",     "M<a/",         "M<a b='",       "M<a b='/>",
        "M<a>",   "M<a><",   "M<a></",       "M<a></a",       "M<a></a ",
        "M<a><!", "M<a><![", "M<a><![CDATA", "M<a><![CDATA[", "M<a><![CDATA[]]",
        "M</",    "M</s",    "M</s ",
    };

    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
        EXPECT(cut[i]);
    for (size_t i = 0; i < sizeof cut_below / sizeof *cut_below; i++)
        EXPECT("H<s>", cut_below[i]);
}

static void nothing_to_read_says_nothing(void **)
{
    struct framer f;
    size_t used = 1;

    framer_init(&f);
    assert_true(framer_idle(&f));
    assert_int_equal(framer_next(&f, SPAN_NONE, &used), FRAMED_MORE);
    assert_int_equal(used, 0);
    assert_true(framer_idle(&f));
}

static void restricted_xml_is_told_at_once(void **)
{
    EXPECT(HEADER, "R<!-");
    EXPECT(HEADER, "R<!D");
    EXPECT(HEADER, "R<?");
    EXPECT(HEADER, "E<a/>", "S ", "R<?");
    EXPECT(HEADER, "R<a>b<!-");
    EXPECT(HEADER, "R<a>b<?");
    EXPECT(HEADER, "R<a>b<!D");
    EXPECT("R<!-");
    EXPECT("R<!D");
    EXPECT("R<?xml version='1.0'?><!D");
    EXPECT("R<?xml version='1.0'?> <!-");
}

static void an_xml_declaration_stands_only_in_front(void **)
{
    EXPECT("R<?p");
    EXPECT("R<?xml-");
    EXPECT("R<?xml?");
    EXPECT("R<?xmll");
    EXPECT("R<?xml ?><?");
    EXPECT("H<?xml a='?'?><s>", "R<?");
    EXPECT("H<?xml a?b>?><s>");
    EXPECT("H<?xml ?"
           "?><s>");
}

static void text_between_items_is_bad(void **)
{
    EXPECT("Bx");
    EXPECT("S ", "Bx");
    EXPECT("B\xEF"); /* a byte order mark begins so */
    EXPECT(HEADER, "Bx");
    EXPECT(HEADER, "E<a/>", "B>");
    EXPECT(HEADER, "E<a/>", "S ", "B&");
    EXPECT(HEADER, "E<a/>", "B<![");
    EXPECT("B<?xml ?>x");
}

static void what_no_tag_begins_with_is_bad(void **)
{
    static const char *const bad[] = {
        "B<a><>", "B<a>< ", "B<a><<",  "B<a><1",     "B<a><=",        "B<a><'",
        "B<a><-", "B<a><:", "B<a><!x", "B<a><![C ",  "B<a><![CDATAx", "B<a/ ",
        "B<a/a",  "B<a//",  "B<a<",    "B<a b='c'<", "B<a b=<",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT("H<s>", bad[i]);
}

static void a_stray_end_tag_is_bad(void **)
{
    EXPECT("B</");
    EXPECT("H<stream:stream>", "B</stream>");
    EXPECT("H<stream:stream>", "B</stream:stream1>");
    EXPECT("H<stream:stream>", "B</a>");
    EXPECT("H<s>", "B</>");
    EXPECT("H<s>", "B</s a");
    EXPECT("H<s>", "B</s/");
    EXPECT("H<s>", "E<a></a>", "B</a>");
    EXPECT("H<s>", "C</s \n>");
}

static void a_header_that_closes_itself_is_bad(void **)
{
    EXPECT("B<stream:stream/>");
    EXPECT("B<stream:stream a='b' />");
}

static void behind_the_stream_is_only_white_space(void **)
{
    EXPECT("H<s>", "C</s>", "S\n ", "B<");
    EXPECT("H<s>", "C</s>", "Bx");
}

static void an_answer_that_ends_the_stream_stays(void **)
{
    static const char *const ends[] = {"<s>x", "<s><!-"};
    static const enum framed answers[] = {FRAMED_BAD, FRAMED_RESTRICTED};

    for (size_t i = 0; i < 2; i++) {
        struct span in = span_of(ends[i]);
        struct framer f;
        size_t used;

        framer_init(&f);
        assert_int_equal(framer_next(&f, in, &used), FRAMED_HEADER);
        in.p += used;
        in.len -= used;
        assert_int_equal(framer_next(&f, in, &used), answers[i]);
        assert_int_equal(framer_next(&f, SPAN_LIT("<a/>"), &used), answers[i]);
        assert_int_equal(used, 0);
        assert_int_equal(framer_next(&f, SPAN_NONE, &used), answers[i]);
        assert_false(framer_idle(&f));
    }
}

/* After SASL the same connection begins a new stream. */
static void a_framer_can_begin_anew(void **)
{
    struct framer f;
    size_t used;

    framer_init(&f);
    assert_int_equal(framer_next(&f, SPAN_LIT("<s><a"), &used), FRAMED_HEADER);
    assert_int_equal(framer_next(&f, SPAN_LIT("<a"), &used), FRAMED_MORE);
    framer_init(&f);
    assert_true(framer_idle(&f));
    assert_int_equal(framer_next(&f, SPAN_LIT("<?xml version='1.0'?><t>"), &used), FRAMED_HEADER);
    assert_int_equal(used, 24);
    assert_int_equal(framer_next(&f, SPAN_LIT("</t>"), &used), FRAMED_CLOSE);
}

/* Without a stream around it (RFC 7395, 3.3). However it is cut, the answer is the same. */
static enum framed document(const char *text, size_t step, size_t *whole)
{
    struct span in = span_of(text);
    enum framed found = FRAMED_MORE;
    struct framer f;

    framer_document(&f);
    assert_true(framer_idle(&f));
    *whole = 0;
    while (*whole < in.len && (found == FRAMED_MORE || found == FRAMED_SPACE)) {
        size_t left = in.len - *whole, used;

        found = framer_next(&f, guard_copy((struct span){in.p + *whole, left < step ? left : step}),
                            &used);
        *whole += used;
        assert_int_equal(framer_idle(&f), found != FRAMED_MORE && found < FRAMED_RESTRICTED);
    }
    return found;
}

static void a_document_is_an_element(void **)
{
    static const struct {
        const char *text;
        enum framed found;
        size_t whole;
    } documents[] = {
        {"<open a='>'/><x/>", FRAMED_ELEMENT, 13},
        {"<a><b></b></a> ", FRAMED_ELEMENT, 14},
        {" \n<a/>", FRAMED_ELEMENT, 6},
        {"<?xml version='1.0'?><a/>", FRAMED_ELEMENT, 25},
        {"<?xml version='1.0'?>\n<a></a>", FRAMED_ELEMENT, 29},
        {"<stream:stream/>", FRAMED_ELEMENT, 16},
        {"<stream:stream>", FRAMED_MORE, 15},
        {"<a><b/>", FRAMED_MORE, 7},
        {"<?xml version='1.0'?>", FRAMED_MORE, 21},
        {"</a>", FRAMED_BAD, 1},
        {"</>", FRAMED_BAD, 1},
        {"a", FRAMED_BAD, 0},
        {"<!-- -->", FRAMED_RESTRICTED, 2},
        {"<?php ?>", FRAMED_RESTRICTED, 3},
    };

    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        for (size_t step = 1; step < 32; step++) {
            size_t whole;

            assert_int_equal(document(documents[i].text, step, &whole), documents[i].found);
            if (documents[i].found < FRAMED_RESTRICTED)
                assert_int_equal(whole, documents[i].whole);
        }
}

static void depth_is_no_limit(void **)
{
    enum { DEPTH = 20000 };
    static char bytes[DEPTH * 7];
    struct span in = {bytes, 0};
    struct framer f;
    size_t used;

    for (size_t i = 0; i < DEPTH; i++, in.len += 3)
        memcpy(bytes + in.len, "<a>", 3);
    for (size_t i = 0; i < DEPTH; i++, in.len += 4)
        memcpy(bytes + in.len, "</a>", 4);
    framer_init(&f);
    assert_int_equal(framer_next(&f, SPAN_LIT("<s>"), &used), FRAMED_HEADER);
    assert_int_equal(framer_next(&f, in, &used), FRAMED_ELEMENT);
    assert_int_equal(used, in.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_a_header_items_and_a_closing_tag),
        cmocka_unit_test(white_space_between_items_is_an_item),
        cmocka_unit_test(an_element_ends_with_its_own_end_tag),
        cmocka_unit_test(signs_in_attribute_values_are_not_markup),
        cmocka_unit_test(signs_in_text_are_not_markup),
        cmocka_unit_test(cdata_ends_with_two_brackets_and_a_sign),
        cmocka_unit_test(what_is_not_whole_goes_on),
        cmocka_unit_test(nothing_to_read_says_nothing),
        cmocka_unit_test(restricted_xml_is_told_at_once),
        cmocka_unit_test(an_xml_declaration_stands_only_in_front),
        cmocka_unit_test(text_between_items_is_bad),
        cmocka_unit_test(what_no_tag_begins_with_is_bad),
        cmocka_unit_test(a_stray_end_tag_is_bad),
        cmocka_unit_test(a_header_that_closes_itself_is_bad),
        cmocka_unit_test(behind_the_stream_is_only_white_space),
        cmocka_unit_test(an_answer_that_ends_the_stream_stays),
        cmocka_unit_test(a_framer_can_begin_anew),
        cmocka_unit_test(a_document_is_an_element),
        cmocka_unit_test(depth_is_no_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
