/* SPDX-License-Identifier: MIT */
/*
 * The count of descriptors, and when a want of them is worth a line in the log.
 */
#include "proxy/descriptors.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { MINUTE = 60000, WORKERS = 4, TURNS = 20000 };

static void there_is_room_up_to_the_last_one(void **)
{
    struct descriptors d = {.most = 4};

    descriptors_take(&d, 2);
    assert_true(descriptors_left(&d, 2));
    assert_false(descriptors_left(&d, 3));
    descriptors_take(&d, 2);
    assert_true(descriptors_left(&d, 0));
    assert_false(descriptors_left(&d, 1));
    descriptors_give(&d, 1);
    assert_true(descriptors_left(&d, 1));
    assert_false(descriptors_left(&d, 2));
}

static void who_is_in_may_take_more_than_there_are(void **)
{
    struct descriptors d = {.most = 1};

    descriptors_take(&d, 3);
    assert_false(descriptors_left(&d, 0));
    assert_false(descriptors_left(&d, UINT32_MAX));
    descriptors_give(&d, 2);
    assert_true(descriptors_left(&d, 0));
}

static void what_is_open_and_some_to_spare_are_not_to_be_had(void **)
{
    struct rlimit before, low;
    struct descriptors d = {0};
    int next = fcntl(STDIN_FILENO, F_DUPFD, 0);

    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){.rlim_cur = (rlim_t)next + DESCRIPTORS_SPARE + 10,
                          .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    descriptors_count(&d);
    assert_int_equal(d.most, 10);
    descriptors_take(&d, 3); /* one that was counted is not counted twice */
    descriptors_count(&d);
    assert_int_equal(d.most, 13);
    descriptors_give(&d, 3);
    low.rlim_cur = (rlim_t)next + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    descriptors_count(&d);
    assert_int_equal(d.most, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void the_limit_is_raised_as_far_as_it_goes(void **)
{
    struct rlimit before, now;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = (struct rlimit){.rlim_cur = before.rlim_max / 2, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    descriptors_raise();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void a_want_is_told_once_a_minute_and_its_end_once(void **)
{
    struct descriptors d = {0};

    assert_false(descriptors_tell_end(&d));
    assert_true(descriptors_tell_want(&d, MINUTE));
    assert_false(descriptors_tell_want(&d, MINUTE));
    assert_true(descriptors_tell_end(&d));
    assert_false(descriptors_tell_end(&d));
    assert_false(descriptors_tell_want(&d, 2 * MINUTE - 1));
    assert_false(descriptors_tell_end(&d)); /* what was not told has no end either */
    assert_true(descriptors_tell_want(&d, 2 * MINUTE));
    assert_true(descriptors_tell_end(&d));
}

static void *work(void *arg)
{
    struct descriptors *d = arg;

    for (int i = 0; i < TURNS; i++) {
        descriptors_take(d, 2);
        descriptors_give(d, 1);
        descriptors_give(d, 1);
    }
    return NULL;
}

static void after_many_workers_all_are_back(void **)
{
    struct descriptors d = {.most = 5};
    pthread_t threads[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &d), 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(descriptors_left(&d, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_room_up_to_the_last_one),
        cmocka_unit_test(who_is_in_may_take_more_than_there_are),
        cmocka_unit_test(what_is_open_and_some_to_spare_are_not_to_be_had),
        cmocka_unit_test(the_limit_is_raised_as_far_as_it_goes),
        cmocka_unit_test(a_want_is_told_once_a_minute_and_its_end_once),
        cmocka_unit_test(after_many_workers_all_are_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
