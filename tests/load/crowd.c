/* SPDX-License-Identifier: MIT */
/*
 * A crowd of XMPP clients that talk over connections that fail at random, and the oracle that
 * judges what becomes of their stanzas. README.md has the options and the summary.
 *
 * A run has four phases: all gather; they talk and are cut; in calm, they come back and hear
 * what is left; they log out. Then everything said must have been heard, or have come back.
 */
#include "tests/load/crowd.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/load/client.h"
#include "tests/load/stream.h"

enum { FAULTS_SHOWN = 50 };

static const double tick_s = .1, ask_again_s = 1.;

void crowd_fault(struct crowd *crowd, const char *who, const char *format, ...)
{
    va_list list;

    if (crowd->counts.faults++ >= FAULTS_SHOWN)
        return;
    printf("FAULT %s, after %.1f s: ", who, ev_now(crowd->loop) - crowd->began);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n");
    fflush(stdout);
}

/* --- figures --- */

static void print_figures(const struct crowd *crowd, const char *what)
{
    const struct crowd_counts *n = &crowd->counts;
    unsigned here = 0;

    for (unsigned i = 0; i < crowd->options.clients; i++)
        here += client_is_here(&crowd->clients[i]);
    printf("%s: clients=%u here=%u seconds=%.0f", what, crowd->options.clients, here,
           ev_now(crowd->loop) - crowd->began);
#define X(name) printf(" " #name "=%llu", (unsigned long long)n->name);
    CROWD_COUNTS(X)
#undef X
#define X(name, weight) printf(" " #name "=%llu", (unsigned long long)n->troubles[TROUBLE_##name]);
    TROUBLES(X)
#undef X
    printf("\n");
    fflush(stdout);
}

/* --- phases --- */

static bool all(const struct crowd *crowd, bool (*is)(const struct client *))
{
    for (unsigned i = 0; i < crowd->options.clients; i++)
        if (!is(&crowd->clients[i]))
            return false;
    return true;
}

static void each(struct crowd *crowd, void (*does)(struct client *))
{
    for (unsigned i = 0; i < crowd->options.clients; i++)
        does(&crowd->clients[i]);
}

static void enter(struct crowd *crowd, enum phase phase)
{
    static const char *const names[] = {"gather", "run", "calm", "leave"};

    crowd->phase = phase;
    crowd->phase_began = ev_now(crowd->loop);
    printf("phase: %s\n", names[phase]);
    fflush(stdout);
}

static bool is_settled(const struct client *c)
{
    if (c->lost || c->friend->lost)
        return true;
    return client_is_here(c) && c->last_said && !c->session.count && !c->live->asks &&
           way_settled(&c->way) && way_settled(&c->pings);
}

/* Last words, after which nothing may be missing: so the friend, who may just be logging out, has
 * to be there. And a reminder, for an ack says only what was handled by then. */
static void settle(struct client *c)
{
    if (!client_is_here(c))
        return;
    if (!c->last_said && client_is_here(c->friend)) {
        c->last_said = true;
        client_say(c, SAID_MESSAGE);
        client_say(c, SAID_PING);
    }
    if (c->session.count && !c->live->asks)
        client_ask(c);
    wire_flush(&c->live->wire);
}

static void complain(struct client *c)
{
    bool leaves = c->crowd->phase == PHASE_LEAVE;

    if (leaves ? client_is_out(c) : c->last_said ? is_settled(c) : client_is_here(c))
        return;
    crowd_fault(
        c->crowd, c->jid,
        "hangs: stream in step %d; unacknowledged %zu; messages: said %u, heard %u, missing "
        "%zu, returned ahead %zu; pings: said %u, answered %u; <r/>s unanswered %u",
        c->live     ? (int)c->live->step
        : c->coming ? (int)c->coming->step
                    : -1,
        c->session.count, c->way.said, c->way.due, c->way.missing.count, c->way.returned.count,
        c->pings.said, c->pings.due, c->live ? c->live->asks : 0);
}

