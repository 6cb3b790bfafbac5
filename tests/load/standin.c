/* SPDX-License-Identifier: MIT */
/*
 * A fast stand-in for a legacy XMPP server: plain TCP, no stream management, thousands of links on
 * one core. It knows nobody and refuses nobody; it looks on, and says at the end what it
 * saw and whether anything was wrong. README.md has the options and the summary.
 */
#include "tests/load/standin.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/load/listen.h"

enum { FAULTS_SHOWN = 50 };
enum { NARROW_ONE_IN = 4, NARROW = 2048, WIDE = 100000 }; /* bytes of receive buffers */

static const char usage[] =
    "usage: standin --port N [--domain NAME] [--lag MS] [--may-vanish] [--mischief] [--seed N]\n";

void standin_fault(struct standin *s, const char *jid, const char *format, ...)
{
    va_list list;

    if (s->counts.faults++ >= FAULTS_SHOWN)
        return;
    printf("FAULT %s: ", *jid ? jid : "(nobody)");
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n");
    fflush(stdout);
}

static void print_summary(const struct standin *s)
{
    printf("standin:");
#define X(name) printf(" " #name "=%llu", (unsigned long long)s->counts.name);
    STANDIN_COUNTS(X)
#undef X
    printf("\n");
    fflush(stdout);
}

/* The window of a connection is what its listener had room for: some are to be full soon. */
static void narrow_some(struct standin *s, int listener)
{
    int room = dice_below(&s->dice, NARROW_ONE_IN) ? WIDE : NARROW;

    if (s->mischief)
        (void)setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
}

static void on_connection(struct ev_loop *, ev_io *w, int)
{
    int fd, on = 1;

    while ((fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        narrow_some(w->data, w->fd);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        link_new(w->data, fd);
    }
    if (errno == EMFILE || errno == ENFILE) {
        standin_fault(w->data, "", "no descriptors are left");
        ev_break(((struct standin *)w->data)->loop, EVBREAK_ALL);
    }
}

static void on_turn_over(struct ev_loop *, ev_prepare *p, int)
{
    links_flush(p->data);
}

static void on_ask(struct ev_loop *, ev_signal *w, int)
{
    print_summary(w->data);
}

static void on_mischief(struct ev_loop *, ev_signal *w, int)
{
    mischief(w->data);
}

static void on_stop(struct ev_loop *loop, ev_signal *, int)
{
    ev_break(loop, EVBREAK_ALL);
}

static void run(struct standin *s, int fd)
{
    ev_io listener;
    ev_prepare turn_over;
    ev_signal ask, stop, interrupt, harm;

    ev_io_init(&listener, on_connection, fd, EV_READ);
    ev_prepare_init(&turn_over, on_turn_over);
    ev_signal_init(&ask, on_ask, SIGUSR1);
    ev_signal_init(&harm, on_mischief, SIGUSR2);
    ev_signal_init(&stop, on_stop, SIGTERM);
    ev_signal_init(&interrupt, on_stop, SIGINT);
    listener.data = turn_over.data = ask.data = harm.data = s;
    ev_io_start(s->loop, &listener);
    ev_prepare_start(s->loop, &turn_over);
    ev_signal_start(s->loop, &ask);
    if (s->mischief)
        ev_signal_start(s->loop, &harm);
    ev_signal_start(s->loop, &stop);
    ev_signal_start(s->loop, &interrupt);
    ev_run(s->loop, 0);
}

static int read_options(struct standin *s, int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"domain", required_argument, NULL, 'd'},
        {"lag", required_argument, NULL, 'l'},
        {"may-vanish", no_argument, NULL, 'v'},
        {"mischief", no_argument, NULL, 'm'},
        {"seed", required_argument, NULL, 's'},
        {0},
    };
    int c, port = 0;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'p')
            port = atoi(optarg);
        else if (c == 'd')
            s->domain = optarg;
        else if (c == 'l')
            s->lag_s = atof(optarg) / 1000.;
        else if (c == 'v')
            s->may_vanish = true;
        else if (c == 'm')
            s->mischief = true;
        else if (c == 's')
            s->dice = dice_of(strtoull(optarg, NULL, 0), 0);
        else
            port = -1;
    }
    if (port <= 0 || optind != argc) {
        fputs(usage, stderr);
        exit(2);
    }
    return port;
}

int main(int argc, char **argv)
{
    struct standin s = {.domain = "example.org", .dice = dice_of(1, 0)};
    int fd = listen_on_loopback("standin: listen", read_options(&s, argc, argv));

    s.loop = ev_default_loop(EVBACKEND_EPOLL);
    s.accounts = accounts_new();
    if (!s.loop)
        abort();
    run(&s, fd);
    print_summary(&s);
    while (s.links)
        link_free(s.links);
    accounts_free(s.accounts);
    close(fd);
    ev_loop_destroy(s.loop);
    return s.counts.faults ? 1 : 0;
}
