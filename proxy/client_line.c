/* SPDX-License-Identifier: MIT */
/*
 * Whoever stands in line has bytes to be read: so whoever is let go makes the next turn begin at
 * once, and the line moves until it is empty.
 *
 * Where turns are long because many others have something to say, a few handshakes a turn would be
 * a few a second: so they may take as long as all else did in the turns before.
 */
#include "proxy/client_line.h"

/* Readings of them: a handshake has two or more, one of them dear. */
enum { A_TURN = 16, MOST_A_TURN = 1024 };

/* For those beyond A_TURN: nobody who is in waits much longer for those who come. */
static const double LONGEST_S = 0.1;

/* Of one listener. Who was accepted shakes hands a moment later: so many a second need all of it.
 */
enum { ACCEPTS_A_TURN = 16, ACCEPTS_A_SECOND = 2000, ACCEPTS_MOST = 128 };

bool client_shakes_hands(const struct client *c)
{
    return c->phase == CLIENT_OPEN && !c->broken &&
           (client_owes_tls(c) || (c->tls && !tls_ready(c->tls)));
}

/* For one more in this turn, which takes the room. */
static bool has_room(struct tools *tools)
{
    if (tools->handshakes_left) {
        tools->handshakes_left--;
        return true;
    }
    return tools->shook_s < tools->shake_most_s;
}

bool client_line_pass(struct client *c)
{
    struct tools *tools = c->tools;

    if (!client_shakes_hands(c))
        return true;
    if (c->has_turn || (!c->in_line && has_room(tools))) {
        c->has_turn = false;
        c->was_let_go = false;
        return true;
    }
    if (!c->in_line) {
        if (c->was_let_go)
            TAILQ_INSERT_HEAD(&tools->handshakes, c, line);
        else
            TAILQ_INSERT_TAIL(&tools->handshakes, c, line);
        c->in_line = true;
        tools->counters.handshakes_waited++;
    }
    client_read(c, false);
    return false;
}

void client_line_took(struct tools *tools, double seconds)
{
    tools->shook++;
    tools->shook_s += seconds > 0 ? seconds : 0; /* the clock may be set back */
}

static unsigned within(double count, unsigned least, unsigned most)
{
    return count < least ? least : count > most ? most : (unsigned)count;
}

/* How many readings would take so long, by those of the last turn. */
static unsigned fit(const struct tools *tools, double seconds)
{
    double count = tools->shook_s > 0 ? seconds * tools->shook / tools->shook_s : 0;

    return within(count, A_TURN, MOST_A_TURN);
}

/* The first of those who are let go have their turn, the others while there is time: how many that
 * will be is a guess, and who comes too late is in front again. */
void client_line_move(struct tools *tools, double turn_s)
{
    double others_s = turn_s - tools->shook_s, before_s = tools->others_s, most_s = others_s;
    unsigned count;
    struct client *c;

    if (most_s > before_s) /* a process that lost its processor once had one long turn */
        most_s = before_s;
    tools->others_s = others_s;
    tools->shake_most_s = most_s < LONGEST_S ? most_s : LONGEST_S;
    count = fit(tools, tools->shake_most_s);
    tools->accepts = within(tools->shake_most_s * ACCEPTS_A_SECOND, ACCEPTS_A_TURN, ACCEPTS_MOST);
    tools->shook = 0;
    tools->shook_s = 0;
    tools->handshakes_left = A_TURN;
    while (count && (c = TAILQ_FIRST(&tools->handshakes))) {
        count--;
        client_line_leave(c);
        c->was_let_go = true;
        c->has_turn = tools->handshakes_left > 0;
        tools->handshakes_left -= c->has_turn;
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
