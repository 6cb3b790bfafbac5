/* SPDX-License-Identifier: MIT */
/*
 * Finding a server for a link: the line before the host's logins, the addresses
 * tried in turn, the PROXY header, TLS from the first byte.
 */
#pragma once

#include "proxy/link.h"

/* Puts the link in line; it is dialed when its turn comes, within this call if nobody waits. */
void upstream_queue(struct link *l);

/* Tries the next address; tells the handler when there is none left. */
void upstream_next(struct link *l, int error);

/* The socket became writable while dialing. */
void upstream_dialed(struct link *l);
