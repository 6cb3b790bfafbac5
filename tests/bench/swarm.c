/* SPDX-License-Identifier: MIT */
/*
 * The swarm's process: a line on standard input is a command, and each is answered by one
 * line `NAME key=value …` when it is done. README.md has the commands.
 */
#include "tests/bench/swarm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/awake.h"

enum { COMPLAINTS = 10, LENGTH_LEAST = 200, DRAIN_CHECKS = 1000 };

uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static double now(void)
{
    return (double)now_us() / 1e6;
}

/* --- answers --- */

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void answer(struct swarm *s, const char *name)
{
    const struct swarm_counts *n = &s->counts;
    size_t waits = s->waits < WAITS_MAX ? s->waits : WAITS_MAX;

    if (!strcmp(name, "waits")) /* it takes a while */
        qsort(s->waits_us, waits, sizeof *s->waits_us, by_size);
    printf("%s at=%.6f seconds=%.6f live=%u said=%llu heard=%llu lost=%llu doubled=%llu again=%llu "
           "resumed=%llu refused=%llu dropped=%llu p50=%u p99=%u\n",
           name, now(), now() - s->began, s->live, (unsigned long long)n->said,
           (unsigned long long)n->heard, (unsigned long long)n->lost,
           (unsigned long long)n->doubled, (unsigned long long)n->again,
           (unsigned long long)n->resumed, (unsigned long long)n->refused,
           (unsigned long long)n->dropped, waits ? s->waits_us[waits / 2] : 0,
           waits ? s->waits_us[waits * 99 / 100] : 0);
    fflush(stdout);
}

/* --- logging in, coming back --- */

static void come(struct swarm *s)
{
    while (s->coming < s->at_once && s->next < s->count) {
        struct client *c = &s->clients[s->next++];

        if (c->channel.fd >= 0)
            continue;
        s->coming++;
        login_begin(c);
    }
}

void swarm_came(struct swarm *s, struct client *)
{
    s->live++;
    s->coming--;
    come(s);
    if (s->live == s->count)
        answer(s, "live");
}

void swarm_knocked(struct swarm *s, struct client *c)
{
    channel_cut(&c->channel);
    s->coming--;
    s->knocked++;
    come(s);
    if (s->knocked == s->count) {
        s->knocks = false;
        answer(s, "knock");
    }
}

void swarm_lost(struct swarm *s, struct client *c, const char *why)
{
    if (s->counts.dropped++ < COMPLAINTS) {
        printf("DROPPED u%u in step %d: %s\n", c->number, c->login, why);
        fflush(stdout);
    }
    channel_cut(&c->channel);
    if (c->login == LOGIN_LIVE) {
        s->live--;
    } else {
        s->coming--;
        s->next = c->number < s->next ? c->number : s->next; /* it tries again */
        come(s);
    }
    c->login = LOGIN_NONE;
}

static void cut(struct swarm *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        channel_cut(&s->clients[i].channel);
        s->clients[i].login = LOGIN_NONE;
    }
    s->live = 0;
    answer(s, "cut");
}

/* The sessions that they had are no use to them: they log in anew. */
static void forget(struct swarm *s)
{
    for (unsigned i = 0; i < s->count; i++)
        s->clients[i].id[0] = 0;
}

/* --- commands --- */

static void begin_coming(struct swarm *s, unsigned at_once)
{
    s->at_once = at_once;
    s->next = 0;
    s->began = now();
    come(s);
}

static void begin_talk(struct swarm *s, enum talk how, unsigned speakers, unsigned window)
{
    s->talk = how;
    s->began = now();
    s->waits = 0;
    for (unsigned i = 0; i < speakers && i < s->count; i++) {
        client_say(&s->clients[i], window);
        channel_flush(&s->clients[i].channel);
    }
}

