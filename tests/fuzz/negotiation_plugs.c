/* SPDX-License-Identifier: MIT */
/*
 * Descriptors from PLUGS_FD on are plugs; what is asked about any other goes to the
 * system, and so does everything while no input runs.
 */
#include "tests/fuzz/negotiation_plugs.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

struct plugs plugs;

static struct plug *descriptors[PLUGS_MAX]; /* from PLUGS_FD on */

static struct plug *plug_of(int fd)
{
    bool ours = plugs.on && fd >= PLUGS_FD && fd < PLUGS_FD + PLUGS_MAX;

    return ours ? descriptors[fd - PLUGS_FD] : NULL;
}

static int failed(int error)
{
    errno = error;
    return -1;
}

/* The lowest number, as ever: so a stale descriptor soon means something else. */
static int give_number(struct plug *p)
{
    int fd = PLUGS_FD;

    while (plug_of(fd))
        fd++;
    descriptors[fd - PLUGS_FD] = p;
    return p->fd = fd;
}

static void unwatch(struct plug *p)
{
    for (size_t i = 0; i < PLUGS_WATCHES; i++)
        p->watches[i].epoll = -1;
}

static struct plug *plug_new(enum plug_state state)
{
    for (size_t i = 0; i < PLUGS_MAX; i++) {
        struct plug *p = &plugs.at[i];

        if (p->state != PLUG_FREE)
            continue;
        *p = (struct plug){.state = state, .fd = -1, .room = SIZE_MAX};
        unwatch(p);
        return p;
    }
    return NULL;
}

void plugs_begin(void)
{
    plugs.on = true;
    plugs.random = 1;
    plugs.segment = plugs.spent = 0;
}

void plugs_end(void)
{
    for (size_t i = 0; i < PLUGS_MAX; i++) {
        struct plug *p = &plugs.at[i];

        buffer_clear(&p->in);
        buffer_clear(&p->out);
        p->line_count = 0;
        if (p->state != PLUG_LISTENS)
            p->state = PLUG_FREE;
    }
    plugs.on = false;
}

struct plug *plugs_connect(uint16_t port, unsigned n, uint32_t address)
{
    struct plug *at = NULL, *p;

    for (size_t i = 0; i < PLUGS_MAX; i++) {
        if (plugs.at[i].state != PLUG_LISTENS || plugs.at[i].port != port)
            continue;
        at = &plugs.at[i];
        if (!n--)
            break;
    }
    if (!at || at->line_count == PLUGS_LINE || !(p = plug_new(PLUG_UP)))
        return NULL;
    p->address = address;
    at->line[at->line_count++] = p;
    return p;
}

void plugs_drain(struct plug *p)
{
    buffer_clear(&p->out);
}

void plugs_close(struct plug *p, bool reset)
{
    p->in_over = true;
    p->reset = p->reset || reset;
    if (reset)
        buffer_clear(&p->in);
    if (p->state == PLUG_DIALING)
        p->state = PLUG_REFUSED;
}

void plugs_forget(struct plug *p)
{
    if (p->closed) {
        buffer_clear(&p->in);
        buffer_clear(&p->out);
        p->state = PLUG_FREE;
    }
}

unsigned plugs_open(void)
{
    unsigned open = 0;

    for (size_t i = 0; i < PLUGS_MAX; i++)
        open += plugs.at[i].state != PLUG_FREE && plugs.at[i].state != PLUG_LISTENS &&
                plugs.at[i].fd >= 0;
    return open;
}

/* --- time and chance --- */

/* The wall clock stays the true one: libFuzzer looks at it while an input runs, and to Holdfast it
 * is a text in a stanza. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
    uint64_t ms = plugs.now_ms + PLUGS_BASE_S * 1000ULL;

    if (!plugs.on || clock == CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, clock, out);
    *out = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    return 0;
}

int RAND_bytes(unsigned char *p, int len)
{
    for (int i = 0; i < len; i++) {
        plugs.random = plugs.random * 6364136223846793005 + 1442695040888963407;
        p[i] = (unsigned char)(plugs.random >> 56);
    }
    return 1;
}

/* --- sockets --- */

