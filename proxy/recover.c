/* SPDX-License-Identifier: MIT */
/*
 * First all sockets of all lots are looked at, and sorted by whose they are; then each
 * session gets its own, goes where the kernel says it stands, and what was ordered is
 * obeyed. A socket without a session is ended as a session's would be.
 */
#include "proxy/recover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/downward.h"
#include "proxy/kernel.h"
#include "proxy/log.h"
#include "proxy/net.h"
#include "proxy/orders.h"
#include "proxy/relay.h"
#include "proxy/text.h"
#include "sm/recover.h"

enum { PLACES_MIN = 256 };

/* A socket that was found in a lot. */
struct place {
    struct lot_ticket ticket;
    int fd; /* -1: it has its session */
    size_t lot;
    struct link *link; /* it became; NULL: none */
};

struct found_lot {
    struct lot lot;
    const char *name; /* the gifts' */
    size_t total;     /* sockets in it */
};

struct recovery {
    struct worker_setup *setup;
    struct found_lot *lots;
    size_t lot_count;
    struct place *places;
    size_t count, room;
    uint64_t recovered, failed, orphans;
    bool restarted;                  /* there may be something in the staging areas */
    const struct conf_host *nowhere; /* of sockets without a session */
};

/* --- what was parked --- */

static bool is_lot(const char *name)
{
    return !strncmp(name, PARKING_NAME, strlen(PARKING_NAME));
}

static int add_place(struct recovery *r, const struct lot_ticket *ticket, int fd)
{
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : PLACES_MIN;
        struct place *places = realloc(r->places, room * sizeof *places);

        if (!places)
            return -ENOMEM;
        r->places = places;
        r->room = room;
    }
    r->places[r->count++] = (struct place){.ticket = *ticket, .fd = fd, .lot = r->lot_count};
    return 0;
}

/* What cannot be looked at is passed over: its session ends. */
static int look_at(struct recovery *r, struct found_lot *l)
{
    struct lot_ticket ticket;
    int fd, n = lot_rewind(&l->lot);

    if (n < 0)
        return n;
    while ((n = lot_look(&l->lot, &ticket, &fd)) != 0) {
        if (n < 0) {
            log_at(LOG_ERROR, "recovery_failed", f_str("lot", l->name), f_err("why", n));
            if (n != -EBADMSG)
                return 0; /* it would not move on */
            continue;
        }
        l->total++;
        if (ticket.arena >= SM_ARENAS) { /* nobody of ours parked that */
            log_at(LOG_ERROR, "recovery_failed", f_str("lot", l->name), f_str("why", "no ticket"));
            close(fd);
            continue;
        }
        if ((n = add_place(r, &ticket, fd)) < 0) {
            close(fd);
            return n;
        }
    }
    return 0;
}

static int take_lots(struct recovery *r, struct keeper_gifts *gifts)
{
    if (!(r->lots = calloc(gifts->count + 1, sizeof *r->lots)))
        return -ENOMEM;
    for (size_t i = 0; i < gifts->count; i++) {
        struct found_lot l = {.name = gifts->at[i].name};
        int one, other, n;

        if (gifts->at[i].fd < 0 || !is_lot(l.name))
            continue;
        one = keeper_take(gifts, l.name);
        other = keeper_take(gifts, l.name);
        if (other < 0 || !lot_take(&l.lot, one, other)) {
            log_at(LOG_ERROR, "recovery_failed", f_str("lot", l.name), f_str("why", "no pair"));
            close(one);
            if (other >= 0)
                close(other);
            (void)keeper_drop(l.name);
            continue;
        }
        n = look_at(r, &l);
        r->lots[r->lot_count++] = l;
        if (n < 0)
            return n;
    }
    return 0;
}

static int compare(const struct lot_ticket *a, const struct lot_ticket *b)
{
    if (a->arena != b->arena)
        return a->arena < b->arena ? -1 : 1;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    return (a->generation > b->generation) - (a->generation < b->generation);
}

static int by_owner(const void *a, const void *b)
{
    return compare(&((const struct place *)a)->ticket, &((const struct place *)b)->ticket);
}

static bool is_open(const struct place *p)
{
    struct kernel_counts counts;

    return kernel_count(p->fd, &counts) == 0 && !counts.closed;
}

/* A renewal that was cut off leaves a socket in two lots. Two sockets have one owner if an arena
 * was lost, and begun anew, while its lots were not: the older was ended then. */
