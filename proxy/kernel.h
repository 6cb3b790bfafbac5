/* SPDX-License-Identifier: MIT */
/*
 * What the kernel knows of a TCP socket that another process used: how many bytes were
 * put into it and taken out of it since connect. It is the log of what a system call
 * did before its process died.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct kernel_counts {
    uint64_t received; /* bytes that were read from the socket */
    uint64_t sent;     /* bytes that were written to it */
    uint64_t unread;   /* bytes that can be read still */
    bool closed;       /* by a reset, or by both sides: an end of the peer's that came before it may
                          be among those received, as one byte too many */
};

/* Of a socket that was connected by us, plain TCP, with SO_OOBINLINE. 0; -ENOTCONN: it never was
 * connected, or has been taken apart; -EOPNOTSUPP: the kernel does not say; other -errno. */
[[nodiscard]] int kernel_count(int fd, struct kernel_counts *out);
