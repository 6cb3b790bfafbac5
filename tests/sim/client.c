/* SPDX-License-Identifier: MIT */
/*
 * What a client hears, what it says, how it comes and goes, in this order.
 */
#include "tests/sim/client.h"

#include "tests/sim/meaning.h"
#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <stdio.h>

enum { MADE_MAX = 120, PUSH_ROOM = 6000, PLAIN_MAX = 4 };

static struct story *story_of(struct world *w, const struct device *d)
{
    return d->story < 0 ? NULL : &w->stories[d->story];
}

static struct kernel_connection *connection_of(struct world *w, const struct device *d)
{
    return &w->connections[d->connection];
}

static void say(struct world *w, struct device *d, const char *text)
{
    trace(w, "client %d says %s", (int)(d - w->devices), text);
    kernel_client_send(w, d->connection, text, strlen(text));
}

static const char *ns_of(const struct story *s)
{
    return s->ns2 ? "urn:xmpp:sm:2" : "urn:xmpp:sm:3";
}

static void say_h(struct world *w, struct device *d, const char *format)
{
    struct story *s = story_of(w, d);
    char text[160];

    if (s->got > s->claimed)
        s->claimed = s->got;
    snprintf(text, sizeof text, format, ns_of(s), s->start + s->got, s->id);
    say(w, d, text);
}

/* --- coming and going --- */

static void leave(struct world *w, struct device *d, enum kernel_leaving how)
{
    if (d->connection >= 0)
        kernel_leave(w, d->connection, how);
    d->connection = -1;
    d->phase = DEVICE_OFFLINE;
}

static void bind(struct world *w, struct device *d)
{
    char text[160];

    d->phase = DEVICE_BINDING;
    d->wants_sm = !one_in(w, 16);
    d->plain = one_in(w, 2) ? 0 : below(w, PLAIN_MAX);
    snprintf(text, sizeof text,
             "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
             "<resource>%s</resource></bind></iq>",
             d->resource);
    say(w, d, text);
}

/* Who closes a stream reads what has arrived before the socket is closed. */
static void hear_out(struct world *w, struct device *d)
{
    if (d->phase == DEVICE_CLOSING && !connection_of(w, d)->severed)
        kernel_sever(w, d->connection);
    while (d->phase == DEVICE_CLOSING && d->connection >= 0 &&
           pipe_waits(&connection_of(w, d)->down))
        (void)client_read(w, (int)(d - w->devices));
}

void client_connect(struct world *w, int device, enum client_wish wish)
{
    struct device *d = &w->devices[device];
    int connection = kernel_connect(w, device);

    if (connection < 0)
        return;
    hear_out(w, d);
    trace(w, "client %d connects (%d)", device, connection);
    leave(w, d, one_in(w, 3) ? KERNEL_SILENCE : KERNEL_ORPHAN);
    d->connection = connection;
    d->asked = d->answered = 0;
    split_init(&d->in);
    if (wish == CLIENT_RESUME && d->may_resume) {
        d->phase = DEVICE_RESUMING;
        say_h(w, d, "<resume xmlns='%s' h='%" PRIu32 "' previd='%s'/>");
    } else {
        bind(w, d);
    }
}

void client_leave(struct world *w, int device)
{
    hear_out(w, &w->devices[device]);
    leave(w, &w->devices[device], KERNEL_FIN);
}

void client_cut(struct world *w, int device)
{
    struct device *d = &w->devices[device];
    uint32_t how = below(w, 6);

    if (d->connection < 0)
        return;
    trace(w, "the network of client %d breaks (%u)", device, how);
    hear_out(w, d);
    if (d->connection < 0)
        return;
    if (how >= 2)
        kernel_sever(w, d->connection);
    if (one_in(w, 2)) /* what arrived before it breaks is read */
        while (d->connection >= 0 && client_read(w, device))
            ;
    if (d->connection < 0)
        return;
    if (how == 5) {
        kernel_tell(w, d->connection); /* the process alone learns of it, as yet */
        return;
    }
    leave(w, d, how < 2 ? KERNEL_FIN : how == 2 ? KERNEL_SILENCE : KERNEL_RST);
}