static void drop_doubles(struct recovery *r)
{
    size_t kept = 0;

    if (r->count)
        qsort(r->places, r->count, sizeof *r->places, by_owner);
    for (size_t i = 0; i < r->count; i++) {
        struct place *last = kept ? &r->places[kept - 1] : NULL, now = r->places[i];

        if (!last || by_owner(last, &now)) {
            r->places[kept++] = now;
        } else if (last->ticket.cookie != now.ticket.cookie && !is_open(last)) {
            close(last->fd);
            *last = now;
        } else {
            close(now.fd);
        }
    }
    r->count = kept;
}

/* --- hosts --- */

static const struct conf_host *gone_host(struct worker_setup *setup, struct span domain)
{
    struct gone_host *g;

    SLIST_FOREACH(g, &setup->gone, next)
    if (span_is(domain, g->host.domain))
        return &g->host;
    if (!(g = calloc(1, sizeof *g)) ||
        !(g->host.domain = strndup(domain.p ? domain.p : "", domain.len))) {
        free(g);
        return NULL;
    }
    g->host.ascii = g->host.domain;
    SLIST_INSERT_HEAD(&setup->gone, g, next);
    return &g->host;
}

void recover_clear(struct worker_setup *setup)
{
    struct gone_host *g;

    while ((g = SLIST_FIRST(&setup->gone))) {
        SLIST_REMOVE_HEAD(&setup->gone, next);
        free(g->host.domain);
        free(g);
    }
}

/* --- sessions --- */

static struct tools *tools_of(const struct recovery *r, uint32_t arena)
{
    return worker_tools(r->setup->all[arena % r->setup->workers]);
}

static struct place *place_of(const struct recovery *r, uint32_t arena, const struct sm_session *s)
{
    struct sm_place place = sm_session_place(s);
    struct place key = {
        .ticket = {.arena = arena, .slot = place.slot, .generation = place.generation}};

    return r->count ? bsearch(&key, r->places, r->count, sizeof key, by_owner) : NULL;
}

static struct span span_from(struct sm_text text)
{
    return (struct span){text.p, text.len};
}

static bool keep_texts(struct link *l, const struct sm_identity *identity)
{
    return text_keep(&l->lang, span_from(identity->lang)) &&
           text_keep(&l->prefixes, span_from(identity->prefixes)) &&
           text_keep(&l->gave_lang, span_from(identity->up_lang)) &&
           text_keep(&l->gave_prefixes, span_from(identity->up_prefixes));
}

/* What the kernel says, without the server's end where it counts as a byte. */
static bool counts_of(int fd, const struct sm_core *core, bool posted, uint64_t known,
                      struct sm_link_counts *out)
{
    struct kernel_counts k;

    if (fd < 0 || kernel_count(fd, &k) < 0)
        return false;
    if (k.closed && k.received > known) {
        uint64_t more = k.received - known;
        const char *staged = sm_core_staging((struct sm_core *)(uintptr_t)core);

        if (!posted ? more == 1 : more <= SM_STAGING && !staged[more - 1])
            k.received--;
    }
    *out = (struct sm_link_counts){.received = k.received, .sent = k.sent};
    return true;
}

static void say(struct recovery *r, const struct link *l, enum sm_recovered how)
{
    static const char *const words[] = {
        [SM_RECOVERED] = NULL,
        [SM_RECOVERED_NO_LINK] = "its link is gone",
        [SM_RECOVERED_MISMATCH] = "its link's counts cannot be",
    };
    char sid[RELAY_SID];

    relay_sid(l->session, sid);
    r->recovered += how == SM_RECOVERED;
    r->failed += how != SM_RECOVERED;
    l->tools->counters.recovered += how == SM_RECOVERED;
    l->tools->counters.recovery_failed += how != SM_RECOVERED;
    log_at(words[how] ? LOG_ERROR : LOG_DEBUG, words[how] ? "recovery_failed" : "recovered",
           f_str("sid", sid), f_u64("link", l->id), f_str("why", words[how]));
}

static int recover_one(struct recovery *r, uint32_t arena, struct sm_session *s, bool posted)
{
    struct tools *tools = tools_of(r, arena);
    struct sm_core *core = tools->cores[arena];
    struct sm_identity identity = sm_session_identity(s);
    struct span domain = span_from(identity.domain);
    const struct conf_host *here = conf_host(r->setup->conf, domain);
    const struct conf_host *host = here ? here : gone_host(r->setup, domain);
    struct place *p = place_of(r, arena, s);
    int fd = p ? p->fd : -1;
    struct link *l = host ? link_found(tools, s, fd, host, &downward_handler) : NULL;
    struct sm_link_counts counts = {0};
    size_t staged;

    if (!l)
        return -ENOMEM;
    if (p) {
        p->fd = -1;
        p->link = l;
        l->parked.ticket = p->ticket;
        l->parked.fd = fd;
    }
    if (!keep_texts(l, &identity))
        return -ENOMEM;
    bool known = counts_of(fd, core, posted, sm_session_place(s).received, &counts);
    enum sm_recovered how =
        sm_recover(s, known ? &counts : NULL, tools_now(), tools->orders, &staged);

    l->received = counts.received;
    l->sent = counts.sent;
    l->over = how != SM_RECOVERED;
    say(r, l, how);
    if (!here)
        orders_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_ORDERED});
    downward_staged(l, (struct span){sm_core_staging(core), staged});
    return 0;
}

