/* SPDX-License-Identifier: MIT */
/* Counts and truths are read as XML Schema writes them, and nothing else is. */
#include "parser/span.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/guard.h"

static bool reads_as(const char *s, uint32_t expected)
{
    uint32_t value = ~expected;

    return span_uint32(guard_copy(span_of(s)), &value) && value == expected;
}

static bool is_no_count(struct span s)
{
    uint32_t value = 7;

    return !span_uint32(guard_copy(s), &value) && value == 7;
}

static void a_count_is_read_up_to_the_largest(void **)
{
    assert_true(reads_as("0", 0));
    assert_true(reads_as("1", 1));
    assert_true(reads_as("4294967294", UINT32_MAX - 1));
    assert_true(reads_as("4294967295", UINT32_MAX));
    assert_true(reads_as("0000000012", 12));
}

static void a_count_too_large_is_none(void **)
{
    assert_true(is_no_count(SPAN_LIT("4294967296")));
    assert_true(is_no_count(SPAN_LIT("9999999999")));
    assert_true(is_no_count(SPAN_LIT("00000000012")));
    assert_true(is_no_count(SPAN_LIT("18446744073709551617")));
}

static void what_is_not_digits_is_no_count(void **)
{
    static const char *const bad[] = {"",    "-1", "+1", " 1", "1 ", "1.0",
                                      "0x1", "a",  "1a", "/",  ":"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(is_no_count(span_of(bad[i])));
    assert_true(is_no_count(SPAN_NONE));
    assert_true(is_no_count(SPAN_LIT("1\0")));
}

static void four_words_are_truths_and_only_two_are_true(void **)
{
    static const char *const untrue[] = {"false", "0", "", "True", "TRUE", "tru", "true ", "11"};

    assert_true(span_boolean(guard_copy(SPAN_LIT("true"))));
    assert_true(span_boolean(guard_copy(SPAN_LIT("1"))));
    for (size_t i = 0; i < sizeof untrue / sizeof *untrue; i++)
        assert_false(span_boolean(guard_copy(span_of(untrue[i]))));
    assert_false(span_boolean(SPAN_NONE));
}

static void spans_are_equal_if_their_bytes_are(void **)
{
    assert_true(span_eq(SPAN_LIT("ab"), guard_copy(SPAN_LIT("ab"))));
    assert_true(span_eq(SPAN_LIT("a\0b"), guard_copy(SPAN_LIT("a\0b"))));
    assert_false(span_eq(SPAN_LIT("a\0b"), SPAN_LIT("a\0c")));
    assert_false(span_eq(SPAN_LIT("ab"), SPAN_LIT("abc")));
    assert_true(span_eq(SPAN_NONE, SPAN_LIT("")));
}

static void an_absent_span_is_no_text_not_even_an_empty_one(void **)
{
    assert_true(span_is(SPAN_LIT(""), ""));
    assert_false(span_is(SPAN_NONE, ""));
    assert_true(span_is(SPAN_LIT("x"), "x"));
    assert_false(span_is(SPAN_LIT("x"), "xy"));
    assert_null(span_of(NULL).p);
    assert_int_equal(span_of(NULL).len, 0);
    assert_int_equal(span_of("abc").len, 3);
}

static bool utf8(const char *bytes)
{
    return span_utf8(guard_copy(span_of(bytes)));
}

static void utf8_has_one_form_for_each_character(void **)
{
    assert_true(utf8("") && span_utf8(SPAN_NONE));
    assert_true(utf8("a\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80"));
    assert_true(utf8("\xf4\x8f\xbf\xbf") && span_utf8(SPAN_LIT("a\0b")));
    assert_false(utf8("\x80") || utf8("a\xbf"));                     /* it continues nothing */
    assert_false(utf8("\xc3") || utf8("\xe2\x82") || utf8("\xc3z")); /* it stops early */
    assert_false(utf8("\xc0\x80") || utf8("\xc1\xbf"));              /* too long a form */
    assert_false(utf8("\xe0\x9f\xbf") || utf8("\xf0\x8f\xbf\xbf"));
    assert_false(utf8("\xed\xa0\x80") || utf8("\xed\xbf\xbf")); /* surrogates */
    assert_false(utf8("\xf4\x90\x80\x80") || utf8("\xf5\x80\x80\x80") || utf8("\xff"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_is_read_up_to_the_largest),
        cmocka_unit_test(a_count_too_large_is_none),
        cmocka_unit_test(what_is_not_digits_is_no_count),
        cmocka_unit_test(four_words_are_truths_and_only_two_are_true),
        cmocka_unit_test(spans_are_equal_if_their_bytes_are),
        cmocka_unit_test(an_absent_span_is_no_text_not_even_an_empty_one),
        cmocka_unit_test(utf8_has_one_form_for_each_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
