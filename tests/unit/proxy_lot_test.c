/* SPDX-License-Identifier: MIT */
/*
 * Sockets are parked and looked at, again and again, also by another process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/lot.h"

static int some_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    return fd;
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof cookie;

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
    return cookie;
}

static uint64_t park(struct lot *lot, uint32_t slot)
{
    int fd = some_socket();
    uint64_t cookie = cookie_of(fd);

    assert_int_equal(
        lot_park(lot, fd, &(struct lot_ticket){.arena = 3, .slot = slot, .generation = slot + 7}),
        0);
    close(fd); /* only the duplicate is left */
    return cookie;
}

static void look_at_all(const struct lot *lot, const uint64_t *cookies, uint32_t count)
{
    struct lot_ticket t;
    int fd;

    assert_int_equal(lot_rewind(lot), 0);
    for (uint32_t slot = 0; slot < count; slot++) {
        assert_int_equal(lot_look(lot, &t, &fd), 1);
        assert_int_equal(t.cookie, cookies[slot]);
        assert_int_equal(cookie_of(fd), cookies[slot]);
        assert_int_equal(t.arena, 3);
        assert_int_equal(t.slot, slot);
        assert_int_equal(t.generation, slot + 7);
        assert_int_equal(t.reserved, 0);
        close(fd);
    }
    assert_int_equal(lot_look(lot, &t, &fd), 0);
}

static void what_is_parked_is_seen_as_often_as_one_looks(void **)
{
    struct lot lot;
    uint64_t cookies[20];

    assert_int_equal(lot_open(&lot), 0);
    look_at_all(&lot, NULL, 0);
    for (uint32_t slot = 0; slot < 20; slot++)
        cookies[slot] = park(&lot, slot);
    look_at_all(&lot, cookies, 20);
    look_at_all(&lot, cookies, 20);
    lot_close(&lot);
    lot_close(&lot);
}

static void another_process_sees_the_same(void **)
{
    struct lot lot, found;
    uint64_t cookie;
    int status;

    assert_int_equal(lot_open(&lot), 0);
    cookie = park(&lot, 0);
    pid_t child = fork();
    if (!child) {
        look_at_all(&lot, &cookie, 1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* In which order the two ends come back does not matter. */
    assert_true(lot_take(&found, lot.far, lot.near));
    look_at_all(&found, &cookie, 1);
    assert_true(lot_take(&found, lot.near, lot.far));
    look_at_all(&found, &cookie, 1);
    lot_close(&found);
}

static void a_full_lot_says_so_and_keeps_what_it_has(void **)
{
    struct lot lot;
    struct lot_ticket t = {.arena = 3};
    uint64_t cookies[4096];
    uint32_t count = 0;
    int fd = some_socket(), r;

    assert_int_equal(lot_open(&lot), 0);
    while (count < 4096) {
        t.slot = count;
        t.generation = count + 7;
        if ((r = lot_park(&lot, fd, &t)) < 0)
            break;
        cookies[count++] = t.cookie;
    }
    assert_int_equal(r, -EAGAIN);
    assert_true(count >= 100); /* so that the lots are few */
    look_at_all(&lot, cookies, count);
    lot_close(&lot);
    close(fd);
}

static void too_many_on_their_way_are_refused(void **)
{
    struct rlimit before, few;
    struct lot lot;
    int fd = some_socket(), r = 0, status;

    /* Root may send as many as it likes. */
    pid_t child = fork();
    if (!child) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(2);
        getrlimit(RLIMIT_NOFILE, &before);
        few = before;
        few.rlim_cur = 32;
        setrlimit(RLIMIT_NOFILE, &few);
        if (lot_open(&lot) < 0)
            _exit(3);
        for (int i = 0; i < 100 && !r; i++)
            r = lot_park(&lot, fd, &(struct lot_ticket){0});
        _exit(r == -ETOOMANYREFS ? 0 : 4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(fd);
}

static void what_was_not_parked_by_us_is_passed_over(void **)
{
    struct lot lot;
    struct lot_ticket t;
    uint64_t cookie;
    int fd, pair[2];

    assert_int_equal(lot_open(&lot), 0);
    assert_int_equal(send(lot.near, "?", 1, 0), 1);
    cookie = park(&lot, 0);
    assert_int_equal(lot_rewind(&lot), 0);
    assert_int_equal(lot_look(&lot, &t, &fd), -EBADMSG);
    assert_int_equal(lot_look(&lot, &t, &fd), 1);
    assert_int_equal(cookie_of(fd), cookie);
    close(fd);
    assert_int_equal(lot_look(&lot, &t, &fd), 0);
    lot_close(&lot);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_false(lot_take(&lot, pair[0], pair[1]));
    close(pair[0]);
    close(pair[1]);
}

static void without_a_descriptor_for_the_clone_it_says_so(void **)
{
    struct lot lot;
    struct lot_ticket t;
    uint64_t cookie;
    struct rlimit before, few;
    int fd, last;

    assert_int_equal(lot_open(&lot), 0);
    cookie = park(&lot, 0);
    last = dup(0);
    close(last);
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = (rlim_t)last;
    setrlimit(RLIMIT_NOFILE, &few);
    assert_int_equal(lot_rewind(&lot), 0);
    assert_int_equal(lot_look(&lot, &t, &fd), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &before);
    look_at_all(&lot, &cookie, 1); /* it is still there */
    lot_close(&lot);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_parked_is_seen_as_often_as_one_looks),
        cmocka_unit_test(another_process_sees_the_same),
        cmocka_unit_test(a_full_lot_says_so_and_keeps_what_it_has),
        cmocka_unit_test(too_many_on_their_way_are_refused),
        cmocka_unit_test(what_was_not_parked_by_us_is_passed_over),
        cmocka_unit_test(without_a_descriptor_for_the_clone_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
