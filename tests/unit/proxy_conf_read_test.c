/* SPDX-License-Identifier: MIT */
/*
 * Reading the file: its lines, its sections, and that all mistakes are found in one
 * run, each at its line.
 */
#include "proxy/conf_read.h"

#include <stdio.h>

#include "tests/support/conf_outcome.h"

static void unknown_and_repeated_names_are_mistakes(void **)
{
    must_refuse(LISTEN HOST "[limit]\nmemory = 1\n", 5, "there is no section [limit]");
    must_refuse(LISTEN HOST "[]\n", 5, "there is no section []");
    must_refuse(LISTEN HOST "[limits]\n[holdfast]\n[limits]\n", 7, "[limits] is already in line 5");
    must_refuse(LISTEN HOST "[limits x]\n", 5, "[limits] takes no name");
    must_refuse(LISTEN HOST "[listen]\naddress = x\n", 5, "[listen] needs a name");
    must_refuse(LISTEN HOST "memroy = 1G\n", 5, "[host] has no key memroy");
    must_refuse(LISTEN "memory = 1G\n" HOST, 2, "[listen] has no key memory");
    must_refuse(LISTEN HOST "[limits]\nmemory = 1G\nmemory = 1G\n", 7,
                "memory is already set in line 6");
    must_refuse("workers = 1\n" LISTEN HOST, 1, "workers stands before the first [section]");
}

static void a_line_has_one_of_three_forms(void **)
{
    must_refuse(LISTEN HOST "[limits]\nmemory\n", 6, "neither [section] nor key = value");
    must_refuse(LISTEN HOST "[limits]\nmemory", 6, "neither [section] nor key = value");
    must_refuse(LISTEN HOST "[limits]\n= 5\n", 6, "no key before the =");
    must_refuse(LISTEN HOST "[limits\nmemory = 1G\n", 5, "ends with ]");
    must_refuse(LISTEN HOST "[limits] x\nmemory = 1G\n", 5, "ends with ]");
    must_refuse(LISTEN HOST "[limits]\nmemory = 1G\n  2G\n", 7, "the line is indented");
    must_refuse(LISTEN HOST "[limits]\n\tmemory = 1G\n", 6, "the line is indented");
    must_refuse(LISTEN HOST " [limits]\n", 5, "the line is indented");
}

static void comments_and_blank_lines_may_stand_anywhere(void **)
{
    struct conf *c =
        must_read("\xef\xbb\xbf; top\r\n\r\n" LISTEN " \t\n   ; indented\n# hash\n" HOST
                  "[ limits ] ; behind\nmemory=1G ; behind\r\n[stream-management]\n"
                  "queue_bytes\t=\t1M");

    assert_int_equal(c->limits.memory, 1 << 30);
    assert_int_equal(c->sm.queue_bytes, 1 << 20);
    conf_free(c);
}

static void a_long_line_is_refused_and_not_cut(void **)
{
    char text[1000], path[600];

    for (size_t len = 196; len <= 198; len++) {
        memset(path, 'x', sizeof path);
        path[len - strlen("state_dir = ")] = '\0';
        snprintf(text, sizeof text, LISTEN HOST "[holdfast]\nstate_dir = %s\nworkers = 7\n", path);
        if (len <= 197) {
            struct conf *c = must_read(text);

            assert_string_equal(c->main.state_dir, path);
            assert_int_equal(c->main.workers, 7);
            conf_free(c);
        } else {
            must_refuse(text, 6, "the line is longer than 197 bytes");
        }
    }
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    snprintf(text, sizeof text, LISTEN HOST "; %s\n[holdfast]\n", path);
    conf_free(must_read(text));
}

static void a_zero_byte_is_refused(void **)
{
    static const char text[] = LISTEN HOST "[limits]\nmemory = 1\0G\n";
    struct outcome o = outcome_of_bytes(text, sizeof text - 1);

    assert_int_equal(o.result, -EINVAL);
    assert_true(reported(&o, 6, "zero byte"));
    assert_int_equal(o.problems.errors, 1);
    outcome_clear(&o);
}

