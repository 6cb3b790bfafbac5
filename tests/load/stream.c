/* SPDX-License-Identifier: MIT */
/*
 * What happens on a wire is sorted here: bytes become items, which go to the login or to the
 * client; an end is expected, or is a fault.
 */
#include "tests/load/stream.h"

#include <stdlib.h>
#include <string.h>

enum { FUSE_MAX = 6000 }; /* bytes: a login up to about twice its length */

static void told(struct wire *w, enum wire_told what);
static void on_timer(struct ev_loop *loop, ev_timer *t, int);

/* --- life --- */

static void set_timer(struct stream *s, double seconds)
{
    struct ev_loop *loop = s->client->crowd->loop;

    ev_timer_stop(loop, &s->timer);
    ev_timer_set(&s->timer, seconds, 0.);
    ev_timer_start(loop, &s->timer);
}

static void lay_fuse(struct stream *s)
{
    struct dice *dice = &s->client->dice;
    uint64_t at = 1 + dice_below(dice, FUSE_MAX);

    if (!dice_share(dice, s->client->crowd->options.fuse))
        return;
    if (dice_share(dice, .5))
        s->wire.fuse_up = at;
    else
        s->wire.fuse_down = at;
}

struct stream *stream_new(struct client *c, bool resumes, bool fused)
{
    const struct options *o = &c->crowd->options;
    struct stream *s = calloc(1, sizeof *s);
    bool direct = o->tls.sin_port && (!o->starttls.sin_port || dice_share(&c->dice, .5));

    if (!s)
        abort();
    s->client = c;
    s->resumes = resumes;
    s->pipelines = resumes && dice_share(&c->dice, .3);
    s->step = direct ? STEP_SECURE : STEP_CONNECT;
    s->wire.owner = s;
    s->wire.tell = told;
    s->wire.ticket = &c->ticket;
    c->crowd->counts.connects++;
    if (!wire_open(&s->wire, c->crowd->loop, direct ? &o->tls : &o->starttls)) {
        c->crowd->counts.refused++;
        free(s);
        return NULL;
    }
    if (fused)
        lay_fuse(s);
    ev_timer_init(&s->timer, on_timer, 0., 0.);
    s->timer.data = s;
    set_timer(s, o->patience);
    return s;
}

static void unlink_former(struct stream *s)
{
    struct stream **p = &s->client->former;

    while (*p && *p != s)
        p = &(*p)->next;
    if (*p)
        *p = s->next;
}

void stream_end(struct stream *s, enum wire_end how)
{
    struct crowd *crowd = s->client->crowd;

    if (s->wire.fd < 0)
        return;
    if (s->step == STEP_FORMER)
        unlink_former(s);
    wire_end(&s->wire, how);
    ev_timer_stop(crowd->loop, &s->timer);
    s->next = crowd->dead;
    crowd->dead = s;
}

void stream_retire(struct stream *s, bool deaf)
{
    struct client *c = s->client;

    s->step = STEP_FORMER;
    s->next = c->former;
    c->former = s;
    if (deaf)
        wire_stick(&s->wire);
    else
        bytes_clear(&s->wire.out); /* what the session was cut at stays so */
    set_timer(s,
              deaf ? dice_around(&c->dice, c->crowd->options.linger) : c->crowd->options.patience);
}

void streams_free_dead(struct crowd *crowd)
{
    struct stream *s;

    while ((s = crowd->dead)) {
        crowd->dead = s->next;
        bytes_clear(&s->wire.in);
        free(s);
    }
}

/* --- what happens --- */

static void on_timer(struct ev_loop *, ev_timer *t, int)
{
    struct stream *s = t->data;
    struct client *c = s->client;

    if (s->step == STEP_FORMER && s->wire.deaf) {
        stream_end(s, dice_share(&c->dice, .5) ? WIRE_RESET : WIRE_FINISH);
        return;
    }
    crowd_fault(c->crowd, c->jid, "step %d of a stream hangs", s->step);
    stream_end(s, WIRE_RESET);
    client_lost(c, s);
}

static void conflict(struct stream *s)
{
    s->conflict = true;
    s->client->crowd->counts.conflicts++;
}

/* A stream error. A <conflict/> is right on a stream that gave way; it is possible where an
 * earlier <resume/> on a stream that was cut is heeded only now. */
