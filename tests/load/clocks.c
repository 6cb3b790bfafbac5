/* SPDX-License-Identifier: MIT */
/*
 * A client's beginning and end, and when it does what: it speaks, is in trouble and comes back
 * at times of its own, all of which follow from its dice.
 */
#include "tests/load/client.h"

#include <stdio.h>
#include <string.h>

#include "tests/load/stream.h"

static const double ping_share = .1, ask_share = .3, hasty_share = .25, stale_share = .3;
static const double long_share = .1, long_factor = 20.; /* some are away for much longer */

static void on_say(struct ev_loop *loop, ev_timer *t, int);
static void on_trouble(struct ev_loop *loop, ev_timer *t, int);
static void on_back(struct ev_loop *loop, ev_timer *t, int);

void client_init(struct client *c, struct crowd *crowd, uint32_t number)
{
    const struct options *o = &crowd->options;
    uint32_t friend = number ^ 1;

    *c = (struct client){.crowd = crowd, .number = number, .dice = dice_of(o->seed, number)};
    if (o->echo || friend >= o->clients)
        friend = number;
    c->friend = &crowd->clients[friend];
    snprintf(c->user, sizeof c->user, "%s%u", o->user, number);
    snprintf(c->jid, sizeof c->jid, "%s@%s/soak", c->user, o->domain);
    if (o->echo)
        snprintf(c->peer, sizeof c->peer, "echo@%s", o->domain);
    else
        snprintf(c->peer, sizeof c->peer, "%s%u@%s/soak", o->user, friend, o->domain);
    ev_init(&c->say, on_say);
    ev_init(&c->trouble, on_trouble);
    ev_timer_init(&c->back, on_back, number / o->gather, 0.);
    c->say.data = c->trouble.data = c->back.data = c;
    ev_timer_start(crowd->loop, &c->back);
}

void client_free(struct client *c)
{
    struct stream *all[] = {c->live, c->coming};

    for (int i = 0; i < 2; i++)
        if (all[i])
            stream_end(all[i], WIRE_RESET);
    while (c->former)
        stream_end(c->former, WIRE_RESET);
    ev_timer_stop(c->crowd->loop, &c->say);
    ev_timer_stop(c->crowd->loop, &c->trouble);
    ev_timer_stop(c->crowd->loop, &c->back);
    session_free(&c->session);
    way_free(&c->way);
    way_free(&c->pings);
    SSL_SESSION_free(c->ticket);
}

bool client_is_here(const struct client *c)
{
    return c->live && c->live->step == STEP_LIVE && !c->live->wire.blown && !c->coming;
}

bool client_is_out(const struct client *c)
{
    return !c->live && !c->coming && !c->session.enabled;
}

/* --- clocks --- */

static void again(struct client *c, ev_timer *t, double mean)
{
    ev_timer_set(t, dice_around(&c->dice, mean), 0.);
    ev_timer_start(c->crowd->loop, t);
}

void client_talk(struct client *c)
{
    again(c, &c->say, c->crowd->options.say_every);
    again(c, &c->trouble, c->crowd->options.cut_every);
}

/* Clients that are away speak, too: it is said when they are back. */
static void on_say(struct ev_loop *, ev_timer *t, int)
{
    struct client *c = t->data;

    if (c->crowd->phase != PHASE_RUN)
        return;
    again(c, t, c->crowd->options.say_every);
    if (!c->session.enabled || (c->live && c->live->step == STEP_CLOSING))
        return;
    client_say(c, dice_share(&c->dice, ping_share) ? SAID_PING : SAID_MESSAGE);
    if (!client_is_here(c))
        return;
    if (dice_share(&c->dice, ask_share))
        client_ask(c);
    wire_flush(&c->live->wire);
}

static void on_trouble(struct ev_loop *, ev_timer *t, int)
{
    struct client *c = t->data;

    if (c->crowd->phase != PHASE_RUN)
        return;
    again(c, t, c->crowd->options.cut_every);
    if (client_is_here(c))
        trouble(c);
}

static void on_back(struct ev_loop *, ev_timer *t, int)
{
    client_come(t->data);
}

void client_come(struct client *c)
{
    bool resumes = c->session.enabled;

    ev_timer_stop(c->crowd->loop, &c->back);
    if (c->coming || (c->live && !client_is_here(c)))
        return;
    c->coming = stream_new(c, resumes, resumes && c->crowd->phase == PHASE_RUN);
    if (!c->coming)
        client_come_later(c);
    else if (!resumes && c->closed_id[0])
        c->coming->stale = dice_share(&c->dice, stale_share);
}

void client_come_later(struct client *c)
{
    double away = c->crowd->options.away;

    if (c->lost || (c->crowd->phase == PHASE_LEAVE && !c->session.enabled))
        return;
    ev_timer_stop(c->crowd->loop, &c->back);
    if (dice_share(&c->dice, hasty_share))
        away = 0.;
    else if (!c->crowd->options.prompt && c->crowd->phase == PHASE_RUN &&
             dice_share(&c->dice, long_share))
        away *= long_factor;
    again(c, &c->back, away);
}

void client_hurry(struct client *c)
{
    if (ev_is_active(&c->back))
        client_come_later(c);
}
