/* SPDX-License-Identifier: MIT */
/* A client of the tests under load believes no count that cannot be true. */
#include "tests/load/session.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Five stanzas are said and written, 100 bytes each. */
static struct session five_written(void)
{
    struct session s = {0};

    session_begin(&s);
    for (uint32_t n = 0; n < 5; n++)
        session_say(&s, SAID_MESSAGE, n);
    for (uint64_t end = 100; session_unwritten(&s); end += 100)
        session_wrote(&s, end);
    return s;
}

static void what_was_sent_whole_may_be_acknowledged(void **)
{
    struct session s = five_written();

    assert_int_equal(session_ack(&s, 2, 250), ACK_FINE);
    assert_int_equal(s.count, 3);
    assert_int_equal(session_ack(&s, 2, 250), ACK_FINE);
    assert_int_equal(session_ack(&s, 5, 500), ACK_FINE);
    assert_int_equal(s.count, 0);
    session_free(&s);
}

static void what_the_kernel_was_not_given_whole_may_not(void **)
{
    struct session s = five_written();

    assert_int_equal(session_ack(&s, 3, 299), ACK_HIGHER);
    assert_int_equal(s.count, 5);
    assert_int_equal(session_ack(&s, 6, 500), ACK_HIGHER);
    session_free(&s);
}

static void no_count_goes_back(void **)
{
    struct session s = five_written();

    assert_int_equal(session_ack(&s, 3, 500), ACK_FINE);
    assert_int_equal(session_ack(&s, 2, 500), ACK_LOWER);
    session_free(&s);
}

static void after_a_cut_all_is_written_again_and_the_bound_stays(void **)
{
    struct session s = five_written();
    uint32_t numbers = 0;

    session_cut(&s, 200);
    for (struct stanza *one; (one = session_unwritten(&s)); numbers++) {
        assert_int_equal(one->number, numbers);
        session_wrote(&s, 1000 + numbers);
    }
    assert_int_equal(numbers, 5);
    assert_int_equal(session_ack(&s, 3, 0), ACK_HIGHER);
    assert_int_equal(session_ack(&s, 2, 0), ACK_FINE);
    session_free(&s);
}

static void a_resumption_writes_what_is_left(void **)
{
    struct session s = five_written();

    session_cut(&s, 500);
    assert_int_equal(session_ack(&s, 4, 0), ACK_FINE);
    assert_int_equal(session_unwritten(&s)->number, 4);
    session_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_whole_may_be_acknowledged),
        cmocka_unit_test(what_the_kernel_was_not_given_whole_may_not),
        cmocka_unit_test(no_count_goes_back),
        cmocka_unit_test(after_a_cut_all_is_written_again_and_the_bound_stays),
        cmocka_unit_test(a_resumption_writes_what_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