void client_close(struct world *w, int device)
{
    struct device *d = &w->devices[device];

    if (d->phase != DEVICE_ON && d->phase != DEVICE_PLAIN)
        return;
    if (d->phase == DEVICE_ON)
        story_of(w, d)->closed = true;
    d->phase = DEVICE_CLOSING;
    d->may_resume = false;
    say(w, d, "</stream:stream>");
}

/* --- what it says --- */

static void enable(struct world *w, struct device *d)
{
    struct story *s = story_of(w, d);
    char text[120], max[24] = "";
    bool simple = one_in(w, 12);

    s->ns2 = one_in(w, 8);
    if (one_in(w, 4))
        snprintf(max, sizeof max, " max='%u'", 1 + below(w, 1200));
    snprintf(text, sizeof text, "<enable xmlns='%s'%s%s/>", ns_of(s),
             simple         ? ""
             : one_in(w, 2) ? " resume='true'"
                            : " resume='1'",
             max);
    say(w, d, text);
    d->phase = DEVICE_ENABLING;
    d->next = 1;
    if (one_in(w, 2)) {
        s->presence = 1;
        s->made = 1;
    } else {
        s->presence = 0;
    }
}

/* Before stream management, and without it: nothing is numbered. */
static void speak_plainly(struct world *w, struct device *d)
{
    if (d->wants_sm && d->plain == 0) {
        enable(w, d);
        return;
    }
    if (d->plain == 1 || one_in(w, 8))
        say(w, d, "<presence/>");
    else
        say(w, d, "<message id='plain' to='juliet@" DOMAIN "'><body>hello</body></message>");
    d->plain -= d->plain ? 1 : 0;
}

void client_ask(struct world *w, int device)
{
    struct device *d = &w->devices[device];
    char text[48];

    if (d->phase != DEVICE_ON)
        return;
    snprintf(text, sizeof text, "<r xmlns='%s'/>", ns_of(story_of(w, d)));
    say(w, d, text);
    d->asked++;
}

void client_push(struct world *w, int device)
{
    struct device *d = &w->devices[device];
    struct story *s = story_of(w, d);
    char text[STANZA_TEXT];

    if (d->phase != DEVICE_ON && d->phase != DEVICE_ENABLING)
        return;
    while (d->next <= s->made) {
        struct pipe *p = &connection_of(w, d)->up;
        size_t len;

        if (PIPE_SIZE - (p->end - p->read) < 2 * PUSH_ROOM || !pipe_room(w, p))
            return;
        len = stanza_up(w, s, d->next++, text);
        trace(w, "client %d says %.*s", device, (int)(len < 300 ? len : 300), text);
        kernel_client_send(w, d->connection, text, len);
        if (one_in(w, 5))
            client_ask(w, device);
    }
}

void client_make(struct world *w, int device, uint32_t count)
{
    struct device *d = &w->devices[device];
    struct story *s = story_of(w, d);

    if (d->phase == DEVICE_PLAIN) {
        speak_plainly(w, d);
        return;
    }
    if (d->phase != DEVICE_ON && d->phase != DEVICE_ENABLING &&
        !(d->may_resume && (d->phase == DEVICE_OFFLINE || d->phase == DEVICE_RESUMING)))
        return;
    for (; count && s->made < MADE_MAX; count--)
        s->made++;
    client_push(w, device);
}

