/* SPDX-License-Identifier: MIT */
/*
 * Names that resolve, and no longer do; the resolver is the test's own.
 */
#include "proxy/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* What a name has: addresses 10.0.0.first and so on; none: it does not resolve. */
struct name {
    const char *name;
    unsigned first, count;
};

static struct name names[2];

static struct addrinfo *make(unsigned last, const char *port, struct addrinfo *next)
{
    struct addrinfo *a = calloc(1, sizeof *a);
    struct sockaddr_in *in = calloc(1, sizeof *in);

    assert_non_null(a);
    assert_non_null(in);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(0x0a000000 + last);
    in->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    *a = (struct addrinfo){.ai_addr = (void *)in, .ai_addrlen = sizeof *in, .ai_next = next};
    return a;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    *out = NULL;
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    for (size_t i = 0; i < 2; i++)
        for (unsigned n = names[i].count; n && !strcmp(names[i].name, node); n--)
            *out = make(names[i].first + n - 1, service, *out);
    return *out ? 0 : EAI_AGAIN;
}

void freeaddrinfo(struct addrinfo *a)
{
    while (a) {
        struct addrinfo *next = a->ai_next;

        free(a->ai_addr);
        free(a);
        a = next;
    }
}

static struct conf_target targets[2] = {{.host = (char *)"one", .port = 5322},
                                        {.host = (char *)"two", .port = 5323}};
static struct conf_host host = {.domain = (char *)"example.org",
                                .upstreams = {.at = targets, .count = 2}};
static const struct conf conf = {.hosts = &host, .host_count = 1};

static void name_has(size_t at, const char *name, unsigned first, unsigned count)
{
    names[at] = (struct name){name, first, count};
}

/* The last byte of the n-th address; 0: there is none. */
static unsigned nth(struct resolve *r, size_t n)
{
    struct conf_address found;
    struct sockaddr_in in;

    if (!resolve_address(r, 0, n, &found))
        return 0;
    memcpy(&in, &found.addr, sizeof in);
    return ntohl(in.sin_addr.s_addr) & 0xff;
}

static struct resolve *new_resolve(void)
{
    struct resolve *r;

    assert_int_equal(resolve_new(&r, &conf), 0);
    return r;
}

static void a_name_that_fails_keeps_its_addresses_and_no_other_does(void **)
{
    struct resolve *r;

    name_has(0, "one", 1, 2);
    name_has(1, "two", 11, 1);
    r = new_resolve();
    assert_int_equal(nth(r, 0), 1);
    assert_int_equal(nth(r, 1), 2);
    assert_int_equal(nth(r, 2), 11);
    assert_int_equal(nth(r, 3), 0);

    name_has(0, "one", 0, 0);
    name_has(1, "two", 21, 2);
    resolve_refresh(r);
    assert_int_equal(nth(r, 0), 1);
    assert_int_equal(nth(r, 1), 2);
    assert_int_equal(nth(r, 2), 21);
    assert_int_equal(nth(r, 3), 22);
    assert_int_equal(nth(r, 4), 0);

    name_has(1, "two", 0, 0);
    resolve_refresh(r);
    assert_int_equal(nth(r, 0), 1);
    assert_int_equal(nth(r, 3), 22);

    name_has(0, "one", 3, 1);
    resolve_refresh(r);
    assert_int_equal(nth(r, 0), 3);
    assert_int_equal(nth(r, 1), 21);
    resolve_free(r);
}

static void no_more_than_sixteen_are_tried(void **)
{
    struct resolve *r;

    name_has(0, "one", 1, RESOLVE_ADDRESSES_MAX - 1);
    name_has(1, "two", 101, 3);
    r = new_resolve();
    assert_int_equal(nth(r, RESOLVE_ADDRESSES_MAX - 1), 101);
    assert_int_equal(nth(r, RESOLVE_ADDRESSES_MAX), 0);
    resolve_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_fails_keeps_its_addresses_and_no_other_does),
        cmocka_unit_test(no_more_than_sixteen_are_tried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
