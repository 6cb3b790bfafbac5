/* SPDX-License-Identifier: MIT */
/*
 * What can be said while a life goes on: counts, order, and what commits hold. What
 * can be said only at its end is in oracle_end.c.
 */
#include "tests/sim/oracle.h"

#include "sm/session_priv.h"

#include <inttypes.h>
#include <stdlib.h>

struct truth *oracle_truth(struct world *w, uint32_t x)
{
    return &w->stories[x >> 16].truth[x & 0xffff];
}

/* --- client to server --- */

/* All that an h may cover: what the server has handled, what Holdfast answered behind it, and what
 * <resumed/> has promised. */
static uint32_t safe(const struct world *w, const struct story *s)
{
    uint32_t n = s->handled;

    while (n < s->made && stanza_answered(w, s, n + 1))
        n++;
    return n > s->resumed ? n : s->resumed;
}

void oracle_handled(struct world *w, struct story *s, uint32_t number)
{
    uint32_t next = s->handled + 1;

    while (next < s->made && stanza_answered(w, s, next))
        next++;
    fact(w, s, number == next,
         "the server reads the client's stanzas out of order: expected %u, "
         "seen %u",
         next, number);
    fact(w, s, !s->unavailable, "stanza %u comes behind the session's end", number);
    s->handled = number;
}

static void check_h(struct hold_link *l, uint32_t h, bool resumed)
{
    struct world *w = l->h->w;
    struct story *s = holder_story(l);
    uint32_t taken = sm_session_view(l->session).taken - s->start;

    fact(w, s, h >= s->said, "h goes back: expected at least %u, seen %u", s->said, h);
    fact(w, s, h <= taken && h <= s->made,
         "h covers what was never taken: expected at most %u, "
         "seen %u",
         taken, h);
    if (resumed) {
        fact(w, s, h == taken, "<resumed/> does not say all that was taken: expected %u, seen %u",
             taken, h);
        fact(w, s, !s->unavailable, "<resumed/> on a session that contacts saw going");
        s->resumed = h;
    } else if (!s->loose) {
        fact(w, s, h <= safe(w, s),
             "<a/> covers what the server has not handled: expected at most "
             "%u, seen %u",
             safe(w, s), h);
    }
    if (h + s->start < s->start)
        happened(w, FIG_WRAPPED);
    s->said = h;
}

void oracle_said(struct hold_link *l, const char *text, size_t len)
{
    struct world *w = l->h->w;
    const struct story *s = holder_story(l);
    const char *end = text + len, *at = text;

    if (w->dead)
        return;
    while ((at = memmem(at, (size_t)(end - at), " h='", 4))) {
        const char *name = at;

        while (*name != '<')
            name--;
        at += 4;
        check_h(l, (uint32_t)strtoul(at, NULL, 10) - s->start, name[1] == 'r');
    }
}

void oracle_heard(struct world *w, struct story *s, uint32_t h)
{
    fact(w, s, h >= s->told && h <= s->made,
         "the client hears an h that cannot be: expected %u to "
         "%u, seen %u",
         s->told, s->made, h);
    fact(w, s, h <= s->said,
         "the client hears an h that was never said: expected at most %u, "
         "seen %u",
         s->said, h);
    s->told = h;
}

void oracle_given_back(struct hold_link *l, struct span raw)
{
    struct world *w = l->h->w;
    struct story *s = holder_story(l);
    struct tag tag = stanza_tag(raw);

    if (w->dead)
        return;
    fact(w, s, tag.side == 'c' && tag.story == (uint32_t)l->story && tag.number <= s->said,
         "given back is what was never said: %c%u.%u, said up to %u", tag.side, tag.story,
         tag.number, s->said);
    s->given_back[tag.number] = true;
    happened(w, FIG_UNCONFIRMED);
}

static struct story *story_by_id(struct world *w, const struct sm_id *id)
{
    for (uint32_t i = 0; i < w->story_count; i++)
        if (w->stories[i].born && w->stories[i].slot == id->slot &&
            w->stories[i].generation == id->generation)
            return &w->stories[i];
    return NULL;
}

