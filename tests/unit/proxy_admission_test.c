/* SPDX-License-Identifier: MIT */
/*
 * Who may come in, on a clock of the tests' own.
 */
#include "proxy/admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

enum {
    MORNING = 60000, /* ms */
    SECOND = 1000,
    MANY = 100000, /* of whatever is not the matter of the test */
};

struct gate {
    struct conf_limits limits;
    struct admission *a;
    uint64_t now_ms;
};

static void gate_open(struct gate *g, uint32_t connections, uint32_t rate)
{
    *g = (struct gate){.limits = {.connections_per_ip = connections,
                                  .connection_rate_per_ip = rate,
                                  .unauthenticated_timeout_ms = 30 * SECOND},
                       .now_ms = MORNING};
    assert_int_equal(admission_new(&g->a, &g->limits), 0);
}

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(40000)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(40000)};

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&out, &in, sizeof in);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        memcpy(&out, &in6, sizeof in6);
    }
    return out;
}

static struct admission_answer enter(struct gate *g, const char *text)
{
    struct sockaddr_storage peer = address(text);

    return admission_enter(g->a, (struct sockaddr *)&peer, g->now_ms);
}

/* The n-th of many addresses. */
static struct admission_answer enter_nth(struct gate *g, uint32_t n)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + n)};

    return admission_enter(g->a, (struct sockaddr *)&in, g->now_ms);
}

static void come_and_go(struct gate *g, uint32_t n)
{
    admission_leave(g->a, enter_nth(g, n).place);
}

static void assert_in(struct admission_answer answer)
{
    assert_false(answer.refused);
    assert_non_null(answer.place);
}

static void assert_refused(struct admission_answer answer)
{
    assert_true(answer.refused);
    assert_null(answer.place);
    assert_int_equal(answer.wait_ms, 0);
}

static void assert_uncounted(struct admission_answer answer)
{
    assert_false(answer.refused);
    assert_null(answer.place);
    assert_int_equal(answer.wait_ms, 0);
}

/* --- so many at once --- */

static void one_more_than_the_limit_is_refused(void **)
{
    struct gate g;

    gate_open(&g, 2, MANY);
    assert_in(enter(&g, "192.0.2.1"));
    assert_in(enter(&g, "192.0.2.1"));
    assert_refused(enter(&g, "192.0.2.1"));
    assert_in(enter(&g, "192.0.2.2"));
    admission_free(g.a);
}

static void a_place_given_back_can_be_taken_again(void **)
{
    struct admission_place *first;
    struct gate g;

    gate_open(&g, 2, MANY);
    first = enter(&g, "192.0.2.1").place;
    assert_in(enter(&g, "192.0.2.1"));
    admission_leave(g.a, first);
    assert_in(enter(&g, "192.0.2.1"));
    assert_refused(enter(&g, "192.0.2.1"));
    admission_free(g.a);
}

static void a_refusal_takes_no_place(void **)
{
    struct admission_place *first;
    struct gate g;

    gate_open(&g, 1, MANY);
    first = enter(&g, "192.0.2.1").place;
    for (int i = 0; i < 5; i++)
        admission_leave(g.a, enter(&g, "192.0.2.1").place);
    admission_leave(g.a, first);
    assert_in(enter(&g, "192.0.2.1"));
    admission_free(g.a);
}

