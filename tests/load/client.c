/* SPDX-License-Identifier: MIT */
/*
 * What a client does with its session: it says, hears, counts and acknowledges to the letter of
 * XEP-0198, and holds everything that it hears against what must be true.
 */
#include "tests/load/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/load/stream.h"

#define SM "urn:xmpp:sm:3"

static const double ping_share = .1, ask_share = .3, hasty_share = .25, stale_share = .3;
static const double long_share = .1, long_factor = 20.; /* some are away for much longer */

static void on_say(struct ev_loop *loop, ev_timer *t, int);
static void on_trouble(struct ev_loop *loop, ev_timer *t, int);
static void on_back(struct ev_loop *loop, ev_timer *t, int);

/* --- life --- */

void client_init(struct client *c, struct crowd *crowd, uint32_t number)
{
    const struct options *o = &crowd->options;
    uint32_t friend = number ^ 1;

    *c = (struct client){.crowd = crowd, .number = number, .dice = dice_of(o->seed, number)};
    if (o->echo || friend >= o->clients)
        friend = number;
    c->friend = &crowd->clients[friend];
    snprintf(c->user, sizeof c->user, "%s%u", o->user, number);
    snprintf(c->jid, sizeof c->jid, "%s@%s/soak", c->user, o->domain);
    if (o->echo)
        snprintf(c->peer, sizeof c->peer, "echo@%s", o->domain);
    else
        snprintf(c->peer, sizeof c->peer, "%s%u@%s/soak", o->user, friend, o->domain);
    ev_init(&c->say, on_say);
    ev_init(&c->trouble, on_trouble);
    ev_timer_init(&c->back, on_back, number / o->gather, 0.);
    c->say.data = c->trouble.data = c->back.data = c;
    ev_timer_start(crowd->loop, &c->back);
}

void client_free(struct client *c)
{
    struct stream *all[] = {c->live, c->coming};

    for (int i = 0; i < 2; i++)
        if (all[i])
            stream_end(all[i], WIRE_RESET);
    while (c->former)
        stream_end(c->former, WIRE_RESET);
    ev_timer_stop(c->crowd->loop, &c->say);
    ev_timer_stop(c->crowd->loop, &c->trouble);
    ev_timer_stop(c->crowd->loop, &c->back);
    session_free(&c->session);
    way_free(&c->way);
    way_free(&c->pings);
    SSL_SESSION_free(c->ticket);
}

bool client_is_here(const struct client *c)
{
    return c->live && c->live->step == STEP_LIVE && !c->live->wire.blown && !c->coming;
}

bool client_is_out(const struct client *c)
{
    return !c->live && !c->coming && !c->session.enabled;
}

/* --- clocks --- */

static void again(struct client *c, ev_timer *t, double mean)
{
    ev_timer_set(t, dice_around(&c->dice, mean), 0.);
    ev_timer_start(c->crowd->loop, t);
}

void client_talk(struct client *c)
{
    again(c, &c->say, c->crowd->options.say_every);
    again(c, &c->trouble, c->crowd->options.cut_every);
}

/* Clients that are away speak, too: it is said when they are back. */
static void on_say(struct ev_loop *, ev_timer *t, int)
{
    struct client *c = t->data;

    if (c->crowd->phase != PHASE_RUN)
        return;
    again(c, t, c->crowd->options.say_every);
    if (!c->session.enabled || (c->live && c->live->step == STEP_CLOSING))
        return;
    client_say(c, dice_share(&c->dice, ping_share) ? SAID_PING : SAID_MESSAGE);
    if (!client_is_here(c))
        return;
    if (dice_share(&c->dice, ask_share))
        client_ask(c);
    wire_flush(&c->live->wire);
}

static void on_trouble(struct ev_loop *, ev_timer *t, int)
{
    struct client *c = t->data;

    if (c->crowd->phase != PHASE_RUN)
        return;
    again(c, t, c->crowd->options.cut_every);
    if (client_is_here(c))
        trouble(c);
}

static void on_back(struct ev_loop *, ev_timer *t, int)
{
    client_come(t->data);
}

void client_come(struct client *c)
{
    bool resumes = c->session.enabled;

    ev_timer_stop(c->crowd->loop, &c->back);
    if (c->coming || (c->live && !client_is_here(c)))
        return;
    c->coming = stream_new(c, resumes, resumes && c->crowd->phase == PHASE_RUN);
    if (!c->coming)
        client_come_later(c);
    else if (!resumes && c->closed_id[0])
        c->coming->stale = dice_share(&c->dice, stale_share);
}

void client_come_later(struct client *c)
{
    double away = c->crowd->options.away;

    if (c->lost || (c->crowd->phase == PHASE_LEAVE && !c->session.enabled))
        return;
    ev_timer_stop(c->crowd->loop, &c->back);
    if (dice_share(&c->dice, hasty_share))
        away = 0.;
    else if (c->crowd->phase == PHASE_RUN && dice_share(&c->dice, long_share))
        away *= long_factor;
    again(c, &c->back, away);
}

