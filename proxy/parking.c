/* SPDX-License-Identifier: MIT */
/*
 * One lot of each arena is being filled. Those that are full are looked at now and then;
 * spare ones are fetched as they are used up, each with a proof of its own.
 */
#include "proxy/parking.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "proxy/descriptors.h"
#include "proxy/log.h"
#include "sm/limits.h"

enum {
    PROOF_MS = 10000, /* at the start: systemd may be busy starting others */
    MOSTLY_DEAD = 4,  /* a full lot is given up when fewer than a quarter live */
    LOT_DESCRIPTORS = 2,
};

LIST_HEAD(parked_list, parked);

struct parking_lot {
    LIST_ENTRY(parking_lot) entry;
    struct parking *parking;
    struct lot lot;
    struct keeper_proof proof;
    ev_io proving;
    struct parked_list living;
    char name[KEEPER_NAME];
    unsigned parked, alive;
    bool proven, full;
    bool counted; /* among the descriptors taken; those that were found were open before */
};

LIST_HEAD(parking_lots, parking_lot);

struct parking {
    struct ev_loop *loop;
    struct descriptors *descriptors;
    struct parking_lots lots;           /* all */
    struct parking_lot *now[SM_ARENAS]; /* being filled; NULL: none */
    struct parked_list waiting;
    unsigned spares; /* wanted: proven, and nothing in them */
    bool refused;    /* the keeper has no room for another */
};

/* --- lots --- */

static void close_lot(struct parking_lot *l)
{
    struct parked *one;

    while ((one = LIST_FIRST(&l->living))) {
        LIST_REMOVE(one, entry);
        one->lot = NULL;
    }
    ev_io_stop(l->parking->loop, &l->proving);
    keeper_proof_clear(&l->proof);
    lot_close(&l->lot);
    if (l->counted)
        descriptors_give(l->parking->descriptors, LOT_DESCRIPTORS);
    LIST_REMOVE(l, entry);
    free(l);
}

static struct parking_lot *add_lot(struct parking *p, const char *name)
{
    struct parking_lot *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->parking = p;
    l->lot = (struct lot){-1, -1};
    l->proof = (struct keeper_proof){-1, -1, -1, ""};
    LIST_INIT(&l->living);
    ev_init(&l->proving, NULL);
    snprintf(l->name, sizeof l->name, "%s", name);
    LIST_INSERT_HEAD(&p->lots, l, entry);
    return l;
}

static void name_anew(char name[KEEPER_NAME])
{
    uint64_t number = 0;

    while (getrandom(&number, sizeof number, 0) != sizeof number)
        continue;
    snprintf(name, KEEPER_NAME, PARKING_NAME "%016llx", (unsigned long long)number);
}

/* A fresh lot is on its way to the keeper. 0 or -errno. */
static int hand_over(struct parking *p, struct parking_lot **out)
{
    char name[KEEPER_NAME];
    struct parking_lot *l;
    int r;

    name_anew(name);
    if (!(l = add_lot(p, name)))
        return -ENOMEM;
    descriptors_take(p->descriptors, LOT_DESCRIPTORS);
    l->counted = true;
    if ((r = lot_open(&l->lot)) < 0 ||
        (r = keeper_keep(name, (int[]){l->lot.near, l->lot.far}, 2)) < 0 ||
        (r = keeper_prove(&l->proof)) < 0) {
        close_lot(l);
        return r;
    }
    *out = l;
    return 0;
}

static bool is_spare(const struct parking_lot *l)
{
    return !l->parked && !l->full;
}

static void refuse(struct parking_lot *l)
{
    struct parking *p = l->parking;

    if (!p->refused)
        log_at(LOG_ERROR, "keeper_refused", f_str("why", "it has no room for another lot"));
    p->refused = true;
    (void)keeper_drop(l->name); /* one of the two may have found room */
    close_lot(l);
}

static void on_proof(struct ev_loop *loop, ev_io *w, int)
{
    struct parking_lot *l = w->data;

    ev_io_stop(loop, w);
    if (!keeper_proven(&l->proof)) {
        refuse(l);
        return;
    }
    l->proven = true;
    l->parking->refused = false;
    parking_tidy(l->parking);
}

static void fetch_spares(struct parking *p)
{
    struct parking_lot *l;
    unsigned spares = 0;

    LIST_FOREACH(l, &p->lots, entry)
    spares += is_spare(l);
    for (; spares < p->spares && !p->refused; spares++) {
        if (hand_over(p, &l) < 0)
            return; /* at the next tidying, then */
        ev_io_init(&l->proving, on_proof, l->proof.done, EV_READ);
        l->proving.data = l;
        ev_io_start(p->loop, &l->proving);
    }
}

/* --- a life --- */

/* At the start nothing else can be done meanwhile. A keeper that is full has lots of an earlier
 * process: with some of them given up there will be room. */
static int first_spares(struct parking *p)
{
    for (unsigned i = 0; i < p->spares; i++) {
        struct parking_lot *l;
        int r = hand_over(p, &l);

        if (r < 0)
            return r;
        if (poll(&(struct pollfd){.fd = l->proof.done, .events = POLLIN}, 1, PROOF_MS) != 1)
            return -ETIMEDOUT;
        if (!keeper_proven(&l->proof)) {
            refuse(l);
            return 0;
        }
        l->proven = true;
    }
    return 0;
}

