/* SPDX-License-Identifier: MIT */
/*
 * What must be true of a session that ends, of a process that rose again, and of a life
 * that is over.
 */
#include "tests/sim/oracle.h"

#include "sm/session_priv.h"

/* --- a session ends --- */

/* What the client was told is handled was handled, or given back. A server that closes its stream
 * when it could have read all is believed to have read it. */
static void check_promises(struct world *w, const struct story *s, const struct sm_session *session)
{
    const struct sm_record *r = &session->record;
    uint32_t said = r->said - s->start;

    if (s->loose || (s->clean && r->up.passed == r->up.count))
        return;
    for (uint32_t n = s->handled + 1; n <= said; n++)
        fact(w, s, stanza_answered(w, s, n) || s->given_back[n],
             "stanza %u was said to be handled, and is lost without a word", n);
}

void oracle_freeing(struct hold_link *l)
{
    struct world *w = l->h->w;
    struct story *s = holder_story(l);

    if (w->dead)
        return;
    s->freeing = true;
    s->over_ms = w->now;
    s->clean = l->over;
    check_promises(w, s, l->session);
    for (uint32_t q = 1; q <= s->acked; q++) {
        struct truth *t;

        if (s->queue[q] & REPLY)
            continue;
        t = oracle_truth(w, s->queue[q]);
        fact(w, s, !t->fate || !t->sure || t->fate == FATE_ACKED,
             "%x was acknowledged and had another fate (%d)", s->queue[q], t->fate);
        t->fate = FATE_ACKED;
        t->sure = true;
    }
}

/* What is left waits for the next session; everything else is lost now, and was counted. */
void oracle_freed(struct world *w, struct story *s, bool left)
{
    if (w->dead)
        return;
    s->over = true;
    s->left = left;
    for (uint32_t q = s->acked + 1; q <= s->pushed; q++) {
        uint32_t x = s->queue[q];
        struct truth *t;
        enum down_kind kind;

        if (x & REPLY)
            continue;
        t = oracle_truth(w, x);
        if ((t->fate && t->sure) || t->queue != story_number(w, s) + 1)
            continue;
        kind = stanza_down_kind(w, &w->stories[x >> 16], x & 0xffff);
        if (left && (kind == DOWN_CHAT || kind == DOWN_HEADLINE)) {
            t->left = true;
            continue;
        }
        if (t->fate) /* the process died about then */
            continue;
        t->fate = FATE_LOST;
        t->sure = true;
        happened(w, FIG_LOST);
    }
}

/* --- the process rose again --- */

static struct story *story_of(struct world *w, const struct sm_session *s)
{
    struct sm_text text = sm_session_identity(s).up_lang;
    int story = text.len == 2 ? (text.p[0] - '0') * 10 + text.p[1] - '0' : STORIES;

    fact(w, NULL, story >= 0 && (uint32_t)story < w->story_count,
         "a session without a story was recovered: %.*s", (int)text.len, text.p);
    return &w->stories[story];
}

static void found(struct world *w, struct story *s, struct sm_session *session)
{
    const struct sm_record *r = &session->record;

    fact(w, s, !s->over && !s->forgiven, "a session that was over is back");
    if (!s->born) { /* its first commit was done, and nobody could say so */
        s->born = true;
        s->resumable = sm_session_resumable(session);
        s->max_ms = r->max_ms;
        s->loose = w->set.limits.ack_forwarded;
        s->slot = session->node.slot;
        s->generation = record_slot(&session->core->arena, s->slot)->id.generation;
        happened(w, FIG_SESSIONS);
    }
    s->freeing = false;
    if (r->said - s->start > s->said) { /* that was committed, and then not said */
        s->said = r->said - s->start;
        if (r->said == r->taken) /* it may be the promise of a <resumed/> */
            s->resumed = s->said;
    }
    oracle_read(w, s, r, session->core->arena.used > ARENA_CROWDED);
    oracle_look(w, s, session);
    happened(w, FIG_SURVIVED);
    if (r->state >= SM_ENDING)
        happened(w, FIG_ENDING_AGAIN);
}

static bool is_left(const struct sm_core *core, const struct story *s)
{
    const struct registry_node *n = registry_slot(&core->registry, s->slot);

    return n && n->left && record_slot(&core->arena, s->slot)->id.generation == s->generation;
}

void oracle_recovered(struct world *w)
{
    struct sm_core *core = w->holder->core;
    bool seen[STORIES] = {0};

    if (w->dead)
        return;
    for (struct sm_session *s = NULL; (s = sm_core_next(core, s));) {
        struct story *story = story_of(w, s);

        seen[story_number(w, story)] = true;
        found(w, story, s);
    }
    for (uint32_t i = 0; i < w->story_count; i++) {
        struct story *s = &w->stories[i];

        if (s->left && is_left(core, s))
            happened(w, FIG_LEFT_AGAIN);
        if (!s->born || s->over || seen[i])
            continue;
        if (s->forgiven || s->doomed) {
            s->forgiven = s->over = true;
            continue;
        }
        fact(w, s, s->freeing, "a session is gone with the process");
        oracle_freed(w, s, is_left(core, s));
    }
}

/* --- a life that is drained --- */

