/* SPDX-License-Identifier: MIT */
/*
 * A successor opens the arena, finds each session's socket by its label, asks the
 * kernel's counts, and reads what was received and not committed. Now and then
 * something is not as it was left: that costs one session, and nothing else.
 */
#include "tests/sim/death.h"

#include "sm/recover.h"
#include "sm/session_priv.h"
#include "tests/sim/oracle.h"

#include <assert.h>

/* --- stores while the arena is opened, when no hook is there yet --- */

/* The linker sends sm/'s calls here (--wrap). */
void __wrap_arena_commit(struct arena *a, uint64_t at, uint64_t word);
void __real_arena_commit(struct arena *a, uint64_t at, uint64_t word);

static struct world *opener;

void __wrap_arena_commit(struct arena *a, uint64_t at, uint64_t word)
{
    __real_arena_commit(a, at, word);
    if (opener)
        kernel_instant(opener, FIG_DEATHS_STORE);
}

/* --- dying --- */

static void stored(void *arg, uint64_t, size_t)
{
    kernel_instant(arg, FIG_DEATHS_STORE);
}

static void watch(struct world *w)
{
    struct arena *a = &w->holder->core->arena;

    a->stored = w->fuse ? stored : NULL;
    a->stored_arg = w;
}

void death_threatens(struct world *w)
{
    if (w->fuse || w->calm || w->deaths >= w->set.deaths)
        return;
    w->deaths++;
    w->fuse = 1 + below(w, one_in(w, 3) ? 60 : w->set.fuse);
    watch(w);
}

void death_looms(struct world *w)
{
    if (w->dead || w->fuse || w->calm || w->deaths >= w->set.deaths || !one_in(w, 24))
        return;
    w->deaths++;
    w->fuse = 1 + below(w, 90);
    watch(w);
}

void death_now(struct world *w)
{
    w->deaths++;
    w->fuse = 1;
    kernel_instant(w, FIG_DEATHS_CALL);
}

/* --- what is not as it was --- */

/* A bit of a record that lives is another one. Its session is lost, and no other. */
static void damage(struct world *w)
{
    const struct arena *a = &w->holder->core->arena;
    struct story *s = &w->stories[below(w, w->story_count)];
    struct record_slot *slot;
    uint32_t at;

    if (!s->born || s->over || s->freeing || s->forgiven)
        return;
    slot = (struct record_slot *)(void *)(w->memory + a->slots_at) + s->slot;
    if (!slot->selector || slot->id.generation != s->generation ||
        slot->copy[slot->selector & 1].adopted_generation ||
        slot->copy[slot->selector & 1].state == SM_LEFT)
        return;
    at = below(w, sizeof slot->copy[0]);
    ((char *)&slot->copy[slot->selector & 1])[at] ^= (char)(1 << below(w, 8));
    s->forgiven = true;
    happened(w, FIG_DAMAGED);
    trace(w, "the record of story %d is damaged", story_number(w, s));
}

static void lose_socket(struct world *w)
{
    struct kernel_link *l = &w->links[below(w, LINKS)];

    if (!l->used || !l->parked)
        return;
    l->parked = false;
    w->stories[l->story].unlinked = true;
    happened(w, FIG_NO_SOCKET);
    trace(w, "the socket of story %d is lost", l->story);
}

static void falsify(struct world *w)
{
    const struct kernel_link *l = &w->links[below(w, LINKS)];

    if (!l->used || !l->parked || w->stories[l->story].forgiven)
        return;
    w->mismatch = l->story;
    trace(w, "the counts of story %d will not match", l->story);
}

static void poison(struct world *w)
{
    const struct kernel_link *l = &w->links[below(w, LINKS)];

    if (!l->used || !l->parked || w->stories[l->story].forgiven)
        return;
    w->poison = l->story;
    trace(w, "whoever touches story %d dies", l->story);
}

