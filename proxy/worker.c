/* SPDX-License-Identifier: MIT */
/*
 * A worker's thread: its loop, its mailbox, and the end of each turn, where what was
 * closed during the turn is freed, or a few turns later.
 */
#include "proxy/worker.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "proxy/client_entry.h"
#include "proxy/client_line.h"
#include "proxy/farewell.h"
#include "proxy/link.h"
#include "proxy/listener.h"
#include "proxy/log.h"
#include "proxy/orders.h"
#include "proxy/relay.h"

struct mail {
    STAILQ_ENTRY(mail) next;
    worker_deed *deed;
    void *arg;
};

STAILQ_HEAD(mails, mail);

struct worker {
    struct tools tools;
    struct worker_setup *setup;
    struct listeners listeners;
    pthread_t thread;
    bool running;
    bool stopping;
    bool leaves;          /* … what is parked to the next process */
    unsigned ended;       /* … so many sessions */
    pthread_mutex_t lock; /* of the mailbox */
    struct mails mails;
    struct mail *last; /* to stop it: for this there is always memory. NULL once it was sent */
    ev_async wake;
    ev_prepare turn_over;
    ev_timer housekeeping;
    unsigned untrimmed_s; /* since a connection was freed whose memory was not given back */
    bool looked;          /* at what came, since the sessions' clocks were found late */
    ev_timer patience;    /* with servers, while stopping */
};

enum { HOUSEKEEPING_S = 1, PATIENCE_S = 12, LATE_MS = 100 };
enum {
    TRIM_MANY =
        256, /* connections freed, at least, until memory goes back to the system at once; … */
    TRIM_SHARE = 8, /* … or one for so many that are there, if that is more; … */
    TRIM_S = 30,    /* … and after so long, if it was but one */
};

static void on_mail(struct ev_loop *, ev_async *a, int)
{
    struct worker *w = a->data;
    struct mails mails;
    struct mail *m;

    pthread_mutex_lock(&w->lock);
    mails = w->mails;
    if (STAILQ_EMPTY(&mails))
        STAILQ_INIT(&mails);
    STAILQ_INIT(&w->mails);
    pthread_mutex_unlock(&w->lock);
    while ((m = STAILQ_FIRST(&mails))) {
        STAILQ_REMOVE_HEAD(&mails, next);
        m->deed(&w->tools, m->arg);
        free(m);
    }
}

static void deliver(struct worker *w, struct mail *m, worker_deed *deed, void *arg)
{
    *m = (struct mail){.deed = deed, .arg = arg};
    pthread_mutex_lock(&w->lock);
    STAILQ_INSERT_TAIL(&w->mails, m, next);
    pthread_mutex_unlock(&w->lock);
    ev_async_send(w->tools.loop, &w->wake);
}

bool worker_post(struct worker *w, worker_deed *deed, void *arg)
{
    struct mail *m = calloc(1, sizeof *m);

    if (!m)
        return false;
    deliver(w, m, deed, arg);
    return true;
}

/* --- a connection moves to the worker of its account's arena --- */

static void arrive(struct tools *tools, void *arg)
{
    struct client *c = arg;

    client_arrive(c, tools);
    if (c->link)
        link_arrive(c->link, tools);
    if (c->login < LOGIN_BOUND)
        client_login_deadline(c);
    tools->counters.moved++;
    if (tools->worker->stopping) /* on its way while the others were told */
        farewell_client(c, END_STOP, SPAN_NONE);
    else
        relay_arrived(c);
}

/* Nothing of this worker may look at the client from here on. */
static void move(struct client *c)
{
    struct tools *from = c->tools;
    struct worker *w = from->worker->setup->all[c->moves_to];

    c->moves = false;
    client_leave(c);
    if (c->link)
        link_depart(c->link);
    if (worker_post(w, arrive, c))
        return;
    client_arrive(c, from);
    if (c->link)
        link_arrive(c->link, from);
    farewell_client(c, END_MEMORY, SPAN_NONE);
}

/* --- the turn --- */

static void bury(struct tools *tools, bool all)
{
    struct link *l, *next;
    struct client *c;

    while ((c = LIST_FIRST(&tools->dead_clients))) {
        client_free(c);
        tools->buried++;
    }
    for (l = LIST_FIRST(&tools->dead_links); l; l = next) {
        next = LIST_NEXT(l, entry);
        if (all || !link_rests(l))
            link_free(l);
    }
}

