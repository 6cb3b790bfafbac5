/* SPDX-License-Identifier: MIT */
/*
 * Each arena could hold all of `memory`: accounts spread unevenly, and what is not
 * touched costs nothing.
 */
#include "proxy/arenas.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sm/recover.h"

#include "proxy/log.h"
#include "proxy/tools.h"

#define ARENA_NAME "holdfast-arena-"

enum {
    OVERHEAD = 128 << 20, /* tables of an arena, sparse */
    PROOF_MS = 10000,     /* systemd may be busy starting others */
};

static void name_of(char name[KEEPER_NAME], unsigned i)
{
    snprintf(name, KEEPER_NAME, ARENA_NAME "%u", i);
}

static int make(int *out, const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *out = fd;
    return 0;
}

/* Nobody else may use it. The lock goes with this process, whoever has the descriptor. */
static int lock(int fd)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_SETLK, &all) == 0)
        return 0;
    return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

/* As large as it was made, whatever `memory` is now: what it may hold is the budget's to say. */
static int map(struct arenas *a, unsigned i)
{
    struct stat st;

    if (fstat(a->fd[i], &st) < 0)
        return -errno;
    if (st.st_size <= 0)
        return -EBADMSG;
    a->size[i] = (size_t)st.st_size;
    a->base[i] =
        mmap(NULL, a->size[i], PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, a->fd[i], 0);
    if (a->base[i] == MAP_FAILED)
        return -errno;
    (void)madvise(a->base[i], a->size[i], MADV_DONTDUMP);
    return 0;
}

static int open_core(struct arenas *a, unsigned i)
{
    struct sm_core_config config = {
        .arena = (uint8_t)i,
        .now_ms = tools_now(),
        .limits = &a->limits,
        .budget = &a->budget,
    };
    struct sm_recovery found;
    int r;

    tools_random(config.key, sizeof config.key);
    if ((r = lock(a->fd[i])) < 0 || (r = map(a, i)) < 0)
        return r;
    config.base = a->base[i];
    config.size = a->size[i];
    if ((r = sm_core_open(&a->core[i], &config, &found)) < 0)
        return r;
    if (found.set_aside)
        log_at(LOG_ERROR, "session_set_aside",
               f_span("jid", (struct span){found.jid.p, found.jid.len}),
               f_u32("stanzas", found.stanzas));
    a->sessions += found.sessions;
    a->left += found.left;
    a->damaged += found.damaged;
    return 0;
}

static void close_one(struct arenas *a, unsigned i)
{
    if (a->core[i])
        sm_core_free(a->core[i]);
    if (a->base[i] != MAP_FAILED)
        munmap(a->base[i], a->size[i]);
    if (a->fd[i] >= 0)
        close(a->fd[i]);
    a->core[i] = NULL;
    a->base[i] = MAP_FAILED;
    a->fd[i] = -1;
}

/* Nothing that a keeper gave back keeps the program from starting, but what is in use elsewhere, or
 * in a layout that another program understands. */
static int open_gift(struct arenas *a, unsigned i, const char *name)
{
    int r = open_core(a, i);

    a->kept[i] = r == 0;
    if (r == 0)
        return 0;
    if (r == -EPROTO)
        log_at(LOG_ERROR, "recovery_failed", f_str("arena", name), f_str("why", "another layout"));
    else
        log_at(LOG_ERROR, "recovery_failed", f_str("arena", name), f_err("why", r));
    if (r == -EBUSY || r == -EPROTO || r == -ENOMEM)
        return r;
    (void)keeper_drop(name);
    close_one(a, i);
    return 0;
}

static int open_one(struct arenas *a, unsigned i, size_t size, struct keeper_gifts *gifts)
{
    char name[KEEPER_NAME];
    int r;

    name_of(name, i);
    a->fd[i] = keeper_take(gifts, name);
    if (a->fd[i] >= 0 && (r = open_gift(a, i, name)) < 0)
        return r;
    if (a->kept[i])
        return 0;
    if ((r = make(&a->fd[i], name, size)) < 0)
        return r;
    return open_core(a, i);
}

int arenas_keep(const struct arenas *a)
{
    struct keeper_proof proof;
    char name[KEEPER_NAME];
    bool all = true;
    int r;

    for (unsigned i = 0; i < SM_ARENAS; i++) {
        name_of(name, i);
        all &= a->kept[i];
        if (!a->kept[i] && (r = keeper_keep(name, &a->fd[i], 1)) < 0)
            return r;
    }
    if (all) /* a keeper that gave all may have no room for a proof */
        return 0;
    if ((r = keeper_prove(&proof)) < 0)
        return r;
    if (poll(&(struct pollfd){.fd = proof.done, .events = POLLIN}, 1, PROOF_MS) != 1) {
        keeper_proof_clear(&proof);
        return -ETIMEDOUT;
    }
    return keeper_proven(&proof) ? 0 : -ENOSPC;
}

int arenas_open(struct arenas *a, const struct conf *conf, uint32_t counter_start,
                struct keeper_gifts *gifts)
{
    const struct conf_stream_management *sm = &conf->sm;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (conf->limits.memory + OVERHEAD + page - 1) / page * page;

    *a = (struct arenas){
        .limits = {.resume_timeout_ms = sm->resume_timeout_ms,
                   .ack_forwarded = sm->ack == CONF_ACK_FORWARDED,
                   .request_after = sm->request_after,
                   .request_idle_ms = sm->request_idle_ms,
                   .request_every_ms = sm->request_every_ms,
                   .ack_timeout_ms = sm->ack_timeout_ms,
                   .idle_check_ms = sm->idle_check_ms,
                   .queue_stanzas = sm->queue_stanzas,
                   .queue_bytes = sm->queue_bytes,
                   .stanza_bytes = conf->limits.stanza_bytes,
                   .sessions_per_account = sm->sessions_per_account,
                   .counter_start = counter_start},
        .budget = {.max = conf->limits.memory},
    };
    for (unsigned i = 0; i < SM_ARENAS; i++) {
        a->fd[i] = -1;
        a->base[i] = MAP_FAILED;
    }
    for (unsigned i = 0; i < SM_ARENAS; i++) {
        int r = open_one(a, i, size, gifts);

        if (r < 0) {
            arenas_close(a);
            return r;
        }
    }
    return 0;
}

void arenas_close(struct arenas *a)
{
    for (unsigned i = 0; i < SM_ARENAS; i++)
        close_one(a, i);
}