int parking_new(struct parking **out, struct ev_loop *loop, struct descriptors *descriptors,
                unsigned spares)
{
    struct parking *p = calloc(1, sizeof *p);
    int r;

    if (!p)
        return -ENOMEM;
    p->loop = loop;
    p->descriptors = descriptors;
    p->spares = spares;
    LIST_INIT(&p->lots);
    LIST_INIT(&p->waiting);
    if ((r = first_spares(p)) < 0) {
        struct parking_lot *l;

        LIST_FOREACH(l, &p->lots, entry)
        (void)keeper_drop(l->name);
        parking_free(p);
        return r;
    }
    *out = p;
    return 0;
}

void parking_free(struct parking *p)
{
    struct parking_lot *l;
    struct parked *one;

    if (!p)
        return;
    while ((l = LIST_FIRST(&p->lots)))
        close_lot(l);
    while ((one = LIST_FIRST(&p->waiting))) {
        LIST_REMOVE(one, entry);
        one->waiting = false;
    }
    free(p);
}

static void count_in(struct parking_lot *l, struct parked *one)
{
    LIST_INSERT_HEAD(&l->living, one, entry);
    one->lot = l;
    l->alive++;
}

bool parking_found(struct parking *p, const char *name, struct lot *lot,
                   struct parked *const *living, size_t count, size_t total)
{
    struct parking_lot *l = count ? add_lot(p, name) : NULL;

    if (!l) {
        if (!count) {
            (void)keeper_drop(name);
            p->refused = false;
        }
        lot_close(lot);
        return !count;
    }
    l->lot = *lot;
    *lot = (struct lot){-1, -1};
    l->proven = true;
    for (size_t i = 0; i < count; i++)
        count_in(l, living[i]);
    l->parked = (unsigned)total;
    return true;
}

/* --- parking --- */

/* The lot that the arena's next link goes to; NULL: none now. */
static struct parking_lot *lot_for(struct parking *p, uint32_t arena)
{
    struct parking_lot *l = p->now[arena];

    if (l && !l->full)
        return l;
    LIST_FOREACH(l, &p->lots, entry)
    {
        if (!l->proven || l->full)
            continue;
        /* One that was begun by an earlier process, or a spare one. */
        if (is_spare(l) ||
            (LIST_FIRST(&l->living) && LIST_FIRST(&l->living)->ticket.arena == arena)) {
            p->now[arena] = l;
            return l;
        }
    }
    return p->now[arena] = NULL;
}

/* False: not now. */
static bool put(struct parking *p, struct parked *one)
{
    struct parking_lot *l;

    while ((l = lot_for(p, one->ticket.arena))) {
        int r = lot_park(&l->lot, one->fd, &one->ticket);

        if (!r) {
            l->parked++;
            count_in(l, one);
            return true;
        }
        if (r != -EAGAIN)
            return false;
        l->full = true;
        p->now[one->ticket.arena] = NULL;
    }
    return false;
}

bool parking_put(struct parking *p, struct parked *one, int fd, const struct lot_ticket *ticket)
{
    one->fd = fd;
    one->ticket = *ticket;
    if (put(p, one)) {
        if (one->lot->parked == 1) /* it was a spare one */
            fetch_spares(p);
        return true;
    }
    one->waiting = true;
    LIST_INSERT_HEAD(&p->waiting, one, entry);
    fetch_spares(p);
    return false;
}

void parking_leave(struct parked *one)
{
    if (one->lot)
        one->lot->alive--;
    if (one->lot || one->waiting)
        LIST_REMOVE(one, entry);
    one->lot = NULL;
    one->waiting = false;
}

/* --- tidying --- */

/* Moves what lives to other lots. False: there is no room for all of it. */
static bool move_out(struct parking *p, struct parking_lot *from)
{
    struct parked *one;

    while ((one = LIST_FIRST(&from->living))) {
        LIST_REMOVE(one, entry);
        from->alive--;
        if (put(p, one))
            continue;
        count_in(from, one);
        return false;
    }
    return true;
}

static void give_up(struct parking *p)
{
    struct parking_lot *l, *next;

    for (l = LIST_FIRST(&p->lots); l; l = next) {
        next = LIST_NEXT(l, entry);
        if (!l->full || l->alive * MOSTLY_DEAD >= l->parked || !move_out(p, l))
            continue;
        (void)keeper_drop(l->name);
        p->refused = false;
        close_lot(l);
    }
}

void parking_tidy(struct parking *p)
{
    struct parked *one, *next;

    for (one = LIST_FIRST(&p->waiting); one; one = next) {
        next = LIST_NEXT(one, entry);
        LIST_REMOVE(one, entry);
        one->waiting = false;
        if (put(p, one))
            continue;
        one->waiting = true;
        LIST_INSERT_HEAD(&p->waiting, one, entry);
        break; /* nor is there for the others */
    }
    give_up(p);
    fetch_spares(p);
}

struct parking_counts parking_counts(const struct parking *p)
{
    struct parking_counts counts = {0};
    const struct parking_lot *l;
    const struct parked *one;

    LIST_FOREACH(l, &p->lots, entry)
    {
        counts.lots++;
        counts.parked += l->alive;
    }
    LIST_FOREACH(one, &p->waiting, entry)
    counts.waiting++;
    return counts;
}