static void all_mistakes_are_found_in_one_run(void **)
{
    struct outcome o = outcome_of("[holdfast]\n"
                                  "workers = some\n"
                                  "  log_level = info\n"
                                  "nonsense\n"
                                  "[listen a]\n"
                                  "address = 127.0.0.1\n"
                                  "transport = web\n"
                                  "[sream-management]\n"
                                  "ack = x\n"
                                  "[host a.example]\n"
                                  "upstream = 127.0.0.1\n"
                                  "upstream = 127.0.0.1:5222\n"
                                  "certificate = a\n"
                                  "private_key = b\n"
                                  "[host A.example]\n"
                                  "colour = red\n");

    assert_int_equal(o.result, -EINVAL);
    assert_true(reported(&o, 2, "workers: \"some\" is not a number"));
    assert_true(reported(&o, 3, "indented"));
    assert_true(reported(&o, 4, "neither"));
    assert_true(reported(&o, 6, "address: \"127.0.0.1\" is not"));
    assert_true(reported(&o, 7, "transport: \"web\" is none of"));
    assert_true(reported(&o, 8, "there is no section [sream-management]"));
    assert_true(reported(&o, 11, "upstream: \"127.0.0.1\" is not a server"));
    assert_true(reported(&o, 12, "upstream is already set in line 11"));
    assert_true(reported(&o, 15, "already in line 10"));
    assert_true(reported(&o, 15, "the host has no certificate"));
    assert_true(reported(&o, 15, "the host has no private_key"));
    assert_true(reported(&o, 16, "no key colour"));
    assert_int_equal(o.problems.errors, 12);
    outcome_clear(&o);
}

static void problems_are_printed_in_the_order_of_lines(void **)
{
    struct conf_problems p = {.path = strdup("x.ini")};
    char text[200] = "";
    FILE *f = fmemopen(text, sizeof text, "w");

    conf_problems_add(&p, 0, false, "whole");
    conf_problems_add(&p, 9, false, "nine");
    conf_problems_add(&p, 2, true, "two");
    conf_problems_add(&p, 9, false, "nine %s", "again");
    assert_int_equal(p.errors, 3);
    conf_problems_print(&p, f);
    fclose(f);
    assert_string_equal(
        text, "x.ini:2: warning: two\nx.ini:9: nine\nx.ini:9: nine again\nx.ini: whole\n");
    conf_problems_clear(&p);
    assert_int_equal(p.errors, 0);
}

static void problems_are_bounded(void **)
{
    struct conf_problems p = {0};
    static char text[20000];
    FILE *f = fmemopen(text, sizeof text, "w");

    for (unsigned i = 0; i < CONF_PROBLEMS_MAX + 3; i++)
        conf_problems_add(&p, i + 1, false, "x");
    assert_int_equal(p.count, CONF_PROBLEMS_MAX);
    assert_int_equal(p.errors, CONF_PROBLEMS_MAX + 3);
    conf_problems_print(&p, f);
    fclose(f);
    assert_non_null(strstr(text, "configuration: and 3 more\n"));
    conf_problems_clear(&p);
}

static void a_file_that_cannot_be_read_is_a_problem(void **)
{
    struct outcome o = {0};

    o.result = conf_read("/nonexistent/holdfast.ini", &o.conf, &o.problems);
    assert_int_equal(o.result, -ENOENT);
    assert_null(o.conf);
    assert_int_equal(o.problems.errors, 1);
    assert_true(reported(&o, 0, "No such file"));
    outcome_clear(&o);
    assert_true(conf_read("/tmp", &o.conf, &o.problems) < 0);
    assert_null(o.conf);
    outcome_clear(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_and_repeated_names_are_mistakes),
        cmocka_unit_test(a_line_has_one_of_three_forms),
        cmocka_unit_test(comments_and_blank_lines_may_stand_anywhere),
        cmocka_unit_test(a_long_line_is_refused_and_not_cut),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(all_mistakes_are_found_in_one_run),
        cmocka_unit_test(problems_are_printed_in_the_order_of_lines),
        cmocka_unit_test(problems_are_bounded),
        cmocka_unit_test(a_file_that_cannot_be_read_is_a_problem),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