/* A client that keeps to the rules is refused by a session that is over, or ends, and by no other.
 */
static void check_refusal(struct hold_connection *c, const struct story *s)
{
    struct world *w = c->h->w;
    const struct kernel_connection *k = &w->connections[c->socket];
    const struct device *d = &w->devices[k->device];

    if (k->intrudes || d->connection != c->socket)
        return;
    fact(w, s, s->over || s->freeing || s->ending || s->forgiven,
         "<resume/> is refused, and the session lives: h %u, %u were queued",
         c->resume_h - s->start, s->pushed);
}

/* Whoever asks: with the h of a session that is no more comes the promise that it is true. */
void oracle_refused(struct hold_connection *c, bool known, uint32_t h)
{
    struct world *w = c->h->w;
    struct story *s = w->dead ? NULL : story_by_id(w, &c->previd);

    if (!s)
        return;
    check_refusal(c, s);
    if (!known)
        return;
    h -= s->start;
    fact(w, s, s->freeing || s->over, "<failed/> gives the h of a session that lives");
    fact(w, s, h >= s->said && h <= s->made && (s->loose || h <= safe(w, s)),
         "<failed/> with an h that cannot be: expected %u to %u, seen %u", s->said, safe(w, s), h);
    s->said = h;
}

/* --- server to client --- */

/* The text is as the server made it, but for a delay stamp. True: it has one. */
static bool compare(struct world *w, const struct story *s, struct tag tag, struct span raw)
{
    static const char delay[] = "<delay xmlns='urn:xmpp:delay' from='" DOMAIN "' stamp='";
    char text[STANZA_TEXT];
    size_t len = stanza_down(w, &w->stories[tag.story], tag.number, text);
    const char *at, *behind;
    size_t before;

    if (len == raw.len && !memcmp(text, raw.p, len))
        return false;
    at = memmem(raw.p, raw.len, delay, sizeof delay - 1);
    behind = at ? memchr(at, '>', raw.len - (size_t)(at - raw.p)) : NULL;
    before = at ? (size_t)(at - raw.p) : 0;
    fact(w, s,
         behind && raw.len - (size_t)(behind + 1 - at) == len && !memcmp(text, raw.p, before) &&
             !memcmp(text + before, behind + 1, len - before),
         "a stanza was altered: expected %.*s, seen %.*s", (int)len, text, (int)raw.len, raw.p);
    return true;
}

void oracle_got(struct world *w, struct story *s, struct span raw)
{
    struct tag tag = stanza_tag(raw);
    uint32_t story = (uint32_t)story_number(w, s), x;
    bool late;

    fact(w, s, tag.side, "the client gets what nobody sent: %.*s", (int)raw.len, raw.p);
    if (tag.side == 'c' && s->given_back[tag.number] && memmem(raw.p, raw.len, "remote-ser", 10))
        return; /* counts nowhere, for the session is over */
    x = stanza_x(tag) | (tag.side == 'c' ? REPLY : 0);
    s->got++;
    fact(w, s, s->got <= s->pushed && s->queue[s->got] == x,
         "the client gets stanzas out of order: as number %u expected %x, seen %x", s->got,
         s->got <= s->pushed ? s->queue[s->got] : 0, x);
    if (x & REPLY)
        return;
    fact(w, s, !oracle_truth(w, x)->relayed, "%x was relayed before the session", x);
    late = compare(w, s, tag, raw);
    fact(w, s, late || tag.story == story, "a message handed over without a delay stamp");
}

void oracle_got_plain(struct world *w, struct story *s, struct span raw)
{
    struct tag tag = stanza_tag(raw);

    if (tag.side != 's')
        return;
    (void)compare(w, s, tag, raw);
    if (tag.story == (uint32_t)story_number(w, s))
        oracle_truth(w, stanza_x(tag))->relayed = true;
}