static void stream_error(struct stream *s, struct text item)
{
    struct client *c = s->client;

    if (c->crowd->options.may_end && s->step >= STEP_RESUME &&
        item_has(item, "<remote-connection-failed")) {
        if (s == c->live)
            client_told_over(c);
        stream_end(s, WIRE_FINISH);
        client_lost(c, s);
        return;
    }
    if (!item_has(item, "<conflict") || !c->loose)
        crowd_fault(c->crowd, c->jid, "stream error in step %d: %.*s", s->step,
                    (int)(item.len < 200 ? item.len : 200), item.p);
    else
        c->loose--;
    conflict(s);
    stream_end(s, WIRE_FINISH);
    client_lost(c, s);
}

static void take(struct stream *s, enum scan_found found, struct text item)
{
    struct client *c = s->client;

    if (s->step == STEP_FORMER) {
        if (found != SCAN_ITEM || !item_is(item, "error"))
            return;
        if (item_has(item, "<conflict"))
            conflict(s);
        else if (item_has(item, "<connection-timeout")) /* its <r/>s are not answered any more */
            s->excused = true;
    } else if (found == SCAN_CLOSING) {
        s->closed = true;
        if (s->step == STEP_LIVE && c->crowd->options.may_end)
            client_told_over(c);
        else if (s->step != STEP_CLOSING && !c->crowd->options.may_drop)
            crowd_fault(c->crowd, c->jid, "a closing tag in step %d", s->step);
        stream_end(s, WIRE_NOTIFY);
        client_lost(c, s);
    } else if (found == SCAN_ITEM && item_is(item, "error")) {
        stream_error(s, item);
    } else if (s->step < STEP_LIVE && !(s->step == STEP_ENABLE && !item_is(item, "enabled"))) {
        login_item(s, found == SCAN_HEADER, item);
    } else {
        client_item(c, s, item);
    }
}

static void read_items(struct stream *s)
{
    struct text item;

    while (s->wire.fd >= 0) {
        enum scan_found found = scan_next(&s->scan, &s->wire.in, &item);

        if (found == SCAN_MORE)
            break;
        if (found != SCAN_BROKEN) {
            take(s, found, item);
            continue;
        }
        crowd_fault(s->client->crowd, s->client->jid, "not XML in step %d: %.*s", s->step,
                    (int)(bytes_len(&s->wire.in) < 300 ? bytes_len(&s->wire.in) : 300),
                    bytes_front(&s->wire.in));
        stream_end(s, WIRE_RESET);
        client_lost(s->client, s);
    }
    wire_flush(&s->wire);
}

/* It was taken over, and has to have been told, where there was a way to tell. */
static void former_ended(struct stream *s)
{
    struct client *c = s->client;
    const char *why = s->wire.why;
    bool orderly = !strcmp(why, "closed") || !strcmp(why, "close_notify");
    bool halfway = wire_halfway(&s->wire) || scan_halfway(&s->scan, &s->wire.in);

    if (!s->conflict && !s->excused && orderly && !halfway && !c->crowd->options.may_drop)
        crowd_fault(c->crowd, c->jid, "taken over without <conflict/>");
    stream_end(s, WIRE_FINISH);
}

/* The other side ended it. */
static void ended(struct stream *s)
{
    struct client *c = s->client;
    const char *why = s->wire.why;
    bool refused = !strcmp(why, "refused");

    if (s->step == STEP_FORMER) {
        former_ended(s);
        return;
    }
    if (refused)
        c->crowd->counts.refused++;
    else
        c->crowd->counts.dropped++;
    if (!c->crowd->options.may_drop)
        crowd_fault(c->crowd, c->jid, "in step %d the connection ends: %s", s->step, why);
    stream_end(s, WIRE_FINISH);
    client_lost(c, s);
}

static void told(struct wire *w, enum wire_told what)
{
    struct stream *s = w->owner;

    switch (what) {
    case WIRE_CONNECTED:
        login_connected(s);
        break;
    case WIRE_SECURE:
        login_secure(s);
        break;
    case WIRE_BYTES:
        read_items(s);
        break;
    case WIRE_BLOWN:
        s->client->crowd->counts.blown++;
        trouble_after(s);
        break;
    case WIRE_ENDED:
        ended(s);
        break;
    }
}
