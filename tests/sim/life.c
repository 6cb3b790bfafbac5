/* SPDX-License-Identifier: MIT */
/*
 * Beginning, middle and end: settings from the seed, random steps, then a drain after
 * which everything has to have arrived, and the end of every session.
 */
#include "tests/sim/life.h"

#include "tests/sim/client.h"
#include "tests/sim/death.h"
#include "tests/sim/faults.h"
#include "tests/sim/oracle.h"
#include "tests/sim/server.h"
#include "tests/sim/settings.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

uint64_t life_seed;

enum { DRAIN_TURNS = 3000, END_TURNS = 20000 };

/* --- a world --- */

static char *map(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert(p != MAP_FAILED);
    return p;
}

struct world *life_world(void)
{
    struct world *w = (struct world *)(void *)map(sizeof *w);

    w->memory = map(ARENA_SIZE);
    w->copy = map(ARENA_SIZE);
    w->figures = calloc(1, sizeof *w->figures);
    if (!w->figures || xml_new(&w->xml) < 0)
        abort();
    return w;
}

void life_world_free(struct world *w)
{
    xml_free(w->xml);
    free(w->figures);
    munmap(w->memory, ARENA_SIZE);
    munmap(w->copy, ARENA_SIZE);
    munmap(w, sizeof *w);
}

static void begin(struct world *w, uint64_t seed, bool tracing)
{
    life_seed = w->seed = seed;
    chance_init(&w->chance, seed);
    w->tracing = tracing;
    w->step = 0;
    w->now = 1000000 + below(w, 1000000);
    w->story_count = w->fuse = w->deaths = w->unsure_count = 0;
    w->dead = w->recovering = w->opening = w->shrunk = w->calm = false;
    w->poison = w->mismatch = w->intruder = -1;
    for (int i = 0; i < LINKS; i++)
        w->links[i].used = false;
    for (int i = 0; i < CONNECTIONS; i++)
        w->connections[i].used = false;
    memset(w->memory, 0, ARENA_SIZE);
    settings_choose(w);
    settings_devices(w);
    w->holder = holder_new(w);
}

/* --- steps --- */

static int some_link(struct world *w)
{
    uint32_t from = below(w, LINKS);

    for (uint32_t i = 0; i < LINKS; i++)
        if (w->links[(from + i) % LINKS].used)
            return (int)((from + i) % LINKS);
    return 0;
}

static int some_device(struct world *w)
{
    return (int)below(w, w->set.devices);
}

/* The process does what it can, for a while; false: there was nothing to do. */
static bool process(struct world *w, uint32_t turns)
{
    bool any = false;

    while (turns-- && holder_turn(w)) {
        any = true;
        if (w->dead)
            break;
    }
    death_follows(w);
    return any;
}

static void come(struct world *w, int device)
{
    const struct device *d = &w->devices[device];

    if (d->phase == DEVICE_OFFLINE)
        client_connect(w, device, one_in(w, 16) ? CLIENT_LOGIN : CLIENT_RESUME);
}

static void act(struct world *w, int device, int link)
{
    switch (below(w, 16)) {
    case 0:
    case 1:
    case 2:
        client_make(w, device, between(w, 1, 4));
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        server_send(w, link, between(w, 1, 4));
        break;
    case 7:
        client_chatter(w, device);
        break;
    case 8:
        client_watch_intruder(w);
        break;
    case 9:
        faults_time(w);
        break;
    case 10:
    case 11:
    case 12:
        come(w, device);
        break;
    case 13:
        holder_housekeeping(w->holder);
        death_follows(w);
        break;
    default:
        if (one_in(w, w->set.fault))
            faults_strike(w, device, link);
        break;
    }
}

/* What is on its way gets on, here and there. */
static void go_on(struct world *w, int device, int link)
{
    if (one_in(w, 2))
        kernel_move(w);
    if (one_in(w, 2))
        (void)client_read(w, device);
    if (one_in(w, 2))
        (void)server_read(w, link);
    if (w->devices[device].phase == DEVICE_PLAIN && w->devices[device].wants_sm)
        client_make(w, device, 1);
    else if (one_in(w, 2))
        client_push(w, device);
    (void)process(w, below(w, 6));
}

static void step(struct world *w)
{
    int device = some_device(w), link = some_link(w);

    if (one_in(w, w->set.pace))
        act(w, device, link);
    else
        go_on(w, device, link);
}

/* --- the drain --- */

/* Of those that want the same full JID only one may have it in the end. */
static bool second(const struct world *w, int device)
{
    for (int i = 0; i < device; i++)
        if (!strcmp(w->devices[i].jid, w->devices[device].jid))
            return true;
    return false;
}

static void help(struct world *w, int device, int turn)
{
    struct device *d = &w->devices[device];
    bool stuck = d->connection >= 0 && w->connections[d->connection].severed;

    if (second(w, device)) {
        if (d->connection >= 0 && d->phase != DEVICE_CLOSING)
            client_leave(w, device);
    } else if (stuck || d->phase == DEVICE_OFFLINE) {
        client_connect(w, device, CLIENT_RESUME);
    } else if (d->phase == DEVICE_PLAIN && d->wants_sm) {
        client_make(w, device, 1);
    }
    while (client_read(w, device))
        ;
    client_push(w, device);
    if (turn % 40 == 39 && d->phase == DEVICE_ON)
        client_ask(w, device);
}

