/* SPDX-License-Identifier: MIT */
/*
 * Text of Holdfast's own goes between stanzas only; a large stanza leaves in
 * pieces, as fast as its client takes them.
 */
#include "proxy/serve.h"

#include "parser/stanza.h"
#include "proxy/orders.h"
#include "proxy/relay.h"
#include "sm/wire.h"

enum {
    PIECE_MAX = 65536, /* bytes encrypted before the socket is tried */
    EDIT_ROOM =
        8192, /* what an edit may add: declarations, a language, a delay stamp with its domain */
};

struct sink serve_sink(struct tools *tools, size_t len)
{
    char *room;

    tools->edited.start = tools->edited.end = 0;
    room = buffer_room(&tools->edited, len + EDIT_ROOM);
    return (struct sink){.p = room, .max = room ? len + EDIT_ROOM : 0, .full = !room};
}

static void wrote(struct link *l, size_t raw)
{
    orders_tell(l, (struct sm_event){.type = SM_CLIENT_WROTE, .count = raw});
}

/* One stanza that cannot go as it is: it waited, or the client's header is not the link's. Without
 * memory for it the connection ends, and the next one gets it. */
static void write_edited(struct link *l, const struct sm_stanza *one)
{
    struct client *c = l->client;
    struct context gives = relay_link_gives(l), has = relay_client_has(c);
    struct stanza_edit edit = {.delay_from = one->late ? span_of(l->host->domain) : SPAN_NONE,
                               .delay_ms = one->stamp_ms,
                               .self_contained = client_stands_alone(c)};
    struct span raw = {one->xml, one->len};
    struct sink k = serve_sink(l->tools, one->len);
    struct item item;
    enum xml_verdict verdict = xml_next(l->tools->xml, &gives, raw, &item);

    if (verdict == XML_NO_MEMORY || !k.p) {
        client_failed(c);
        return;
    }
    if (verdict == XML_FINE)
        stanza_carry(&k, raw, &item, &gives, &has, &edit);
    client_send(c, k.full || verdict != XML_FINE ? raw : sink_span(&k));
    l->tools->counters.edited++;
    wrote(l, one->len);
}

/* The same for a WebSocket, where nothing has to be known of the stanza but where its name ends. */
static void write_alone(struct link *l, const struct sm_stanza *one)
{
    struct client *c = l->client;
    struct context gives = relay_link_gives(l), has = relay_client_has(c);
    struct stanza_edit edit = {.self_contained = true};
    struct span raw = {one->xml, one->len};
    struct item item = {
        .flags = one->flags, .name_end = xml_name_end(raw), .content_end = one->len};
    struct sink k = serve_sink(l->tools, one->len);

    stanza_carry(&k, raw, &item, &gives, &has, &edit);
    if (k.full) {
        client_failed(c);
        return;
    }
    client_send(c, sink_span(&k));
    wrote(l, one->len);
}

/* True if something was written. */
static bool write_some(struct link *l, bool passes)
{
    struct sm_text run = {0};
    struct sm_stanza one = {0};

    if (!l->client->share)
        return false;
    if (!passes && sm_between(l->session)) {
        if (!sm_unwritten_one(l->session, &one))
            return false;
    } else if (!sm_unwritten(l->session, &run, &one)) {
        return false;
    }
    if (!run.len && client_stands_alone(l->client) && !one.late && !(one.flags & ITEM_BORROWS)) {
        write_alone(l, &one);
        run.len = one.len;
    } else if (!run.len) {
        write_edited(l, &one);
        run.len = one.len;
    } else {
        if (run.len > PIECE_MAX)
            run.len = PIECE_MAX;
        client_write(l->client, (struct span){run.p, run.len});
        wrote(l, run.len);
    }
    l->client->share -= run.len < l->client->share ? run.len : l->client->share;
    return true;
}

/* Text goes in only where no stanza is half written. */
static void write_texts(struct link *l)
{
    struct client *c = l->client;

    if (!buffer_len(&c->say) || !sm_between(l->session))
        return;
    client_say(c, buffer_span(&c->say));
    buffer_clear(&c->say);
}

static void write_ask(struct link *l)
{
    struct client *c = l->client;
    char text[SM_WIRE_MAX];

    if (!c->asks || !sm_between(l->session))
        return;
    client_say(c, (struct span){text, sm_wire_r(text, sm_session_ns2(l->session))});
    c->asks = false;
}

static void note_written(struct link *l)
{
    struct sm_view view = sm_session_view(l->session);

    if (view.passed)
        client_wrote(l->client, view.acked + view.passed);
}

/* Both headers are older than the session's first stanza on this connection. */
static bool fits(const struct link *l, struct client *c)
{
    struct context gives = relay_link_gives(l), has = relay_client_has(c);

    if (c->fit == CLIENT_FIT_UNKNOWN)
        c->fit = !client_stands_alone(c) && span_eq(gives.lang, has.lang) &&
                         span_eq(gives.prefixes, has.prefixes)
                     ? CLIENT_FITS
                     : CLIENT_FITS_NOT;
    return c->fit == CLIENT_FITS;
}

void serve_client(struct link *l)
{
    struct client *c = l->client;
    bool passes;

    if (!c || client_blocked(c))
        return;
    passes = fits(l, c);
    write_texts(l);
    while (!client_blocked(c) && write_some(l, passes))
        if (client_unflushed(c) >= PIECE_MAX)
            client_flush(c);
    if (!client_blocked(c)) {
        write_texts(l);
        write_ask(l);
    }
    client_flush(c);
    note_written(l);
}
