/* SPDX-License-Identifier: MIT */
/*
 * A table would hide that some of them need two lines.
 */
#include "tests/sim/faults.h"

#include "sm/session_priv.h"
#include "tests/sim/client.h"
#include "tests/sim/death.h"
#include "tests/sim/holder.h"
#include "tests/sim/server.h"

/* The process learns of a connection that broke in silence, or that nobody uses any more. */
static bool notice(struct world *w)
{
    uint32_t from = below(w, CONNECTIONS);

    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        struct kernel_connection *c = &w->connections[(from + i) % CONNECTIONS];

        if (c->used && c->process_open && !c->up_rst && !c->up_fin &&
            (c->severed || !c->client_open)) {
            kernel_tell(w, (int)((from + i) % CONNECTIONS));
            return true;
        }
    }
    return false;
}

void faults_notice_all(struct world *w)
{
    while (notice(w))
        ;
}

static void administrate(struct world *w, int link)
{
    struct hold_link *l = &w->holder->links[link];

    if (l->phase != HOLD_OPEN || !l->session)
        return;
    trace(w, "the administrator looks at story %d", l->story);
    if (one_in(w, 2))
        holder_finish(l);
    else
        holder_detach(l);
    death_follows(w);
}

void faults_strike(struct world *w, int device, int link)
{
    switch (below(w, 32)) {
    case 0:
        client_close(w, device);
        break;
    case 1:
        if (w->links[link].used)
            server_end(w, link);
        break;
    case 2:
    case 3:
        client_connect(w, device, CLIENT_LOGIN);
        break;
    case 4:
    case 5:
    case 6:
        client_connect(w, device, CLIENT_RESUME);
        break;
    case 7:
        if (one_in(w, 4))
            client_misbehave(w, device);
        break;
    case 8:
        client_intrude(w, device);
        break;
    case 9:
        if (one_in(w, 2))
            administrate(w, link);
        break;
    case 10:
        if (w->links[link].used && w->links[link].server_open)
            server_changes(w, link);
        break;
    case 11:
    case 12:
        (void)notice(w);
        break;
    case 13:
        if (w->deaths < w->set.deaths) {
            death_now(w);
            death_follows(w);
        }
        break;
    case 14:
    case 15:
    case 16:
    case 17:
    case 18:
    case 19:
        death_threatens(w);
        break;
    default:
        client_cut(w, device);
        break;
    }
}

bool faults_left(const struct world *w)
{
    return w->holder->core->lefts;
}

enum { BUSY_MAX = 20000 };

/* Most of the time a loop has nothing to do, and no deadline is much too late. */
static void pass_by(struct world *w, uint64_t ms)
{
    uint64_t until = w->now + ms;

    for (int turn = 0; turn < 400; turn++) {
        uint64_t at;

        for (int busy = 0; holder_turn(w) && !w->dead; busy++)
            fact(w, NULL, busy < BUSY_MAX, "the process is busy for ever with nothing");
        death_follows(w);
        at = holder_deadline(w->holder);
        if (at > until)
            break;
        w->now = at > w->now ? at : w->now;
    }
    w->now = until > w->now ? until : w->now;
}

void faults_time(struct world *w)
{
    uint64_t ms = below(w, 50);

    if (one_in(w, 3))
        ms = below(w, 3000);
    if (one_in(w, 30))
        ms = between(w, 3000, 100000);
    if (one_in(w, 60))
        ms = w->set.limits.resume_timeout_ms + below(w, 1000);
    if (one_in(w, 1500))
        ms = SM_TOMBSTONE_MS;
    for (uint32_t i = 0; i < w->story_count && ms > 10000; i++)
        w->stories[i].jumped = true;
    if (one_in(w, 4))
        w->now += ms;
    else
        pass_by(w, ms);
}
