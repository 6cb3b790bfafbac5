/* SPDX-License-Identifier: MIT */
/*
 * One thread and one poll. Whatever happens to the daemon, nothing that it handed over is
 * looked at or touched here: it is only held.
 */
#include "proxy/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "proxy/descriptors.h"
#include "proxy/log.h"
#include "proxy/stored.h"

enum {
    STORED_MAX = 1536,   /* their names have to fit into one string of the environment */
    OWN = 32,            /* descriptors for itself, and for a message on its way */
    SLOWER_MS = 100,     /* one that dies before it is ready is started more slowly, by this, … */
    SLOWEST_MS = 5000,   /* … doubled each time, up to this */
    PATIENCE_MS = 30000, /* with a daemon that is to end */
    STATUS_NOT_STARTED = 127,
};

struct keep {
    const char *program;
    char *const *arguments;
    struct sockaddr_un address; /* where the daemon's word comes in */
    int notify, signals;
    struct stored stored;
    pid_t daemon;    /* 0: none runs */
    uint64_t due_ms; /* no daemon: when it is started again; ending: when it is killed */
    unsigned soon;   /* so many in a row died before they were ready */
    bool ready;      /* the daemon said so */
    bool was_ready;  /* one of them said that it is, ever */
    bool full;       /* it was refused something, and has heard of it */
    bool replacing, ending;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- the daemon --- */

/* What sd_listen_fds(3) looks at; it takes none of them for an error. */
static bool announce(const struct stored *s)
{
    char *names = stored_names(s);
    char count[24], pid[24];

    if (!s->count) {
        free(names);
        return unsetenv("LISTEN_FDS") == 0;
    }
    snprintf(count, sizeof count, "%zu", s->count);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    return names && setenv("LISTEN_FDNAMES", names, 1) == 0 && setenv("LISTEN_PID", pid, 1) == 0 &&
           setenv("LISTEN_FDS", count, 1) == 0;
}

/* All that is stored goes to the places where a daemon looks for it. */
static bool hand_over(const struct stored *s)
{
    int beyond = SD_LISTEN_FDS_START + (int)s->count;

    for (size_t i = 0; i < s->count; i++)
        if ((s->at[i].fd = fcntl(s->at[i].fd, F_DUPFD_CLOEXEC, beyond)) < 0)
            return false;
    for (size_t i = 0; i < s->count; i++)
        if (dup2(s->at[i].fd, SD_LISTEN_FDS_START + (int)i) < 0)
            return false;
    return true;
}

/* In the child: becomes the daemon, or is no more. */
static void become_daemon(struct keep *k, pid_t keeper)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG,
          SIGTERM); /* without its keeper it must not stand in the next one's way */
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (getppid() == keeper && setenv("NOTIFY_SOCKET", k->address.sun_path, 1) == 0 &&
        announce(&k->stored) && hand_over(&k->stored))
        execv(k->program, k->arguments);
    _exit(STATUS_NOT_STARTED);
}

static void start(struct keep *k)
{
    pid_t keeper = getpid();
    pid_t child = fork();

    if (child == 0)
        become_daemon(k, keeper);
    k->ready = k->replacing = false;
    if (child < 0) {
        log_at(LOG_ERROR, "start_failed", f_err("why", -errno));
        k->due_ms = now_ms() + SLOWEST_MS;
        return;
    }
    k->daemon = child;
    log_at(LOG_INFO, "daemon_started", f_u32("pid", (uint32_t)child),
           f_u64("stored", k->stored.count));
}

static uint64_t delay_ms(const struct keep *k)
{
    unsigned doubled = k->soon < 8 ? k->soon : 8;
    uint64_t ms = (uint64_t)SLOWER_MS << doubled >> 2;

    if (k->soon < 2)
        return 0;
    return ms < SLOWEST_MS ? ms : SLOWEST_MS;
}

static void died(struct keep *k, int status)
{
    k->soon = k->ready || k->replacing ? 0 : k->soon + 1;
    k->daemon = 0;
    k->due_ms = now_ms() + delay_ms(k);
    log_at(WIFSIGNALED(status) || WEXITSTATUS(status) ? LOG_ERROR : LOG_INFO, "daemon_ended",
           f_u32("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
           f_u32("status", WIFEXITED(status) ? WEXITSTATUS(status) : 0),
           f_u64("stored", k->stored.count), f_ms("again", k->due_ms - now_ms()));
}

/* --- its word --- */

union ancillary {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int) * STORED_FDS) + CMSG_SPACE(sizeof(struct ucred))];
};

static size_t take_fds(struct msghdr *message, int *fds, pid_t *from)
{
    size_t count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        struct ucred who;

        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            count = (c->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
            memcpy(fds, CMSG_DATA(c), count * sizeof *fds);
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&who, CMSG_DATA(c), sizeof who);
            *from = who.pid;
        }
    }
    return count;
}