static void ipv6_is_counted_by_its_upper_half(void **)
{
    struct gate g;

    gate_open(&g, 1, MANY);
    assert_in(enter(&g, "2001:db8:1:2::1"));
    assert_refused(enter(&g, "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_in(enter(&g, "2001:db8:1:3::1"));
    admission_free(g.a);
}

static void a_mapped_address_is_the_address_that_it_maps(void **)
{
    struct gate g;

    gate_open(&g, 1, MANY);
    assert_in(enter(&g, "192.0.2.1"));
    assert_refused(enter(&g, "::ffff:192.0.2.1"));
    assert_in(enter(&g, "::ffff:192.0.2.2"));
    assert_in(enter(&g, "::1")); /* of the same /64 as what is mapped */
    admission_free(g.a);
}

static void the_same_bits_in_ipv4_and_ipv6_are_two_addresses(void **)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct gate g;

    gate_open(&g, 1, MANY);
    assert_in(admission_enter(g.a, (struct sockaddr *)&in, g.now_ms));
    assert_in(enter(&g, "::"));
    admission_free(g.a);
}

static void what_has_no_address_is_not_counted(void **)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct gate g;

    gate_open(&g, 1, 1);
    for (int i = 0; i < 5; i++)
        assert_uncounted(admission_enter(g.a, (struct sockaddr *)&un, g.now_ms));
    admission_leave(g.a, NULL);
    admission_free(g.a);
}

/* --- so many a second --- */

static void beyond_a_second_s_worth_connections_wait_in_line(void **)
{
    struct gate g;

    gate_open(&g, MANY, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 0);
    assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 50);
    assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 100);
    assert_int_equal(enter(&g, "192.0.2.2").wait_ms, 0);
    g.now_ms += 100;
    assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 50);
    admission_free(g.a);
}

static void a_quiet_second_fills_the_bucket_and_no_more(void **)
{
    struct gate g;

    gate_open(&g, MANY, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 0);
    g.now_ms += 100 * SECOND;
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 0);
    assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 334); /* rounded up */
    admission_free(g.a);
}

static void who_leaves_and_comes_again_still_waits(void **)
{
    struct gate g;

    gate_open(&g, MANY, 1);
    come_and_go(&g, 1);
    assert_int_equal(enter_nth(&g, 1).wait_ms, SECOND);
    admission_free(g.a);
}

static void a_refusal_takes_no_token(void **)
{
    struct admission_place *only;
    struct gate g;

    gate_open(&g, 1, 2);
    only = enter(&g, "192.0.2.1").place;
    for (int i = 0; i < 50; i++)
        assert_refused(enter(&g, "192.0.2.1"));
    admission_leave(g.a, only);
    assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 0);
    admission_free(g.a);
}

static void a_flood_is_waited_for_no_longer_than_a_login_may_take(void **)
{
    struct gate g;

    gate_open(&g, MANY, 1);
    for (int i = 0; i < 500; i++)
        assert_in_range(enter(&g, "192.0.2.1").wait_ms, 0, 30 * SECOND);
    assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 30 * SECOND);
    g.now_ms += 30 * SECOND;
    assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 0);
    admission_free(g.a);
}

