/* SPDX-License-Identifier: MIT */
/*
 * How much memory this process may have before the kernel ends it: the least that its cgroup or
 * one above it allows (memory.max of cgroup v2), or else all that the machine has.
 */
#pragma once

#include <stdint.h>

enum { ALLOWANCE_NAME = 300 };

struct allowance {
    uint64_t bytes;             /* 0: unknown */
    char whose[ALLOWANCE_NAME]; /* "the machine", or the cgroup's path */
};

/* Of this process. What other processes take now is not looked at: it is another tomorrow. */
struct allowance allowance_find(void);

/* The least limit among the cgroup of `root`/proc/self/cgroup and those above it, as they stand
 * below `root`/sys/fs/cgroup. 0 bytes: there is none, or no cgroup v2. `root` is "" but in tests.
 */
struct allowance allowance_of_cgroup(const char *root);