void oracle_bounced(struct world *w, struct story *by, struct tag tag)
{
    struct truth *t;

    fact(w, by, tag.side == 's', "an error for what the server never sent");
    t = oracle_truth(w, stanza_x(tag));
    fact(w, by, ++t->bounces == 1, "s%u.%u was returned twice", tag.story, tag.number);
    fact(w, by, by->unavailable || w->set.short_memory, "s%u.%u was returned before unavailable",
         tag.story, tag.number);
}

void oracle_unavailable(struct world *w, struct story *s, bool said)
{
    if (said) {
        fact(w, s, ++s->unavailable == 1, "unavailable is sent twice");
        fact(w, s, s->born, "unavailable from what is no session");
    }
    s->available = false;
    s->gone = true;
}

/* --- commits --- */

static uint32_t x_of(struct world *w, const struct story *s, const struct sm_stanza *one)
{
    struct span raw = {one->xml, one->len};
    struct tag tag = stanza_tag(raw);

    fact(w, s, tag.side, "what is queued is nobody's: %.*s", (int)raw.len, raw.p);
    return stanza_x(tag) | (tag.side == 'c' ? REPLY : 0);
}

/* A stanza that was just committed to the queue. */
static void queued(struct world *w, struct story *s, uint32_t x)
{
    uint32_t story = (uint32_t)story_number(w, s), from = x >> 16;
    struct truth *t;

    fact(w, s, s->pushed < QUEUED, "the simulation has no room for so many stanzas");
    s->queue[++s->pushed] = x;
    if (x & REPLY)
        return;
    t = oracle_truth(w, x);
    fact(w, s, !t->fate || !t->sure, "%x is queued, and had met its fate (%d)", x, t->fate);
    if (from == story) {
        uint32_t number = x & 0xffff;
        bool follows = !s->last_own || number == s->last_own + 1;

        fact(w, s,
             follows || (number > s->last_own && s->ending && (s->squeezed || w->set.short_memory)),
             "the server's stanzas are queued out of order: expected %u, seen %u", s->last_own + 1,
             number);
        s->last_own = number;
    } else {
        fact(w, s, t->left, "%x is adopted, and nobody left it", x);
        t->left = false;
        t->fate = FATE_NONE;
        happened(w, FIG_ADOPTED);
    }
    t->queue = (uint8_t)(story + 1);
}

/* The queue holds what it held, and perhaps more. */
void oracle_look(struct world *w, struct story *s, struct sm_session *session)
{
    const struct sm_record *r = &session->record;
    uint32_t acked = r->acked - s->start, sent = acked + r->down.count;
    struct sm_stanza one;

    fact(w, s, sent >= s->pushed, "stanzas that were committed are gone: expected %u, seen %u",
         s->pushed, sent);
    for (uint32_t q = s->pushed + 1; q <= sent; q++) {
        bool held = q > acked && queue_nth(&session->down, q - acked - 1, &one);

        fact(w, s, held, "number %u is gone before it was ever seen", q);
        queued(w, s, x_of(w, s, &one));
    }
}

static void check_end(struct world *w, const struct story *s, const struct sm_record *r,
                      bool crowded)
{
    const struct sm_limits *limits = &w->set.limits;
    enum sm_end end = r->end;
    bool right = false;

    switch (end) {
    case SM_END_CLIENT:
        right = s->closed;
        break;
    case SM_END_EXPIRED:
        right = s->resumable && s->detached_ms && w->now >= s->detached_ms + s->max_ms;
        break;
    case SM_END_GONE:
        right = !s->resumable;
        break;
    case SM_END_SERVER:
    case SM_END_LINK:
    case SM_END_CONFLICT:
        right = s->link < 0 || s->unlinked;
        break;
    case SM_END_PROBE:
        right = s->mute || s->jumped;
        break;
    case SM_END_REPLACED:
        right = s->replaced;
        break;
    case SM_END_ERROR:
        right = s->garbled;
        break;
    case SM_END_ACK:
        right = s->lied;
        break;
    case SM_END_QUEUE:
        right = s->resumable && (r->down.count >= limits->queue_stanzas ||
                                 r->down.end - r->down.start >= limits->queue_bytes);
        break;
    case SM_END_MEMORY:
        right = w->set.short_memory || crowded;
        break;
    case SM_END_CROWDED:
        right = limits->sessions_per_account < w->set.devices * 2;
        break;
    case SM_END_ORDERED:
        right = s->ordered;
        break;
    case SM_END_NONE:
    case SM_END_COUNT:
        break;
    }
    fact(w, s, right, "the session ends for no reason (%d)", end);
    w->figures->ended[end]++;
}

