/* SPDX-License-Identifier: MIT */
/*
 * The table of a login, read against the specifications: who may say what, and when.
 */
#include "sm/login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Every state in which the client has not authenticated. */
static const enum login_state strangers[] = {LOGIN_CLEAR, LOGIN_OFFERED, LOGIN_SECURE, LOGIN_AUTH,
                                             LOGIN_EXCHANGE};

static void a_stranger_reaches_the_server_only_to_authenticate(void **)
{
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        assert_false(login_authenticated(strangers[i]));
        for (int says = 0; says < LOGIN_SAYS; says++) {
            bool login = says == LOGIN_HEADER || says == LOGIN_STARTTLS ||
                         says == LOGIN_SASL_AUTH || says == LOGIN_SASL_RESPONSE ||
                         says == LOGIN_SASL_ABORT || says == LOGIN_IQ_AUTH ||
                         says == LOGIN_IQ_REGISTER;

            if (!login)
                assert_int_not_equal(login_judge(strangers[i], (enum login_says)says), LOGIN_TAKE);
        }
    }
}

static void nothing_but_starttls_is_taken_in_the_clear(void **)
{
    for (int says = 0; says < LOGIN_SAYS; says++) {
        enum login_verdict verdict = login_judge(LOGIN_OFFERED, (enum login_says)says);

        assert_int_equal(verdict == LOGIN_TAKE, says == LOGIN_STARTTLS);
    }
    assert_int_equal(login_judge(LOGIN_OFFERED, LOGIN_SASL_AUTH), LOGIN_ENCRYPTION);
}

/* RFC 6120, 4.2: the header comes first, and once. */
static void a_header_is_taken_where_one_is_awaited(void **)
{
    for (int state = 0; state < LOGIN_STATES; state++) {
        bool awaited = state == LOGIN_CLEAR || state == LOGIN_SECURE || state == LOGIN_RESTART;
        enum login_verdict verdict = login_judge((enum login_state)state, LOGIN_HEADER);

        assert_int_equal(verdict, awaited ? LOGIN_TAKE : LOGIN_BAD_FORMAT);
        if (awaited) /* and nothing else is */
            for (int says = LOGIN_HEADER + 1; says < LOGIN_SAYS; says++)
                assert_int_equal(login_judge((enum login_state)state, (enum login_says)says),
                                 LOGIN_BAD_FORMAT);
    }
}

/* XEP-0198, 3 and 5: resumption instead of bind, enabling after it. */
static void resuming_comes_instead_of_binding_and_enabling_behind_it(void **)
{
    for (int state = LOGIN_AUTH; state < LOGIN_STATES; state++) {
        enum login_verdict resume = login_judge((enum login_state)state, LOGIN_RESUME);
        enum login_verdict enable = login_judge((enum login_state)state, LOGIN_ENABLE);

        if (state == LOGIN_RESTART)
            continue;
        assert_int_equal(resume, state == LOGIN_BIND ? LOGIN_TAKE : LOGIN_FAILED);
        if (state == LOGIN_BOUND)
            assert_int_equal(enable, LOGIN_TAKE);
        else
            assert_int_equal(enable, state == LOGIN_SESSION ? LOGIN_TWICE : LOGIN_FAILED);
    }
}

static void a_resource_is_bound_once(void **)
{
    assert_int_equal(login_judge(LOGIN_BIND, LOGIN_IQ_BIND), LOGIN_TAKE);
    assert_int_equal(login_judge(LOGIN_BOUND, LOGIN_IQ_BIND), LOGIN_REFUSED);
    assert_int_equal(login_judge(LOGIN_SESSION, LOGIN_IQ_BIND), LOGIN_REFUSED);
    assert_int_equal(login_judge(LOGIN_RESUMED, LOGIN_IQ_BIND), LOGIN_REFUSED);
}

static void who_is_bound_cannot_become_somebody_else(void **)
{
    for (int state = LOGIN_BOUND; state <= LOGIN_RESUMED; state++) {
        assert_int_equal(login_judge((enum login_state)state, LOGIN_IQ_AUTH), LOGIN_REFUSED);
        assert_int_equal(login_judge((enum login_state)state, LOGIN_SASL_AUTH),
                         LOGIN_POLICY_VIOLATION);
    }
}

static void acks_are_taken_only_where_they_were_enabled(void **)
{
    for (int state = LOGIN_AUTH; state < LOGIN_STATES; state++) {
        bool enabled = state == LOGIN_SESSION || state == LOGIN_RESUMED;

        if (state == LOGIN_RESTART)
            continue;
        assert_int_equal(login_judge((enum login_state)state, LOGIN_R) == LOGIN_TAKE, enabled);
        assert_int_equal(login_judge((enum login_state)state, LOGIN_A) == LOGIN_TAKE, enabled);
        assert_int_equal(login_judge((enum login_state)state, LOGIN_SM_OTHER), LOGIN_IGNORE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_reaches_the_server_only_to_authenticate),
        cmocka_unit_test(nothing_but_starttls_is_taken_in_the_clear),
        cmocka_unit_test(a_header_is_taken_where_one_is_awaited),
        cmocka_unit_test(resuming_comes_instead_of_binding_and_enabling_behind_it),
        cmocka_unit_test(a_resource_is_bound_once),
        cmocka_unit_test(who_is_bound_cannot_become_somebody_else),
        cmocka_unit_test(acks_are_taken_only_where_they_were_enabled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