void client_hurry(struct client *c)
{
    if (ev_is_active(&c->back))
        client_come_later(c);
}

/* --- what it says --- */

static uint64_t put(struct client *c)
{
    struct bytes *page = &c->crowd->page;
    uint64_t end = wire_put(&c->live->wire, bytes_front(page), bytes_len(page));

    bytes_clear(page);
    return end;
}

/* All that the live stream has not been given yet. */
static void write_stanzas(struct client *c)
{
    struct bytes *page = &c->crowd->page;
    const char *domain = c->crowd->options.domain;
    struct stanza *s;

    while ((s = session_unwritten(&c->session))) {
        switch ((enum said)s->said) {
        case SAID_PRESENCE:
            bytes_print(page, "<presence/>");
            break;
        case SAID_GREETING:
            bytes_print(page, "<presence to='%s'/>", c->peer);
            break;
        case SAID_MESSAGE:
            words_message(c->crowd->words, page, c->number, s->number, c->peer);
            break;
        case SAID_PING:
            bytes_print(page, "<iq type='get' to='%s' id='p%u'><ping xmlns='urn:xmpp:ping'/></iq>",
                        domain, s->number);
            break;
        }
        session_wrote(&c->session, put(c));
    }
}

void client_say(struct client *c, enum said said)
{
    uint32_t number = 0;

    if (said == SAID_MESSAGE) {
        number = c->way.said++;
        c->crowd->counts.said++;
    } else if (said == SAID_PING) {
        number = c->pings.said++;
        c->crowd->counts.pings++;
    }
    session_say(&c->session, said, number);
    if (c->live && c->live->step == STEP_LIVE)
        write_stanzas(c);
}

void client_ask(struct client *c)
{
    if (!c->live || c->live->step != STEP_LIVE)
        return;
    c->live->asks++;
    wire_puts(&c->live->wire, "<r xmlns='" SM "'/>");
}

static void acknowledge(struct client *c)
{
    bytes_print(&c->crowd->page, "<a xmlns='" SM "' h='%u'/>", c->session.handled);
    put(c);
}

void client_log_out(struct client *c)
{
    if (!client_is_here(c))
        return;
    c->logouts++;
    way_hearer_left(&c->friend->way);
    way_hearer_left(&c->pings);
    acknowledge(c);
    /* Who is cut off between the two closing tags cannot know what became of the session. */
    c->live->wire.fuse_up = c->live->wire.fuse_down = UINT64_MAX;
    wire_puts(&c->live->wire, "</stream:stream>");
    c->live->step = STEP_CLOSING;
    wire_flush(&c->live->wire);
}

/* --- what a login comes to --- */

/* The live stream carries the session no more. */
static void leave(struct client *c, struct stream *s)
{
    session_cut(&c->session, s->wire.sent);
    c->live = NULL;
}

static void make_live(struct client *c, struct stream *s)
{
    struct stream *old = c->live;

    if (old) {
        leave(c, old);
        stream_retire(old, false);
    }
    c->live = s;
    c->coming = NULL;
}

void client_resume(struct client *c, struct stream *s)
{
    make_live(c, s);
    s->asked_for = true;
    bytes_print(&c->crowd->page, "<resume xmlns='" SM "' previd='%s' h='%u'/>", c->session.id,
                c->session.handled);
    put(c);
}

static bool believe(struct client *c, struct stream *s, uint32_t h, const char *where)
{
    const struct session *m = &c->session;

    c->crowd->counts.acks++;
    switch (session_ack(&c->session, h, s->wire.sent)) {
    case ACK_FINE:
        return true;
    case ACK_LOWER:
        crowd_fault(c->crowd, c->jid, "<%s h=%u/> after h=%u", where, h, m->acked);
        break;
    case ACK_HIGHER:
        crowd_fault(c->crowd, c->jid, "<%s h=%u/>, but no more than %u can have come", where, h,
                    m->could);
        break;
    }
    return false;
}

static void goes_live(struct client *c, struct stream *s)
{
    s->step = STEP_LIVE;
    ev_timer_stop(c->crowd->loop, &s->timer);
    write_stanzas(c);
}

void client_resumed(struct client *c, struct stream *s, struct text item)
{
    struct text id;
    uint32_t h;

    if (!item_attribute(item, "previd", &id) || !text_is(id, c->session.id) ||
        !item_number(item, "h", &h)) {
        crowd_fault(c->crowd, c->jid, "a strange %.*s", (int)item.len, item.p);
        return;
    }
    (void)believe(c, s, h, "resumed");
    c->crowd->counts.resumed++;
    c->crowd->counts.again += c->session.count;
    goes_live(c, s);
    if (dice_share(&c->dice, ask_share))
        client_ask(c);
}