int socket(int domain, int type, int protocol)
{
    struct plug *p;

    if (!plugs.on)
        return (int)syscall(SYS_socket, domain, type, protocol);
    return (p = plug_new(PLUG_FRESH)) ? give_number(p) : failed(EMFILE);
}

static uint16_t port_of(const struct sockaddr *addr)
{
    struct sockaddr_in in;

    memcpy(&in, addr, sizeof in);
    return ntohs(in.sin_port);
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct plug *p = plug_of(fd);

    if (!p)
        return (int)syscall(SYS_bind, fd, addr, len);
    p->port = port_of(addr);
    return 0;
}

int listen(int fd, int length)
{
    struct plug *p = plug_of(fd);

    if (!p)
        return (int)syscall(SYS_listen, fd, length);
    p->state = PLUG_LISTENS;
    return 0;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    struct plug *p = plug_of(fd), *first;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(40000)};

    if (!p)
        return (int)syscall(SYS_accept4, fd, addr, len, flags);
    if (!p->line_count)
        return failed(EAGAIN);
    first = p->line[0];
    memmove(p->line, p->line + 1, --p->line_count * sizeof *p->line);
    in.sin_addr.s_addr = htonl(first->address);
    memcpy(addr, &in, sizeof in);
    *len = sizeof in;
    return give_number(first);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct plug *p = plug_of(fd);

    if (!p)
        return (int)syscall(SYS_connect, fd, addr, len);
    HOLDS(p->state == PLUG_FRESH, "state %d", p->state);
    p->port = port_of(addr);
    p->state = PLUG_UP;
    if (plugs.spent) {
        plugs.spent--;
        p->state = plugs.dial == PLUGS_REFUSES     ? PLUG_REFUSED
                   : plugs.dial == PLUGS_IS_SILENT ? PLUG_DIALING
                                                   : PLUG_UP;
    }
    return failed(EINPROGRESS);
}

ssize_t send(int fd, const void *from, size_t len, int flags)
{
    struct plug *p = plug_of(fd);
    size_t room;

    if (!p)
        return syscall(SYS_sendto, fd, from, len, flags, NULL, 0);
    HOLDS(p->state == PLUG_UP, "state %d", p->state);
    if (p->reset || p->shut)
        return failed(p->shut ? EPIPE : ECONNRESET);
    room = p->room > buffer_len(&p->out) ? p->room - buffer_len(&p->out) : 0;
    if (!room)
        return failed(EAGAIN);
    len = len < room ? len : room;
    if (!buffer_put(&p->out, (struct span){from, len}))
        abort();
    p->written += len;
    return (ssize_t)len;
}

ssize_t recv(int fd, void *to, size_t len, int flags)
{
    enum { SOME = 500 };
    struct plug *p = plug_of(fd);
    struct span waits;
    size_t most;

    if (!p)
        return syscall(SYS_recvfrom, fd, to, len, flags, NULL, NULL);
    if (p->reset)
        return failed(ECONNRESET);
    waits = buffer_span(&p->in);
    if (!waits.len)
        return p->in_over ? 0 : failed(EAGAIN);
    len = waits.len < len ? waits.len : len;
    most = plugs.segment * (1 + waits.len / SOME); /* a lot does not take for ever */
    len = most && most < len ? most : len;
    memcpy(to, waits.p, len);
    buffer_take(&p->in, len);
    return (ssize_t)len;
}

int shutdown(int fd, int how)
{
    struct plug *p = plug_of(fd);

    if (!p)
        return (int)syscall(SYS_shutdown, fd, how);
    p->shut = true;
    p->in_over = p->in_over || how != SHUT_WR;
    return 0;
}

