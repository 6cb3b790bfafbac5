/* SPDX-License-Identifier: MIT */
/*
 * Options that fail are not worth failing for: the connection works without them.
 */
#include "proxy/net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    BACKLOG = 4096, /* of a listener: as many as Linux lets wait by default (net.core.somaxconn) */
    KEEPALIVE_IDLE_S = 120,
    KEEPALIVE_EVERY_S = 30,
    KEEPALIVE_PROBES = 4,
};

static void set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

int net_listen(int *out, const struct sockaddr *addr, socklen_t len)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return -errno;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)addr;

        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr));
    }
    if (bind(fd, addr, len) < 0 || listen(fd, BACKLOG) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *out = fd;
    return 0;
}

int net_dial(int *out, const struct sockaddr *addr, socklen_t len, const struct sockaddr *source,
             socklen_t source_len)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r = 0;

    if (fd < 0)
        return -errno;
    if (source) {
        set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        r = bind(fd, source, source_len);
    }
    net_inline_urgent(fd);
    if (r < 0 || (connect(fd, addr, len) < 0 && errno != EINPROGRESS)) {
        r = -errno;
        close(fd);
        return r;
    }
    *out = fd;
    return 0;
}

int net_dialed(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

void net_tune(int fd, unsigned user_timeout_ms)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    if (user_timeout_ms)
        set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)user_timeout_ms);
}

void net_end(int fd)
{
    (void)connect(fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr));
}

void net_inline_urgent(int fd)
{
    set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

int net_unacknowledged(int fd)
{
    int bytes;

    return ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -1 : bytes;
}

bool net_acknowledged(int fd, uint64_t *bytes)
{
    struct tcp_info info;
    socklen_t len = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
        len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked)
        return false;
    /* The SYN of our own connect counts one. */
    *bytes = info.tcpi_bytes_acked ? info.tcpi_bytes_acked - 1 : 0;
    return true;
}

void net_unmap(struct sockaddr_storage *addr)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in = {.sin_family = AF_INET};

    memcpy(&in6, addr, sizeof in6);
    if (addr->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
        return;
    in.sin_port = in6.sin6_port;
    memcpy(&in.sin_addr, &in6.sin6_addr.s6_addr[12], sizeof in.sin_addr);
    *addr = (struct sockaddr_storage){0};
    memcpy(addr, &in, sizeof in);
}

void net_map(struct sockaddr_storage *addr)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in;

    if (addr->ss_family != AF_INET)
        return;
    memcpy(&in, addr, sizeof in);
    in6.sin6_port = in.sin_port;
    in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&in6.sin6_addr.s6_addr[12], &in.sin_addr, sizeof in.sin_addr);
    memcpy(addr, &in6, sizeof in6);
}

bool net_is_loopback(const struct sockaddr *addr)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (addr->sa_family == AF_INET) {
        memcpy(&v4, addr, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (addr->sa_family != AF_INET6)
        return false;
    memcpy(&v6, addr, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}
