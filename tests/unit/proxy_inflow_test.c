/* SPDX-License-Identifier: MIT */
/*
 * Cutting a stream into items: in place, byte by byte, held and taken up again, and
 * beyond the bound. However the bytes come, the items are the same.
 */
#include "proxy/inflow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

enum { ITEMS = 16 };

struct seen {
    enum inflow_found found[ITEMS];
    char text[ITEMS][256];
    size_t count;
};

static void note(struct seen *to, enum inflow_found found, struct span item)
{
    assert_true(to->count < ITEMS);
    to->found[to->count] = found;
    snprintf(to->text[to->count++], sizeof *to->text, "%.*s", (int)item.len, item.p ? item.p : "");
}

static void take_all(struct inflow *f, struct span fresh, struct seen *to)
{
    for (;;) {
        struct span item = SPAN_NONE;
        enum inflow_found found = inflow_next(f, &fresh, &item);

        if (found == INFLOW_MORE)
            break;
        note(to, found, item);
        if (found >= INFLOW_RESTRICTED)
            break;
    }
}

static bool over(const struct seen *s)
{
    return s->count && s->found[s->count - 1] >= INFLOW_RESTRICTED;
}

/* In pieces of `piece` bytes. */
static struct seen fed(const char *text, size_t piece, size_t item_max)
{
    struct seen seen = {.count = 0};
    struct inflow f;
    size_t len = strlen(text);

    inflow_init(&f, item_max);
    for (size_t at = 0; at < len && !over(&seen); at += piece)
        take_all(&f, (struct span){text + at, len - at < piece ? len - at : piece}, &seen);
    inflow_clear(&f);
    return seen;
}

static const char stream[] =
    "<?xml version='1.0'?><stream:stream a='>'>  <message><body>a</body></message><r/>\n"
    "<iq type='get' id=\"/>\"><q/></iq></stream:stream>";

static void assert_stream(const struct seen *s)
{
    assert_int_equal(s->count, 5);
    assert_int_equal(s->found[0], INFLOW_HEADER);
    assert_string_equal(s->text[0], "<?xml version='1.0'?><stream:stream a='>'>");
    assert_int_equal(s->found[1], INFLOW_ELEMENT);
    assert_string_equal(s->text[1], "<message><body>a</body></message>");
    assert_string_equal(s->text[2], "<r/>");
    assert_string_equal(s->text[3], "<iq type='get' id=\"/>\"><q/></iq>");
    assert_int_equal(s->found[4], INFLOW_CLOSE);
}

static void items_are_the_same_in_pieces_of_any_size(void **)
{
    for (size_t piece = 1; piece < sizeof stream; piece++) {
        struct seen seen = fed(stream, piece, 1000);

        assert_stream(&seen);
    }
}

/* A client's bytes wait while the server's answer is awaited: after each item, in this test. */
static void held_bytes_come_again_in_order(void **)
{
    for (size_t piece = 1; piece < sizeof stream; piece++) {
        struct seen seen = {.count = 0};
        struct inflow f;
        size_t len = strlen(stream), at = 0;

        inflow_init(&f, 1000);
        while (at < len || inflow_waits(&f)) {
            size_t take = len - at < piece ? len - at : piece;
            struct span fresh = {stream + at, take}, item;
            enum inflow_found found = inflow_next(&f, &fresh, &item);

            at += take;
            if (found != INFLOW_MORE)
                note(&seen, found, item);
            assert_true(inflow_hold(&f, fresh));
        }
        assert_stream(&seen);
        inflow_clear(&f);
    }
}

static void an_over_long_item_is_skipped_and_named_by_its_start_tag(void **)
{
    static const char text[] =
        "<stream:stream><message id='m' to='a@b'><body>0123456789012345678901234567890123456789"
        "</body></message><r/>";

    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct seen seen = fed(text, piece, 50);
        char tag[INFLOW_TAG_MAX];
        struct span start;

        assert_int_equal(seen.count, 3);
        assert_int_equal(seen.found[1], INFLOW_SKIPPED);
        start = inflow_start_tag(span_of(seen.text[1]), tag);
        assert_true(span_is(start, "<message id='m' to='a@b'/>"));
        assert_int_equal(seen.found[2], INFLOW_ELEMENT);
        assert_string_equal(seen.text[2], "<r/>");
    }
}

static void sixteen_times_the_bound_is_the_end(void **)
{
    char text[2048] = "<stream:stream><message>";

    memset(text + strlen(text), 'x', 2000);
    for (size_t piece = 1; piece < 2000; piece = piece * 3 + 1) {
        struct seen seen = fed(text, piece, 100);

        assert_int_equal(seen.count, 2);
        assert_int_equal(seen.found[1], INFLOW_TOO_LONG);
    }
}

