/* SPDX-License-Identifier: MIT */
/*
 * What comes in, item by item; then what goes out; then how it begins and ends.
 */
#include "tests/sim/server.h"

#include "tests/sim/meaning.h"
#include "tests/sim/oracle.h"

#include <stdio.h>

enum { ANSWER_ROOM = 4096, SENT_MAX = 120, PUSHED_MAX = 500 };

static struct story *story_of(struct world *w, int link)
{
    return &w->stories[w->links[link].story];
}

static void put_text(struct world *w, int link, const char *text)
{
    pipe_put(w, &w->links[link].down, text, strlen(text));
}

static void put_stanza(struct world *w, int link, uint32_t number)
{
    char text[STANZA_TEXT];
    size_t len = stanza_down(w, story_of(w, link), number, text);

    pipe_put(w, &w->links[link].down, text, len);
    happened(w, FIG_DOWN);
    w->figures->count[FIG_DOWN_BYTES] += len;
    trace(w, "server: link %d: %.*s", link, (int)len, text);
}

/* --- what comes in --- */

static void answer_probe(struct world *w, int link, struct span id)
{
    char text[128];

    if (w->servers[link].mode == SERVER_DEAF)
        return;
    snprintf(text, sizeof text, "<iq type='result' id='%.*s' from='" DOMAIN "' to='%s'/>",
             (int)id.len, id.p, w->devices[story_of(w, link)->device].jid);
    put_text(w, link, text);
    happened(w, FIG_PROBES);
}

/* A stanza of the client, whole and as it was made. */
static void handle(struct world *w, int link, struct span raw, struct tag tag)
{
    struct story *s = story_of(w, link);
    char text[STANZA_TEXT];
    size_t len;

    fact(w, s, tag.story == (uint32_t)story_number(w, s),
         "a stanza of story %u came to another's link", tag.story);
    len = stanza_up(w, s, tag.number, text);
    fact(w, s, len == raw.len && !memcmp(text, raw.p, len),
         "a stanza was altered: expected %.*s, seen %.*s", (int)len, text, (int)raw.len, raw.p);
    oracle_handled(w, s, tag.number);
    happened(w, FIG_UP);
    w->figures->count[FIG_UP_BYTES] += len;
    if (stanza_up_kind(w, s, tag.number) == UP_AVAILABLE)
        s->available = true;
    if (stanza_up_kind(w, s, tag.number) == UP_REQUEST && s->sent < STANZAS) {
        s->results[++s->sent] = tag.number;
        put_stanza(w, link, s->sent);
    }
}

static void take_iq(struct world *w, int link, const struct item *item, struct span raw)
{
    struct tag tag = stanza_tag(raw);

    if (item->type == TYPE_GET && item->id.len > 3 && !memcmp(item->id.p, "hf-", 3))
        answer_probe(w, link, item->id);
    else if (tag.side == 'c')
        handle(w, link, raw, tag);
    else if (item->type == TYPE_ERROR)
        oracle_bounced(w, story_of(w, link), tag);
    else if (item->id.len > 4 && !memcmp(item->id.p, "ping", 4))
        happened(w, FIG_PINGS);
}

static void take_element(struct world *w, int link, struct span raw)
{
    struct story *s = story_of(w, link);
    struct tag tag;
    struct item item;

    fact(w, s, meaning_of(w, raw, &item), "the server reads nonsense: %.*s", (int)raw.len, raw.p);
    tag = stanza_tag(raw);
    switch (item.kind) {
    case ITEM_MESSAGE:
        if (tag.side == 'c')
            handle(w, link, raw, tag);
        else if (item.type == TYPE_ERROR)
            oracle_bounced(w, s, tag);
        break;
    case ITEM_PRESENCE:
        if (tag.side == 'c')
            handle(w, link, raw, tag);
        else if (item.type == TYPE_UNAVAILABLE)
            oracle_unavailable(w, s, true);
        else
            s->available = true;
        break;
    case ITEM_IQ:
        take_iq(w, link, &item, raw);
        break;
    case ITEM_CSI_ACTIVE:
    case ITEM_CSI_INACTIVE:
        break;
    default:
        fact(w, s, false, "the server reads what it must never see: %.*s", (int)raw.len, raw.p);
    }
}

/* Its side is over: contacts see that, if they did not before. */
static void gone(struct world *w, int link, bool reset)
{
    struct story *s = story_of(w, link);

    oracle_unavailable(w, s, false);
    w->servers[link].done = true;
    s->link = -1;
    kernel_server_ends(w, link, reset);
}

static bool close_stream(struct world *w, int link)
{
    trace(w, "server: link %d: </stream:stream>", link);
    put_text(w, link, "</stream:stream>");
    gone(w, link, false);
    return true;
}

static bool take_item(struct world *w, int link)
{
    struct server_session *v = &w->servers[link];
    struct span raw;

    switch (split_next(&v->in, &raw)) {
    case FRAMED_MORE:
        return false;
    case FRAMED_ELEMENT:
        trace(w, "server: link %d reads %.*s", link, (int)raw.len, raw.p);
        fact(w, story_of(w, link), !v->closing, "bytes behind the closing tag: %.*s", (int)raw.len,
             raw.p);
        take_element(w, link, raw);
        return true;
    case FRAMED_CLOSE:
        v->closing = story_of(w, link)->heard = true;
        return true;
    default:
        fact(w, story_of(w, link), false, "the server's stream is no XML");
        return false;
    }
}

