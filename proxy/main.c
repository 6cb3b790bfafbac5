/* SPDX-License-Identifier: MIT */
/*
 * The process: its arguments, its start, its signals, its stop. Clients and links
 * are the workers' business; main waits for signals and for the administrator.
 */
#include <errno.h>
#include <ev.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "proxy/admission.h"
#include "proxy/arenas.h"
#include "proxy/check.h"
#include "proxy/conf_read.h"
#include "proxy/control.h"
#include "proxy/descriptors.h"
#include "proxy/log.h"
#include "proxy/keep.h"
#include "proxy/recover.h"
#include "proxy/resolve.h"

enum { RESOLVE_S = 60, LINE_TEXT = 16 };

struct holdfast {
    struct conf *conf;
    struct arenas arenas;
    struct descriptors descriptors;
    struct worker_setup setup;
    struct control *control;
    struct ev_loop *loop;
    ev_signal hup, term, interrupted;
    ev_timer resolving;
    ev_timer alive;
    atomic_uint answers; /* of workers, since systemd was last told */
    bool arenas_open;
    bool ends;      /* when it stops: all sessions */
    bool leaves;    /* … none that the keeper can have */
    uint64_t ended; /* sessions, at the stop */
    uint64_t left;  /* … to the keeper */
    struct keeper_gifts gifts;
};

static const char usage[] =
    "usage: holdfast [-c FILE] [--check | --keep | --version] [--counter-start N]\n"
    "  -c, --config FILE    the configuration, " CONF_PATH " if not given\n"
    "      --check          say what is wrong with it, and exit 0 or 1\n"
    "      --keep           hold the sessions for a daemon, and start it again when it ends\n"
    "      --version        the version, and exit\n"
    "      --counter-start N  for tests: where the counters of sessions begin\n";

struct arguments {
    const char *config;
    bool check, version, keep;
    uint32_t counter_start;
};

static bool read_arguments(struct arguments *to, int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'C'},
                                            {"keep", no_argument, NULL, 'K'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"counter-start", required_argument, NULL, 'S'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;

    *to = (struct arguments){.config = CONF_PATH};
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            to->config = optarg;
            break;
        case 'C':
            to->check = true;
            break;
        case 'V':
            to->version = true;
            break;
        case 'S':
            if (!span_uint32(span_of(optarg), &to->counter_start))
                return false;
            break;
        case 'K':
            to->keep = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

/* --- reload and stop --- */

static void take_keys(struct tools *tools, void *arg)
{
    tls_keys_release(tools->tls);
    tools->tls = arg;
}

static void on_hup(struct ev_loop *, ev_signal *s, int)
{
    struct holdfast *h = s->data;
    struct tls_keys *keys;

    if (tls_keys_new(&keys, h->conf, h->setup.tls) < 0) {
        log_at(LOG_ERROR, "warning", f_str("why", "certificates and keys stay as they were"));
        return;
    }
    for (unsigned i = 0; i < h->setup.workers; i++)
        if (!worker_post(h->setup.all[i], take_keys, tls_keys_hold(keys)))
            tls_keys_release(keys);
    tls_keys_release(h->setup.tls);
    h->setup.tls = keys;
    log_at(LOG_INFO, "config_reloaded", f_str("what", "certificates"));
}

/* SIGINT ends the sessions, too: their keeper wants to be rid of them, or there is none. */
static void on_stop(struct ev_loop *loop, ev_signal *s, int)
{
    struct holdfast *h = s->data;

    h->ends |= s->signum == SIGINT; /* both may come; the graver one counts */
    h->leaves = !h->ends && h->setup.keeper;
    ev_break(loop, EVBREAK_ALL);
}

static void on_resolve(struct ev_loop *, ev_timer *t, int)
{
    struct holdfast *h = t->data;

    resolve_refresh(h->setup.resolve);
}

/* --- start --- */

static unsigned worker_count(const struct conf *conf)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long wanted = conf->main.workers ? (long)conf->main.workers : cores;

    return wanted < 1 ? 1 : wanted > WORKERS_MAX ? WORKERS_MAX : (unsigned)wanted;
}

/* So many clients come at once as the settings allow: each of them takes two. */
static void judge_descriptors(const struct holdfast *h)
{
    uint64_t clients = h->conf->limits.connections_per_ip, logins = 0;

    for (size_t i = 0; i < h->conf->host_count; i++)
        logins += h->conf->hosts[i].upstream_logins;
    if (clients < logins)
        clients = logins;
    if (h->descriptors.most / 2 < clients)
        log_at(LOG_WARN, "warning", f_str("what", "the limit of descriptors is low"),
               f_u32("clients_max", h->descriptors.most / 2), f_u64("clients_wanted", clients));
}