/* Whether it came at once or not. */
static void an_item_is_too_long_when_it_is_whole_too(void **)
{
    static const char begin[] = "<stream:stream><message>", end[] = "</message><r/>";
    static const char closes[] = "<stream:stream></stream:stream                       >";
    char text[2048];

    memcpy(text, begin, sizeof begin);
    memset(text + strlen(begin), 'x', 1700);
    memcpy(text + strlen(begin) + 1700, end, sizeof end);
    for (size_t piece = 1; piece < 4000; piece = piece * 3 + 1) {
        struct seen long_item = fed(text, piece, 100), long_close = fed(closes, piece, 20);

        assert_int_equal(long_item.count, 2);
        assert_int_equal(long_item.found[1], INFLOW_TOO_LONG);
        assert_int_equal(long_close.count, 2);
        assert_int_equal(long_close.found[1], INFLOW_TOO_LONG);
    }
}

static void an_over_long_header_is_the_end(void **)
{
    char text[2048] = "<stream:stream a='";

    memset(text + strlen(text), 'x', 1000);
    for (size_t piece = 1; piece < 2000; piece = piece * 3 + 1)
        assert_int_equal(fed(text, piece, 100).found[0], INFLOW_TOO_LONG);
}

/* RFC 6120, 6.4.6: what was pipelined behind <auth/> belongs to the stream that begins after
 * success. */
static void a_restart_leaves_what_was_not_seen(void **)
{
    static const char text[] = "<stream:stream><auth/><stream:stream><iq/>";
    struct span fresh = span_of(text), item;
    struct inflow f;

    inflow_init(&f, 1000);
    assert_int_equal(inflow_next(&f, &fresh, &item), INFLOW_HEADER);
    assert_int_equal(inflow_next(&f, &fresh, &item), INFLOW_ELEMENT);
    assert_true(inflow_hold(&f, fresh));
    inflow_restart(&f);
    fresh = SPAN_NONE;
    assert_int_equal(inflow_next(&f, &fresh, &item), INFLOW_HEADER);
    assert_true(span_is(item, "<stream:stream>"));
    assert_int_equal(inflow_next(&f, &fresh, &item), INFLOW_ELEMENT);
    assert_true(span_is(item, "<iq/>"));
    inflow_clear(&f);
}

static void comments_are_told_from_what_is_no_xml(void **)
{
    assert_int_equal(fed("<stream:stream><!-- a -->", 3, 1000).found[1], INFLOW_RESTRICTED);
    assert_int_equal(fed("<stream:stream>text", 3, 1000).found[1], INFLOW_BAD);
}

/* As XML it is an element that nobody will end. */
static void a_second_header_is_seen_before_it_ends(void **)
{
    static const char header[] = "<stream:stream xmlns='a' xmlns:stream='b'>";
    const struct {
        const char *behind;
        bool again;
    } cases[] = {
        {"<stream:stream to='x'>", true},
        {"<stream:stream>", true},
        {"<stream:stream\n", true},
        {"<stream:stream", false},
        {"<stream:streams a='b'>", false},
        {"<message><stream:stream a='b'>", false},
        {"", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span first = span_of(header), next = span_of(cases[i].behind), item;
        struct inflow f;

        inflow_init(&f, 1000);
        assert_false(inflow_opens_again(&f));
        assert_int_equal(inflow_next(&f, &first, &item), INFLOW_HEADER);
        assert_int_equal(inflow_next(&f, &next, &item), INFLOW_MORE);
        assert_int_equal(inflow_opens_again(&f), cases[i].again);
        inflow_clear(&f);
    }
}

/* The first one is none, however slowly it comes. */
static void the_first_header_is_no_second_one(void **)
{
    struct span part = SPAN_LIT("<stream:stream to='x' "), item;
    struct inflow f;

    inflow_init(&f, 1000);
    assert_int_equal(inflow_next(&f, &part, &item), INFLOW_MORE);
    assert_false(inflow_opens_again(&f));
    inflow_clear(&f);
}

static void a_start_tag_that_is_not_whole_is_none(void **)
{
    char tag[INFLOW_TAG_MAX];

    assert_null(inflow_start_tag(SPAN_LIT("<message to='>"), tag).p);
    assert_null(inflow_start_tag(SPAN_LIT(""), tag).p);
    assert_true(span_is(inflow_start_tag(SPAN_LIT("<message/>x"), tag), "<message/>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_the_same_in_pieces_of_any_size),
        cmocka_unit_test(held_bytes_come_again_in_order),
        cmocka_unit_test(an_over_long_item_is_skipped_and_named_by_its_start_tag),
        cmocka_unit_test(sixteen_times_the_bound_is_the_end),
        cmocka_unit_test(an_item_is_too_long_when_it_is_whole_too),
        cmocka_unit_test(an_over_long_header_is_the_end),
        cmocka_unit_test(a_restart_leaves_what_was_not_seen),
        cmocka_unit_test(comments_are_told_from_what_is_no_xml),
        cmocka_unit_test(a_second_header_is_seen_before_it_ends),
        cmocka_unit_test(the_first_header_is_no_second_one),
        cmocka_unit_test(a_start_tag_that_is_not_whole_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
