/* SPDX-License-Identifier: MIT */
/*
 * The counters are of TCP's sequence numbers, and so the SYN and each FIN count as a
 * byte. Counter and queue are two calls: between them a segment may come, so they are
 * asked until nothing has.
 */
#include "proxy/kernel.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The states of <netinet/tcp.h>, which cannot be had together with <linux/tcp.h>. */
enum tcp_state {
    ESTABLISHED = 1,
    SYN_SENT,
    SYN_RECV,
    FIN_WAIT1,
    FIN_WAIT2,
    TIME_WAIT,
    CLOSE,
    CLOSE_WAIT,
    LAST_ACK,
    LISTEN,
    CLOSING,
};

enum { TRIES = 100 };

/* TCP_INFO as far as it is needed. */
static int info_of(int fd, struct tcp_info *info)
{
    socklen_t len = sizeof *info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) < 0)
        return -errno;
    if (len < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info->tcpi_bytes_received)
        return -EOPNOTSUPP;
    return 0;
}

static int queue_of(int fd, unsigned long which, uint64_t *out)
{
    int bytes;

    if (ioctl(fd, which, &bytes) < 0)
        return -errno;
    *out = (uint64_t)bytes;
    return 0;
}

static bool peer_has_ended(unsigned state)
{
    return state == CLOSE_WAIT || state == LAST_ACK || state == CLOSING || state == TIME_WAIT;
}

static bool we_have_ended(unsigned state)
{
    return state == FIN_WAIT1 || state == FIN_WAIT2 || state == CLOSING || state == LAST_ACK ||
           state == TIME_WAIT;
}

int kernel_count(int fd, struct kernel_counts *out)
{
    struct tcp_info before, after;
    uint64_t unread = 0, unacked = 0;
    int r;

    if ((r = info_of(fd, &after)) < 0)
        return r;
    for (int turn = 0; turn < TRIES; turn++) {
        before = after;
        if ((r = queue_of(fd, SIOCINQ, &unread)) < 0 ||
            (r = queue_of(fd, SIOCOUTQ, &unacked)) < 0 || (r = info_of(fd, &after)) < 0)
            return r;
        if (before.tcpi_bytes_received != after.tcpi_bytes_received ||
            before.tcpi_bytes_acked != after.tcpi_bytes_acked ||
            before.tcpi_state != after.tcpi_state)
            continue;
        if (after.tcpi_state == SYN_SENT || !after.tcpi_bytes_acked)
            return -ENOTCONN;
        *out = (struct kernel_counts){
            .received = after.tcpi_bytes_received - unread - peer_has_ended(after.tcpi_state),
            .sent = after.tcpi_bytes_acked + unacked - 1 - we_have_ended(after.tcpi_state),
            .unread = unread,
            .closed = after.tcpi_state == CLOSE,
        };
        return 0;
    }
    return -EBUSY;
}
