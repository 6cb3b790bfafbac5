/* SPDX-License-Identifier: MIT */
/*
 * A link that an earlier process had, without a session and without a server.
 */
#include "proxy/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/descriptors.h"

static void a_link_that_was_found_gives_its_descriptor_back(void **)
{
    static const struct conf conf = {.limits = {.stanza_bytes = 1024}};
    static const struct conf_host host = {.domain = (char *)"example.org"};
    static const struct link_handler handler;
    struct descriptors d = {.most = 2};
    struct tools *tools = calloc(1, sizeof *tools);
    int pair[2];

    assert_non_null(tools);
    tools->conf = &conf;
    tools->descriptors = &d;
    tools->loop = ev_loop_new(0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);

        struct link *l = link_found(tools, NULL, pair[0], &host, &handler);

        assert_non_null(l);
        assert_int_equal(d.used, 1);
        link_drop(l);
        assert_int_equal(d.used, 0);
        link_free(l);
        close(pair[1]);
    }
    ev_loop_destroy(tools->loop);
    free(tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_that_was_found_gives_its_descriptor_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
