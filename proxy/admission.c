/* SPDX-License-Identifier: MIT */
/*
 * Chains of addresses under a keyed hash, so that nobody can choose addresses that meet
 * in one chain; those without connections also stand in a line, the longest idle first.
 *
 * The bucket of tokens of an address is one number: the moment at which it is full again.
 */
#include "proxy/admission.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "proxy/tools.h"
#include "sm/siphash.h"

enum {
    SECOND_US = 1000000,
    TELL_MS = 1000, /* between two lines in the log about one address */
};

struct address {
    uint64_t family;
    uint64_t bits; /* the IPv4 address, or the upper half of the IPv6 address */
};

struct admission_place {
    LIST_ENTRY(admission_place) chain;
    TAILQ_ENTRY(admission_place) idle; /* only while nothing is held */
    struct address of;
    uint64_t full_us; /* when its bucket is full, as far as is known now */
    uint64_t tell_ms; /* no refusal is told before */
    uint32_t held;    /* connections that have not authenticated */
};

LIST_HEAD(chain, admission_place);
TAILQ_HEAD(idlers, admission_place);

struct admission {
    const struct conf_limits *limits;
    uint64_t key[2];
    pthread_mutex_t lock; /* of all that follows */
    struct chain *chains; /* as many as places */
    struct admission_place *places;
    size_t used; /* of the places; those behind were never touched */
    struct idlers idlers;
};

int admission_new(struct admission **out, const struct conf_limits *limits)
{
    struct admission *a = calloc(1, sizeof *a);

    if (!a)
        return -ENOMEM;
    a->limits = limits;
    pthread_mutex_init(&a->lock, NULL);
    TAILQ_INIT(&a->idlers);
    tools_random(a->key, sizeof a->key);
    if (!(a->chains = calloc(ADMISSION_ADDRESSES, sizeof *a->chains)) ||
        !(a->places = calloc(ADMISSION_ADDRESSES, sizeof *a->places))) {
        admission_free(a);
        return -ENOMEM;
    }
    *out = a;
    return 0;
}

void admission_free(struct admission *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a->chains);
    free(a->places);
    free(a);
}

/* --- addresses --- */

static bool read_address(struct address *to, const struct sockaddr *peer)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    uint32_t four;

    *to = (struct address){.family = AF_INET};
    if (peer->sa_family == AF_INET) {
        memcpy(&in, peer, sizeof in);
        to->bits = in.sin_addr.s_addr;
        return true;
    }
    if (peer->sa_family != AF_INET6)
        return false;
    memcpy(&in6, peer, sizeof in6);
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
        memcpy(&four, &in6.sin6_addr.s6_addr[12], sizeof four);
        to->bits = four;
        return true;
    }
    to->family = AF_INET6;
    memcpy(&to->bits, &in6.sin6_addr, sizeof to->bits);
    return true;
}

static uint64_t hash(const uint64_t key[2], const struct address *of)
{
    return siphash(key, of, sizeof *of);
}

/* --- the table --- */

/* An unused place, or the one that has been idle the longest; NULL: all are held. */
static struct admission_place *take_place(struct admission *a)
{
    struct admission_place *p = TAILQ_FIRST(&a->idlers);

    if (a->used < ADMISSION_ADDRESSES) {
        p = &a->places[a->used++];
    } else if (p) {
        TAILQ_REMOVE(&a->idlers, p, idle);
        LIST_REMOVE(p, chain);
    }
    return p;
}

/* The place of an address, known or new, in no line; NULL: there is no room for it. */
static struct admission_place *find_place(struct admission *a, const struct address *of)
{
    struct chain *chain = &a->chains[hash(a->key, of) % ADMISSION_ADDRESSES];
    struct admission_place *p;

    LIST_FOREACH(p, chain, chain)
    {
        if (p->of.family != of->family || p->of.bits != of->bits)
            continue;
        if (!p->held)
            TAILQ_REMOVE(&a->idlers, p, idle);
        return p;
    }
    if (!(p = take_place(a)))
        return NULL;
    *p = (struct admission_place){.of = *of};
    LIST_INSERT_HEAD(chain, p, chain);
    return p;
}

/* Takes a token; how long until there is one. */
static uint64_t take_token(struct admission_place *p, const struct conf_limits *limits,
                           uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000, start_us = p->full_us > now_us ? p->full_us : now_us;
    uint64_t full_us = start_us + SECOND_US / limits->connection_rate_per_ip;
    uint64_t wait_ms =
        full_us > now_us + SECOND_US ? (full_us - now_us - SECOND_US + 999) / 1000 : 0;

    /* Such a connection is closed before its turn: were its token taken, a flood would be paid for
     * by those who come long after it. */
    if (wait_ms >= limits->unauthenticated_timeout_ms)
        return limits->unauthenticated_timeout_ms;
    p->full_us = full_us;
    return wait_ms;
}

struct admission_answer admission_enter(struct admission *a, const struct sockaddr *peer,
                                        uint64_t now_ms)
{
    struct admission_answer answer = {0};
    struct admission_place *p;
    struct address of;

    if (!read_address(&of, peer))
        return answer;
    pthread_mutex_lock(&a->lock);
    p = find_place(a, &of);
    if (p && p->held >= a->limits->connections_per_ip) {
        answer.refused = true;
        answer.telling = now_ms >= p->tell_ms;
        if (answer.telling)
            p->tell_ms = now_ms + TELL_MS;
    } else if (p) {
        p->held++;
        answer.place = p;
        answer.wait_ms = take_token(p, a->limits, now_ms);
    }
    pthread_mutex_unlock(&a->lock);
    return answer;
}

void admission_leave(struct admission *a, struct admission_place *place)
{
    if (!place)
        return;
    pthread_mutex_lock(&a->lock);
    assert(place->held);
    if (--place->held == 0)
        TAILQ_INSERT_TAIL(&a->idlers, place, idle);
    pthread_mutex_unlock(&a->lock);
}
