/* SPDX-License-Identifier: MIT */
/* The programs of the tests under load find items and numbers, however the bytes come. */
#include "tests/load/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/load/words.h"

static const char stream[] =
    "<?xml version='1.0'?> <stream:stream id='a>b' xmlns='jabber:client'>"
    " <r xmlns='urn:xmpp:sm:3'/>\n"
    "<message to=\"x'>\" id='m12'><body>a > b &lt;/message></body><x/></message></stream:stream>";

static const enum scan_found expected[] = {SCAN_HEADER, SCAN_ITEM, SCAN_ITEM, SCAN_CLOSING};

/* The items of the stream in the order in which they are found, the bytes coming in pieces. */
static void read_in_pieces(size_t piece)
{
    struct bytes in = {0};
    struct scan s = {0};
    struct text item;
    size_t found = 0;

    for (size_t at = 0; at < sizeof stream - 1; at += piece) {
        size_t left = sizeof stream - 1 - at;
        enum scan_found what;

        bytes_put(&in, stream + at, left < piece ? left : piece);
        while ((what = scan_next(&s, &in, &item)) != SCAN_MORE) {
            assert_int_equal(what, expected[found++]);
            assert_int_equal(item.p[item.len - 1], '>');
        }
    }
    assert_int_equal(found, sizeof expected / sizeof *expected);
    assert_false(scan_halfway(&s, &in));
    bytes_clear(&in);
}

static void items_are_found_however_they_come(void **)
{
    for (size_t piece = 1; piece <= sizeof stream; piece++)
        read_in_pieces(piece);
}

static void text_between_items_is_no_stream(void **)
{
    struct bytes in = {0};
    struct scan s = {0};
    struct text item;

    bytes_print(&in, "<s:s> <a/>b<c/>");
    assert_int_equal(scan_next(&s, &in, &item), SCAN_HEADER);
    assert_int_equal(scan_next(&s, &in, &item), SCAN_ITEM);
    assert_int_equal(scan_next(&s, &in, &item), SCAN_BROKEN);
    bytes_clear(&in);
}

static void attributes_are_those_of_the_items_own_start_tag(void **)
{
    static const char xml[] = "<s:a h='4294967295' to=\"x'\"><b id='m1'/></s:a>";
    struct text item = {xml, sizeof xml - 1}, value;
    uint32_t h;

    assert_true(item_is(item, "a"));
    assert_false(item_is(item, "s"));
    assert_true(item_attribute(item, "to", &value) && text_is(value, "x'"));
    assert_false(item_attribute(item, "id", &value));
    assert_true(item_number(item, "h", &h) && h == UINT32_MAX);
    assert_false(item_number(item, "to", &h));
}

static void a_message_is_known_by_speaker_and_number(void **)
{
    struct words *w = words_new(1, 30000);
    struct bytes out = {0};

    for (uint32_t number = 0; number < 1000; number++) {
        uint32_t read;

        words_message(w, &out, 5, number, "b@example.org/x");
        struct text item = {bytes_front(&out), bytes_len(&out)};
        assert_true(words_number(item, 'm', &read) && read == number);
        assert_true(words_true(w, item, 5, number));
        bytes_front(&out)[bytes_len(&out) - sizeof "</body></message>"] ^= 1;
        assert_false(words_true(w, item, 5, number));
        bytes_clear(&out);
    }
    words_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_found_however_they_come),
        cmocka_unit_test(text_between_items_is_no_stream),
        cmocka_unit_test(attributes_are_those_of_the_items_own_start_tag),
        cmocka_unit_test(a_message_is_known_by_speaker_and_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
