/* SPDX-License-Identifier: MIT */
/*
 * Memory runs out at each allocation in turn of what is pure in proxy/: the reading of a
 * configuration, the cutting of a stream into items, the admission, texts and buffers.
 */
#include <stdio.h>

#include "proxy/admission.h"
#include "proxy/inflow.h"
#include "proxy/text.h"
#include "tests/support/allocation.h"
#include "tests/support/conf_outcome.h"

/* --- the configuration --- */

static const char configuration[] =
    "[holdfast]\nworkers = 2\nlog_level = debug\n"
    "[listen c2s]\naddress = 127.0.0.1:5222 [::1]:5222\nproxy_protocol = yes\n"
    "proxy_from = 10.0.0.0/8 2001:db8::/32\n"
    "[listen direct]\naddress = 127.0.0.1:5223\ntransport = tls\n"
    "[host b\xC3\xBC"
    "cher.example]\nupstream = 127.0.0.1:5322 localhost:5322\ncertificate = a.crt\n"
    "private_key = a.key\nupstream_source = 127.0.0.2 127.0.0.3\n"
    "[host example.org]\ncertificate = b.crt\nprivate_key = b.key\n"
    "[stream-management]\nqueue_bytes = 1M\n"
    "[limits]\nmemory = 1G\n";

static void assert_read(const struct conf *c)
{
    assert_int_equal(c->listen_count, 2);
    assert_int_equal(c->host_count, 2);
    assert_string_equal(c->listens[1].name, "direct");
    assert_string_equal(c->hosts[0].ascii, "xn--bcher-kva.example");
    assert_string_equal(c->hosts[1].private_key, "b.key");
    assert_int_equal(c->limits.memory, 1 << 30);
}

/* False: it was read before the nth allocation. */
static bool reading_fails_at(const char *path, unsigned nth, enum allocation_lack lack)
{
    struct outcome o = {0};
    size_t blocks = allocation_blocks();

    allocation_fail(nth, lack);
    o.result = conf_read(path, &o.conf, &o.problems);
    bool failed = allocation_relent();

    if (o.result == 0) {
        assert_int_equal(o.problems.errors, 0);
        assert_read(o.conf);
    } else {
        assert_true(failed && o.problems.errors);
        assert_null(o.conf);
    }
    outcome_clear(&o);
    assert_int_equal(allocation_blocks(), blocks);
    return failed;
}

static void a_configuration_is_read_whole_or_refused(void **)
{
    char path[] = "/tmp/holdfast-conf-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, configuration, sizeof configuration - 1), sizeof configuration - 1);
    close(fd);
    assert_false(reading_fails_at(path, 100000, ALLOCATION_ONE)); /* whatever the resolver keeps */
    for (int lack = ALLOCATION_ONE; lack <= ALLOCATION_REST; lack++) {
        unsigned nth = 1;

        while (reading_fails_at(path, nth, lack))
            nth++;
        assert_true(nth > 60);
    }
    unlink(path);
}

/* --- streams --- */

/* An item that came in two parts is whole, or there was no memory, and nothing is made up. */
static void a_part_of_an_item_is_kept_or_there_is_no_memory(void **)
{
    static const char first[] = "<a/><message>", second[] = "</message><b/>";
    static const char *const expected[] = {"<a/>", "<message></message>", "<b/>"};
    struct span item;

    for (unsigned nth = 1;; nth++) {
        struct span parts[] = {SPAN_LIT(first), SPAN_LIT(second)};
        enum inflow_found found = INFLOW_MORE;
        struct inflow f;
        unsigned count = 0;

        struct span header = SPAN_LIT("<stream>");

        inflow_init(&f, 1000);
        assert_int_equal(inflow_next(&f, &header, &item), INFLOW_HEADER);
        allocation_fail(nth, ALLOCATION_REST);
        for (int i = 0; i < 2 && found != INFLOW_NO_MEMORY; i++) {
            while ((found = inflow_next(&f, &parts[i], &item)) == INFLOW_ELEMENT)
                assert_true(span_is(item, expected[count++]));
        }
        if (found == INFLOW_MORE && !inflow_hold(&f, SPAN_LIT("<c/>")))
            found = INFLOW_NO_MEMORY;
        bool failed = allocation_relent();

        assert_int_equal(found, failed ? INFLOW_NO_MEMORY : INFLOW_MORE);
        inflow_clear(&f);
        if (!failed) {
            assert_int_equal(count, 3);
            assert_true(nth > 1);
            return;
        }
    }
}

static void without_memory_a_buffer_stays_as_it_was(void **)
{
    struct buffer b = {0};

    assert_true(buffer_put(&b, SPAN_LIT("kept")));
    allocation_fail(1, ALLOCATION_REST);
    char more[4096] = "more";
    bool put = buffer_put(&b, (struct span){more, sizeof more});

    allocation_relent();
    assert_false(put);
    assert_true(span_is(buffer_span(&b), "kept"));
    assert_true(buffer_put(&b, (struct span){more, sizeof more}));
    assert_int_equal(buffer_len(&b), 4 + sizeof more);
    buffer_clear(&b);
}

static void without_memory_a_text_is_absent(void **)
{
    struct span owned = SPAN_NONE;

    assert_true(text_keep(&owned, SPAN_LIT("before")));
    allocation_fail(1, ALLOCATION_REST);
    bool kept = text_keep(&owned, SPAN_LIT("after"));

    allocation_relent();
    assert_false(kept);
    assert_null(owned.p);
    assert_int_equal(owned.len, 0);
}

static void an_admission_is_made_or_nothing_is_kept(void **)
{
    struct conf_limits limits = {.connections_per_ip = 1, .connection_rate_per_ip = 1};
    struct admission *a = NULL;
    unsigned nth = 1;

    assert_int_equal(admission_new(&a, &limits), 0); /* whatever the random bytes' source keeps */
    admission_free(a);
    a = NULL;
    size_t blocks = allocation_blocks();

    for (;; nth++) {
        allocation_fail(nth, ALLOCATION_ONE);
        int r = admission_new(&a, &limits);

        if (!allocation_relent()) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        assert_null(a);
        assert_int_equal(allocation_blocks(), blocks);
    }
    assert_true(nth > 3);
    admission_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_is_read_whole_or_refused),
        cmocka_unit_test(a_part_of_an_item_is_kept_or_there_is_no_memory),
        cmocka_unit_test(without_memory_a_buffer_stays_as_it_was),
        cmocka_unit_test(without_memory_a_text_is_absent),
        cmocka_unit_test(an_admission_is_made_or_nothing_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
