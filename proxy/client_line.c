/* SPDX-License-Identifier: MIT */
/*
 * Whoever stands in line has bytes to be read: so whoever is let go makes the next turn begin at
 * once, and the line moves until it is empty.
 */
#include "proxy/client_line.h"

/* Readings of them: a handshake has two or more, one of them dear. Where a turn is long because
 * many others had something to say, one in so many of theirs is about half of the next one's time.
 */
enum { HANDSHAKES_A_TURN = 16, OTHERS_A_HANDSHAKE = 8 };

static bool shakes_hands(const struct client *c)
{
    return client_owes_tls(c) || (c->tls && !tls_ready(c->tls));
}

bool client_line_pass(struct client *c)
{
    struct tools *tools = c->tools;

    if (c->phase != CLIENT_OPEN || c->broken || !shakes_hands(c)) {
        tools->others_read++;
        return true;
    }
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
    unsigned share = tools->others_read / OTHERS_A_HANDSHAKE;
    struct client *c;

    tools->others_read = 0;
    tools->entries = share > HANDSHAKES_A_TURN ? share : HANDSHAKES_A_TURN;
    tools->handshakes_left = tools->entries;
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