static void finished(struct worker *w)
{
    struct client *c;
    struct link *l;

    while ((c = LIST_FIRST(&w->tools.clients)))
        client_drop(c);
    while ((l = LIST_FIRST(&w->tools.links))) {
        if (w->leaves && l->parked.lot)
            link_forsake(l);
        else
            link_drop(l);
    }
    ev_break(w->tools.loop, EVBREAK_ALL);
}

/* But for what goes on without us. */
static bool all_ended(const struct worker *w)
{
    const struct link *l;

    LIST_FOREACH(l, &w->tools.links, entry)
    if (!w->leaves || !l->parked.lot)
        return false;
    return true;
}

static void on_due(struct ev_loop *, ev_prepare *p, int)
{
    struct worker *w = p->data;

    orders_serve_due(&w->tools);
}

static void on_turn_over(struct ev_loop *, ev_prepare *p, int)
{
    struct worker *w = p->data;
    struct client *c;

    while ((c = SLIST_FIRST(&w->tools.movers))) {
        SLIST_REMOVE_HEAD(&w->tools.movers, moving);
        if (c->phase == CLIENT_OPEN)
            move(c);
    }
    orders_relieve(&w->tools);
    orders_serve_due(&w->tools);
    bury(&w->tools, false);
    listeners_go_on(&w->listeners);
    client_line_move(&w->tools, ev_time() - ev_now(w->tools.loop));
    w->tools.counters.turns++;
    if (w->stopping && all_ended(w))
        finished(w);
}

/* Clocks that are late stood still with the process, or with its processor: what came meanwhile
 * is read before they count. */
static void on_sessions(struct ev_loop *loop, ev_timer *t, int)
{
    struct worker *w = t->data;

    if (!w->looked && tools_now() - LATE_MS > w->tools.armed_ms) {
        w->looked = true;
        ev_timer_set(t, 0., 0.);
        ev_timer_start(loop, t);
        return;
    }
    w->looked = false;
    orders_deadlines(&w->tools);
}

/* What connections had, most of it TLS's, is kept by the allocator for others like them; but where
 * clients are away, none may come for long. Giving it back takes a walk over all that is free. */
static void give_memory_back(struct worker *w)
{
    struct tools *tools = &w->tools;
    unsigned many = 0;
    struct client *c;

    if (!tools->buried)
        return;
    if (++w->untrimmed_s < TRIM_S) {
        LIST_FOREACH(c, &tools->clients, entry)
        many++;
        many = many / TRIM_SHARE < TRIM_MANY ? TRIM_MANY : many / TRIM_SHARE;
        if (tools->buried < many)
            return;
    }
    tools->buried = w->untrimmed_s = 0;
    (void)malloc_trim(0);
}

static void on_housekeeping(struct ev_loop *, ev_timer *t, int)
{
    struct worker *w = t->data;

    orders_housekeeping(&w->tools);
    if (w->tools.parking)
        parking_tidy(w->tools.parking);
    listeners_retry(&w->listeners);
    give_memory_back(w);
}

/* Without it everything works, but for what outlives the process. */
static void begin_parking(struct tools *t)
{
    unsigned arenas = 0;
    int r;

    for (unsigned i = 0; i < SM_ARENAS; i++)
        arenas += t->cores[i] != NULL;
    if ((r = parking_new(&t->parking, t->loop, t->descriptors, arenas)) < 0)
        log_at(LOG_ERROR, "keeper_refused", f_err("why", r));
}

static int tools_begin(struct worker *w, unsigned index)
{
    struct tools *t = &w->tools;
    const struct conf *conf = w->setup->conf;
    int r;

    t->worker = w;
    t->index = index;
    t->conf = conf;
    t->resolve = w->setup->resolve;
    t->admission = w->setup->admission;
    t->descriptors = w->setup->descriptors;
    t->tls = tls_keys_hold(w->setup->tls);
    t->orders = &t->pair[0];
    t->armed_ms = UINT64_MAX;
    t->workers = w->setup->workers;
    t->next_id = 1;
    TAILQ_INIT(&t->handshakes);
    TAILQ_INIT(&t->due);
    for (unsigned i = 0; i < SM_ARENAS; i++) {
        t->arena_fds[i] = w->setup->arena_fds[i];
        if (i % w->setup->workers == index)
            t->cores[i] = w->setup->cores[i];
    }
    if (!(t->gates = calloc(conf->host_count, sizeof *t->gates)))
        return -ENOMEM;
    for (size_t i = 0; i < conf->host_count; i++) {
        t->gates[i].most = (conf->hosts[i].upstream_logins + t->workers - 1) / t->workers;
        TAILQ_INIT(&t->gates[i].fresh);
        TAILQ_INIT(&t->gates[i].begun);
    }
    if ((r = xml_new(&t->xml)) < 0)
        return r;
    if (!(t->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOSIGMASK)))
        return -ENOMEM;
    if (w->setup->keeper)
        begin_parking(t);
    return 0;
}