void client_chatter(struct world *w, int device)
{
    struct device *d = &w->devices[device];

    if (d->phase != DEVICE_ON && d->phase != DEVICE_PLAIN)
        return;
    if (d->phase == DEVICE_ON && one_in(w, 2))
        say_h(w, d, "<a xmlns='%s' h='%" PRIu32 "'/>");
    else
        say(w, d,
            one_in(w, 2) ? "<inactive xmlns='urn:xmpp:csi:0'/>"
                         : "\n<active xmlns='urn:xmpp:csi:0'/> ");
}

void client_misbehave(struct world *w, int device)
{
    struct device *d = &w->devices[device];
    struct story *s = story_of(w, d);
    char text[80];

    if (d->phase != DEVICE_ON)
        return;
    if (one_in(w, 2)) {
        s->lied = true;
        snprintf(text, sizeof text, "<a xmlns='%s' h='%" PRIu32 "'/>", ns_of(s),
                 s->start + QUEUED + 1 + below(w, 100000));
        say(w, d, text);
    } else {
        s->garbled = true;
        say(w, d, one_in(w, 2) ? "<!-- no comment -->" : "</message>");
    }
    d->may_resume = false;
    d->phase = DEVICE_CLOSING;
}

/* --- what it hears --- */

static bool read_h(struct world *w, struct story *s, const struct item *item)
{
    uint32_t h;

    if (!span_uint32(item->h, &h))
        return false;
    oracle_heard(w, s, h - s->start);
    return true;
}

static void hear_resumed(struct world *w, struct device *d, const struct item *item)
{
    struct story *s = story_of(w, d);

    fact(w, s, d->phase == DEVICE_RESUMING, "<resumed/> that nobody asked for");
    fact(w, s, span_is(item->previd, s->id), "<resumed/> for another session: %.*s",
         (int)item->previd.len, item->previd.p);
    fact(w, s, read_h(w, s, item), "<resumed/> without h");
    d->phase = DEVICE_ON;
    d->next = s->told + 1;
    happened(w, FIG_RESUMED);
}

static void hear_enabled(struct world *w, struct device *d, const struct item *item)
{
    struct story *s = story_of(w, d);

    fact(w, s, d->phase == DEVICE_ENABLING, "<enabled/> that nobody asked for");
    fact(w, s, item->id.len < sizeof s->id, "the SM-ID is too long: %zu", item->id.len);
    d->phase = DEVICE_ON;
    d->may_resume = span_boolean(item->resume);
    if (item->id.len)
        memcpy(s->id, item->id.p, item->id.len);
    s->id[item->id.len] = 0;
    s->enabled = true;
}

static void hear_failed(struct world *w, struct device *d, const struct item *item)
{
    struct story *s = story_of(w, d);

    if (d->phase == DEVICE_ENABLING) {
        d->phase = DEVICE_PLAIN;
        d->wants_sm = false;
        return;
    }
    fact(w, s, d->phase == DEVICE_RESUMING, "<failed/> that nobody asked for");
    happened(w, FIG_FAILED);
    if (read_h(w, s, item))
        happened(w, FIG_TOMBSTONE);
    d->may_resume = false;
    if (one_in(w, 4))
        leave(w, d, KERNEL_FIN);
    else
        bind(w, d);
}

static void hear_sm(struct world *w, struct device *d, const struct item *item, struct span raw)
{
    struct story *s = story_of(w, d);

    switch (item->kind) {
    case ITEM_SM_R:
        fact(w, s, d->phase == DEVICE_ON || d->phase == DEVICE_CLOSING, "<r/> too early");
        if (d->phase == DEVICE_ON)
            say_h(w, d, "<a xmlns='%s' h='%" PRIu32 "'/>");
        break;
    case ITEM_SM_A:
        fact(w, s, read_h(w, s, item), "<a/> without h");
        d->answered++;
        break;
    default:
        if (item->name_end == sizeof "<resumed" - 1 && raw.p[1] == 'r')
            hear_resumed(w, d, item);
        else if (raw.p[1] == 'e')
            hear_enabled(w, d, item);
        else
            hear_failed(w, d, item);
        break;
    }
}