static bool settled(const struct world *w)
{
    for (uint32_t i = 0; i < w->set.devices; i++) {
        const struct device *d = &w->devices[i];
        bool on = d->phase == DEVICE_ON || (d->phase == DEVICE_PLAIN && !d->wants_sm);

        if (second(w, (int)i) ? d->phase != DEVICE_OFFLINE : w->story_count < STORIES && !on)
            return false;
        if (d->phase == DEVICE_ON && (d->answered < d->asked || w->stories[d->story].ending ||
                                      !oracle_settled(w, &w->stories[d->story])))
            return false;
    }
    return true;
}

static bool serve(struct world *w)
{
    bool any = false;

    for (int i = 0; i < LINKS; i++)
        any |= server_read(w, i);
    return any;
}

static void drain(struct world *w)
{
    w->calm = true;
    w->fuse = 0;
    settings_calm(w);
    server_wakes(w);
    for (int turn = 0; turn < DRAIN_TURNS && !settled(w); turn++) {
        w->step++;
        for (uint32_t i = 0; i < w->set.devices; i++)
            help(w, (int)i, turn);
        kernel_move_all(w);
        (void)serve(w);
        (void)process(w, 100);
        client_watch_intruder(w);
        w->now += turn % 8 ? 25 : 400;
        if (turn % 16 == 0)
            holder_housekeeping(w->holder);
    }
    if (!w->set.short_memory || settled(w))
        oracle_compare(w);
}

/* --- the end --- */

static void say_goodbye(struct world *w, int device)
{
    switch (below(w, 4)) {
    case 0:
        client_close(w, device);
        break;
    case 1:
        client_cut(w, device);
        break;
    case 2:
        if (w->devices[device].story >= 0 && w->stories[w->devices[device].story].link >= 0)
            server_end(w, w->stories[w->devices[device].story].link);
        break;
    default:
        break;
    }
}

static bool anybody(const struct world *w)
{
    const struct sm_core *core = w->holder->core;

    if (sm_core_counts(core).sessions || faults_left(w))
        return true;
    for (int i = 0; i < LINKS; i++)
        if (w->links[i].used)
            return true;
    return false;
}

static void end(struct world *w)
{
    bool busy = true;
    uint64_t at;

    for (uint32_t i = 0; i < w->set.devices; i++)
        say_goodbye(w, (int)i);
    if (w->intruder >= 0)
        kernel_leave(w, w->intruder, KERNEL_FIN);
    for (int turn = 0; anybody(w); turn++) {
        fact(w, NULL, turn < END_TURNS, "something never ends");
        w->step++;
        for (uint32_t i = 0; i < w->set.devices; i++) {
            busy |= client_read(w, (int)i);
            if (turn > 30 && w->devices[i].connection >= 0)
                client_leave(w, (int)i);
        }
        if (turn == 60)
            faults_notice_all(w);
        kernel_move_all(w);
        busy |= serve(w);
        busy |= process(w, 100);
        at = holder_deadline(w->holder);
        w->now = busy || at == UINT64_MAX ? w->now + 5 : at > w->now ? at : w->now;
        busy = false;
    }
}

bool life_lives(struct world *w, uint64_t seed, bool tracing)
{
    if (setjmp(w->failed))
        return false;
    begin(w, seed, tracing);
    for (uint32_t i = 0; i < w->set.steps; i++) {
        w->step++;
        step(w);
    }
    w->figures->count[FIG_STEPS] += w->set.steps;
    happened(w, FIG_LIVES);
    drain(w);
    end(w);
    holder_housekeeping(w->holder);
    oracle_life_over(w);
    holder_free(w->holder);
    return true;
}

/* --- saying it --- */

/* In one write: the jobs share their standard error. */
void world_fail(struct world *w, const struct story *s, const char *file, int line,
                const char *format, ...)
{
    static char text[16384];
    size_t room = sizeof text, len;
    va_list args;

    len = (size_t)snprintf(text, room, "seed %llu: step %u, %llu ms", (unsigned long long)w->seed,
                           w->step, (unsigned long long)w->now);
    if (s)
        len += (size_t)snprintf(text + len, room - len, ", story %d", story_number(w, s));
    len += (size_t)snprintf(text + len, room - len, ": ");
    va_start(args, format);
    len += (size_t)vsnprintf(text + len, room - len, format, args);
    va_end(args);
    len = len < room - 64 ? len : room - 64;
    len += (size_t)snprintf(text + len, room - len, " (%s:%d)\n", file, line);
    fflush(stdout);
    fwrite(text, 1, len, stderr);
    longjmp(w->failed, 1);
}

void world_trace(const struct world *w, const char *format, ...)
{
    va_list args;

    printf("%5u %10llu%s ", w->step, (unsigned long long)w->now, w->dead ? " (dead)" : "");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}
