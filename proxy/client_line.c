/* SPDX-License-Identifier: MIT */
/*
 * Whoever stands in line has bytes to be read: so whoever is let go makes the next turn begin at
 * once, and the line moves until it is empty.
 */
#include "proxy/client_line.h"

/* Readings of them: a handshake has two or more, one of them dear. */
enum { HANDSHAKES_A_TURN = 16 };

static bool shakes_hands(const struct client *c)
{
    return client_owes_tls(c) || (c->tls && !tls_ready(c->tls));
}

bool client_line_pass(struct client *c)
{
    struct tools *tools = c->tools;

    if (c->phase != CLIENT_OPEN || c->broken || !shakes_hands(c))
        return true;
    if (c->has_turn) {
        c->has_turn = false;
        return true;
    }
    if (!c->in_line && tools->handshakes_left) {
        tools->handshakes_left--;
        return true;
    }
    if (!c->in_line) {
        TAILQ_INSERT_TAIL(&tools->handshakes, c, line);
        c->in_line = true;
        tools->counters.handshakes_waited++;
    }
    client_read(c, false);
    return false;
}

void client_line_move(struct tools *tools)
{
    struct client *c;

    tools->handshakes_left = HANDSHAKES_A_TURN;
    while (tools->handshakes_left && (c = TAILQ_FIRST(&tools->handshakes))) {
        tools->handshakes_left--;
        client_line_leave(c);
        c->has_turn = true;
        client_read(c, true);
    }
}

bool client_line_waits(const struct tools *tools)
{
    return !TAILQ_EMPTY(&tools->handshakes);
}

void client_line_leave(struct client *c)
{
    if (c->in_line)
        TAILQ_REMOVE(&c->tools->handshakes, c, line);
    c->in_line = false;
}
