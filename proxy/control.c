/* SPDX-License-Identifier: MIT */
/*
 * One request at a time crosses to all workers; the last one to finish hands it
 * back to main's thread.
 */
#include "proxy/control.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/control_rows.h"
#include "proxy/log.h"

enum { REQUEST_MAX = 256, REQUEST_MS = 5000, REST_MS = 1000 };

struct request {
    STAILQ_ENTRY(request) next;
    LIST_ENTRY(request) entry;
    struct control *ctl;
    const struct control_command *command;
    ev_io readable;
    ev_timer timer;
    int fd;
    size_t len;
    char line[REQUEST_MAX];
    char *arg;
    atomic_uint left;          /* workers that have not answered yet */
    json_t *rows[WORKERS_MAX]; /* what each of them found */
};

STAILQ_HEAD(done, request);
LIST_HEAD(requests, request);

struct control {
    struct ev_loop *loop;
    struct worker_setup *setup;
    const struct arenas *arenas;
    ev_io listening;
    ev_timer rest; /* from listening, while the system has no descriptors */
    ev_async answered;
    pthread_mutex_t lock; /* of done */
    struct done done;
    struct requests open;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    int fd;
};

static void request_free(struct request *q)
{
    LIST_REMOVE(q, entry);
    ev_io_stop(q->ctl->loop, &q->readable);
    ev_timer_stop(q->ctl->loop, &q->timer);
    close(q->fd);
    for (size_t i = 0; i < WORKERS_MAX; i++)
        json_decref(q->rows[i]);
    free(q);
}

static void write_line(int fd, const json_t *row)
{
    char *text = json_dumps(row, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    size_t sent = 0;

    if (text)
        text[len++] = '\n';
    while (text && sent < len) {
        ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    free(text);
}

static void refuse(struct request *q, const char *why)
{
    json_t *row = json_pack("{s:b,s:s}", "ok", 0, "error", why);

    write_line(q->fd, row);
    json_decref(row);
    request_free(q);
}

/* All workers' rows as one answer. */
static void answer(struct request *q)
{
    json_t *all = json_array(), *ok = json_pack("{s:b}", "ok", 1), *row;
    size_t i;

    for (size_t w = 0; w < q->ctl->setup->workers; w++)
        if (q->rows[w])
            json_array_extend(all, q->rows[w]);
    if (q->command->whole) {
        json_t *one = q->command->whole(all, q->ctl->setup->conf, q->ctl->arenas);

        json_decref(all);
        all = json_pack("[o]", one);
    }
    if (q->command->takes_id && !json_array_size(all)) {
        json_decref(ok);
        json_decref(all);
        refuse(q, "no such session");
        return;
    }
    write_line(q->fd, ok);
    json_array_foreach(all, i, row) write_line(q->fd, row);
    json_decref(ok);
    json_decref(all);
    request_free(q);
}

static void on_answered(struct ev_loop *, ev_async *a, int)
{
    struct control *ctl = a->data;
    struct request *q;

    for (;;) {
        pthread_mutex_lock(&ctl->lock);
        if ((q = STAILQ_FIRST(&ctl->done)))
            STAILQ_REMOVE_HEAD(&ctl->done, next);
        pthread_mutex_unlock(&ctl->lock);
        if (!q)
            return;
        answer(q);
    }
}

/* On a worker's thread. */
static void look(struct tools *tools, void *arg)
{
    struct request *q = arg;
    struct control *ctl = q->ctl;

    q->rows[tools->index] = q->command->rows(tools, q->arg);
    if (atomic_fetch_sub(&q->left, 1) != 1)
        return;
    pthread_mutex_lock(&ctl->lock);
    STAILQ_INSERT_TAIL(&ctl->done, q, next); /* from here on it is main's, which may free it */
    pthread_mutex_unlock(&ctl->lock);
    ev_async_send(ctl->loop, &ctl->answered);
}

static void dispatch(struct request *q)
{
    struct worker_setup *setup = q->ctl->setup;
    char *space = strchr(q->line, ' ');

    if (space)
        *space = 0;
    q->arg = space ? space + 1 : NULL;
    q->command = control_command(q->line);
    if (!q->command) {
        refuse(q, "no such command");
        return;
    }
    if (q->command->takes_id != (q->arg && *q->arg)) {
        refuse(q, q->command->takes_id ? "an id is wanted" : "no argument is wanted");
        return;
    }
    ev_timer_stop(q->ctl->loop, &q->timer);
    atomic_store(&q->left, setup->workers);
    for (unsigned i = 0; i < setup->workers; i++)
        if (!worker_post(setup->all[i], look, q) && atomic_fetch_sub(&q->left, 1) == 1)
            refuse(q, "no memory");
}

static void on_request(struct ev_loop *loop, ev_io *io, int)
{
    struct request *q = io->data;
    ssize_t n = recv(q->fd, q->line + q->len, REQUEST_MAX - 1 - q->len, MSG_DONTWAIT);
    char *end;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        request_free(q);
        return;
    }
    q->len += (size_t)n;
    q->line[q->len] = 0;
    if ((end = strchr(q->line, '\n'))) {
        *end = 0;
        ev_io_stop(loop, io);
        dispatch(q);
    } else if (q->len == REQUEST_MAX - 1) {
        refuse(q, "over-long request");
    }
}

static void on_late(struct ev_loop *, ev_timer *t, int)
{
    request_free(t->data);
}

static void on_connection(struct ev_loop *loop, ev_io *io, int)
{
    struct control *ctl = io->data;
    int fd = accept4(ctl->fd, NULL, NULL, SOCK_CLOEXEC);
    struct timeval most = {.tv_sec = 5};
    struct request *q;

    if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        ev_io_stop(loop, io); /* it stays readable */
        ev_timer_start(loop, &ctl->rest);
    }
    if (fd < 0)
        return;
    if (!(q = calloc(1, sizeof *q))) {
        close(fd);
        return;
    }
    /* Answers are written without waiting for the loop; somebody who does not read them is dropped.
     */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    q->ctl = ctl;
    q->fd = fd;
    LIST_INSERT_HEAD(&ctl->open, q, entry);
    ev_io_init(&q->readable, on_request, fd, EV_READ);
    ev_timer_init(&q->timer, on_late, REQUEST_MS / 1000., 0.);
    q->readable.data = q->timer.data = q;
    ev_io_start(loop, &q->readable);
    ev_timer_start(loop, &q->timer);
}