/* `--check` says so as well, but from where the administrator is: another cgroup. */
static void judge_memory(const struct holdfast *h)
{
    struct allowance allowed = allowance_find();

    if (check_memory_is_short(h->conf, &allowed))
        log_at(LOG_WARN, "warning", f_str("what", "the sessions' memory may not fit"),
               f_str("into", allowed.whose), f_u64("memory", h->conf->limits.memory),
               f_u64("allowed", allowed.bytes));
}

static int begin_workers(struct holdfast *h)
{
    struct worker_setup *setup = &h->setup;
    int r;

    for (size_t i = 0; i < SM_ARENAS; i++) {
        setup->cores[i] = h->arenas.core[i];
        setup->arena_fds[i] = h->arenas.fd[i];
    }
    if (!(setup->all = calloc(setup->workers, sizeof *setup->all)))
        return -ENOMEM;
    for (unsigned i = 0; i < setup->workers; i++)
        if ((r = worker_new(&setup->all[i], setup, i)) < 0)
            return r;
    descriptors_count(&h->descriptors);
    judge_descriptors(h);
    judge_memory(h);
    if ((r = recover_all(setup, &h->gifts)) < 0) { /* the next one may have what it takes */
        log_at(LOG_ERROR, "recovery_failed", f_err("why", r));
        return r;
    }
    keeper_gifts_clear(&h->gifts);
    for (unsigned i = 0; i < setup->workers; i++)
        if ((r = worker_start(setup->all[i])) < 0)
            return r;
    return 0;
}

static void on_signal(struct holdfast *h, ev_signal *w, int number,
                      void (*cb)(struct ev_loop *, ev_signal *, int))
{
    ev_signal_init(w, cb, number);
    w->data = h;
    ev_signal_start(h->loop, w);
}

/* From here on the arenas outlive this process, if there is a keeper with room for them. */
static void begin_keeping(struct holdfast *h)
{
    int r;

    if (!keeper_there())
        return;
    for (size_t i = 0; i < h->gifts.count; i++)
        if (h->gifts.at[i].fd >= 0 && keeper_is_proof(h->gifts.at[i].name))
            (void)keeper_drop(h->gifts.at[i].name);
    if (h->arenas.damaged)
        log_at(LOG_ERROR, "recovery_failed", f_u32("records", h->arenas.damaged),
               f_str("why", "damaged"));
    r = arenas_keep(&h->arenas);
    h->setup.keeper = r == 0;
    if (r < 0)
        log_at(LOG_ERROR, "keeper_refused", f_err("why", r));
}

static int begin(struct holdfast *h, uint32_t counter_start)
{
    int r;

    signal(SIGPIPE, SIG_IGN);
    h->setup.conf = h->conf;
    h->setup.descriptors = &h->descriptors;
    h->setup.workers = worker_count(h->conf);
    descriptors_raise();
    if (!(h->loop = ev_default_loop(0)))
        return -ENOMEM;
    if ((r = tls_keys_new(&h->setup.tls, h->conf, NULL)) < 0 ||
        (r = resolve_new(&h->setup.resolve, h->conf)) < 0 ||
        (r = admission_new(&h->setup.admission, &h->conf->limits)) < 0 ||
        (r = keeper_gifts(&h->gifts, "holdfast-")) < 0 ||
        (r = arenas_open(&h->arenas, h->conf, counter_start, &h->gifts)) < 0)
        return r;
    h->arenas_open = true;
    tls_keys_keep(h->setup.tls, h->arenas.core[0], tools_now());
    /* Before anybody is let in: a signal that comes from here on waits until the loop runs. */
    on_signal(h, &h->hup, SIGHUP, on_hup);
    on_signal(h, &h->term, SIGTERM, on_stop);
    on_signal(h, &h->interrupted, SIGINT, on_stop);
    begin_keeping(h);
    if ((r = control_new(&h->control, h->loop, &h->setup, &h->arenas)) < 0 ||
        (r = begin_workers(h)) < 0)
        return r;
    ev_timer_init(&h->resolving, on_resolve, RESOLVE_S, RESOLVE_S);
    h->resolving.data = h;
    ev_timer_start(h->loop, &h->resolving);
    return 0;
}

static uint64_t sessions_in(const struct arenas *arenas)
{
    uint64_t count = 0;

    for (size_t i = 0; i < SM_ARENAS; i++)
        for (struct sm_session *s = sm_core_next(arenas->core[i], NULL); s;
             s = sm_core_next(arenas->core[i], s))
            count++;
    return count;
}

