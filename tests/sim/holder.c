/* SPDX-License-Identifier: MIT */
/*
 * A loop without a loop: of all that could be done now, the dice say what is. Deadlines
 * that have come may be late, and those that come together are told in any order.
 */
#include "tests/sim/holder.h"

#include "tests/sim/oracle.h"

#include <assert.h>
#include <stdlib.h>

enum { SHARE = 16384 };

/* --- a life --- */

struct holder *holder_empty(struct world *w)
{
    struct holder *h = calloc(1, sizeof *h);

    assert(h);
    h->w = w;
    h->orders = &h->pair[0];
    h->budget.max = w->set.memory;
    for (int i = 0; i < CONNECTIONS; i++)
        h->connections[i] = (struct hold_connection){.h = h, .socket = i};
    for (int i = 0; i < LINKS; i++)
        h->links[i] = (struct hold_link){.h = h, .socket = i};
    return h;
}

struct holder *holder_new(struct world *w)
{
    struct holder *h = holder_empty(w);
    struct sm_core_config config = {
        .base = w->memory, .size = ARENA_SIZE, .limits = &w->set.limits, .budget = &h->budget};
    int r = sm_core_new(&h->core, &config);

    assert(r == 0);
    return h;
}

void holder_free(struct holder *h)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        inflow_clear(&h->connections[i].in);
        buffer_clear(&h->connections[i].out);
        buffer_clear(&h->connections[i].say);
    }
    for (int i = 0; i < LINKS; i++) {
        inflow_clear(&h->links[i].in);
        buffer_clear(&h->links[i].out);
    }
    buffer_clear(&h->edited);
    sm_core_free(h->core);
    free(h);
}

struct story *holder_story(const struct hold_link *l)
{
    return &l->h->w->stories[l->story];
}

struct hold_link *holder_link(struct holder *h, int socket, int story)
{
    const struct kernel_link *k = &h->w->links[socket];
    struct hold_link *l = &h->links[socket];

    *l = (struct hold_link){.h = h,
                            .socket = socket,
                            .story = story,
                            .received = k->received,
                            .sent = k->sent,
                            .phase = HOLD_OPEN,
                            .reads = true};
    inflow_init(&l->in, STANZA_TEXT);
    l->in.framer = split_framer();
    return l;
}

static void accept_one(struct holder *h, int socket)
{
    struct hold_connection *c = &h->connections[socket];

    *c = (struct hold_connection){.h = h, .socket = socket, .phase = HOLD_OPEN, .share = SHARE};
    inflow_init(&c->in, h->w->set.limits.stanza_bytes);
    c->in.framer = split_framer();
}

/* --- what may be done --- */

enum deed { ACCEPT, READ, WRITE, GO_ON, LATE, LINK_READ, LINK_WRITE, LINK_LATE, DEADLINES };

struct choice {
    enum deed deed;
    int socket;
};

enum { CHOICES = (CONNECTIONS + LINKS) * 4 + 1 };

static unsigned choose_connection(struct hold_connection *c, struct choice *out)
{
    const struct world *w = c->h->w;
    const struct kernel_connection *k = &w->connections[c->socket];
    unsigned n = 0;
    bool waits = c->busy || c->unread || c->closing || c->frozen;

    if (c->phase == HOLD_FREE) {
        if (k->used && k->process_open)
            out[n++] = (struct choice){ACCEPT, c->socket};
        return n;
    }
    if (kernel_readable(w, c->socket) &&
        (c->phase == HOLD_LEAVING || !waits || k->up_rst || buffer_len(&c->in.kept) < 4096))
        out[n++] = (struct choice){READ, c->socket};
    if ((buffer_len(&c->out) || (!c->share && c->phase == HOLD_OPEN)) &&
        kernel_writable(w, c->socket))
        out[n++] = (struct choice){WRITE, c->socket};
    if (c->phase == HOLD_OPEN && c->goes_on && !waits)
        out[n++] = (struct choice){GO_ON, c->socket};
    if (c->late_ms && c->late_ms <= w->now)
        out[n++] = (struct choice){LATE, c->socket};
    return n;
}

static unsigned choose_link(struct hold_link *l, struct choice *out)
{
    const struct world *w = l->h->w;
    struct sm_text bytes;
    unsigned n = 0;
    bool unsent = buffer_len(&l->out) || (l->session && sm_unsent(l->session, &bytes));

    if (l->phase == HOLD_FREE)
        return 0;
    if (l->phase == HOLD_LEAVING) {
        if (kernel_link_readable(w, l->socket) || w->now >= l->leave_ms ||
            (buffer_len(&l->out) && kernel_link_writable(w, l->socket)))
            out[n++] = (struct choice){LINK_LATE, l->socket};
        return n;
    }
    if ((l->reads || l->broken) && !l->eof && kernel_link_readable(w, l->socket))
        out[n++] = (struct choice){LINK_READ, l->socket};
    if (unsent && !l->broken && kernel_link_writable(w, l->socket))
        out[n++] = (struct choice){LINK_WRITE, l->socket};
    return n;
}

