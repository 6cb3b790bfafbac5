/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo, behind a lock that workers hold for a copy.
 */
#include "proxy/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct addresses {
    struct conf_address at[RESOLVE_ADDRESSES_MAX];
    size_t of[RESOLVE_ADDRESSES_MAX]; /* which of the host's upstreams has it */
    size_t count;
};

struct resolve {
    const struct conf *conf;
    pthread_mutex_t lock;
    struct addresses *hosts;
};

static void add(struct addresses *to, size_t of, const void *addr, socklen_t len)
{
    if (to->count == RESOLVE_ADDRESSES_MAX)
        return;
    memcpy(&to->at[to->count].addr, addr, len);
    to->at[to->count].len = len;
    to->of[to->count++] = of;
}

static void keep_earlier(struct addresses *to, size_t of, const struct addresses *earlier)
{
    for (size_t i = 0; i < earlier->count; i++)
        if (earlier->of[i] == of)
            add(to, of, &earlier->at[i].addr, earlier->at[i].len);
}

static int look_up(struct addresses *to, size_t of, const struct conf_target *target, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found;
    char port[8];
    int r;

    snprintf(port, sizeof port, "%u", target->port);
    if ((r = getaddrinfo(target->host, port, &hints, &found)) != 0)
        return r;
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        add(to, of, a->ai_addr, a->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

static void resolve_host(struct resolve *r, size_t host)
{
    const struct conf_host *h = &r->conf->hosts[host];
    struct addresses now = {.count = 0};
    bool names = false;

    for (size_t i = 0; i < h->upstreams.count; i++) {
        int why = look_up(&now, i, &h->upstreams.at[i], AI_NUMERICHOST);

        if (why) {
            names = true;
            why = look_up(&now, i, &h->upstreams.at[i], AI_ADDRCONFIG);
        }
        if (!why)
            continue;
        keep_earlier(&now, i, &r->hosts[host]); /* only this thread writes them */
        log_at(LOG_WARN, "resolve_failed", f_str("host", h->domain),
               f_str("upstream", h->upstreams.at[i].host), f_str("why", gai_strerror(why)));
    }
    if (!now.count || (!names && r->hosts[host].count))
        return;
    pthread_mutex_lock(&r->lock);
    r->hosts[host] = now;
    pthread_mutex_unlock(&r->lock);
}

int resolve_new(struct resolve **out, const struct conf *conf)
{
    struct resolve *r = calloc(1, sizeof *r);

    if (!r || !(r->hosts = calloc(conf->host_count, sizeof *r->hosts))) {
        free(r);
        return -ENOMEM;
    }
    r->conf = conf;
    pthread_mutex_init(&r->lock, NULL);
    resolve_refresh(r);
    *out = r;
    return 0;
}

void resolve_free(struct resolve *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r->hosts);
    free(r);
}

void resolve_refresh(struct resolve *r)
{
    for (size_t i = 0; i < r->conf->host_count; i++)
        resolve_host(r, i);
}

bool resolve_address(struct resolve *r, size_t host, size_t n, struct conf_address *out)
{
    bool found;

    pthread_mutex_lock(&r->lock);
    found = n < r->hosts[host].count;
    if (found)
        *out = r->hosts[host].at[n];
    pthread_mutex_unlock(&r->lock);
    return found;
}
