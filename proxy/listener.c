/* SPDX-License-Identifier: MIT */
/*
 * Accepting: a bounded number in a turn, and none while there are no descriptors for
 * another client and its link, or while TLS handshakes wait for their turn; what the
 * kernel's line holds then comes in later.
 */
#include "proxy/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "proxy/client_line.h"
#include "proxy/descriptors.h"
#include "proxy/log.h"
#include "proxy/net.h"
#include "proxy/relay.h"

struct listener {
    struct tools *tools;
    const struct conf_listen *conf;
    ev_io io;
    int fd;
    bool resting; /* until there are descriptors again … */
    bool refused; /* … which the system knows, not our count */
    struct listeners *set;
};

/* The socket stays readable, so it must not be looked at. */
static void rest(struct listener *l, int refusal)
{
    struct tools *tools = l->tools;

    l->resting = true;
    l->refused = refusal;
    l->set->resting++;
    ev_io_stop(tools->loop, &l->io);
    tools->counters.accepting_stopped++;
    if (descriptors_tell_want(tools->descriptors, tools_now()))
        log_at(LOG_WARN, "accepting_stopped", f_str("listen", l->conf->name),
               f_u32("clients_max", tools->descriptors->most / 2), f_err("why", refusal));
}

static void go_on(struct listener *l)
{
    l->resting = false;
    l->set->resting--;
    ev_io_start(l->tools->loop, &l->io);
}

static void on_connection(struct ev_loop *, ev_io *w, int)
{
    struct listener *l = w->data;

    for (unsigned i = 0; i < l->tools->accepts && !client_line_waits(l->tools); i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int fd;

        if (!descriptors_left(l->tools->descriptors, 2)) {
            rest(l, 0);
            return;
        }
        fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            l->tools->counters.accepts_failed++;
            rest(l, errno);
        }
        if (fd < 0)
            return;
        if (descriptors_tell_end(l->tools->descriptors))
            log_at(LOG_INFO, "accepting", f_str("listen", l->conf->name));
        net_unmap(&peer);
        relay_accept(l->tools, fd, l->conf, &peer);
    }
}

static void add(struct listeners *set, const struct conf_listen *conf, int fd)
{
    struct listener *l = &set->at[set->count++];

    *l = (struct listener){.tools = set->tools, .conf = conf, .fd = fd, .set = set};
    ev_io_init(&l->io, on_connection, fd, EV_READ);
}

/* A socket that systemd names after a [listen NAME] section is that section's. */
static int add_handed(struct listeners *set, const struct conf *conf, int count, char **names)
{
    for (int i = 0; i < count; i++) {
        const struct conf_listen *of = conf->listen_count == 1 ? &conf->listens[0] : NULL;
        int fd;

        for (size_t j = 0; j < conf->listen_count; j++)
            if (names && names[i] && !strcmp(names[i], conf->listens[j].name))
                of = &conf->listens[j];
        if (sd_is_socket(SD_LISTEN_FDS_START + i, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
            continue;
        if (!of) {
            log_at(LOG_WARN, "socket_unused", f_str("name", names ? names[i] : ""));
            continue;
        }
        if ((fd = fcntl(SD_LISTEN_FDS_START + i, F_DUPFD_CLOEXEC, 0)) < 0)
            return -errno;
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        add(set, of, fd);
    }
    return 0;
}

static int add_own(struct listeners *set, const struct conf_listen *conf)
{
    for (size_t i = 0; i < conf->addresses.count; i++) {
        const struct conf_address *a = &conf->addresses.at[i];
        int fd, r = net_listen(&fd, (const struct sockaddr *)&a->addr, a->len);

        if (r < 0) {
            log_at(LOG_ERROR, "listen_failed", f_str("listen", conf->name),
                   f_addr("address", (const struct sockaddr *)&a->addr), f_err("why", r));
            return r;
        }
        add(set, conf, fd);
        if (set->tools->index == 0)
            log_at(LOG_INFO, "listening", f_str("listen", conf->name),
                   f_addr("address", (const struct sockaddr *)&a->addr));
    }
    return 0;
}

int listeners_open(struct listeners *set, struct tools *tools)
{
    const struct conf *conf = tools->conf;
    char **names = NULL;
    int handed = sd_listen_fds_with_names(0, &names);
    size_t most = handed > 0 ? (size_t)handed : 0;
    int r = 0;

    *set = (struct listeners){.tools = tools};
    for (size_t i = 0; i < conf->listen_count; i++)
        most += conf->listens[i].addresses.count;
    if (!(set->at = calloc(most + 1, sizeof *set->at)))
        r = -ENOMEM;
    for (size_t i = 0; !r && i < conf->listen_count; i++)
        r = add_own(set, &conf->listens[i]);
    if (!r)
        r = add_handed(set, conf, handed, names);
    for (int i = 0; names && i < handed; i++)
        free(names[i]);
    free(names);
    if (r < 0)
        listeners_close(set);
    return r;
}

void listeners_start(struct listeners *set)
{
    for (size_t i = 0; i < set->count; i++) {
        set->at[i].io.data = &set->at[i];
        ev_io_start(set->tools->loop, &set->at[i].io);
    }
}

void listeners_go_on(struct listeners *set)
{
    if (!set->resting || !descriptors_left(set->tools->descriptors, 2))
        return;
    for (size_t i = 0; i < set->count; i++)
        if (set->at[i].resting && !set->at[i].refused)
            go_on(&set->at[i]);
}

void listeners_retry(struct listeners *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->at[i].resting && set->at[i].refused)
            go_on(&set->at[i]);
}

void listeners_close(struct listeners *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->tools->loop)
            ev_io_stop(set->tools->loop, &set->at[i].io);
        close(set->at[i].fd);
    }
    free(set->at);
    *set = (struct listeners){.tools = set->tools};
}