static void new_limits(struct world *w)
{
    w->set.limits.ack_forwarded = !w->set.limits.ack_forwarded;
    for (uint32_t i = 0; i < w->story_count; i++)
        w->stories[i].loose = true;
    if (w->set.short_memory && one_in(w, 2)) {
        w->set.memory -= w->set.memory / 4;
        w->shrunk = true;
    }
}

static void misfortune(struct world *w)
{
    if (w->calm || !w->story_count)
        return;
    if (one_in(w, 10))
        damage(w);
    if (one_in(w, 10))
        lose_socket(w);
    if (one_in(w, 10))
        falsify(w);
    if (one_in(w, 40))
        poison(w);
    if (one_in(w, 10))
        new_limits(w);
}

/* --- the next life --- */

static int labelled(const struct world *w, const struct sm_session *s)
{
    uint32_t generation = record_slot(&s->core->arena, s->node.slot)->id.generation;

    for (int i = 0; i < LINKS; i++) {
        const struct kernel_link *l = &w->links[i];

        if (l->used && l->parked && l->slot == s->node.slot && l->generation == generation)
            return i;
    }
    return -1;
}

static int story_of(const struct sm_session *s)
{
    struct sm_text text = sm_session_identity(s).up_lang;

    return (text.p[0] - '0') * 10 + text.p[1] - '0';
}

/* A link that is dead already stands for one that is not there. */
static int no_link(struct world *w, int story)
{
    int i = kernel_link_open(w, story);

    assert(i >= 0);
    w->links[i].server_open = false;
    w->links[i].down_fin = w->links[i].down_rst = true;
    return i;
}

/* Each session gets its place before anything is obeyed: one's end may wake another. */
static void find_links(struct world *w, bool found[LINKS])
{
    struct holder *h = w->holder;

    for (struct sm_session *s = NULL; (s = sm_core_next(h->core, s));) {
        int link = labelled(w, s);
        bool there = link >= 0;

        if (!there)
            link = no_link(w, story_of(s));
        found[link] = there;
        holder_link(h, link, story_of(s))->session = s;
        inflow_clear(&h->links[link].in);
        sm_session_set_user(s, &h->links[link]);
    }
}

static void check_counts(struct world *w, const struct hold_link *l, const struct sm_session *s)
{
    const struct kernel_link *k = &w->links[l->socket];

    if (!w->dead)
        fact(w, holder_story(l), k->received == s->record.link_received,
             "the record is not where the kernel is: expected %llu bytes received, seen %llu",
             (unsigned long long)k->received, (unsigned long long)s->record.link_received);
}

static void recover(struct world *w, struct hold_link *l, bool there)
{
    struct holder *h = l->h;
    struct sm_session *s = l->session;
    struct story *story = holder_story(l);
    const struct kernel_link *k = &w->links[l->socket];
    struct sm_link_counts counts = {.received = k->received, .sent = k->sent};
    bool ahead = k->sent > s->record.link_sent, lies = w->mismatch == l->story;
    size_t staged;

    if (l->story == w->poison && !w->dead) {
        w->fuse = 1 + below(w, 3);
        watch(w);
    }
    if (lies) {
        counts.sent += (size_t)1 << 30;
        story->unlinked = true;
    }
    switch (sm_recover(s, there ? &counts : NULL, w->now, h->orders, &staged)) {
    case SM_RECOVERED:
        if (!w->dead && there && sm_session_state(s) < SM_ENDING) {
            w->figures->count[FIG_STAGED] += staged > 0;
            w->figures->count[FIG_SENT_BEHIND] += ahead;
            check_counts(w, l, s);
        }
        break;
    case SM_RECOVERED_NO_LINK:
        fact(w, story, w->dead || !there, "recovered without a link that is there");
        story->unlinked = true;
        l->eof = true;
        break;
    case SM_RECOVERED_MISMATCH:
        fact(w, story, w->dead || lies,
             "the counts do not match: the kernel says %llu, %llu, the "
             "record %llu, %llu",
             (unsigned long long)k->received, (unsigned long long)k->sent,
             (unsigned long long)s->record.link_received, (unsigned long long)s->record.link_sent);
        w->figures->count[FIG_MISMATCH] += lies;
        l->eof = true;
        break;
    }
    if (staged)
        holder_session_bytes(l, (struct span){sm_core_staging(h->core), staged}, true);
    holder_obey(l);
}

