/* SPDX-License-Identifier: MIT */
/*
 * What the daemon says to its keeper, and what becomes of the descriptors with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/stored.h"
#include "tests/support/guard.h"

static int some_fd(void)
{
    int fd = dup(0);

    assert_true(fd >= 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static struct stored_word word_of(const char *text)
{
    struct span bytes = guard_copy(span_of(text));
    struct stored_word word;

    assert_true(stored_read(&word, bytes.p, bytes.len));
    return word;
}

static void assert_unfit(const char *text, size_t len)
{
    struct stored_word word;

    assert_false(stored_read(&word, text, len));
}

static void its_words_are_read(void **)
{
    struct stored_word word = word_of("FDSTORE=1\nFDPOLL=0\nFDNAME=arena-3");

    assert_true(word.store && !word.remove && !word.ready && !word.barrier);
    assert_string_equal(word.name, "arena-3");
    word = word_of("READY=1\nSTATUS=all is well\n");
    assert_true(word.ready && !word.store);
    assert_string_equal(word.name, "stored");
    assert_true(word_of("BARRIER=1").barrier);
    assert_true(word_of("STOPPING=1").stopping);
    assert_true(word_of("FDSTOREREMOVE=1\nFDNAME=x").remove);
    assert_false(word_of("READY=10").ready);
    assert_false(word_of("READY=").ready);
    assert_false(word_of("").ready);
}

static void what_is_unfit_is_no_word(void **)
{
    char longest[STORED_WORD + 1], name[STORED_NAME + 16] = "FDNAME=";

    memset(longest, 'x', sizeof longest);
    assert_unfit(longest, sizeof longest);
    assert_unfit("READY=1\0", 8);
    assert_unfit("FDNAME=", 7);
    assert_unfit("FDNAME=a:b", 10);
    assert_unfit("FDNAME=a b", 10);
    assert_unfit("FDNAME=a\x7f", 9);
    memset(name + 7, 'x', STORED_NAME);
    assert_unfit(name, 7 + STORED_NAME);
    name[7 + STORED_NAME - 1] = 0;
    assert_int_equal(strlen(word_of(name).name), STORED_NAME - 1);
}

static void descriptors_are_held_by_name_until_they_are_dropped(void **)
{
    struct stored s = {.most = 10};
    struct stored_word keep_a = word_of("FDSTORE=1\nFDNAME=a"),
                       keep_b = word_of("FDSTORE=1\nFDNAME=b"),
                       drop_a = word_of("FDSTOREREMOVE=1\nFDNAME=a");
    int one[] = {some_fd(), some_fd()}, other = some_fd();

    assert_int_equal(stored_obey(&s, &keep_a, one, 2), 0);
    assert_int_equal(stored_obey(&s, &keep_b, &other, 1), 0);
    char *names = stored_names(&s);
    assert_string_equal(names, "a:a:b");
    free(names);
    assert_int_equal(stored_obey(&s, &drop_a, NULL, 0), 0);
    assert_false(is_open(one[0]) || is_open(one[1]));
    assert_true(is_open(other));
    names = stored_names(&s);
    assert_string_equal(names, "b");
    free(names);
    stored_clear(&s);
    assert_false(is_open(other));
    names = stored_names(&s);
    assert_string_equal(names, "");
    free(names);
}

static void what_is_not_to_be_kept_is_closed(void **)
{
    struct stored s = {.most = 10};
    struct stored_word barrier = word_of("BARRIER=1"), both = word_of("FDSTORE=1\nBARRIER=1"),
                       none = {0};
    int fds[] = {some_fd(), some_fd(), some_fd()};

    assert_int_equal(stored_obey(&s, &barrier, &fds[0], 1), 0);
    assert_int_equal(stored_obey(&s, &both, &fds[1], 1), 0);
    assert_int_equal(stored_obey(&s, &none, &fds[2], 1), 0);
    for (int i = 0; i < 3; i++)
        assert_false(is_open(fds[i]));
    assert_int_equal(s.count, 0);
    stored_clear(&s);
}

static void beyond_its_room_it_refuses(void **)
{
    struct stored s = {.most = 100};
    struct stored_word keep = word_of("FDSTORE=1\nFDNAME=a");
    size_t refused = 0;
    int last = -1;

    for (int i = 0; i < 101; i++) {
        last = some_fd();
        refused += stored_obey(&s, &keep, &last, 1);
    }
    assert_int_equal(refused, 1);
    assert_false(is_open(last));
    assert_int_equal(s.count, 100);
    stored_clear(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_words_are_read),
        cmocka_unit_test(what_is_unfit_is_no_word),
        cmocka_unit_test(descriptors_are_held_by_name_until_they_are_dropped),
        cmocka_unit_test(what_is_not_to_be_kept_is_closed),
        cmocka_unit_test(beyond_its_room_it_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
