/* SPDX-License-Identifier: MIT */
/*
 * Finding a server for a link: the lines before the host's logins, the addresses
 * tried in turn, the PROXY header, TLS from the first byte.
 */
#pragma once

#include "proxy/link.h"

/* A server is busy with so many logins at once (upstream_logins), from what it is asked to its
 * answer: a client that is slow to go on keeps nobody else out. Where there are as many already,
 * the link is in line, and what is written to it waits; a new link is dialed when its turn comes,
 * within this call if nobody waits. Nothing happens to a link that has its turn already. */
void upstream_take_turn(struct link *l);

/* The server has answered, or is not wanted any more: whoever is next in line has its turn. */
void upstream_give_turn(struct link *l);

/* Tries the next address; tells the handler when there is none left. */
void upstream_next(struct link *l, int error);

/* The socket became writable while dialing. */
void upstream_dialed(struct link *l);
