/* SPDX-License-Identifier: MIT */
/*
 * Lots, with a keeper that is a thread of this test: what it holds can be looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/descriptors.h"
#include "proxy/parking.h"
#include "proxy/stored.h"

/* --- the keeper --- */

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    int fd;
    char folder[32], path[64];
    struct stored stored;
} keeper = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *keep(void *)
{
    for (;;) {
        char text[STORED_WORD], control[CMSG_SPACE(sizeof(int) * STORED_FDS)];
        struct iovec data = {.iov_base = text, .iov_len = sizeof text};
        struct msghdr message = {.msg_iov = &data,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        ssize_t n = recvmsg(keeper.fd, &message, 0);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        struct stored_word word;
        int fds[STORED_FDS];
        size_t count = 0;

        if (n <= 0)
            return NULL;
        if (c && c->cmsg_type == SCM_RIGHTS) {
            count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        }
        pthread_mutex_lock(&keeper.lock);
        assert_true(stored_read(&word, text, (size_t)n));
        stored_obey(&keeper.stored, &word, fds, count);
        pthread_mutex_unlock(&keeper.lock);
    }
}

static int begin_keeper(void **)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    strcpy(keeper.folder, "/tmp/holdfast-parking-XXXXXX");
    assert_non_null(mkdtemp(keeper.folder));
    snprintf(keeper.path, sizeof keeper.path, "%s/notify", keeper.folder);
    strcpy(addr.sun_path, keeper.path);
    keeper.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(keeper.fd, (struct sockaddr *)&addr, sizeof addr), 0);
    keeper.stored = (struct stored){.most = 100};
    setenv("NOTIFY_SOCKET", keeper.path, 1);
    assert_int_equal(pthread_create(&keeper.thread, NULL, keep, NULL), 0);
    return 0;
}

static int end_keeper(void **)
{
    shutdown(keeper.fd, SHUT_RDWR);
    pthread_join(keeper.thread, NULL);
    close(keeper.fd);
    unlink(keeper.path);
    rmdir(keeper.folder);
    stored_clear(&keeper.stored);
    unsetenv("NOTIFY_SOCKET");
    return 0;
}

/* What was said so far was heard. */
static void settle(void)
{
    struct keeper_proof proof;
    char byte;

    pthread_mutex_lock(&keeper.lock);
    size_t most = keeper.stored.most;
    keeper.stored.most = SIZE_MAX;
    pthread_mutex_unlock(&keeper.lock);
    assert_int_equal(keeper_prove(&proof), 0);
    assert_int_equal(read(proof.done, &byte, 1), 0);
    assert_true(keeper_proven(&proof));
    pthread_mutex_lock(&keeper.lock);
    keeper.stored.most = most;
    pthread_mutex_unlock(&keeper.lock);
}

static void set_room(size_t most)
{
    pthread_mutex_lock(&keeper.lock);
    keeper.stored.most = most;
    pthread_mutex_unlock(&keeper.lock);
}

/* Descriptors that are with the keeper; the proof that all was heard may be among them still. */
static size_t kept(void)
{
    size_t count = 0;

    settle();
    pthread_mutex_lock(&keeper.lock);
    for (size_t i = 0; i < keeper.stored.count; i++)
        count += !keeper_is_proof(keeper.stored.at[i].name);
    pthread_mutex_unlock(&keeper.lock);
    return count;
}

/* How many sockets a successor would find, each once; *lots: in how many lots. */
static size_t found(size_t *lots)
{
    static uint64_t seen[8192];
    size_t count = 0;

    settle();
    *lots = 0;
    pthread_mutex_lock(&keeper.lock);
    for (size_t i = 0; i + 1 < keeper.stored.count; i++) {
        struct stored_one *one = &keeper.stored.at[i], *other = one + 1;
        struct lot lot;
        struct lot_ticket t;
        int fd;

        if (strcmp(one->name, other->name) != 0 || !lot_take(&lot, one->fd, other->fd))
            continue;
        assert_int_equal(lot_rewind(&lot), 0);
        ++*lots;
        while (lot_look(&lot, &t, &fd) == 1) {
            size_t n = 0;

            close(fd);
            while (n < count && seen[n] != t.cookie)
                n++;
            if (n == count && count < 8192)
                seen[count++] = t.cookie;
        }
    }
    pthread_mutex_unlock(&keeper.lock);
    return count;
}

/* --- what is parked --- */

struct rig {
    struct ev_loop *loop;
    struct parking *parking;
};

static struct descriptors descriptors;

static struct rig rig_of(unsigned spares)
{
    struct rig r = {.loop = ev_loop_new(0)};

