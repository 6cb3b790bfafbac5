/* SPDX-License-Identifier: MIT */
/*
 * The kernel's counts against what was really written and read, in every state that a
 * link can be found in. Both ends are on loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/kernel.h"
#include "proxy/net.h"

struct two {
    int link, server;
};

static struct two connected(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    struct two t;
    int listener;

    assert_int_equal(net_listen(&listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(net_dial(&t.link, (struct sockaddr *)&addr, len, NULL, 0), 0);
    assert_int_equal(poll(&(struct pollfd){.fd = t.link, .events = POLLOUT}, 1, -1), 1);
    assert_int_equal(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, -1), 1);
    t.server = accept(listener, NULL, NULL);
    assert_true(t.server >= 0);
    close(listener);
    return t;
}

static void done(struct two t)
{
    close(t.link);
    if (t.server >= 0)
        close(t.server);
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void get(int fd, size_t len)
{
    char bytes[4096];

    while (len) { /* one call stops at urgent data */
        assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1), 1);
        ssize_t n = recv(fd, bytes, len, 0);
        assert_true(n > 0);
        len -= (size_t)n;
    }
}

/* Waits until the kernel has seen what the peer did, and says what it counts then. */
static struct kernel_counts counts_when(int fd, short events)
{
    struct kernel_counts c;

    assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = events}, 1, -1), 1);
    assert_int_equal(kernel_count(fd, &c), 0);
    return c;
}

static void assert_counts(struct kernel_counts c, uint64_t received, uint64_t sent, uint64_t unread)
{
    assert_int_equal(c.received, received);
    assert_int_equal(c.sent, sent);
    assert_int_equal(c.unread, unread);
}

static void a_fresh_link_counts_nothing(void **)
{
    struct two t = connected();

    assert_counts(counts_when(t.link, POLLOUT), 0, 0, 0);
    done(t);
}

static void what_was_written_counts_whether_or_not_it_arrived(void **)
{
    struct two t = connected();
    char much[4096];
    uint64_t sent = 0;
    ssize_t n;

    memset(much, 'x', sizeof much);
    while ((n = send(t.link, much, sizeof much, MSG_DONTWAIT)) > 0)
        sent += (uint64_t)n;
    assert_true(sent > sizeof much);
    struct kernel_counts c;
    assert_int_equal(kernel_count(t.link, &c), 0);
    assert_counts(c, 0, sent, 0);
    done(t);
}

static void what_was_read_counts_and_what_was_not_waits(void **)
{
    struct two t = connected();

    put(t.server, "0123456789");
    get(t.link, 4);
    assert_counts(counts_when(t.link, POLLIN), 4, 0, 6);
    get(t.link, 6);
    assert_counts(counts_when(t.link, POLLOUT), 10, 0, 0);
    done(t);
}

static void the_peers_end_is_no_byte(void **)
{
    struct two t = connected();

    put(t.server, "0123456789");
    get(t.link, 4);
    shutdown(t.server, SHUT_WR);
    struct kernel_counts c = counts_when(t.link, POLLRDHUP);
    assert_counts(c, 4, 0, 6);
    assert_false(c.closed);
    get(t.link, 6);
    assert_counts(counts_when(t.link, POLLRDHUP), 10, 0, 0);
    char byte;
    assert_int_equal(recv(t.link, &byte, 1, 0), 0);
    assert_counts(counts_when(t.link, POLLRDHUP), 10, 0, 0);
    done(t);
}

static void our_end_is_no_byte(void **)
{
    struct two t = connected();

    put(t.link, "hello");
    shutdown(t.link, SHUT_WR);
    get(t.server, 5);
    put(t.server, "0123456789");
    get(t.link, 4);
    assert_counts(counts_when(t.link, POLLIN), 4, 5, 6);
    done(t);
}

