/* SPDX-License-Identifier: MIT */
/* Which addresses are this machine's own. */
#include "proxy/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

static bool loopback(const char *text)
{
    struct sockaddr_storage addr = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;

    if (strchr(text, ':')) {
        addr.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    } else {
        addr.ss_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, text, &v4->sin_addr), 1);
    }
    return net_is_loopback((const struct sockaddr *)&addr);
}

static void loopback_is_127_and_one(void **)
{
    static const char *const own[] = {"127.0.0.1", "127.0.0.0", "127.255.255.255", "::1"};
    static const char *const others[] = {
        "0.0.0.0", "126.255.255.255", "128.0.0.1", "1.0.0.127", "192.0.2.1", "::",
        "::2",     "2001:db8::1",     "fe80::1",   "1::"};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_true(loopback(own[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(loopback(others[i]));
}

static void what_is_no_address_of_the_internet_is_none(void **)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "x"};

    assert_false(net_is_loopback((const struct sockaddr *)&local));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_is_127_and_one),
        cmocka_unit_test(what_is_no_address_of_the_internet_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