static void on_rested(struct ev_loop *loop, ev_timer *t, int)
{
    struct control *ctl = t->data;

    ev_timer_stop(loop, t);
    ev_timer_set(t, REST_MS / 1000., 0.);
    ev_io_start(loop, &ctl->listening);
}

static int listen_at(struct control *ctl, const char *dir)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    mode_t mask;
    int r;

    if (snprintf(ctl->path, sizeof ctl->path, "%s/control.sock", dir) >= (int)sizeof ctl->path)
        return -ENAMETOOLONG;
    strcpy(addr.sun_path, ctl->path);
    if ((ctl->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return -errno;
    if (connect(ctl->fd, (struct sockaddr *)&addr, sizeof addr) == 0)
        return -EADDRINUSE;
    close(ctl->fd);
    (void)unlink(ctl->path);
    if ((ctl->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return -errno;
    mask = umask(0117); /* 0660 from the first moment */
    r = bind(ctl->fd, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(ctl->fd, 16) < 0 ? -errno
                                                                                            : 0;
    umask(mask);
    return r;
}

int control_new(struct control **out, struct ev_loop *loop, struct worker_setup *setup,
                const struct arenas *arenas)
{
    struct control *ctl = calloc(1, sizeof *ctl);
    int r;

    if (!ctl)
        return -ENOMEM;
    ctl->loop = loop;
    ctl->setup = setup;
    ctl->arenas = arenas;
    ctl->fd = -1;
    pthread_mutex_init(&ctl->lock, NULL);
    STAILQ_INIT(&ctl->done);
    if ((r = listen_at(ctl, setup->conf->main.runtime_dir)) < 0) {
        log_at(LOG_ERROR, "control_failed", f_str("path", ctl->path), f_err("why", r));
        if (ctl->fd >= 0)
            close(ctl->fd);
        free(ctl);
        return r;
    }
    ev_io_init(&ctl->listening, on_connection, ctl->fd, EV_READ);
    ev_async_init(&ctl->answered, on_answered);
    ev_timer_init(&ctl->rest, on_rested, REST_MS / 1000., 0.);
    ctl->listening.data = ctl->answered.data = ctl->rest.data = ctl;
    ev_io_start(loop, &ctl->listening);
    ev_async_start(loop, &ctl->answered);
    *out = ctl;
    return 0;
}

void control_free(struct control *ctl)
{
    struct request *q;

    if (!ctl)
        return;
    while ((q = LIST_FIRST(&ctl->open)))
        request_free(q);
    ev_io_stop(ctl->loop, &ctl->listening);
    ev_timer_stop(ctl->loop, &ctl->rest);
    ev_async_stop(ctl->loop, &ctl->answered);
    close(ctl->fd);
    (void)unlink(ctl->path);
    pthread_mutex_destroy(&ctl->lock);
    free(ctl);
}
