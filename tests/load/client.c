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

static const double ask_share = .3;

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
    c->leaves = false;
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
    if (c->crowd->options.may_end)
        way_hearer_cut(&c->friend->way);
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

static void logged_out(struct client *c)
{
    c->crowd->counts.logouts++;
    memcpy(c->closed_id, c->session.id, sizeof c->closed_id);
    c->closed_h = c->session.acked + (uint32_t)c->session.count;
    c->leaves = false;
    session_close(&c->session);
    way_speaker_left(&c->way);
    way_speaker_left(&c->pings);
}

/* What it said may be lost from some stanza on; what it heard, and did not acknowledge, comes
 * again. */
static void session_ended(struct client *c)
{
    c->crowd->counts.ended++;
    printf("OVER %s\n", c->jid);
    memcpy(c->closed_id, c->session.id, sizeof c->closed_id);
    c->closed_h = c->session.acked + (uint32_t)c->session.count;
    session_close(&c->session);
    way_speaker_cut(&c->way);
    way_speaker_cut(&c->pings);
    c->last_said = false;
}

void client_told_over(struct client *c)
{
    c->crowd->counts.told++;
    if (c->session.enabled && dice_share(&c->dice, .5))
        session_ended(c);
}

bool client_refused(struct client *c, struct stream *s, struct text item)
{
    uint32_t h;

    if (c->crowd->options.may_end && item_has(item, "<item-not-found")) {
        if (item_number(item, "h", &h))
            (void)believe(c, s, h, "failed");
        if (c->leaves)
            logged_out(c);
        else
            session_ended(c);
        c->live = NULL;
        c->coming = s;
        s->resumes = false;
        s->wire.fuse_up = s->wire.fuse_down = UINT64_MAX; /* as for every first login */
        return true;
    }
    crowd_fault(c->crowd, c->jid, "the session %s is lost: %.*s", c->session.id, (int)item.len,
                item.p);
    c->crowd->counts.lost++;
    c->lost = true;
    session_close(&c->session);
    stream_end(s, WIRE_FINISH);
    client_lost(c, s);
    return false;
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
    if (error && c->crowd->options.may_end && item_has(item, "<remote-server-timeout")) {
        c->crowd->counts.doubted++;
        why = way_doubted(&c->way, number);
    } else if (error) {
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
    if (c->crowd->options.may_end &&
        c->crowd->phase < PHASE_LEAVE) { /* who compares the lists knows */
        printf("GONE %s\n", c->friend->jid);
        return;
    }
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

void client_lost(struct client *c, struct stream *s)
{
    if (s == c->coming) {
        c->coming = NULL;
    } else if (s == c->live) {
        leave(c, s);
        if (s->asked_for && s->step < STEP_LIVE)
            c->loose++;
        if (s->step == STEP_ENABLE && c->crowd->options.may_end)
            printf("UNSURE %s\n", c->jid); /* there may be a session that nobody will resume */
        if (s->step == STEP_CLOSING && (s->closed || !c->crowd->options.may_end))
            logged_out(c);
        else
            c->leaves |= s->step == STEP_CLOSING;
    }
    if (!c->live && !c->coming)
        client_come_later(c);
}