static bool fetch(struct world *w, int link)
{
    struct pipe *p = &w->links[link].up;
    struct split *in = &w->servers[link].in;
    uint32_t len = pipe_waits(p);

    if (len > split_room(in))
        len = split_room(in);
    if (!len)
        return false;
    if (one_in(w, 4))
        len = 1 + below(w, len);
    split_put(in, pipe_take(p, len), len);
    return true;
}

bool server_read(struct world *w, int link)
{
    struct server_session *v = &w->servers[link];
    struct kernel_link *k = &w->links[link];
    unsigned most = v->mode == SERVER_SLOW ? 1 : 1 + below(w, 12);
    bool any;

    if (!k->used || !k->server_open || v->mode == SERVER_SILENT)
        return false;
    if (v->closing)
        return one_in(w, 2) && close_stream(w, link);
    if (PIPE_SIZE - (k->down.end - k->down.read) < 2 * ANSWER_ROOM)
        return false;
    any = fetch(w, link);
    while (most-- && !v->closing && take_item(w, link))
        any = true;
    if (!any && k->up_fin && k->up.read == k->up.end) {
        trace(w, "server: link %d: the end", link);
        gone(w, link, false);
        any = true;
    }
    return any;
}

/* --- what goes out --- */

static void ping(struct world *w, int link)
{
    char text[160];
    struct server_session *v = &w->servers[link];

    snprintf(text, sizeof text,
             "<iq type='get' id='ping%u' from='" DOMAIN "' to='%s'><ping "
             "xmlns='urn:xmpp:ping'/></iq>",
             ++v->pings, w->devices[story_of(w, link)->device].jid);
    put_text(w, link, text);
}

static void send_one(struct world *w, int link)
{
    struct story *s = story_of(w, link);

    switch (below(w, 24)) {
    case 0:
        ping(w, link);
        break;
    case 1:
        put_text(w, link, " ");
        break;
    case 2:
        put_text(w, link, "<other xmlns='urn:other'/>\n");
        break;
    default:
        if (s->sent < SENT_MAX && s->pushed < PUSHED_MAX)
            put_stanza(w, link, ++s->sent);
        break;
    }
}

void server_send(struct world *w, int link, uint32_t count)
{
    const struct kernel_link *k = &w->links[link];
    const struct server_session *v = &w->servers[link];

    while (count-- && k->used && k->server_open && !v->closing && v->mode != SERVER_SILENT &&
           pipe_room(w, &k->down))
        send_one(w, link);
}

/* --- beginning and ending --- */

static const char *const errors[] = {
    "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "",
};

static void throw_out(struct world *w, int link, const char *error)
{
    trace(w, "server: link %d: %s</stream:stream>", link, error);
    put_text(w, link, error);
    put_text(w, link, "</stream:stream>");
    gone(w, link, false);
}

void server_end(struct world *w, int link)
{
    struct kernel_link *k = &w->links[link];
    uint32_t how = below(w, 5);

    if (!k->used || !k->server_open)
        return;
    if (how < 3 && PIPE_SIZE - (k->down.end - k->down.read) > ANSWER_ROOM) {
        throw_out(w, link, errors[how]);
        return;
    }
    trace(w, "server: link %d dies", link);
    gone(w, link, how == 4);
}

void server_wakes(struct world *w)
{
    for (int i = 0; i < LINKS; i++)
        w->servers[i].mode = SERVER_PROMPT;
}

void server_changes(struct world *w, int link)
{
    static const enum server_mode modes[16] = {
        [12] = SERVER_SLOW, [13] = SERVER_SLOW, [14] = SERVER_DEAF, [15] = SERVER_SILENT};

    w->servers[link].mode = w->calm ? SERVER_PROMPT : modes[below(w, 16)];
    story_of(w, link)->mute |= w->servers[link].mode >= SERVER_DEAF;
}

int server_bind(struct world *w, int connection)
{
    int device = w->connections[connection].device;
    struct story *s = &w->stories[w->story_count];
    int link;

    if (w->story_count == STORIES || (link = kernel_link_open(w, (int)w->story_count)) < 0)
        return -1;
    for (int i = 0; i < LINKS; i++) {
        const struct kernel_link *k = &w->links[i];

        if (i == link || !k->used || !k->server_open ||
            strcmp(w->devices[w->stories[k->story].device].jid, w->devices[device].jid))
            continue;
        happened(w, FIG_CONFLICT);
        throw_out(w, i, errors[0]);
    }
    *s = (struct story){
        .device = (uint8_t)device, .link = link, .start = w->set.limits.counter_start};
    w->connections[connection].story = (int)w->story_count++;
    split_init(&w->servers[link].in);
    server_changes(w, link);
    w->servers[link].closing = w->servers[link].done = false;
    w->servers[link].pings = 0;
    happened(w, FIG_LOGINS);
    return link;
}