static void on_tick(struct ev_loop *loop, ev_timer *t, int)
{
    struct crowd *crowd = t->data;
    double lasted = ev_now(loop) - crowd->phase_began;

    switch (crowd->phase) {
    case PHASE_GATHER:
        if (all(crowd, client_is_here)) {
            enter(crowd, PHASE_RUN);
            each(crowd, client_talk);
        }
        break;
    case PHASE_RUN:
        if (lasted >= crowd->options.seconds) {
            enter(crowd, PHASE_CALM);
            each(crowd, client_hurry);
        }
        return;
    case PHASE_CALM:
        if ((int)(lasted / tick_s) % (int)(ask_again_s / tick_s) == 0)
            each(crowd, settle);
        if (all(crowd, is_settled)) {
            enter(crowd, PHASE_LEAVE);
            each(crowd, client_log_out);
        }
        break;
    case PHASE_LEAVE:
        each(crowd, client_log_out); /* those who had to come back for it */
        if (all(crowd, client_is_out))
            ev_break(loop, EVBREAK_ALL);
        break;
    }
    if (ev_now(loop) - crowd->phase_began > crowd->options.patience) {
        each(crowd, complain);
        ev_break(loop, EVBREAK_ALL);
    }
}

static void on_report(struct ev_loop *, ev_timer *t, int)
{
    print_figures(t->data, "figures");
}

static void on_turn_over(struct ev_loop *, ev_prepare *p, int)
{
    streams_free_dead(p->data);
}

/* The run is to end now, in order. */
static void on_stop(struct ev_loop *, ev_signal *w, int)
{
    struct crowd *crowd = w->data;

    crowd->options.seconds = 0;
}

static void run(struct crowd *crowd)
{
    double report = crowd->options.report;
    ev_timer tick, reporter;
    ev_prepare turn_over;
    ev_signal stop;

    ev_timer_init(&tick, on_tick, tick_s, tick_s);
    ev_timer_init(&reporter, on_report, report, report);
    ev_prepare_init(&turn_over, on_turn_over);
    ev_signal_init(&stop, on_stop, SIGTERM);
    tick.data = reporter.data = turn_over.data = stop.data = crowd;
    ev_timer_start(crowd->loop, &tick);
    if (report > 0)
        ev_timer_start(crowd->loop, &reporter);
    ev_prepare_start(crowd->loop, &turn_over);
    ev_signal_start(crowd->loop, &stop);
    ev_run(crowd->loop, 0);
}

int main(int argc, char **argv)
{
    struct crowd crowd = {
        .options = {.domain = "example.org",
                    .user = "u",
                    .clients = 100,
                    .seconds = 10,
                    .say_every = 2,
                    .cut_every = 5,
                    .away = 1,
                    .linger = 5,
                    .fuse = .25,
                    .gather = 200,
                    .report = 10,
                    .patience = 120,
                    .seed = 1,
                    .len_max = 30000,
                    .weights =
                        {
#define X(name, weight) weight,
                            TROUBLES(X)
#undef X
                        }},
    };

    options_read(&crowd.options, argc, argv);
    crowd.loop = ev_default_loop(EVBACKEND_EPOLL);
    crowd.tls = wire_context(crowd.options.ca);
    crowd.words = words_new(crowd.options.seed, crowd.options.len_max);
    crowd.clients = calloc(crowd.options.clients, sizeof *crowd.clients);
    if (!crowd.loop || !crowd.clients)
        abort();
    crowd.began = ev_now(crowd.loop);
    printf("seed: %llu\n", (unsigned long long)crowd.options.seed);
    for (unsigned i = 0; i < crowd.options.clients; i++)
        client_init(&crowd.clients[i], &crowd, i);
    enter(&crowd, PHASE_GATHER);
    run(&crowd);
    print_figures(&crowd, "crowd");
    each(&crowd, client_free);
    streams_free_dead(&crowd);
    free(crowd.clients);
    words_free(crowd.words);
    SSL_CTX_free(crowd.tls);
    ev_loop_destroy(crowd.loop);
    return crowd.counts.faults ? 1 : 0;
}