static int recover_arena(struct recovery *r, uint32_t arena)
{
    struct sm_core *core = r->setup->cores[arena];
    struct sm_session *posted = sm_core_posted(core), *next;
    int n = 0;

    if (posted)
        n = recover_one(r, arena, posted, true);
    if (r->restarted && n == 0)
        memset(sm_core_staging(core), 0, SM_STAGING); /* as before every receive */
    for (struct sm_session *s = sm_core_next(core, NULL); s && n == 0; s = next) {
        next = sm_core_next(core, s);
        if (!sm_session_user(s))
            n = recover_one(r, arena, s, false);
    }
    return n;
}

/* --- what is left --- */

/* Sockets whose sessions are no more: their end had begun, or was never committed. */
static void end_orphans(struct recovery *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct place *p = &r->places[i];
        struct link *l;

        if (p->fd < 0)
            continue;
        l = link_found(tools_of(r, p->ticket.arena), NULL, p->fd, r->nowhere, &downward_handler);
        if (!l) {
            net_end(p->fd);
            close(p->fd);
        } else {
            p->link = l;
            l->parked.ticket = p->ticket;
            l->parked.fd = p->fd;
            r->orphans++;
        }
        p->fd = -1;
    }
}

/* Each lot is of the worker that has the first living of its links. */
static int give_lots(struct recovery *r)
{
    struct parked **living = calloc(r->count + 1, sizeof *living);

    if (!living)
        return -ENOMEM;
    for (size_t n = 0; n < r->lot_count; n++) {
        struct found_lot *lot = &r->lots[n];
        struct tools *tools = NULL;
        size_t count = 0;

        for (size_t i = 0; i < r->count; i++) {
            struct link *l = r->places[i].link;

            if (r->places[i].lot != n || !l || l->phase == LINK_DEAD)
                continue;
            if (!tools)
                tools = l->tools;
            if (tools == l->tools)
                living[count++] = &l->parked;
        }
        if (!tools)
            tools = worker_tools(r->setup->all[0]);
        if (!tools->parking ||
            !parking_found(tools->parking, lot->name, &lot->lot, living, count, lot->total))
            log_at(LOG_ERROR, "recovery_failed", f_str("lot", lot->name), f_err("why", -ENOMEM));
    }
    free(living);
    return 0;
}

/* Those that are in no lot of their own worker: into one of its own. */
static void park_again(struct recovery *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct link *l = r->places[i].link;

        if (l && l->phase != LINK_DEAD && !l->parked.lot && l->tools->parking)
            (void)parking_put(l->tools->parking, &l->parked, l->fd, &r->places[i].ticket);
    }
}

static void leave_orphans(struct recovery *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct link *l = r->places[i].link;

        if (l && !l->session && l->phase == LINK_OPEN)
            link_leave(l, false);
    }
}

static void clear(struct recovery *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->places[i].fd >= 0)
            close(r->places[i].fd);
    for (size_t n = 0; n < r->lot_count; n++)
        lot_close(&r->lots[n].lot);
    free(r->places);
    free(r->lots);
}

int recover_all(struct worker_setup *setup, struct keeper_gifts *gifts)
{
    struct recovery r = {.setup = setup, .nowhere = gone_host(setup, SPAN_NONE)};
    r.restarted = gifts->count;
    int n = r.nowhere ? take_lots(&r, gifts) : -ENOMEM;

    drop_doubles(&r);
    for (uint32_t arena = 0; arena < SM_ARENAS && n == 0; arena++)
        n = recover_arena(&r, arena);
    if (n == 0) {
        end_orphans(&r);
        n = give_lots(&r);
        park_again(&r);
        leave_orphans(&r);
    }
    if (r.recovered || r.failed || r.orphans)
        log_at(LOG_INFO, "recovery", f_u64("sessions", r.recovered), f_u64("failed", r.failed),
               f_u64("orphans", r.orphans), f_size("lots", r.lot_count));
    clear(&r);
    return n;
}