static void command(struct swarm *s, char *line)
{
    unsigned a = 0, b = 0;

    if (sscanf(line, "come %u", &a) == 1) {
        begin_coming(s, a);
    } else if (sscanf(line, "knock %u", &a) == 1) {
        s->knocks = true;
        s->knocked = 0;
        begin_coming(s, a);
    } else if (sscanf(line, "talk %u %u", &a, &b) == 2) {
        begin_talk(s, TALK_BACK, a, b);
    } else if (sscanf(line, "say %u %u", &a, &b) == 2) {
        begin_talk(s, TALK_NONE, a, b);
    } else if (!strcmp(line, "lone")) {
        begin_talk(s, TALK_NEXT, 1, 1);
    } else if (!strcmp(line, "fan")) {
        begin_talk(s, TALK_ALL, 1, s->count - 1);
    } else if (!strcmp(line, "count") || !strcmp(line, "waits")) {
        answer(s, line);
    } else if (!strcmp(line, "hush")) {
        s->talk = TALK_NONE;
    } else if (!strcmp(line, "cut")) {
        cut(s);
    } else if (!strcmp(line, "forget")) {
        forget(s);
    } else if (!strcmp(line, "quit")) {
        ev_break(s->loop, EVBREAK_ALL);
    }
}

static void on_command(struct ev_loop *loop, ev_io *w, int)
{
    static struct bytes in;
    struct swarm *s = w->data;
    ssize_t n = read(w->fd, bytes_room(&in, 256), 256);
    char *end;

    if (n <= 0) {
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    bytes_filled(&in, (size_t)n);
    while (bytes_len(&in) && (end = memchr(bytes_front(&in), '\n', bytes_len(&in)))) {
        *end = 0;
        command(s, bytes_front(&in));
        bytes_take(&in, (size_t)(end - bytes_front(&in)) + 1);
    }
}

/* --- start --- */

static const char usage[] =
    "usage: swarm --plain|--starttls|--tls PORT --clients N [--domain NAME] [--password WORD]\n"
    "             [--sm] [--ask-every N] [--length BYTES] [--fan]\n";

static void read_options(struct swarm *s, int argc, char **argv)
{
    static const struct option names[] = {
        {"plain", required_argument, NULL, 'p'},
        {"starttls", required_argument, NULL, 's'},
        {"tls", required_argument, NULL, 't'},
        {"clients", required_argument, NULL, 'c'},
        {"domain", required_argument, NULL, 'd'},
        {"password", required_argument, NULL, 'w'},
        {"sm", no_argument, NULL, 'm'},
        {"ask-every", required_argument, NULL, 'a'},
        {"length", required_argument, NULL, 'l'},
        {"fan", no_argument, NULL, 'f'},
        {0},
    };
    int c, port = 0;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'p' || c == 's' || c == 't')
            port = atoi(optarg);
        s->plain |= c == 'p';
        s->starttls |= c == 's';
        s->managed |= c == 'm';
        s->fans |= c == 'f';
        if (c == 'c')
            s->count = (unsigned)atoi(optarg);
        else if (c == 'd')
            s->domain = optarg;
        else if (c == 'w')
            s->password = optarg;
        else if (c == 'a')
            s->ask_every = (unsigned)atoi(optarg);
        else if (c == 'l')
            s->length = (unsigned)atoi(optarg);
    }
    if (port <= 0 || s->count < 2 || s->count % 2 || s->length < LENGTH_LEAST || optind != argc) {
        fputs(usage, stderr);
        exit(2);
    }
    s->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    s->to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

int main(int argc, char **argv)
{
    static struct swarm s = {
        .domain = "example.org", .password = "sesame", .length = 350, .ask_every = 5};
    ev_io commands;

    read_options(&s, argc, argv);
    s.loop = ev_default_loop(EVBACKEND_EPOLL);
    s.clients = calloc(s.count, sizeof *s.clients);
    s.waits_us = calloc(WAITS_MAX, sizeof *s.waits_us);
    if (!s.loop || !s.clients || !s.waits_us)
        abort();
    s.tls = channel_context();
    memset(bytes_room(&s.page, s.length), 'x', s.length);
    bytes_filled(&s.page, s.length);
    for (unsigned i = 0; i < s.count; i++)
        client_init(&s.clients[i], &s, i);
    ev_io_init(&commands, on_command, STDIN_FILENO, EV_READ);
    commands.data = &s;
    ev_io_start(s.loop, &commands);
    awake_begin(s.loop);
    ev_run(s.loop, 0);
    free(s.clients);
    free(s.waits_us);
    bytes_clear(&s.page);
    SSL_CTX_free(s.tls);
    return s.counts.lost || s.counts.doubled ? 1 : 0;
}