static void the_greatest_rate_has_tokens_too(void **)
{
    struct gate g;

    gate_open(&g, MANY, 1000000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(enter(&g, "192.0.2.1").wait_ms, 0);
    admission_free(g.a);
}

/* --- the log --- */

static void a_refusal_is_told_once_a_second(void **)
{
    struct gate g;

    gate_open(&g, 1, MANY);
    assert_false(enter(&g, "192.0.2.1").telling);
    assert_in(enter(&g, "192.0.2.2"));
    assert_true(enter(&g, "192.0.2.1").telling);
    assert_false(enter(&g, "192.0.2.1").telling);
    assert_true(enter(&g, "192.0.2.2").telling);
    g.now_ms += SECOND - 1;
    assert_false(enter(&g, "192.0.2.1").telling);
    g.now_ms += 1;
    assert_true(enter(&g, "192.0.2.1").telling);
    assert_false(enter(&g, "192.0.2.1").telling);
    admission_free(g.a);
}

/* --- a full table --- */

static void the_address_idle_for_the_longest_is_forgotten_first(void **)
{
    struct gate g;

    gate_open(&g, MANY, 1);
    for (uint32_t i = 0; i < ADMISSION_ADDRESSES; i++)
        come_and_go(&g, i);
    come_and_go(&g, 0); /* address 1 is the oldest now */
    come_and_go(&g, ADMISSION_ADDRESSES);
    assert_int_not_equal(enter_nth(&g, 0).wait_ms, 0);
    assert_int_not_equal(enter_nth(&g, 2).wait_ms, 0);
    assert_int_not_equal(enter_nth(&g, ADMISSION_ADDRESSES).wait_ms, 0);
    assert_int_equal(enter_nth(&g, 1).wait_ms, 0);
    admission_free(g.a);
}

static void an_address_with_connections_is_never_forgotten(void **)
{
    struct gate g;

    gate_open(&g, 1, MANY);
    assert_in(enter_nth(&g, 0));
    for (uint32_t i = 1; i < 2 * ADMISSION_ADDRESSES; i++)
        come_and_go(&g, i);
    assert_refused(enter_nth(&g, 0));
    admission_free(g.a);
}

static void where_all_have_connections_a_newcomer_is_not_counted(void **)
{
    struct admission_place *last = NULL;
    struct gate g;

    gate_open(&g, 1, MANY);
    for (uint32_t i = 0; i < ADMISSION_ADDRESSES; i++)
        assert_in((struct admission_answer){.place = last = enter_nth(&g, i).place});
    assert_uncounted(enter_nth(&g, ADMISSION_ADDRESSES));
    assert_uncounted(enter_nth(&g, ADMISSION_ADDRESSES));
    assert_refused(enter_nth(&g, 0));
    admission_leave(g.a, last);
    assert_in(enter_nth(&g, ADMISSION_ADDRESSES));
    assert_refused(enter_nth(&g, ADMISSION_ADDRESSES));
    admission_free(g.a);
}

/* --- many workers --- */

enum { WORKERS = 4, TURNS = 20000 };

static void *work(void *arg)
{
    struct gate *g = arg;

    for (uint32_t i = 0; i < TURNS; i++) {
        struct admission_place *shared = enter(g, "192.0.2.1").place,
                               *other = enter_nth(g, i % 100).place;

        admission_leave(g->a, shared);
        admission_leave(g->a, other);
    }
    return NULL;
}

static void after_many_workers_every_place_is_back(void **)
{
    pthread_t threads[WORKERS];
    struct gate g;

    gate_open(&g, WORKERS, MANY);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &g), 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < WORKERS; i++)
        assert_in(enter(&g, "192.0.2.1"));
    assert_refused(enter(&g, "192.0.2.1"));
    admission_free(g.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_more_than_the_limit_is_refused),
        cmocka_unit_test(a_place_given_back_can_be_taken_again),
        cmocka_unit_test(a_refusal_takes_no_place),
        cmocka_unit_test(ipv6_is_counted_by_its_upper_half),
        cmocka_unit_test(a_mapped_address_is_the_address_that_it_maps),
        cmocka_unit_test(the_same_bits_in_ipv4_and_ipv6_are_two_addresses),
        cmocka_unit_test(what_has_no_address_is_not_counted),
        cmocka_unit_test(beyond_a_second_s_worth_connections_wait_in_line),
        cmocka_unit_test(a_quiet_second_fills_the_bucket_and_no_more),
        cmocka_unit_test(who_leaves_and_comes_again_still_waits),
        cmocka_unit_test(a_refusal_takes_no_token),
        cmocka_unit_test(a_flood_is_waited_for_no_longer_than_a_login_may_take),
        cmocka_unit_test(the_greatest_rate_has_tokens_too),
        cmocka_unit_test(a_refusal_is_told_once_a_second),
        cmocka_unit_test(the_address_idle_for_the_longest_is_forgotten_first),
        cmocka_unit_test(an_address_with_connections_is_never_forgotten),
        cmocka_unit_test(where_all_have_connections_a_newcomer_is_not_counted),
        cmocka_unit_test(after_many_workers_every_place_is_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
