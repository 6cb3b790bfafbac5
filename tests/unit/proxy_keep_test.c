/* SPDX-License-Identifier: MIT */
/*
 * The keeper starts this very program as its daemon, which does as its part in the play
 * says (PART), writes down what it found (DIARY), and dies. Each life is a line of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "proxy/keep.h"
#include "proxy/keeper.h"

/* --- the daemon --- */

enum { LIVES = 4, MANY = 2000 };

static void note(const char *format, ...)
{
    int fd = open(getenv("DIARY"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    va_list args;

    va_start(args, format);
    vdprintf(fd, format, args);
    va_end(args);
    close(fd);
}

static bool prove(void)
{
    struct keeper_proof proof;

    if (keeper_prove(&proof) < 0)
        return false;
    poll(&(struct pollfd){.fd = proof.done, .events = POLLIN}, 1, -1);
    return keeper_proven(&proof);
}

/* Counts its lives in a memfd, the only thing that outlives it. */
static int count_lives(struct keeper_gifts *gifts)
{
    int fd = keeper_take(gifts, "holdfast-lives"), lives = 0;

    if (fd < 0) {
        fd = memfd_create("lives", MFD_CLOEXEC);
        if (keeper_keep("holdfast-lives", &fd, 1) < 0 || !prove())
            _exit(9);
    } else if (pread(fd, &lives, sizeof lives, 0) != sizeof lives) {
        _exit(9);
    }
    lives++;
    if (pwrite(fd, &lives, sizeof lives, 0) != sizeof lives)
        _exit(9);
    return lives;
}

static void die_again_and_again(struct keeper_gifts *gifts)
{
    int lives = count_lives(gifts);

    sd_notify(0, "READY=1");
    note("life %d of %zu\n", lives, gifts->count);
    if (lives == LIVES)
        kill(getppid(), SIGTERM);
    else
        raise(lives == 1 ? SIGKILL : SIGABRT);
    pause();
}

static void give_more_than_there_is_room_for(struct keeper_gifts *gifts)
{
    int fd = 0, dropped = 0;

    if (gifts->count) {
        note("has %zu\n", gifts->count);
        kill(getppid(), SIGTERM);
        pause();
    }
    if (keeper_keep("holdfast-first", &fd, 1) < 0)
        _exit(9);
    note(prove() ? "kept\n" : "refused\n");
    for (int i = 0; i < MANY && !dropped; i++)
        dropped = keeper_keep("holdfast-more", &fd, 1);
    note(prove() ? "kept\n" : "refused\n");
    dropped = keeper_drop("holdfast-more");
    note(!dropped && prove() ? "kept\n" : "refused\n");
    sd_notify(0, "READY=1");
    raise(SIGKILL);
}

static void hoard(struct keeper_gifts *gifts)
{
    int fd = 0;

    if (gifts->count) {
        note("is back\n");
        kill(getppid(), SIGTERM);
        pause();
    }
    for (int i = 0; i < MANY; i++)
        if (keeper_keep("holdfast-one", &fd, 1) < 0)
            _exit(9);
    note(prove() ? "kept\n" : "refused\n");
    sd_notify(0, "READY=1");
    raise(SIGKILL);
}

static void wait_for_the_end(struct keeper_gifts *gifts)
{
    int lives = count_lives(gifts), number;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sd_notify(0, "READY=1");
    kill(getppid(), lives == 1 ? SIGHUP : SIGTERM);
    sigwait(&set, &number);
    note("life %d ended by %s\n", lives, number == SIGTERM ? "TERM" : "INT");
    _exit(0);
}

static int play(const char *part)
{
    struct keeper_gifts gifts;

    if (keeper_gifts(&gifts, "holdfast-") < 0 || !keeper_there())
        return 9;
    if (!strcmp(part, "die"))
        die_again_and_again(&gifts);
    if (!strcmp(part, "crowd"))
        give_more_than_there_is_room_for(&gifts);
    if (!strcmp(part, "hoard"))
        hoard(&gifts);
    if (!strcmp(part, "wait"))
        wait_for_the_end(&gifts);
    note("%s\n", part);
    return 1;
}

/* --- the keeper --- */

static char program[4096];
static rlim_t descriptors_max; /* of the keeper; 0: as many as this program */

/* Runs the keeper in a process of its own; gives its exit status, and what the daemon wrote down.
 */
static int keep(const char *part, char *diary, size_t room)
{
    char folder[] = "/tmp/holdfast-keep-XXXXXX", path[64];
    char *arguments[] = {program, "daemon", NULL};
    int status;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/diary", folder);
    pid_t keeper = fork();
    if (!keeper) {
        struct rlimit limit = {.rlim_cur = descriptors_max, .rlim_max = descriptors_max};

        if (descriptors_max && setrlimit(RLIMIT_NOFILE, &limit) < 0)
            _exit(9);
        alarm(60); /* a daemon that cannot be started would be tried for ever */
        setenv("PART", part, 1);
        setenv("DIARY", path, 1);
        _exit(keep_run(program, arguments, folder));
    }
    assert_int_equal(waitpid(keeper, &status, 0), keeper);
    assert_true(WIFEXITED(status));

    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, diary, room - 1);
    diary[n < 0 ? 0 : n] = 0;
    close(fd);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* the socket is gone, too */
    return WEXITSTATUS(status);
}

static void what_was_kept_outlives_every_death(void **)
{
    char diary[1024];

    assert_int_equal(keep("die", diary, sizeof diary), 0);
    assert_string_equal(diary, "life 1 of 0\nlife 2 of 1\nlife 3 of 1\nlife 4 of 1\n");
}

static void what_there_is_no_room_for_has_no_proof(void **)
{
    char diary[1024];

    assert_int_equal(keep("crowd", diary, sizeof diary), 0);
    assert_string_equal(diary, "kept\nrefused\nkept\nhas 1\n");
}

static void a_keeper_takes_no_more_than_it_can_hand_over(void **)
{
    char diary[1024];

    for (descriptors_max = 100; descriptors_max <= 1000; descriptors_max *= 3) {
        assert_int_equal(keep("hoard", diary, sizeof diary), 0);
        assert_string_equal(diary, "refused\nis back\n");
    }
    descriptors_max = 0;
}

static void a_replaced_daemon_leaves_all_and_an_ended_one_nothing(void **)
{
    char diary[1024];

    assert_int_equal(keep("wait", diary, sizeof diary), 0);
    assert_string_equal(diary, "life 1 ended by TERM\nlife 2 ended by INT\n");
}

static void one_that_never_begins_is_not_tried_again(void **)
{
    char diary[1024];

    assert_int_equal(keep("fails", diary, sizeof diary), 1);
    assert_string_equal(diary, "fails\n");
}

static void a_socket_where_none_can_be_is_said(void **)
{
    char folder[200];
    char *arguments[] = {program, "daemon", NULL};
    int status;

    memset(folder, 'x', sizeof folder);
    folder[sizeof folder - 1] = 0;
    pid_t keeper = fork();
    if (!keeper)
        _exit(keep_run(program, arguments, folder));
    assert_int_equal(waitpid(keeper, &status, 0), keeper);
    assert_int_equal(WEXITSTATUS(status), 1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_kept_outlives_every_death),
        cmocka_unit_test(what_there_is_no_room_for_has_no_proof),
        cmocka_unit_test(a_keeper_takes_no_more_than_it_can_hand_over),
        cmocka_unit_test(a_replaced_daemon_leaves_all_and_an_ended_one_nothing),
        cmocka_unit_test(one_that_never_begins_is_not_tried_again),
        cmocka_unit_test(a_socket_where_none_can_be_is_said),
    };

    if (argc == 2 && !strcmp(argv[1], "daemon"))
        return play(getenv("PART"));
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(n > 0);
    program[n] = 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