static void both_ends_are_no_bytes(void **)
{
    struct two t = connected();

    put(t.link, "hello");
    put(t.server, "0123456789");
    shutdown(t.server, SHUT_WR);
    get(t.link, 10);
    assert_int_equal(poll(&(struct pollfd){.fd = t.link, .events = POLLRDHUP}, 1, -1), 1);
    get(t.server, 5);
    shutdown(t.link, SHUT_WR);
    assert_int_equal(poll(&(struct pollfd){.fd = t.server, .events = POLLRDHUP}, 1, -1), 1);
    /* LAST_ACK, or CLOSE when the last acknowledgement is here. */
    struct kernel_counts c = counts_when(t.link, POLLHUP);
    if (c.closed) {
        assert_true(c.received == 10 || c.received == 11);
        assert_true(c.sent == 5 || c.sent == 6);
    } else {
        assert_counts(c, 10, 5, 0);
    }
    done(t);
}

static void a_reset_leaves_what_came_before_it(void **)
{
    struct two t = connected();

    put(t.link, "hello");
    get(t.server, 5);
    put(t.server, "0123456789");
    get(t.link, 4);
    setsockopt(t.server, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
               sizeof(struct linger));
    close(t.server);
    t.server = -1;
    struct kernel_counts c = counts_when(t.link, POLLHUP);
    assert_true(c.closed);
    assert_counts(c, 4, 5, 6);
    done(t);
}

static void a_reset_behind_an_end_counts_one_too_many(void **)
{
    struct two t = connected();

    put(t.server, "0123456789");
    get(t.link, 10);
    put(t.link, "hello"); /* unread at the server: its close will be a reset */
    shutdown(t.server, SHUT_WR);
    assert_int_equal(poll(&(struct pollfd){.fd = t.link, .events = POLLRDHUP}, 1, -1), 1);
    close(t.server);
    t.server = -1;
    struct kernel_counts c = counts_when(t.link, POLLHUP);
    assert_true(c.closed);
    assert_counts(c, 11, 5, 0);
    done(t);
}

static void urgent_data_counts_like_any_other(void **)
{
    struct two t = connected();

    put(t.server, "01234");
    assert_int_equal(send(t.server, "!", 1, MSG_OOB), 1);
    put(t.server, "56789");
    get(t.link, 8);
    assert_counts(counts_when(t.link, POLLIN), 8, 0, 3);
    get(t.link, 3);
    assert_counts(counts_when(t.link, POLLOUT), 11, 0, 0);
    done(t);
}

/* While a duplicate is parked close() ends nothing: its peer would wait for ever, and speak to
 * nobody. */
static void a_parked_link_that_is_ended_is_gone_for_its_peer(void **)
{
    struct two t = connected();
    int parked = dup(t.link);
    char byte;

    put(t.link, "last words");
    get(t.server, 10);
    net_end(t.link);
    close(t.link);
    assert_int_equal(poll(&(struct pollfd){.fd = t.server, .events = POLLIN}, 1, 10000), 1);
    assert_int_equal(recv(t.server, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(parked);
    close(t.server);
}

static void what_is_no_link_has_no_counts(void **)
{
    struct two t = connected();
    struct kernel_counts c;
    int pair[2];

    assert_int_equal(
        connect(t.link, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)), 0);
    assert_int_equal(kernel_count(t.link, &c), -ENOTCONN);
    done(t);
    assert_int_equal(kernel_count(-1, &c), -EBADF);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(kernel_count(pair[0], &c), -EOPNOTSUPP);
    done((struct two){pair[0], pair[1]});
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_link_counts_nothing),
        cmocka_unit_test(what_was_written_counts_whether_or_not_it_arrived),
        cmocka_unit_test(what_was_read_counts_and_what_was_not_waits),
        cmocka_unit_test(the_peers_end_is_no_byte),
        cmocka_unit_test(our_end_is_no_byte),
        cmocka_unit_test(both_ends_are_no_bytes),
        cmocka_unit_test(a_reset_leaves_what_came_before_it),
        cmocka_unit_test(a_reset_behind_an_end_counts_one_too_many),
        cmocka_unit_test(urgent_data_counts_like_any_other),
        cmocka_unit_test(a_parked_link_that_is_ended_is_gone_for_its_peer),
        cmocka_unit_test(what_is_no_link_has_no_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
