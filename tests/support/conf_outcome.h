/* SPDX-License-Identifier: MIT */
/*
 * What became of reading a configuration, for the tests that read one from a string.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/conf.h"
#include "proxy/conf_read.h"

#define LISTEN "[listen c2s]\n"
#define HOST   "[host example.org]\ncertificate = a.crt\nprivate_key = a.key\n"

struct outcome {
    int result;
    struct conf *conf;
    struct conf_problems problems;
};

static inline struct outcome outcome_of_bytes(const char *text, size_t len)
{
    char path[] = "/tmp/holdfast-conf-XXXXXX";
    struct outcome o = {0};
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
    o.result = conf_read(path, &o.conf, &o.problems);
    unlink(path);
    return o;
}

static inline struct outcome outcome_of(const char *text)
{
    return outcome_of_bytes(text, strlen(text));
}

static inline void outcome_clear(struct outcome *o)
{
    conf_problems_clear(&o->problems);
    conf_free(o->conf);
}

static inline bool reported(const struct outcome *o, unsigned line, const char *words)
{
    for (size_t i = 0; i < o->problems.count; i++)
        if (o->problems.at[i].line == line && strstr(o->problems.at[i].text, words))
            return true;
    conf_problems_print(&o->problems, stderr);
    return false;
}

static inline struct conf *must_read(const char *text)
{
    struct outcome o = outcome_of(text);

    if (o.result)
        conf_problems_print(&o.problems, stderr);
    assert_int_equal(o.result, 0);
    assert_int_equal(o.problems.errors, 0);
    conf_problems_clear(&o.problems);
    return o.conf;
}

/* One mistake, at that line, and no other. */
static inline void must_refuse(const char *text, unsigned line, const char *words)
{
    struct outcome o = outcome_of(text);

    assert_int_equal(o.result, -EINVAL);
    assert_null(o.conf);
    assert_true(reported(&o, line, words));
    assert_int_equal(o.problems.errors, 1);
    outcome_clear(&o);
}