int close(int fd)
{
    struct plug *p = plug_of(fd);

    if (!p) {
        HOLDS(!plugs.on || fd < PLUGS_FD, "%d is closed, and is not open", fd);
        return (int)syscall(SYS_close, fd);
    }
    descriptors[fd - PLUGS_FD] = NULL;
    p->fd = -1;
    unwatch(p);
    p->closed = true;
    if (p->state == PLUG_LISTENS)
        p->state = PLUG_FREE;
    return 0;
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    return plug_of(fd) ? 0 : (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}

/* How the connect came out, and what the other end's TCP has acknowledged: all that was read
 * there. */
int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
    struct plug *p = plug_of(fd);
    struct tcp_info info = {0};
    int error;

    if (!p)
        return (int)syscall(SYS_getsockopt, fd, level, option, value, len);
    if (level == SOL_SOCKET && option == SO_ERROR) {
        error = p->state == PLUG_REFUSED ? ECONNREFUSED : 0;
        memcpy(value, &error, sizeof error);
        return 0;
    }
    HOLDS(level == IPPROTO_TCP && option == TCP_INFO && *len >= sizeof info, "%d %d", level,
          option);
    info.tcpi_bytes_acked = p->written - buffer_len(&p->out) + 1;
    memcpy(value, &info, sizeof info);
    return 0;
}

int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(5222)};

    if (!plug_of(fd))
        return (int)syscall(SYS_getsockname, fd, addr, len);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(addr, &in, sizeof in);
    *len = sizeof in;
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    struct plug *p = plug_of(fd);
    va_list rest;
    void *to;

    va_start(rest, request);
    to = va_arg(rest, void *);
    va_end(rest);
    if (!p)
        return (int)syscall(SYS_ioctl, fd, request, to);
    HOLDS(request == SIOCOUTQ, "%lu", request);
    *(int *)to = (int)buffer_len(&p->out);
    return 0;
}

/* --- epoll --- */

static struct watch *watch_of(struct plug *p, int epoll)
{
    for (size_t i = 0; i < PLUGS_WATCHES; i++)
        if (p->watches[i].epoll == epoll)
            return &p->watches[i];
    return NULL;
}

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    struct plug *p = plug_of(fd);
    struct watch *w = p ? watch_of(p, epoll) : NULL;

    if (!p)
        return (int)syscall(SYS_epoll_ctl, epoll, what, fd, event);
    if (what == EPOLL_CTL_ADD && w)
        return failed(EEXIST);
    if (what != EPOLL_CTL_ADD && !w)
        return failed(ENOENT);
    w = w ? w : watch_of(p, -1);
    HOLDS(w, "%d is watched by too many", fd);
    w->epoll = what == EPOLL_CTL_DEL ? -1 : epoll;
    if (what != EPOLL_CTL_DEL) {
        w->wants = event->events | EPOLLERR | EPOLLHUP;
        w->data = event->data.u64;
    }
    return 0;
}

static uint32_t ready(const struct plug *p)
{
    uint32_t events = 0;

    if (p->state == PLUG_REFUSED)
        return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP;
    if (p->state == PLUG_LISTENS)
        return p->line_count ? EPOLLIN : 0;
    if (p->state != PLUG_UP)
        return 0;
    if (p->reset)
        return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP;
    if (buffer_len(&p->in) || p->in_over)
        events |= EPOLLIN;
    if (p->in_over && p->shut)
        events |= EPOLLHUP;
    if (p->room > buffer_len(&p->out))
        events |= EPOLLOUT;
    return events;
}

bool plugs_has_events(void)
{
    for (size_t i = 0; i < PLUGS_MAX; i++) {
        const struct plug *p = &plugs.at[i];

        if (p->state == PLUG_FREE)
            continue;
        for (size_t j = 0; j < PLUGS_WATCHES; j++)
            if (p->watches[j].epoll >= 0 && ready(p) & p->watches[j].wants)
                return true;
    }
    return false;
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
    int count = (int)syscall(SYS_epoll_wait, epoll, events, max, plugs.on ? 0 : timeout);

    if (!plugs.on || count < 0)
        return count;
    for (size_t i = 0; i < PLUGS_MAX && count < max; i++) {
        struct plug *p = &plugs.at[i];
        const struct watch *w = p->state != PLUG_FREE ? watch_of(p, epoll) : NULL;
        uint32_t now = w ? ready(p) & w->wants : 0;

        if (!now)
            continue;
        events[count++] = (struct epoll_event){.events = now, .data.u64 = w->data};
        plugs.events++;
    }
    return count;
}
