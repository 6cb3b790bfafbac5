/* SPDX-License-Identifier: MIT */
/*
 * Each arena could hold all of `memory`: accounts spread unevenly, and what is not
 * touched costs nothing.
 */
#include "proxy/arenas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/tools.h"

enum { OVERHEAD = 128 << 20 }; /* tables of an arena, sparse */

static int open_one(struct arenas *a, unsigned i)
{
    struct sm_core_config config = {
        .size = a->size, .arena = (uint8_t)i, .limits = &a->limits, .budget = &a->budget};
    char name[32];

    snprintf(name, sizeof name, "holdfast-arena-%u", i);
    if ((a->fd[i] = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)) < 0)
        return -errno;
    if (ftruncate(a->fd[i], (off_t)a->size) < 0 ||
        fcntl(a->fd[i], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
        return -errno;
    a->base[i] =
        mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, a->fd[i], 0);
    if (a->base[i] == MAP_FAILED)
        return -errno;
    (void)madvise(a->base[i], a->size, MADV_DONTDUMP);
    tools_random(config.key, sizeof config.key);
    config.base = a->base[i];
    return sm_core_new(&a->core[i], &config);
}

int arenas_open(struct arenas *a, const struct conf *conf, uint32_t counter_start)
{
    const struct conf_stream_management *sm = &conf->sm;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    *a = (struct arenas){
        .size = (conf->limits.memory + OVERHEAD + page - 1) / page * page,
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
        int r = open_one(a, i);

        if (r < 0) {
            arenas_close(a);
            return r;
        }
    }
    return 0;
}

void arenas_close(struct arenas *a)
{
    for (unsigned i = 0; i < SM_ARENAS; i++) {
        if (a->core[i])
            sm_core_free(a->core[i]);
        if (a->base[i] != MAP_FAILED)
            munmap(a->base[i], a->size);
        if (a->fd[i] >= 0)
            close(a->fd[i]);
        a->core[i] = NULL;
        a->base[i] = MAP_FAILED;
        a->fd[i] = -1;
    }
}