/* One message; false: there is none. */
static bool hear(struct keep *k)
{
    char text[STORED_WORD];
    union ancillary ancillary;
    struct iovec data = {.iov_base = text, .iov_len = sizeof text};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &ancillary,
                             .msg_controllen = sizeof ancillary};
    ssize_t n = recvmsg(k->notify, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct stored_word word = {0};
    int fds[STORED_FDS];
    pid_t from = 0;

    if (n < 0)
        return errno == EINTR;

    size_t count = take_fds(&message, fds, &from);
    bool fit = from && from == k->daemon && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
               stored_read(&word, text, (size_t)n);

    if (!fit)
        word = (struct stored_word){0};
    bool full = stored_obey(&k->stored, &word, fds, count);

    if (full && !k->full)
        log_at(LOG_ERROR, "keeper_full", f_u64("stored", k->stored.count));
    if (full || word.remove)
        k->full = full;
    k->ready |= word.ready;
    k->was_ready |= word.ready;
    return true;
}

/* --- signals --- */

static void stop_daemon(struct keep *k, int number)
{
    if (k->daemon)
        kill(k->daemon, number);
}

static void on_signals(struct keep *k)
{
    struct signalfd_siginfo info;

    while (read(k->signals, &info, sizeof info) == sizeof info) {
        int status;

        switch (info.ssi_signo) {
        case SIGCHLD:
            while (hear(k)) /* what it said before it died */
                continue;
            if (k->daemon && waitpid(k->daemon, &status, WNOHANG) == k->daemon)
                died(k, status);
            break;
        case SIGHUP:
            k->replacing = true;
            stop_daemon(k, SIGTERM);
            break;
        default: /* the sessions have nobody who would keep them: they end in order */
            k->ending = true;
            k->due_ms = now_ms() + PATIENCE_MS;
            stop_daemon(k, SIGINT);
            break;
        }
    }
}

/* --- a life --- */

/* Whatever is held has to be handed over: for a moment each needs two more places, which could lie
 * behind all those that hold one now. */
static size_t room(void)
{
    struct rlimit limit = {0};

    descriptors_raise();
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < OWN)
        return 0;
    rlim_t most = (limit.rlim_cur - OWN) / 3;

    return most < STORED_MAX ? (size_t)most : STORED_MAX;
}

static int open_signals(int *out)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return (*out = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0 ? -errno : 0;
}

static int open_notify(struct keep *k, const char *folder)
{
    struct sockaddr_un *a = &k->address;
    const int yes = 1;
    mode_t before;
    int r;

    a->sun_family = AF_UNIX;
    if ((size_t)snprintf(a->sun_path, sizeof a->sun_path, "%s/keep-%d.sock", folder,
                         (int)getpid()) >= sizeof a->sun_path)
        return -ENAMETOOLONG;
    if ((k->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
        return -errno;
    unlink(a->sun_path);
    before = umask(0177);
    r = bind(k->notify, (struct sockaddr *)a, sizeof *a) < 0 ? -errno : 0;
    umask(before);
    if (r == 0 && setsockopt(k->notify, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0)
        r = -errno;
    return r;
}

static int timeout_ms(const struct keep *k)
{
    uint64_t now = now_ms();

    if (k->daemon && !k->ending)
        return -1;
    return k->due_ms > now ? (int)(k->due_ms - now) : 0;
}

/* False: it is over. */
static bool go_on(struct keep *k)
{
    bool due = now_ms() >= k->due_ms;

    if (k->ending && k->daemon && due)
        stop_daemon(k, SIGKILL);
    if (k->daemon)
        return true;
    if (k->ending || (!k->was_ready && k->soon))
        return false; /* it never worked: its words on standard error say why */
    if (due)
        start(k);
    return true;
}

static int run(struct keep *k)
{
    struct pollfd wait[] = {{.fd = k->notify, .events = POLLIN},
                            {.fd = k->signals, .events = POLLIN}};

    start(k);
    while (go_on(k)) {
        if (poll(wait, 2, timeout_ms(k)) < 0 && errno != EINTR)
            return -errno;
        while (hear(k))
            continue;
        on_signals(k);
    }
    return 0;
}

int keep_run(const char *program, char *const *arguments, const char *folder)
{
    struct keep k = {.program = program,
                     .arguments = arguments,
                     .notify = -1,
                     .signals = -1,
                     .stored.most = room()};
    int r;

    if ((r = open_signals(&k.signals)) < 0 || (r = open_notify(&k, folder)) < 0 ||
        (r = run(&k)) < 0)
        log_at(LOG_ERROR, "start_failed", f_err("why", r));
    if (k.address.sun_path[0])
        unlink(k.address.sun_path);
    stored_clear(&k.stored);
    if (k.notify >= 0)
        close(k.notify);
    if (k.signals >= 0)
        close(k.signals);
    return r == 0 && k.ending ? 0 : 1;
}
