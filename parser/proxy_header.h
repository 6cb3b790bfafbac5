/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol's header, versions 1 and 2: who stands behind a load
 * balancer. Read from clients' balancers, written to servers that want it.
 */
#pragma once

#include <sys/socket.h>

#include "parser/sink.h"

enum { PROXY_HEADER_MAX = 536 }; /* of one header: longer ones are refused */

enum proxy_header_verdict {
    PROXY_HEADER_MORE, /* not whole yet, and right so far */
    PROXY_HEADER_FINE,
    PROXY_HEADER_LOCAL, /* LOCAL or UNKNOWN: no address, a health check perhaps */
    PROXY_HEADER_BAD,
};

/* Reads a header at the start of `in`; on FINE the source address is in *source and *used says
 * where the header ends (on LOCAL too). TLVs are skipped. */
[[nodiscard]] enum proxy_header_verdict proxy_header_read(struct span in, size_t *used,
                                                          struct sockaddr_storage *source);

/* Writes a header of version 1 or 2 for a connection from `source` to `destination` (both AF_INET
 * or both AF_INET6; anything else is written as UNKNOWN or LOCAL). */
void proxy_header_write(struct sink *k, int version, const struct sockaddr *source,
                        const struct sockaddr *destination);
