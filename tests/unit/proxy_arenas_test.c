/* SPDX-License-Identifier: MIT */
/*
 * The arenas as a process opens them: fresh, or given back by a keeper.
 */
#include "proxy/arenas.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sm/core_priv.h"

static const struct conf conf = {.limits = {.memory = 1 << 20}};

static void clients_cannot_know_which_names_meet_in_a_chain(void **)
{
    struct keeper_gifts none = {0};
    struct arenas one, other;

    assert_int_equal(arenas_open(&one, &conf, 0, &none), 0);
    assert_int_equal(arenas_open(&other, &conf, 0, &none), 0);
    for (int i = 0; i < SM_ARENAS; i++) {
        const uint64_t *key = one.core[i]->registry.key;

        assert_true(key[0] && key[1]);
        assert_memory_not_equal(key, other.core[i]->registry.key, 2 * sizeof *key);
    }
    arenas_close(&one);
    arenas_close(&other);
}

/* A gift that holds these bytes and has that many. */
static int gift_of(const char *bytes, size_t size)
{
    int fd = memfd_create("gift", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(pwrite(fd, bytes, strlen(bytes), 0), (ssize_t)strlen(bytes));
    return fd;
}

/* The others are as they were, and it is begun anew; the gift itself is not touched. */
static void what_is_no_arena_is_begun_anew(void **)
{
    static const size_t sizes[] = {0, 5, 4096, 300 << 20};
    static const char foreign[] = "something else";

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct keeper_gift gift = {.name = "holdfast-arena-3",
                                   .fd = gift_of(sizes[i] > 14 ? foreign : "", sizes[i])};
        int copy = dup(gift.fd);
        char now[sizeof foreign] = "";
        struct arenas a;

        assert_int_equal(arenas_open(&a, &conf, 0, &(struct keeper_gifts){.at = &gift, .count = 1}),
                         0);
        assert_false(a.kept[3]);
        assert_non_null(a.core[3]);
        arenas_close(&a);
        assert_int_equal(lseek(copy, 0, SEEK_END), sizes[i]);
        assert_true(pread(copy, now, sizeof foreign - 1, 0) >= 0);
        assert_string_equal(now, sizes[i] > 14 ? foreign : "");
        close(copy);
    }
}

/* Another program may be able to read it: this one keeps its hands off. */
static void an_arena_of_another_layout_is_refused(void **)
{
    struct keeper_gifts none = {0};
    struct keeper_gift gift = {.name = "holdfast-arena-3"};
    struct keeper_gifts gifts = {.at = &gift, .count = 1};
    uint32_t *layout;
    struct arenas a;

    assert_int_equal(arenas_open(&a, &conf, 0, &none), 0);
    gift.fd = dup(a.fd[3]);
    layout = (uint32_t *)a.base[3] + 8;
    assert_int_equal(*layout, ARENA_LAYOUT);
    ++*layout;
    arenas_close(&a);
    assert_int_equal(arenas_open(&a, &conf, 0, &gifts), -EPROTO);
}

/* A keeper that began a second daemon, or an old one that hangs: what it has is left alone. */
static void an_arena_in_use_is_left_alone(void **)
{
    struct keeper_gifts none = {0};
    struct keeper_gift gift = {.name = "holdfast-arena-3"};
    struct keeper_gifts gifts = {.at = &gift, .count = 1};
    struct arenas a, again;
    int status;

    assert_int_equal(arenas_open(&a, &conf, 0, &none), 0);
    gift.fd = dup(a.fd[3]);
    pid_t other = fork();

    assert_true(other >= 0);
    if (!other)
        _exit(arenas_open(&again, &conf, 0, &gifts) == -EBUSY ? 0 : 1);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    arenas_close(&a);
    assert_int_equal(arenas_open(&again, &conf, 0, &gifts), 0);
    assert_true(again.kept[3]);
    arenas_close(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_cannot_know_which_names_meet_in_a_chain),
        cmocka_unit_test(what_is_no_arena_is_begun_anew),
        cmocka_unit_test(an_arena_of_another_layout_is_refused),
        cmocka_unit_test(an_arena_in_use_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