/* What the record says, apart from its queues. */
void oracle_read(struct world *w, struct story *s, const struct sm_record *r, bool crowded)
{
    uint32_t acked = r->acked - s->start;

    if (r->state == SM_HELD)
        s->detached_ms = r->since_ms;
    if (r->state == SM_HELD && !s->held)
        happened(w, FIG_DETACHED);
    s->held = r->state == SM_HELD;
    s->squeezed |= r->state >= SM_ENDING && crowded;
    fact(w, s, r->said - s->start >= s->said, "what was said is forgotten: expected %u, seen %u",
         s->said, r->said - s->start);
    if (s->ending)
        return;
    fact(w, s, acked >= s->acked, "an acknowledgement is forgotten: expected %u, seen %u", s->acked,
         acked);
    if (r->state >= SM_ENDING) {
        s->ending = true;
        check_end(w, s, r, crowded);
    }
    fact(w, s, acked <= s->claimed || s->closed,
         "stanzas are let go of before their <a/>: expected at most %u, seen %u", s->claimed,
         acked);
    s->acked = acked;
}

void oracle_committed(struct hold_link *l)
{
    struct world *w = l->h->w;
    struct story *s = holder_story(l);
    struct holder *h = l->h;

    if (w->dead)
        return;
    oracle_read(w, s, &l->session->record, h->core->arena.used > ARENA_CROWDED);
    oracle_look(w, s, l->session);
    fact(w, s, h->budget.used <= h->budget.max || w->shrunk,
         "more memory than there may be: expected at most %zu, seen %zu", h->budget.max,
         (size_t)h->budget.used);
    oracle_sure(w);
}

void oracle_born(struct hold_link *l)
{
    struct world *w = l->h->w;
    struct story *s = holder_story(l);
    struct sm_view view = sm_session_view(l->session);

    if (w->dead)
        return;
    s->born = true;
    s->resumable = view.resumable;
    s->max_ms = view.max_ms;
    s->loose = w->set.limits.ack_forwarded;
    s->slot = l->session->node.slot;
    s->generation = record_slot(&l->h->core->arena, s->slot)->id.generation;
    happened(w, FIG_SESSIONS);
    if (!s->resumable)
        happened(w, FIG_SIMPLE);
    oracle_committed(l);
}

/* --- fates --- */

void oracle_fate(struct hold_link *l, struct span raw, enum fate fate)
{
    struct world *w = l->h->w;
    struct story *s = holder_story(l);
    struct tag tag = stanza_tag(raw);
    struct truth *t;

    if (w->dead || tag.side != 's')
        return;
    t = oracle_truth(w, stanza_x(tag));
    fact(w, s, !t->fate || !t->sure, "s%u.%u meets a second fate (%d, %d)", tag.story, tag.number,
         t->fate, fate);
    fact(w, s, w->unsure_count < UNSURE_MAX, "the simulation has no room for so many fates");
    t->fate = (uint8_t)fate;
    t->sure = false;
    w->unsure[w->unsure_count++] = stanza_x(tag);
}

void oracle_sure(struct world *w)
{
    static const enum figure figures[] = {
        [FATE_PLAIN] = FIG_ADOPTED_PLAIN,
        [FATE_RETURNED] = FIG_RETURNED,
        [FATE_DROPPED] = FIG_DROPPED,
        [FATE_LOST] = FIG_LOST,
    };

    if (w->dead)
        return;
    while (w->unsure_count) {
        struct truth *t = oracle_truth(w, w->unsure[--w->unsure_count]);

        t->sure = true;
        t->left = false;
        happened(w, figures[t->fate]);
    }
}