static void recover_all(struct world *w)
{
    struct holder *h = w->holder;
    struct sm_session *first = sm_core_posted(h->core);
    struct hold_link *links[LINKS];
    bool there[LINKS] = {0};
    unsigned count = 0;

    find_links(w, there);
    for (int i = 0; i < LINKS; i++)
        if (h->links[i].session && h->links[i].session != first)
            links[count++] = &h->links[i];
    if (first)
        recover(w, sm_session_user(first),
                there[((struct hold_link *)sm_session_user(first))->socket]);
    while (count) {
        unsigned which = below(w, count);
        struct hold_link *l = links[which];

        links[which] = links[--count];
        if (l->session)
            recover(w, l, there[l->socket]);
    }
    for (int i = 0; i < LINKS; i++) /* parked, and without a session any more */
        if (w->links[i].used && w->links[i].process_open && h->links[i].phase == HOLD_FREE)
            kernel_link_close(w, i);
}

/* If the process dies in the middle of it, it may be there again. */
static void set_aside(struct world *w, const struct sm_recovery *found)
{
    for (uint32_t i = 0; i < w->story_count; i++) {
        struct story *s = &w->stories[i];

        if (!s->born || s->over || s->slot != found->aside.slot ||
            s->generation != found->aside.generation)
            continue;
        fact(w, s, w->poison == (int)i || w->deaths >= 5, "set aside, and nobody died of it");
        s->doomed = true;
        if (w->dead)
            continue;
        s->forgiven = true;
        w->poison = -1;
        happened(w, FIG_SET_ASIDE);
        trace(w, "story %u is set aside", i);
    }
}

static void open_arena(struct world *w)
{
    struct holder *h = w->holder;
    struct sm_core_config config = {
        .base = w->memory,
        .size = ARENA_SIZE,
        .now_ms = w->now,
        .limits = &w->set.limits,
        .budget = &h->budget,
    };
    struct sm_recovery found;
    unsigned forgiven = 0;
    int r;

    for (uint32_t i = 0; i < w->story_count; i++)
        forgiven += w->stories[i].forgiven && !w->stories[i].over;
    opener = w;
    w->opening = true;
    r = sm_core_open(&h->core, &config, &found);
    w->opening = false;
    opener = NULL;
    fact(w, NULL, r == 0, "the arena cannot be opened (%d)", r);
    if (found.set_aside)
        set_aside(w, &found);
    fact(w, NULL, found.damaged <= forgiven, "records are damaged: expected at most %u, seen %u",
         forgiven, found.damaged);
}

static void rise(struct world *w)
{
    char *ghosts = w->memory;

    w->memory = w->copy;
    w->copy = ghosts;
    w->dead = false;
    w->fuse = 0;
    w->unsure_count = 0;
    if (!w->recovering) {
        misfortune(w);
        w->now += below(w, 3000);
    }
    holder_free(w->holder);
    w->holder = holder_empty(w);
    kernel_bereave(w);
    w->recovering = true;
    if (one_in(w, 2) && !w->calm && w->deaths < w->set.deaths + 3) {
        w->deaths++;
        w->fuse = 1 + below(w, one_in(w, 4) ? 4 : 400);
    }
    open_arena(w);
    watch(w);
    oracle_recovered(w);
    recover_all(w);
}

void death_follows(struct world *w)
{
    if (!w->dead)
        return;
    while (w->dead)
        rise(w);
    w->recovering = false;
    w->poison = w->mismatch =
        -1; /* not before: in a recovery that was cut off and begins again, they are as wrong */
    if (w->holder->core->arena.stored && !w->fuse)
        watch(w);
}
