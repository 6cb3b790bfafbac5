/* SPDX-License-Identifier: MIT */
/* The oracle of the tests under load sees whatever goes wrong with numbers that go one way. */
#include "tests/load/oracle.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct way heard_three_of_ten(void)
{
    struct way w = {.said = 10};

    for (uint32_t n = 0; n < 3; n++)
        assert_null(way_heard(&w, n, false));
    return w;
}

static void what_comes_once_and_in_order_is_fine(void **)
{
    struct way w = heard_three_of_ten();

    assert_false(way_settled(&w));
    for (uint32_t n = 3; n < 10; n++)
        assert_null(way_heard(&w, n, false));
    assert_true(way_settled(&w));
    way_free(&w);
}

static void what_comes_twice_is_a_fault(void **)
{
    struct way w = heard_three_of_ten();

    assert_non_null(way_heard(&w, 2, false));
    assert_non_null(way_heard(&w, 0, false));
    way_free(&w);
}

static void what_nobody_said_is_a_fault(void **)
{
    struct way w = heard_three_of_ten();

    assert_non_null(way_heard(&w, 10, false));
    assert_non_null(way_returned(&w, 10));
    way_free(&w);
}

static void a_gap_is_a_fault_and_what_comes_late_is_another(void **)
{
    struct way w = heard_three_of_ten();

    assert_non_null(way_heard(&w, 4, false));
    assert_non_null(way_heard(&w, 3, false));
    way_free(&w);
}

static void after_a_logout_what_is_missing_has_to_come_back(void **)
{
    struct way w = heard_three_of_ten();

    way_hearer_left(&w);
    for (uint32_t n = 5; n < 10; n++) /* 3 and 4 are missing */
        assert_null(way_heard(&w, n, false));
    assert_false(way_settled(&w));
    assert_null(way_returned(&w, 4));
    assert_null(way_returned(&w, 3));
    assert_true(way_settled(&w));
    assert_non_null(way_returned(&w, 3));
    way_free(&w);
}

static void it_may_come_back_before_the_next_is_heard(void **)
{
    struct way w = heard_three_of_ten();

    way_hearer_left(&w);
    assert_null(way_returned(&w, 3));
    assert_non_null(way_returned(&w, 3));
    for (uint32_t n = 4; n < 10; n++)
        assert_null(way_heard(&w, n, false));
    assert_true(way_settled(&w));
    way_free(&w);
}

static void what_was_heard_must_not_come_back_nor_the_other_way(void **)
{
    struct way w = heard_three_of_ten();

    assert_non_null(way_returned(&w, 1));
    way_hearer_left(&w);
    assert_null(way_returned(&w, 3));
    assert_non_null(way_heard(&w, 3, false));
    way_free(&w);
}

static void nothing_comes_back_while_nobody_logs_out(void **)
{
    struct way w = heard_three_of_ten();

    assert_non_null(way_returned(&w, 3));
    way_free(&w);
}

static void behind_a_closing_tag_both_are_possible(void **)
{
    struct way w = heard_three_of_ten();

    way_hearer_left(&w);
    assert_null(way_heard(&w, 3, true));
    assert_null(way_returned(&w, 3));
    assert_null(way_returned(&w, 4));
    assert_null(way_heard(&w, 4, true));
    assert_non_null(way_heard(&w, 4, true));
    way_free(&w);
}

static void who_has_logged_out_does_not_miss_what_came_back_meanwhile(void **)
{
    struct way w = heard_three_of_ten();

    way_hearer_left(&w);
    way_speaker_left(&w);
    w.said = 11;
    assert_null(way_heard(&w, 10, false));
    assert_true(way_settled(&w));
    way_free(&w);
}

static void behind_a_speakers_cut_only_its_next_session_may_follow(void **)
{
    struct way w = heard_three_of_ten();

    way_speaker_cut(&w);
    w.said = 12;
    assert_null(way_heard(&w, 3, false));
    assert_null(way_heard(&w, 10, false));
    assert_null(way_heard(&w, 11, false));
    assert_true(way_settled(&w));
    assert_non_null(way_heard(&w, 4, false));
    way_free(&w);
}

static void a_gap_that_does_not_end_where_a_session_begins_is_a_fault(void **)
{
    struct way w = heard_three_of_ten();

    way_speaker_cut(&w);
    w.said = 12;
    assert_non_null(way_heard(&w, 11, false));
    way_free(&w);
}

static void a_hearers_next_session_begins_with_something_of_the_last(void **)
{
    struct way w = heard_three_of_ten();

    way_hearer_cut(&w);
    assert_null(way_heard(&w, 1, false));
    assert_null(way_heard(&w, 2, false));
    assert_null(way_heard(&w, 3, false));
    assert_non_null(way_heard(&w, 3, false));
    way_hearer_cut(&w);
    assert_non_null(way_heard(&w, 0, false)); /* it was of the session before */
    way_free(&w);
}

static void in_a_hearers_next_session_nothing_may_be_missing(void **)
{
    struct way w = heard_three_of_ten();

    way_hearer_cut(&w);
    assert_null(way_heard(&w, 1, false));
    assert_non_null(way_heard(&w, 3, false));
    way_free(&w);
}

static void what_comes_back_in_doubt_was_said(void **)
{
    struct way w = heard_three_of_ten();

    assert_null(way_doubted(&w, 9));
    assert_non_null(way_doubted(&w, 10));
    way_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_once_and_in_order_is_fine),
        cmocka_unit_test(what_comes_twice_is_a_fault),
        cmocka_unit_test(what_nobody_said_is_a_fault),
        cmocka_unit_test(a_gap_is_a_fault_and_what_comes_late_is_another),
        cmocka_unit_test(after_a_logout_what_is_missing_has_to_come_back),
        cmocka_unit_test(it_may_come_back_before_the_next_is_heard),
        cmocka_unit_test(what_was_heard_must_not_come_back_nor_the_other_way),
        cmocka_unit_test(nothing_comes_back_while_nobody_logs_out),
        cmocka_unit_test(behind_a_closing_tag_both_are_possible),
        cmocka_unit_test(who_has_logged_out_does_not_miss_what_came_back_meanwhile),
        cmocka_unit_test(behind_a_speakers_cut_only_its_next_session_may_follow),
        cmocka_unit_test(a_gap_that_does_not_end_where_a_session_begins_is_a_fault),
        cmocka_unit_test(a_hearers_next_session_begins_with_something_of_the_last),
        cmocka_unit_test(in_a_hearers_next_session_nothing_may_be_missing),
        cmocka_unit_test(what_comes_back_in_doubt_was_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
