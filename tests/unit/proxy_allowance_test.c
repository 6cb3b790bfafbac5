/* SPDX-License-Identifier: MIT */
/*
 * Made-up trees of cgroups: each test lays its own below a folder of its own, as the kernel would
 * show them below /.
 */
#include "proxy/allowance.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A file below the root, and the folders that lead to it. */
static void put(const char *root, const char *path, const char *text)
{
    char name[300];
    FILE *file;

    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *p = name + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(name, 0700);
    }
    assert_non_null(file = fopen(name, "w"));
    fputs(text, file);
    fclose(file);
}

static int drop_one(const char *name, const struct stat *, int, struct FTW *)
{
    return remove(name);
}

static int setup(void **state)
{
    static char root[40];

    strcpy(root, "/tmp/holdfast-allowance-XXXXXX");
    *state = mkdtemp(root);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    return nftw(*state, drop_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void the_least_limit_on_the_way_up_counts(void **state)
{
    const char *root = *state;
    struct allowance a;

    put(root, "/proc/self/cgroup", "0::/system.slice/holdfast.service\n");
    put(root, "/sys/fs/cgroup/system.slice/holdfast.service/memory.max", "3000000\n");
    put(root, "/sys/fs/cgroup/system.slice/memory.max", "4000000\n");
    a = allowance_of_cgroup(root);
    assert_int_equal(a.bytes, 3000000);
    assert_string_equal(a.whose, "the cgroup /system.slice/holdfast.service");
    put(root, "/sys/fs/cgroup/system.slice/memory.max", "2000000\n");
    a = allowance_of_cgroup(root);
    assert_int_equal(a.bytes, 2000000);
    assert_string_equal(a.whose, "the cgroup /system.slice");
    put(root, "/sys/fs/cgroup/memory.max", "1000000\n");
    a = allowance_of_cgroup(root);
    assert_int_equal(a.bytes, 1000000);
    assert_string_equal(a.whose, "the cgroup /");
}

static void a_cgroup_without_a_limit_is_passed_over(void **state)
{
    const char *root = *state;

    put(root, "/proc/self/cgroup", "0::/a/b/c\n");
    put(root, "/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    assert_int_equal(allowance_of_cgroup(root).bytes, 0);
    put(root, "/sys/fs/cgroup/a/memory.max", "77\n");
    assert_int_equal(allowance_of_cgroup(root).bytes, 77);
}

static void a_container_s_own_root_counts(void **state)
{
    const char *root = *state;

    put(root, "/proc/self/cgroup", "0::/\n");
    put(root, "/sys/fs/cgroup/memory.max", "88\n");
    assert_int_equal(allowance_of_cgroup(root).bytes, 88);
    assert_string_equal(allowance_of_cgroup(root).whose, "the cgroup /");
}

static void hierarchies_with_controllers_are_no_concern(void **state)
{
    const char *root = *state;

    put(root, "/proc/self/cgroup", "9:name=systemd:/x\n4:memory:/x\n0::/y\n");
    put(root, "/sys/fs/cgroup/x/memory.max", "1\n");
    put(root, "/sys/fs/cgroup/y/memory.max", "2\n");
    assert_int_equal(allowance_of_cgroup(root).bytes, 2);
}

static void nothing_that_can_be_read_is_no_limit(void **state)
{
    const char *root = *state;

    assert_int_equal(allowance_of_cgroup(root).bytes, 0);
    put(root, "/proc/self/cgroup", "4:memory:/x\n");
    put(root, "/sys/fs/cgroup/x/memory.max", "1\n");
    assert_int_equal(allowance_of_cgroup(root).bytes, 0);
    put(root, "/proc/self/cgroup", "0::/x");
    assert_int_equal(allowance_of_cgroup(root).bytes, 1);
    put(root, "/sys/fs/cgroup/x/memory.max", "");
    assert_int_equal(allowance_of_cgroup(root).bytes, 0);
    put(root, "/sys/fs/cgroup/x/memory.max", "12 apples\n");
    assert_int_equal(allowance_of_cgroup(root).bytes, 0);
    put(root, "/sys/fs/cgroup/x/memory.max", "-12\n");
    assert_int_equal(allowance_of_cgroup(root).bytes, 0);
    put(root, "/sys/fs/cgroup/x/memory.max", "99999999999999999999\n");
    assert_int_equal(allowance_of_cgroup(root).bytes, 0);
}

static void no_cgroup_has_more_than_the_machine(void **)
{
    struct allowance own = allowance_find(), cgroup = allowance_of_cgroup("");

    assert_true(own.bytes > 0);
    assert_true(!cgroup.bytes || own.bytes <= cgroup.bytes);
    assert_true(own.bytes <= (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_least_limit_on_the_way_up_counts),
        TEST(a_cgroup_without_a_limit_is_passed_over),
        TEST(a_container_s_own_root_counts),
        TEST(hierarchies_with_controllers_are_no_concern),
        TEST(nothing_that_can_be_read_is_no_limit),
        TEST(no_cgroup_has_more_than_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