int worker_new(struct worker **out, struct worker_setup *setup, unsigned index)
{
    struct worker *w = calloc(1, sizeof *w);
    int r;

    if (!w)
        return -ENOMEM;
    w->setup = setup;
    pthread_mutex_init(&w->lock, NULL);
    STAILQ_INIT(&w->mails);
    w->last = calloc(1, sizeof *w->last);
    r = w->last ? tools_begin(w, index) : -ENOMEM;
    if (r < 0 || (r = listeners_open(&w->listeners, &w->tools)) < 0) {
        worker_free(w);
        return r;
    }
    ev_async_init(&w->wake, on_mail);
    ev_prepare_init(&w->turn_over, on_turn_over);
    ev_prepare_init(&w->tools.due_last, on_due); /* these two are fed, never started */
    ev_prepare_init(&w->tools.due_next, on_due);
    ev_set_priority(&w->tools.due_last, EV_MINPRI);
    ev_set_priority(&w->tools.due_next, EV_MAXPRI);
    ev_timer_init(&w->housekeeping, on_housekeeping, HOUSEKEEPING_S, HOUSEKEEPING_S);
    ev_init(&w->tools.sessions_timer, on_sessions);
    ev_set_priority(&w->tools.sessions_timer, TOOLS_CLOCKS);
    w->wake.data = w->turn_over.data = w->housekeeping.data = w;
    w->tools.due_last.data = w->tools.due_next.data = w;
    w->tools.sessions_timer.data = w;
    ev_async_start(w->tools.loop, &w->wake);
    ev_prepare_start(w->tools.loop, &w->turn_over);
    ev_timer_start(w->tools.loop, &w->housekeeping);
    *out = w;
    return 0;
}

static void *run(void *arg)
{
    struct worker *w = arg;

    listeners_start(&w->listeners);
    ev_run(w->tools.loop, 0);
    return NULL;
}

int worker_start(struct worker *w)
{
    sigset_t all, before;
    int r;

    sigfillset(&all); /* signals are main's */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r = -pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->running = !r;
    return r;
}

static void on_patience_over(struct ev_loop *, ev_timer *t, int)
{
    finished(t->data);
}

static struct client *first_open(const struct tools *tools)
{
    struct client *c;

    LIST_FOREACH(c, &tools->clients, entry)
    if (c->phase == CLIENT_OPEN)
        return c;
    return NULL;
}

/* Connections are closed without </stream:stream>, as a network would. Sessions that cannot outlive
 * the process end in order, so that what their clients did not get goes back to its senders. */
static void stop(struct tools *tools, void *arg)
{
    struct worker *w = arg;
    struct client *c;

    w->stopping = true;
    listeners_close(&w->listeners);
    while ((c = first_open(tools)))
        farewell_client(c, END_STOP, SPAN_NONE);
    w->ended = orders_finish_all(tools, w->leaves);
    ev_timer_init(&w->patience, on_patience_over, PATIENCE_S, 0.);
    w->patience.data = w;
    ev_timer_start(tools->loop, &w->patience);
}

void worker_stop(struct worker *w, bool leave)
{
    struct mail *m = w->last;

    if (!w->running || !m)
        return;
    w->leaves = leave;
    w->last = NULL;
    deliver(w, m, stop, w);
}

struct tools *worker_tools(struct worker *w)
{
    return &w->tools;
}

unsigned worker_join(struct worker *w)
{
    if (w->running)
        pthread_join(w->thread, NULL);
    w->running = false;
    return w->ended;
}

void worker_free(struct worker *w)
{
    struct mail *m;

    if (!w)
        return;
    bury(&w->tools, true);
    listeners_close(&w->listeners);
    while ((m = STAILQ_FIRST(&w->mails))) {
        STAILQ_REMOVE_HEAD(&w->mails, next);
        free(m);
    }
    free(w->last);
    parking_free(w->tools.parking);
    if (w->tools.loop)
        ev_loop_destroy(w->tools.loop);
    xml_free(w->tools.xml);
    tls_keys_release(w->tools.tls);
    buffer_clear(&w->tools.wire);
    buffer_clear(&w->tools.gathered);
    ws_reader_free(w->tools.ws_reader);
    buffer_clear(&w->tools.edited);
    free(w->tools.gates);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