    assert_int_equal(parking_new(&r.parking, r.loop, &descriptors, spares), 0);
    return r;
}

static void done(struct rig r)
{
    parking_free(r.parking);
    ev_loop_destroy(r.loop);
}

static bool park(struct rig r, struct parked *one, uint32_t arena)
{
    struct lot_ticket ticket = {.arena = arena};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *one = (struct parked){0};
    return parking_put(r.parking, one, fd, &ticket);
}

static void end(struct rig, struct parked *one)
{
    parking_leave(one);
    close(one->fd);
}

/* Until the keeper has proven that it has all that it was handed. */
static void run_until(struct rig r, bool (*true_now)(struct rig r))
{
    while (!true_now(r))
        ev_run(r.loop, EVRUN_ONCE);
}

static void without_a_keeper_nothing_is_parked(void **)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct parking *p;
    char *there = strdup(getenv("NOTIFY_SOCKET"));

    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(parking_new(&p, loop, &descriptors, 1), -ENOTCONN);
    setenv("NOTIFY_SOCKET", there, 1);
    free(there);
    assert_int_equal(kept(), 0);
    assert_int_equal(descriptors.used, 0);
    ev_loop_destroy(loop);
}

static void a_lot_counts_among_the_descriptors_while_it_is_there(void **)
{
    struct rig r = rig_of(2);
    struct parked one;

    assert_int_equal(descriptors.used, 4);
    assert_true(park(r, &one, 3));
    assert_int_equal(descriptors.used, 6); /* another spare one */
    end(r, &one);
    done(r);
    assert_int_equal(descriptors.used, 0);
}

static void what_is_parked_is_with_the_keeper_at_once(void **)
{
    struct rig r = rig_of(2);
    struct parked one, other;
    size_t lots;

    assert_true(park(r, &one, 3));
    assert_true(park(r, &other, 4));
    assert_int_equal(found(&lots), 2);
    assert_true(lots >= 2);
    assert_ptr_not_equal(one.lot, other.lot); /* of two arenas */
    end(r, &one);
    end(r, &other);
    done(r);
}

static bool none_waits(struct rig r)
{
    return !parking_counts(r.parking).waiting;
}

enum { MANY = 700 }; /* more than two lots hold */

static void a_full_lot_is_followed_by_the_next(void **)
{
    struct rig r = rig_of(1);
    static struct parked many[MANY];
    size_t lots;

    for (int i = 0; i < MANY; i++) {
        park(r, &many[i], 3);
        run_until(r, none_waits);
    }
    for (int i = 0; i < MANY; i++)
        assert_false(many[i].waiting);
    assert_int_equal(found(&lots) >= MANY, 1);
    assert_true(lots >= 3);
    struct parking_counts counts = parking_counts(r.parking);
    assert_int_equal(counts.parked, MANY);
    assert_int_equal(counts.waiting, 0);
    for (int i = 0; i < MANY; i++)
        end(r, &many[i]);
    done(r);
}

static void a_lot_that_is_mostly_dead_is_given_up(void **)
{
    struct rig r = rig_of(1);
    static struct parked many[MANY];
    size_t lots, before;

    for (int i = 0; i < MANY; i++) {
        park(r, &many[i], 3);
        run_until(r, none_waits);
    }
    (void)found(&before);
    for (int i = 0; i < MANY; i++)
        if (i % 10)
            end(r, &many[i]);
    parking_tidy(r.parking);
    size_t left = found(&lots);
    assert_true(lots < before);
    assert_true(left < MANY);
    struct parking_counts counts = parking_counts(r.parking);
    assert_int_equal(counts.parked, MANY / 10);
    for (int i = 0; i < MANY; i += 10) {
        assert_non_null(many[i].lot);
        end(r, &many[i]);
    }
    done(r);
}

static void what_finds_no_lot_waits_for_one(void **)
{
    struct rig r = rig_of(1);
    struct parked one, other;
    size_t lots;

    set_room(2);
    assert_true(park(r, &one, 3));
    assert_false(park(r, &other, 4));
    assert_true(other.waiting);
    while (parking_counts(r.parking).lots > 1) /* until the next one is refused */
        ev_run(r.loop, EVRUN_ONCE);
    assert_true(other.waiting);
    set_room(100);
    end(r, &one);
    parking_tidy(r.parking);
    assert_true(other.waiting); /* it was refused, and nothing was given up */
    end(r, &other);
    assert_true(none_waits(r));
    (void)found(&lots);
    done(r);
}

