/* SPDX-License-Identifier: MIT */
/*
 * Sockets: opened non-blocking and close-on-exec, with the options that a
 * client's or a server's connection needs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Listens, with SO_REUSEPORT so that each worker has a queue of its own. 0 or -errno. */
[[nodiscard]] int net_listen(int *out, const struct sockaddr *addr, socklen_t len);

/* Begins to connect from `source` (NULL: any). 0 or -errno; then nothing is left open. */
[[nodiscard]] int net_dial(int *out, const struct sockaddr *addr, socklen_t len,
                           const struct sockaddr *source, socklen_t source_len);

/* What became of net_dial once the socket is writable: 0 or -errno. */
[[nodiscard]] int net_dialed(int fd);

/* No delay, keepalive; `user_timeout_ms` bounds how long written bytes may stay unacknowledged
 * (TCP_USER_TIMEOUT; 0: the system's). */
void net_tune(int fd, unsigned user_timeout_ms);

/* Ends the connection itself, whoever else has the socket: what was written and shut goes to the
 * peer in order, what was not is a reset. The descriptor is the caller's to close. */
void net_end(int fd);

/* Urgent data stays in the stream, where the byte counts of the kernel expect it. */
void net_inline_urgent(int fd);

/* Bytes written that the peer's TCP has not acknowledged; -1 if unknown. */
[[nodiscard]] int net_unacknowledged(int fd);

/* Bytes since connect that the peer's TCP has acknowledged. */
[[nodiscard]] bool net_acknowledged(int fd, uint64_t *bytes);

/* An IPv4 address mapped into IPv6 becomes what it is; and the other way. */
void net_unmap(struct sockaddr_storage *addr);
void net_map(struct sockaddr_storage *addr);

/* 127.0.0.0/8, ::1. */
[[nodiscard]] bool net_is_loopback(const struct sockaddr *addr);
