/* SPDX-License-Identifier: MIT */
/*
 * Local sockets of packets, one socket in each: the kernel keeps the boundaries, and a
 * peek that is told where it stands (SO_PEEK_OFF) walks along the queue.
 */
#include "proxy/lot.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Room for one descriptor; what comes beside it is not ours. */
union ancillary {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int lot_open(struct lot *out)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    *out = (struct lot){.near = pair[0], .far = pair[1]};
    return 0;
}

static bool is_ours(int fd)
{
    int type = 0, domain = 0;
    socklen_t len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static bool holds_something(int fd)
{
    int start = 0; /* whoever looked last stopped somewhere */
    char byte;

    (void)setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &start, sizeof start);
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool lot_take(struct lot *out, int one, int other)
{
    if (!is_ours(one) || !is_ours(other))
        return false;
    /* Nothing was ever parked in the other direction. */
    bool swapped = holds_something(one);

    *out = (struct lot){.near = swapped ? other : one, .far = swapped ? one : other};
    return true;
}

void lot_close(struct lot *lot)
{
    if (lot->near >= 0)
        close(lot->near);
    if (lot->far >= 0)
        close(lot->far);
    lot->near = lot->far = -1;
}

int lot_park(const struct lot *lot, int fd, struct lot_ticket *ticket)
{
    union ancillary ancillary = {0};
    socklen_t len = sizeof ticket->cookie;
    struct iovec data = {.iov_base = ticket, .iov_len = sizeof *ticket};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &ancillary,
                             .msg_controllen = sizeof ancillary};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &ticket->cookie, &len) < 0)
        return -errno;
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    return sendmsg(lot->near, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int lot_rewind(const struct lot *lot)
{
    int start = 0;

    return setsockopt(lot->far, SOL_SOCKET, SO_PEEK_OFF, &start, sizeof start) < 0 ? -errno : 0;
}

int lot_look(const struct lot *lot, struct lot_ticket *ticket, int *fd)
{
    union ancillary ancillary = {0};
    struct iovec data = {.iov_base = ticket, .iov_len = sizeof *ticket};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &ancillary,
                             .msg_controllen = sizeof ancillary};
    ssize_t n = recvmsg(lot->far, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *head;

    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    if (n == 0)
        return 0; /* the other end is gone, and with it what would come */
    head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof *fd))
        return message.msg_flags & MSG_CTRUNC ? -EMFILE : -EBADMSG;
    memcpy(fd, CMSG_DATA(head), sizeof *fd);
    if (n != sizeof *ticket) {
        close(*fd);
        return -EBADMSG;
    }
    return 1;
}