static void what_waits_is_parked_as_soon_as_there_is_a_lot(void **)
{
    struct rig r = rig_of(1);
    struct parked one, other;
    size_t lots;

    assert_true(park(r, &one, 3));
    assert_false(park(r, &other, 4)); /* the next lot is not proven yet */
    run_until(r, none_waits);
    assert_int_equal(found(&lots), 2);
    end(r, &one);
    end(r, &other);
    done(r);
}

static bool has_a_spare(struct rig r)
{
    struct parked one;
    bool parked = park(r, &one, 15);

    end(r, &one);
    return parked;
}

static void lots_that_were_found_are_used(void **)
{
    struct rig first = rig_of(1);
    struct parked one, again = {0}, next;
    size_t lots;

    assert_true(park(first, &one, 3));
    run_until(first, has_a_spare);
    settle();
    char *name = strdup(keeper.stored.at[0].name);
    struct lot lot = {dup(keeper.stored.at[0].fd), dup(keeper.stored.at[1].fd)}, found_lot;
    parking_free(first.parking); /* the process died */
    first.parking = NULL;

    assert_true(lot_take(&found_lot, lot.near, lot.far));
    assert_int_equal(lot_rewind(&found_lot), 0);
    assert_int_equal(lot_look(&found_lot, &again.ticket, &again.fd), 1);
    struct rig r = rig_of(1);
    struct parked *living[] = {&again};
    assert_true(parking_found(r.parking, name, &found_lot, living, 1, 1));
    assert_int_equal(found_lot.near, -1);
    assert_true(park(r, &next, 3));
    assert_ptr_equal(next.lot, again.lot);
    size_t all = found(&lots), before = lots;
    assert_int_equal(all, 3);

    /* One that holds nothing living is given up. */
    struct lot empty;
    assert_int_equal(lot_open(&empty), 0);
    assert_int_equal(keeper_keep("holdfast-lot-x", (int[]){empty.near, empty.far}, 2), 0);
    assert_true(parking_found(r.parking, "holdfast-lot-x", &empty, NULL, 0, 7));
    (void)found(&lots);
    assert_int_equal(lots, before);
    end(r, &again);
    end(r, &next);
    close(one.fd);
    free(name);
    done(r);
    done(first);
}

/* An earlier process left lots with nothing in them, and there is no room for fresh ones beside. */
static void a_full_keeper_has_room_when_old_lots_are_given_up(void **)
{
    struct lot old[2];
    struct parked one;

    for (int i = 0; i < 2; i++) {
        char name[] = {"holdfast-lot-0"};

        name[sizeof name - 2] = (char)('0' + i);
        assert_int_equal(lot_open(&old[i]), 0);
        assert_int_equal(keeper_keep(name, (int[]){old[i].near, old[i].far}, 2), 0);
    }
    assert_int_equal(kept(), 4);
    set_room(7); /* for one more, but not for another */

    struct rig r = rig_of(2);
    struct parking_counts counts = parking_counts(r.parking);

    assert_int_equal(counts.lots, 1);
    assert_int_equal(kept(), 6);
    assert_true(park(r, &one, 3));
    assert_false(has_a_spare(r));
    assert_true(parking_found(r.parking, "holdfast-lot-0", &old[0], NULL, 0, 0));
    assert_true(parking_found(r.parking, "holdfast-lot-1", &old[1], NULL, 0, 0));
    parking_tidy(r.parking);
    run_until(r, has_a_spare);
    end(r, &one);
    done(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lot_counts_among_the_descriptors_while_it_is_there,
                                        begin_keeper, end_keeper),
        cmocka_unit_test_setup_teardown(a_full_keeper_has_room_when_old_lots_are_given_up,
                                        begin_keeper, end_keeper),
        cmocka_unit_test_setup_teardown(without_a_keeper_nothing_is_parked, begin_keeper,
                                        end_keeper),
        cmocka_unit_test_setup_teardown(what_is_parked_is_with_the_keeper_at_once, begin_keeper,
                                        end_keeper),
        cmocka_unit_test_setup_teardown(a_full_lot_is_followed_by_the_next, begin_keeper,
                                        end_keeper),
        cmocka_unit_test_setup_teardown(a_lot_that_is_mostly_dead_is_given_up, begin_keeper,
                                        end_keeper),
        cmocka_unit_test_setup_teardown(what_finds_no_lot_waits_for_one, begin_keeper, end_keeper),
        cmocka_unit_test_setup_teardown(what_waits_is_parked_as_soon_as_there_is_a_lot,
                                        begin_keeper, end_keeper),
        cmocka_unit_test_setup_teardown(lots_that_were_found_are_used, begin_keeper, end_keeper),
    };
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    setrlimit(RLIMIT_NOFILE, &limit);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
