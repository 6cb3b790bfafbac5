/* SPDX-License-Identifier: MIT */
/*
 * The proof: behind what is to be kept, the writing end of a pipe is handed over, too.
 * A barrier tells when the keeper has dealt with all of it. If it then still has that
 * end, it had room for everything before.
 */
#include "proxy/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define PROOF_NAME "holdfast-proof-"

enum { STATE = 128 };

/* --- what it hands us --- */

int keeper_gifts(struct keeper_gifts *out, const char *prefix)
{
    *out = (struct keeper_gifts){0};

    int count = sd_listen_fds_with_names(0, &out->names);

    if (count <= 0)
        return count;
    if (!(out->at = calloc((size_t)count, sizeof *out->at))) {
        keeper_gifts_clear(out);
        return -ENOMEM;
    }
    for (int i = 0; i < count; i++) {
        int fd = SD_LISTEN_FDS_START + i;

        if (strncmp(out->names[i], prefix, strlen(prefix)) != 0)
            continue;
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        out->at[out->count++] = (struct keeper_gift){.name = out->names[i], .fd = fd};
    }
    return 0;
}

int keeper_take(struct keeper_gifts *gifts, const char *name)
{
    for (size_t i = 0; i < gifts->count; i++) {
        int fd = gifts->at[i].fd;

        if (fd < 0 || strcmp(gifts->at[i].name, name) != 0)
            continue;
        gifts->at[i].fd = -1;
        return fd;
    }
    return -1;
}

void keeper_gifts_clear(struct keeper_gifts *gifts)
{
    for (size_t i = 0; i < gifts->count; i++)
        if (gifts->at[i].fd >= 0)
            close(gifts->at[i].fd);
    free(gifts->at);
    for (char **name = gifts->names; name && *name; name++)
        free(*name);
    free(gifts->names);
    *gifts = (struct keeper_gifts){0};
}

/* --- what we give it --- */

bool keeper_there(void)
{
    return getenv("NOTIFY_SOCKET");
}

static int tell(const char *state, const int *fds, unsigned count)
{
    int r = sd_pid_notify_with_fds(0, 0, state, fds, count);

    return r > 0 ? 0 : r < 0 ? r : -ENOTCONN;
}

int keeper_keep(const char *name, const int *fds, unsigned count)
{
    char state[STATE];

    /* FDPOLL=0: otherwise systemd lets go of a socket that was reset, with all that is in it. */
    snprintf(state, sizeof state, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
    return tell(state, fds, count);
}

int keeper_drop(const char *name)
{
    char state[STATE];

    snprintf(state, sizeof state, "FDSTOREREMOVE=1\nFDNAME=%s", name);
    return tell(state, NULL, 0);
}

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool keeper_is_proof(const char *name)
{
    return !strncmp(name, PROOF_NAME, strlen(PROOF_NAME));
}

void keeper_proof_clear(struct keeper_proof *proof)
{
    shut(&proof->done);
    shut(&proof->kept);
    shut(&proof->mine);
}

/* Closes it when it has dealt with all before. */
static int barrier(int *out)
{
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    r = tell("BARRIER=1", &ends[1], 1);
    close(ends[1]);
    if (r < 0)
        close(ends[0]);
    else
        *out = ends[0];
    return r;
}

int keeper_prove(struct keeper_proof *out)
{
    static _Atomic unsigned serial;
    struct keeper_proof p = {.done = -1};
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    p.kept = ends[0];
    p.mine = ends[1];
    snprintf(p.name, sizeof p.name, PROOF_NAME "%u", atomic_fetch_add(&serial, 1));
    if ((r = keeper_keep(p.name, &p.mine, 1)) < 0 || (r = barrier(&p.done)) < 0) {
        keeper_proof_clear(&p);
        return r;
    }
    *out = p;
    return 0;
}

bool keeper_proven(struct keeper_proof *proof)
{
    shut(&proof->mine);
    bool kept = poll(&(struct pollfd){.fd = proof->kept, .events = POLLIN}, 1, 0) == 0;

    if (kept)
        (void)keeper_drop(proof->name);
    keeper_proof_clear(proof);
    return kept;
}
