/* SPDX-License-Identifier: MIT */
/*
 * The limit is the one of this process when it starts. When it is lowered later, the
 * system refuses, which accepting and dialing bear as well.
 */
#include "proxy/descriptors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proxy/log.h"

enum { QUIET_MS = 60000 }; /* between two lines about a want of descriptors */

void descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_at(LOG_WARN, "warning", f_str("what", "the limit of descriptors cannot be raised"),
               f_err("why", -errno));
}

/* The lowest that is free: so many are open, if no holes were left. */
static uint32_t open_now(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    return fd < 0 ? 0 : (uint32_t)fd;
}

void descriptors_count(struct descriptors *d)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    uint32_t own = open_now() + DESCRIPTORS_SPARE, all, taken = atomic_load(&d->used);

    own -= taken < own ? taken : own;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    all = limit.rlim_cur > INT32_MAX ? INT32_MAX : (uint32_t)limit.rlim_cur;
    d->most = all > own ? all - own : 0;
}

bool descriptors_left(const struct descriptors *d, uint32_t count)
{
    uint32_t used = atomic_load_explicit(&d->used, memory_order_relaxed);

    return used <= d->most && count <= d->most - used;
}

void descriptors_take(struct descriptors *d, uint32_t count)
{
    atomic_fetch_add_explicit(&d->used, count, memory_order_relaxed);
}

void descriptors_give(struct descriptors *d, uint32_t count)
{
    uint32_t before = atomic_fetch_sub_explicit(&d->used, count, memory_order_relaxed);

    assert(before >= count);
}

bool descriptors_tell_want(struct descriptors *d, uint64_t now_ms)
{
    uint64_t quiet_to_ms = atomic_load(&d->quiet_to_ms);

    if (now_ms < quiet_to_ms ||
        !atomic_compare_exchange_strong(&d->quiet_to_ms, &quiet_to_ms, now_ms + QUIET_MS))
        return false;
    atomic_store(&d->told, true);
    return true;
}

bool descriptors_tell_end(struct descriptors *d)
{
    return atomic_load(&d->told) && atomic_exchange(&d->told, false);
}