/* What is said behind <enable/> counts; half of the clients do not wait for the answer. */
void client_enable(struct client *c, struct stream *s)
{
    make_live(c, s);
    s->step = STEP_ENABLE;
    session_begin(&c->session);
    session_say(&c->session, SAID_PRESENCE, 0);
    if (c->friend != c)
        session_say(&c->session, SAID_GREETING, 0);
    wire_puts(&s->wire, "<enable xmlns='" SM "' resume='true'/>");
    if (dice_share(&c->dice, .5))
        write_stanzas(c);
}

void client_enabled(struct client *c, struct stream *s, struct text item)
{
    struct text id;

    if (!item_attribute(item, "id", &id) || !id.len || id.len >= sizeof c->session.id) {
        crowd_fault(c->crowd, c->jid, "a strange %.*s", (int)item.len, item.p);
        return;
    }
    memcpy(c->session.id, id.p, id.len);
    c->session.id[id.len] = 0;
    c->session.enabled = true;
    c->crowd->counts.logins++;
    goes_live(c, s);
}

void client_give_up(struct client *c, struct stream *s, struct text item)
{
    crowd_fault(c->crowd, c->jid, "the session %s is lost: %.*s", c->session.id, (int)item.len,
                item.p);
    c->crowd->counts.lost++;
    c->lost = true;
    session_close(&c->session);
    stream_end(s, WIRE_FINISH);
    client_lost(c, s);
}

/* --- what it hears --- */

static void wrong(struct client *c, const char *why, struct text item)
{
    crowd_fault(c->crowd, c->jid, "%s: %.*s", why, (int)(item.len < 300 ? item.len : 300), item.p);
}

static void hear_message(struct client *c, struct stream *s, struct text item)
{
    struct text from, type;
    bool error = item_attribute(item, "type", &type) && text_is(type, "error");
    const char *why;
    uint32_t number;

    if (!item_attribute(item, "from", &from) || !text_is(from, c->peer) ||
        !words_number(item, 'm', &number)) {
        wrong(c, "nobody says this", item);
        return;
    }
    if (error) {
        c->crowd->counts.returned++;
        why = way_returned(&c->way, number);
    } else {
        c->crowd->counts.heard++;
        why = way_heard(&c->friend->way, number, s->step == STEP_CLOSING);
        if (!why && !words_true(c->crowd->words, item, c->friend->number, number))
            why = "it was altered";
    }
    if (why)
        wrong(c, why, item);
}

static void hear_presence(struct client *c, struct text item)
{
    struct text type;

    if (!item_attribute(item, "type", &type) || !text_is(type, "unavailable"))
        return;
    c->crowd->counts.gone++;
    if (++c->gone > c->friend->logouts)
        wrong(c, "its friend has not gone", item);
}

static void hear_answer(struct client *c, struct stream *s, struct text item)
{
    struct text type;
    const char *why = "nobody asked for this";
    uint32_t number;

    if (item_attribute(item, "type", &type) && text_is(type, "result") &&
        words_number(item, 'p', &number)) {
        c->crowd->counts.pongs++;
        why = way_heard(&c->pings, number, s->step == STEP_CLOSING);
    }
    if (why)
        wrong(c, why, item);
}

void client_item(struct client *c, struct stream *s, struct text item)
{
    bool stanza = item_is(item, "message") || item_is(item, "presence") || item_is(item, "iq");
    uint32_t h;

    if (stanza && s->step >= STEP_LIVE) /* what comes ahead of <enabled/> does not count */
        c->session.handled++;
    if (item_is(item, "r")) {
        if (s->step == STEP_LIVE)
            acknowledge(c);
    } else if (item_is(item, "a")) {
        s->asks -= s->asks > 0;
        if (item_number(item, "h", &h))
            (void)believe(c, s, h, "a");
        else
            wrong(c, "no h", item);
    } else if (item_is(item, "message")) {
        hear_message(c, s, item);
    } else if (item_is(item, "presence")) {
        hear_presence(c, item);
    } else if (item_is(item, "iq")) {
        hear_answer(c, s, item);
    } else {
        wrong(c, "no stanza", item);
    }
}

/* --- how it ends --- */

static void logged_out(struct client *c)
{
    c->crowd->counts.logouts++;
    memcpy(c->closed_id, c->session.id, sizeof c->closed_id);
    c->closed_h = c->session.acked + (uint32_t)c->session.count;
    session_close(&c->session);
    way_speaker_left(&c->way);
    way_speaker_left(&c->pings);
}

void client_lost(struct client *c, struct stream *s)
{
    if (s == c->coming) {
        c->coming = NULL;
    } else if (s == c->live) {
        leave(c, s);
        if (s->asked_for && s->step < STEP_LIVE)
            c->loose++;
        if (s->step == STEP_CLOSING)
            logged_out(c);
    }
    if (!c->live && !c->coming)
        client_come_later(c);
}
