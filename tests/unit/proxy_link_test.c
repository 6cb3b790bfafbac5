/* SPDX-License-Identifier: MIT */
/*
 * A link that an earlier process had, without a session and without a server; and its end.
 */
#include "proxy/link.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

static unsigned epoll_sets; /* that libev has made */

int epoll_create1(int flags)
{
    epoll_sets++;
    return (int)syscall(SYS_epoll_create1, flags);
}

/* Two ends of a TCP connection. */
static void connect_pair(int pair[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof addr;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair[0], (struct sockaddr *)&addr, sizeof addr), 0);
    pair[1] = accept(listener, NULL, NULL);
    close(listener);
}

static void a_parked_socket_is_out_of_the_loop_when_it_is_closed(void **)
{
    static const struct conf conf = {.limits = {.stanza_bytes = 1024}};
    static const struct conf_host host = {.domain = (char *)"example.org"};
    static const struct link_handler handler;
    static max_align_t lot[512]; /* whatever it is: something is counted in it */
    struct descriptors d = {.most = 2};
    struct tools *tools = calloc(1, sizeof *tools);
    LIST_HEAD(, parked) living = {0};
    struct link *l;
    int pair[2], duplicate;

    assert_non_null(tools);
    tools->conf = &conf;
    tools->descriptors = &d;
    epoll_sets = 0;
    tools->loop = ev_loop_new(EVBACKEND_EPOLL);
    assert_int_equal(epoll_sets, 1); /* so they are seen here */
    connect_pair(pair);
    assert_true((duplicate = dup(pair[0])) >= 0);
    assert_non_null(l = link_found(tools, NULL, pair[0], &host, &handler));
    l->parked.lot = (struct parking_lot *)lot;
    LIST_INSERT_HEAD(&living, &l->parked, entry);
    link_read(l, true);
    ev_run(tools->loop, EVRUN_NOWAIT);
    link_drop(l);
    assert_int_equal(d.used, 1);
    while (link_rests(l))
        ev_run(tools->loop, EVRUN_NOWAIT);
    link_free(l);
    assert_int_equal(d.used, 0);
    assert_int_equal(fcntl(pair[0], F_GETFD), -1);
    for (int i = 0; i < 3; i++)
        ev_run(tools->loop, EVRUN_NOWAIT);
    assert_int_equal(epoll_sets, 1);
    close(pair[1]);
    close(duplicate);
    ev_loop_destroy(tools->loop);
    free(tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_that_was_found_gives_its_descriptor_back),
        cmocka_unit_test(a_parked_socket_is_out_of_the_loop_when_it_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