static void hear_bound(struct world *w, struct device *d)
{
    d->story = connection_of(w, d)->story;
    d->phase = DEVICE_PLAIN;
    if (!d->wants_sm)
        happened(w, FIG_PLAIN);
}

static void hear_request(struct world *w, struct device *d, struct span raw)
{
    struct story *s = story_of(w, d);
    struct tag tag = stanza_tag(raw);

    /* Those that came plain are answered plainly, and nobody minds. */
    if (d->phase != DEVICE_ON || tag.side != 's' || s->made >= STANZAS ||
        tag.story != (uint32_t)story_number(w, s))
        return;
    s->answers[++s->made] = tag.number;
    client_push(w, (int)(d - w->devices));
}

static void hear_stanza(struct world *w, struct device *d, const struct item *item, struct span raw)
{
    struct story *s = story_of(w, d);

    if (d->phase == DEVICE_BINDING) {
        fact(w, s, item->type == TYPE_RESULT && span_is(item->id, "bind"),
             "something else than the bind's result: %.*s", (int)raw.len, raw.p);
        hear_bound(w, d);
        return;
    }
    fact(w, s, d->phase != DEVICE_RESUMING, "a stanza before <resumed/>: %.*s", (int)raw.len,
         raw.p);
    if (d->phase == DEVICE_PLAIN || d->phase == DEVICE_ENABLING || !s->enabled) {
        oracle_got_plain(w, s, raw);
        return;
    }
    oracle_got(w, s, raw);
    if (item->kind == ITEM_IQ && item->type == TYPE_GET)
        hear_request(w, d, raw);
}

static void hear(struct world *w, struct device *d, struct span raw)
{
    struct item item;

    trace(w, "client %d hears %.*s", (int)(d - w->devices), (int)raw.len, raw.p);
    fact(w, story_of(w, d), meaning_of(w, raw, &item), "the client reads nonsense: %.*s",
         (int)raw.len, raw.p);
    switch (item.kind) {
    case ITEM_MESSAGE:
    case ITEM_PRESENCE:
    case ITEM_IQ:
        hear_stanza(w, d, &item, raw);
        break;
    case ITEM_SM_R:
    case ITEM_SM_A:
    case ITEM_SM_OTHER:
        hear_sm(w, d, &item, raw);
        break;
    case ITEM_STREAM_ERROR:
        if (d->phase != DEVICE_OFFLINE)
            d->phase = DEVICE_CLOSING;
        break;
    default:
        break;
    }
}

static void hear_item(struct world *w, struct device *d, enum framed framed, struct span raw)
{
    fact(w, story_of(w, d), framed == FRAMED_ELEMENT || framed == FRAMED_CLOSE,
         "the client's stream is no XML");
    if (framed == FRAMED_CLOSE) {
        trace(w, "client %d hears </stream:stream>", (int)(d - w->devices));
        leave(w, d, KERNEL_FIN);
        return;
    }
    hear(w, d, raw);
}

bool client_read(struct world *w, int device)
{
    struct device *d = &w->devices[device];
    enum framed framed;
    struct span raw;
    uint32_t len;

    if (d->connection < 0)
        return false;
    struct kernel_connection *c = connection_of(w, d);

    len = pipe_waits(&c->down);
    if (!len) {
        if (c->down_rst || (c->down_fin && c->down.read == c->down.end)) {
            trace(w, "client %d: its connection is gone", device);
            leave(w, d, KERNEL_FIN);
            return true;
        }
        return false;
    }
    if (len > split_room(&d->in))
        len = split_room(&d->in);
    if (one_in(w, 3))
        len = 1 + below(w, len);
    split_put(&d->in, pipe_take(&c->down, len), len);
    while (d->connection >= 0 && (framed = split_next(&d->in, &raw)) != FRAMED_MORE)
        hear_item(w, d, framed, raw);
    return true;
}