uint64_t holder_deadline(const struct holder *h)
{
    uint64_t at = sm_core_deadline(h->core);

    for (int i = 0; i < CONNECTIONS; i++) {
        const struct hold_connection *c = &h->connections[i];

        if (c->phase != HOLD_FREE && c->late_ms && c->late_ms < at)
            at = c->late_ms;
    }
    for (int i = 0; i < LINKS; i++)
        if (h->links[i].phase == HOLD_LEAVING && h->links[i].leave_ms < at)
            at = h->links[i].leave_ms;
    return at;
}

/* --- doing it --- */

/* All that are due, in any order. One of them may be over because of another. */
static void deadlines(struct holder *h)
{
    struct hold_link *due[LINKS];
    struct sm_session *s;
    unsigned count = 0;

    while (count < LINKS && (s = sm_core_due(h->core, h->w->now)))
        due[count++] = sm_session_user(s);
    while (count) {
        unsigned which = below(h->w, count);
        struct hold_link *l = due[which];

        due[which] = due[--count];
        if (!l->session)
            continue;
        holder_tell(l, (struct sm_event){.type = SM_DEADLINE});
        holder_obey(l);
    }
}

static void late(struct hold_connection *c)
{
    c->late_ms = 0;
    if (c->phase == HOLD_LEAVING)
        holder_drop(c);
    else if (c->closing)
        holder_end(c, END_OVER, NULL);
    else
        holder_hand_over(c);
}

static void writable(struct hold_link *l)
{
    struct hold_connection *c = l->client;

    holder_link_flush(l);
    if (l->session) {
        holder_send(l);
        holder_obey(l);
    } else if (c) {
        holder_enable_now(c);
    }
}

/* Detached sessions end, the largest first, while memory is short. */
static void relieve(struct holder *h)
{
    struct sm_session *s;

    for (int turn = 0; (s = sm_core_pressed(h->core)); turn++) {
        struct hold_link *l = sm_session_user(s);

        fact(h->w, holder_story(l), turn < LINKS, "sm_core_pressed names sessions without end");
        holder_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_MEMORY});
        holder_obey(l);
    }
}

static void carry_out(struct holder *h, struct choice choice)
{
    static const char *const names[] = {
        [ACCEPT] = "accepts",
        [READ] = "reads",
        [WRITE] = "writes",
        [GO_ON] = "goes on with",
        [LATE] = "is late with",
        [LINK_READ] = "reads link",
        [LINK_WRITE] = "writes link",
        [LINK_LATE] = "leaves link",
        [DEADLINES] = "looks at the clocks",
    };
    struct hold_connection *c = &h->connections[choice.socket % CONNECTIONS];
    struct hold_link *l = &h->links[choice.socket % LINKS];

    trace(h->w, "the process %s %d", names[choice.deed], choice.socket);
    switch (choice.deed) {
    case ACCEPT:
        accept_one(h, choice.socket);
        break;
    case READ:
        holder_readable(c);
        break;
    case WRITE:
        holder_drained(c);
        break;
    case GO_ON:
        holder_go_on(c);
        break;
    case LATE:
        late(c);
        break;
    case LINK_READ:
        holder_link_readable(l);
        break;
    case LINK_WRITE:
        writable(l);
        break;
    case LINK_LATE:
        holder_leaving(l);
        break;
    case DEADLINES:
        deadlines(h);
        break;
    }
}

bool holder_turn(struct world *w)
{
    struct holder *h = w->holder;
    struct choice choices[CHOICES];
    unsigned count = 0;

    for (int i = 0; i < CONNECTIONS; i++)
        if (w->connections[i].used || h->connections[i].phase != HOLD_FREE)
            count += choose_connection(&h->connections[i], choices + count);
    for (int i = 0; i < LINKS; i++)
        count += choose_link(&h->links[i], choices + count);
    if (sm_core_deadline(h->core) <= w->now)
        choices[count++] = (struct choice){DEADLINES, 0};
    if (!count)
        return false;
    carry_out(h, choices[below(w, count)]);
    relieve(h);
    return true;
}

/* --- the slow timer, and the administrator --- */

void holder_housekeeping(struct holder *h)
{
    size_t at, len;

    while (sm_core_spare(h->core, &at, &len)) {
        memset(h->w->memory + at, 0, len);
        if (!h->w->dead)
            happened(h->w, FIG_PUNCHED);
    }
    for (int i = 0; i < LINKS; i++)
        if (h->links[i].phase == HOLD_OPEN && h->links[i].session && !h->links[i].reads)
            holder_obey(&h->links[i]);
}

void holder_finish(struct hold_link *l)
{
    if (!l->h->w->dead)
        holder_story(l)->ordered = true;
    holder_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_ORDERED});
    holder_obey(l);
}

void holder_detach(struct hold_link *l)
{
    holder_tell(l, (struct sm_event){.type = SM_DETACH});
    holder_obey(l);
}