bool oracle_settled(const struct world *w, const struct story *s)
{
    uint32_t handled = s->handled;

    while (handled < s->made && stanza_answered(w, s, handled + 1))
        handled++;
    return s->told == s->made && handled == s->made && s->got == s->pushed &&
           s->acked == s->pushed && (s->last_own == s->sent || !s->last_own);
}

void oracle_compare(struct world *w)
{
    for (uint32_t i = 0; i < w->set.devices; i++) {
        const struct device *d = &w->devices[i];
        const struct story *s = d->story < 0 ? NULL : &w->stories[d->story];

        if (d->phase != DEVICE_ON)
            continue;
        fact(w, s, oracle_settled(w, s),
             "not all arrives: the client made %u, the server handled %u, the client knows of %u; "
             "the server sent %u, queued up to %u, %u in all, the client got %u, acknowledged %u",
             s->made, s->handled, s->told, s->sent, s->last_own, s->pushed, s->got, s->acked);
        fact(w, s, !s->unavailable, "contacts saw a session going that lives");
        fact(w, s, d->answered >= d->asked, "<r/> unanswered: expected %u, seen %u", d->asked,
             d->answered);
    }
    happened(w, FIG_COMPARED);
}

/* --- a life that is over --- */

/* Each of the server's stanzas has met one fate. */
static void check_fate(struct world *w, const struct story *s, uint32_t number)
{
    uint32_t x = (uint32_t)story_number(w, s) << 16 | number;
    const struct truth *t = oracle_truth(w, x);
    const struct story *by = t->queue ? &w->stories[t->queue - 1] : NULL;

    if (by && by->forgiven)
        return;
    if (t->fate == FATE_RETURNED && t->sure && by && by->heard)
        fact(w, s, t->bounces == 1, "s%u.%u was returned to nobody", x >> 16, number);
    if (t->bounces)
        fact(w, s, t->fate == FATE_RETURNED, "s%u.%u was returned, and met another fate (%d)",
             x >> 16, number, t->fate);
    if (t->fate || t->left || by || !s->last_own || number < s->last_own)
        return;
    fact(w, s, !s->clean || s->squeezed || w->set.short_memory,
         "s%u.%u vanished: it was read and never queued", x >> 16, number);
}

static void check_story(struct world *w, struct story *s)
{
    struct sm_core *core = w->holder->core;
    struct sm_id id;
    uint32_t h;

    if (!s->born || s->forgiven)
        return;
    fact(w, s, s->over, "the session is not over");
    fact(w, s, s->acked <= s->got,
         "acknowledged is what the client never got: expected at most %u, "
         "seen %u",
         s->got, s->acked);
    fact(w, s, s->gone, "contacts never saw it going");
    for (uint32_t number = 1; number <= s->sent; number++)
        check_fate(w, s, number);
    if (!s->resumable || !sm_id_read(&id, s->id, strlen(s->id)))
        return;
    struct sm_text account = {w->devices[s->device].account, strlen(w->devices[s->device].account)};
    bool known = sm_core_tombstone(core, &id, account, w->now, &h);
    bool expired = w->now >= s->over_ms + SM_TOMBSTONE_MS;

    fact(w, s, known == !expired, "its tombstone: expected %d, seen %d", !expired, known);
    fact(w, s, !known || h - s->start >= s->said, "its tombstone says less than was said: %u, %u",
         s->said, h - s->start);
    if (expired)
        happened(w, FIG_FORGOTTEN);
}

/* Counters live as long as the process: so they can be compared only in a life without a death. */
static void check_books(struct world *w)
{
    struct sm_counts c = sm_core_counts(w->holder->core);
    uint64_t returned = 0;

    for (uint32_t i = 0; i < w->story_count; i++)
        for (uint32_t n = 1; n <= w->stories[i].sent; n++)
            returned += w->stories[i].truth[n].fate == FATE_RETURNED;
    fact(w, NULL, c.returned == returned, "returned: expected %llu, counted %llu",
         (unsigned long long)returned, (unsigned long long)c.returned);
    if (!w->set.short_memory)
        fact(w, NULL, c.to_client == c.acked + c.returned + c.dropped + c.adopted + c.lost,
             "the books are wrong: to_client %llu, acked %llu, returned %llu, dropped %llu, "
             "adopted %llu, lost %llu",
             (unsigned long long)c.to_client, (unsigned long long)c.acked,
             (unsigned long long)c.returned, (unsigned long long)c.dropped,
             (unsigned long long)c.adopted, (unsigned long long)c.lost);
}

void oracle_life_over(struct world *w)
{
    struct holder *h = w->holder;

    for (uint32_t i = 0; i < w->story_count; i++)
        check_story(w, &w->stories[i]);
    fact(w, NULL, sm_core_counts(h->core).sessions == 0 && h->core->lefts == 0,
         "something of a session is there that nobody knows");
    fact(w, NULL, h->budget.used == 0 && h->budget.leaving == 0,
         "memory is not back: expected 0, seen %zu, %zu leaving", (size_t)h->budget.used,
         (size_t)h->budget.leaving);
    fact(w, NULL, h->core->arena.extents.spare_pages * EXTENT_PAGE <= 65536,
         "pages were kept back: expected at most 65536 bytes, seen %zu",
         h->core->arena.extents.spare_pages * EXTENT_PAGE);
    if (!w->deaths)
        check_books(w);
}