static void finish(struct holdfast *h)
{
    struct worker_setup *setup = &h->setup;

    for (unsigned i = 0; setup->all && i < setup->workers; i++)
        if (setup->all[i])
            worker_stop(setup->all[i], h->leaves);
    for (unsigned i = 0; setup->all && i < setup->workers; i++)
        if (setup->all[i])
            h->ended += worker_join(setup->all[i]);
    control_free(h->control);
    for (unsigned i = 0; setup->all && i < setup->workers; i++)
        worker_free(setup->all[i]);
    free(setup->all);
    recover_clear(setup);
    keeper_gifts_clear(&h->gifts);
    if (h->arenas_open) {
        h->left = h->leaves ? sessions_in(&h->arenas) : 0;
        arenas_close(&h->arenas);
    }
    admission_free(setup->admission);
    resolve_free(setup->resolve);
    tls_keys_release(setup->tls);
    if (h->loop)
        ev_loop_destroy(h->loop);
    conf_free(h->conf);
}

/* NULL: the problem stands in no line. */
static const char *line_text(char text[LINE_TEXT], unsigned line)
{
    snprintf(text, LINE_TEXT, "%u", line);
    return line ? text : NULL;
}

static void answer(struct tools *, void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
}

/* All of it turns if main does and every worker did since the last time. */
static void on_alive(struct ev_loop *, ev_timer *t, int)
{
    struct holdfast *h = t->data;

    if (atomic_load(&h->answers) < h->setup.workers)
        return;
    sd_notify(0, "WATCHDOG=1");
    atomic_store(&h->answers, 0);
    for (unsigned i = 0; i < h->setup.workers; i++)
        if (!worker_post(h->setup.all[i], answer, &h->answers))
            answer(NULL, &h->answers); /* want of memory is no want of life */
}

/* systemd is told three times in its time that Holdfast is alive. */
static void begin_watchdog(struct holdfast *h)
{
    uint64_t every_us;

    if (sd_watchdog_enabled(0, &every_us) <= 0)
        return;
    atomic_store(&h->answers, h->setup.workers);
    ev_timer_init(&h->alive, on_alive, 0., (double)every_us / 3e6);
    h->alive.data = h;
    ev_timer_start(h->loop, &h->alive);
}

static int serve(const struct arguments *arguments)
{
    struct holdfast h = {0};
    struct conf_problems problems = {0};
    int r = conf_read(arguments->config, &h.conf, &problems);
    char line[LINE_TEXT];

    if (!r)
        log_init(h.conf->main.log_level, h.conf->main.log_format);
    for (size_t i = 0; i < problems.count; i++)
        log_at(problems.at[i].warning ? LOG_WARN : LOG_ERROR, "config",
               f_str("file", problems.path), f_str("line", line_text(line, problems.at[i].line)),
               f_str("why", problems.at[i].text));
    conf_problems_clear(&problems);
    if (r < 0)
        return 1;
    if ((r = begin(&h, arguments->counter_start)) < 0) {
        log_at(LOG_ERROR, "start_failed", f_err("why", r));
        finish(&h);
        return 1;
    }
    log_at(LOG_INFO, "start", f_str("version", HOLDFAST_VERSION), f_u32("workers", h.setup.workers),
           f_u32("clients_max", h.descriptors.most / 2));
    begin_watchdog(&h);
    sd_notify(0, "READY=1");
    ev_run(h.loop, 0);
    sd_notify(0, "STOPPING=1");
    log_at(LOG_INFO, "stop", f_str("version", HOLDFAST_VERSION));
    finish(&h);
    log_at(LOG_INFO, "stopped", f_u64("ended", h.ended), f_u64("left", h.left));
    return 0;
}

static int check(const struct arguments *arguments, FILE *out)
{
    struct allowance allowed = allowance_find();

    return check_run(arguments->config, &allowed, out);
}

/* The daemon is the same program, from its file as it is then. */
static int keep(const struct arguments *arguments)
{
    struct conf_problems problems = {0};
    struct conf *conf = NULL;
    char program[PATH_MAX];
    char *const daemon[] = {(char *)"holdfast", (char *)"-c", (char *)arguments->config, NULL};
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    int status;

    if (n < 0 || conf_read(arguments->config, &conf, &problems) < 0) {
        conf_problems_clear(&problems);
        return check(arguments, stderr);
    }
    conf_problems_clear(&problems);
    program[n] = 0;
    log_init(conf->main.log_level, conf->main.log_format);
    status = keep_run(program, daemon, conf->main.runtime_dir);
    conf_free(conf);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments arguments;

    if (!read_arguments(&arguments, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (arguments.version) {
        puts("holdfast " HOLDFAST_VERSION);
        return 0;
    }
    if (arguments.check)
        return check(&arguments, stdout);
    return arguments.keep ? keep(&arguments) : serve(&arguments);
}
