/* SPDX-License-Identifier: MIT */
/*
 * A cgroup may have less than it was given, since all that are above it count, too. Within a
 * container the root is the container's, and shows no limit or its own.
 */
#include "proxy/allowance.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line of a file, without its end; false: there is none that can be read. */
static bool read_line(FILE *file, char line[PATH_MAX])
{
    if (!fgets(line, PATH_MAX, file))
        return false;
    line[strcspn(line, "\n")] = 0;
    return true;
}

/* The path of the cgroup (v2), from "/" on: it is the line that names no controllers. */
static bool own_path(const char *root, char path[PATH_MAX])
{
    static const char unified[] = "0::/";
    char name[PATH_MAX];
    bool found = false;
    FILE *file;

    if (snprintf(name, sizeof name, "%s/proc/self/cgroup", root) >= (int)sizeof name ||
        !(file = fopen(name, "re")))
        return false;
    while (!found && read_line(file, path))
        found = !strncmp(path, unified, sizeof unified - 1);
    fclose(file);
    if (found)
        memmove(path, path + sizeof unified - 2, strlen(path + sizeof unified - 2) + 1);
    return found;
}

/* 0: "max", or nothing of the kind. */
static uint64_t limit_at(const char *root, const char *path)
{
    char name[2 * PATH_MAX + 64], line[PATH_MAX], *end = line;
    uint64_t bytes = 0;
    FILE *file;

    snprintf(name, sizeof name, "%s/sys/fs/cgroup%s/memory.max", root, path);
    if (!(file = fopen(name, "re")))
        return 0;
    if (read_line(file, line) && *line >= '0' && *line <= '9') {
        errno = 0;
        bytes = strtoull(line, &end, 10);
        if (errno || *end)
            bytes = 0;
    }
    fclose(file);
    return bytes;
}

struct allowance allowance_of_cgroup(const char *root)
{
    struct allowance least = {0};
    char path[PATH_MAX];

    if (!own_path(root, path))
        return least;
    for (;;) {
        uint64_t bytes = limit_at(root, path);
        char *last = strrchr(path, '/');

        if (bytes && (!least.bytes || bytes < least.bytes)) {
            least.bytes = bytes;
            snprintf(least.whose, sizeof least.whose, "the cgroup %.200s", *path ? path : "/");
        }
        if (!last)
            return least;
        *last = 0; /* "/a/b", "/a", "" */
    }
}

struct allowance allowance_find(void)
{
    struct allowance least = allowance_of_cgroup("");
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t all = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;

    if (all && (!least.bytes || all < least.bytes))
        least = (struct allowance){.bytes = all, .whose = "the machine"};
    return least;
}
