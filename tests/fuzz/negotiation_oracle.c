/* SPDX-License-Identifier: MIT */
/*
 * The client's two directions: the session's books are kept here. Those of the server are
 * in negotiation_oracle_server.c.
 *
 * Counts are compared as differences from where the counters began, so that they may wrap.
 */
#include "tests/fuzz/negotiation_oracle.h"

#include <stdio.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/negotiation_answer.h"

static void copy(char to[PEERS_NAME], const char *from)
{
    snprintf(to, PEERS_NAME, "%s", from ? from : "");
}

void oracle_reads(const struct wire *got, const char *who)
{
    struct span text = buffer_span(&got->text);

    HOLDS(!got->wrong, "to the %s: %s: %.*s", who, got->wrong, (int)text.len, text.p);
}

/* --- tags --- */

static uint32_t seal(uint32_t index, uint32_t number)
{
    return (index * 2654435761u ^ number * 40503u) % 65521;
}

void oracle_tag(struct side *e, char *out, size_t max)
{
    uint32_t number = ++e->next_number, index;
    char side = 'S';

    for (index = 0; index < PEERS_SERVERS && e != &peers.servers[index].end; index++)
        ;
    if (index == PEERS_SERVERS) {
        side = 'C';
        for (index = 0; e != &peers.clients[index].end; index++)
            ;
    }
    snprintf(out, max, "tag-%c%u-%u-%u", side, index, number, seal(index, number));
}

bool oracle_is_tag(const char *id, char side, uint32_t *index, uint32_t *number)
{
    uint32_t sealed;
    char of;

    return id && sscanf(id, "tag-%c%u-%u-%u", &of, index, number, &sealed) == 4 && of == side &&
           *index < PEERS_CLIENTS && sealed == seal(*index, *number);
}

struct tag *oracle_find_tag(struct side *e, uint32_t number)
{
    for (unsigned i = 0; i < e->tag_count; i++)
        if (e->tags[i].number == number)
            return &e->tags[i];
    return NULL;
}

void oracle_note_tag(struct side *e, const struct wire_element *stanza, char side,
                     uint32_t position)
{
    uint32_t index, number;

    if (wire_is(stanza, "jabber:client|iq") || e->tag_count == SIDE_TAGS ||
        !oracle_is_tag(wire_attribute(stanza, "id"), side, &index, &number))
        return;
    e->tags[e->tag_count++] = (struct tag){.number = number, .position = position};
}

/* --- what the client sent --- */

static struct model *model_of(const char *id)
{
    for (unsigned i = 0; id && *id && i < peers.model_count; i++)
        if (!strcmp(peers.models[i].id, id))
            return &peers.models[i];
    return NULL;
}

static uint32_t number_of(const char *text)
{
    uint32_t n = 0;

    return text && span_uint32(span_of(text), &n) ? n : 0;
}

static void ask(struct client_peer *c, char what, const struct wire_element *e)
{
    if (c->asked_count == PEERS_ASKED) {
        c->lost_count = true;
        return;
    }
    c->asked[(c->asked_first + c->asked_count++) % PEERS_ASKED] =
        (struct asked){.what = what,
                       .sent = c->sent,
                       .model = model_of(wire_attribute(e, "previd")),
                       .h = number_of(wire_attribute(e, "h")) - peers.start};
}

static void client_sent(void *user, const struct wire_element *e)
{
    struct client_peer *c = user;

    if (wire_is_stanza(e)) {
        c->sent++;
        oracle_note_tag(&c->end, e, 'C', c->sent);
        if (wire_is(e, "jabber:client|presence") && !wire_attribute(e, "id"))
            peers.untagged_presence = true;
    } else if (wire_is_sm(e)) {
        const char *name = strchr(e->name, '|') + 1;

        if (!strcmp(name, "enable"))
            ask(c, 'e', e);
        else if (!strcmp(name, "resume"))
            ask(c, 's', e);
        else if (!strcmp(name, "r"))
            ask(c, 'r', e);
    }
}

/* --- what the client got: its account --- */

static void bound(struct client_peer *c, const char *jid)
{
    const char *slash = strchr(jid, '/');
    struct span bare = {jid, slash ? (size_t)(slash - jid) : strlen(jid)};

    copy(c->jid, jid);
    answer_plain_name(c->account, bare);
    c->bound = true;
    if (c->fresh) {
        c->fresh->bound = true;
        copy(c->fresh->account, c->account);
    }
}

/* The answer to a bind, or to a login by XEP-0078. */
static void take_result(struct client_peer *c, const struct wire_element *e)
{
    const char *jid = wire_inner(e, "urn:ietf:params:xml:ns:xmpp-bind|jid");
    const char *id = wire_attribute(e, "id");
    char full[3 * PEERS_NAME];

    if (c->bound)
        return;
    if (jid) {
        bound(c, jid);
    } else if (c->fresh && *c->fresh->legacy && id && !strcmp(id, c->fresh->legacy)) {
        snprintf(full, sizeof full, "%s@%s/%s", c->fresh->user, c->host, c->fresh->resource);
        c->authenticated = true;
        bound(c, full);
        if (!*c->fresh->user)
            c->account[0] = c->fresh->account[0] = 0;
    }
}

/* Whose login this is, by what its server was told and said. Unknown counts as right. */
static bool owns(const struct client_peer *c, const struct model *m)
{
    const struct server_peer *s = c->fresh;
    char account[2 * PEERS_NAME];

    if (!*m->owner || !s || (!*s->user && !*s->thrown))
        return true;
    snprintf(account, sizeof account, "%s@%s", s->user, c->host);
    return !strcmp(m->owner, account) || !strcmp(m->owner, s->thrown);
}

/* --- what the client got: stream management --- */

/* What it sent was XML, and not too much to follow. Holdfast lets pass what is none in two places:
 * white space in front of a declaration, and over-long stanzas, which are counted by what the
 * framer sees of them. */
static bool is_counted(const struct client_peer *c)
{
    return !c->lost_count && !c->end.sent.wrong;
}

/* The oldest question of that kind; those before it were answered, or need no answer. */
static struct asked answered(struct client_peer *c, char what, const char *by)
{
    while (c->asked_count) {
        struct asked one = c->asked[c->asked_first];

        c->asked_first = (c->asked_first + 1) % PEERS_ASKED;
        c->asked_count--;
        if (one.what == what || !what)
            return one;
    }
    HOLDS(!is_counted(c), "<%s/>, and nobody asked", by);
    return (struct asked){0};
}

static void enabled(struct client_peer *c, const struct wire_element *e)
{
    struct asked one = answered(c, 'e', "enabled");
    const char *id = wire_attribute(e, "id");
    struct model *m;

    HOLDS(c->bound, "%s", "enabled, and not bound");
    HOLDS(!c->session, "%s", "enabled twice");
    HOLDS(!model_of(id), "%s was given twice", id);
    if (peers.model_count == PEERS_MODELS) {
        c->lost_count = true;
        return;
    }
    m = &peers.models[peers.model_count++];
    copy(m->id, id);
    copy(m->owner, c->account);
    m->server = c->fresh;
    m->client = c;
    c->session = m;
    c->counts_from = one.sent;
    c->base = 0;
}

/* Of the session: all that this connection sent, as it counts. */
static uint32_t sent_in_session(const struct client_peer *c)
{
    return c->base + c->sent - c->counts_from;
}

/* Another connection may have had the session meanwhile, and has not read that it had. */
static bool is_disputed(const struct model *m, const struct client_peer *by)
{
    for (unsigned i = 0; i < peers.client_count; i++) {
        const struct client_peer *c = &peers.clients[i];

        for (unsigned j = 0; c != by && j < c->asked_count; j++)
            if (c->asked[(c->asked_first + j) % PEERS_ASKED].model == m)
                return true;
    }
    return false;
}

static void said(struct model *m, const struct client_peer *to, uint32_t h)
{
    const struct client_peer *latest = m->client;

    HOLDS((int32_t)(h - m->said) >= 0, "h went down from %u to %u", m->said, h);
    HOLDS(!is_counted(latest) || is_disputed(m, to) || (int32_t)(h - sent_in_session(latest)) <= 0,
          "h is %u, and %u were sent", h, sent_in_session(latest));
    m->said = h;
}

static void resumed(struct client_peer *c, const struct wire_element *e)
{
    struct asked one = answered(c, 's', "resumed");
    uint32_t h = number_of(wire_attribute(e, "h")) - peers.start;
    const char *previd = wire_attribute(e, "previd");
    struct model *m = one.model;
    struct client_peer *before;

    if (!is_counted(c)) { /* from here on nobody knows what the session has taken */
        if ((m = model_of(previd)))
            m->client = c;
        c->bound = true; /* what looks like the answer to a bind is a stanza of the session's */
        return;
    }
    HOLDS(m && previd && !strcmp(m->id, previd), "resumed %s", previd);
    HOLDS(!c->bound && !c->session, "%s", "resumed after bind");
    HOLDS(owns(c, m), "%s was put on a session of %s", c->fresh->user, m->owner);
    HOLDS(!m->leaving, "resumed %s, whose end had begun", m->id);
    before = m->client;
    said(m, c, h);
    if (is_counted(before) && !is_disputed(m, c))
        before->limit = before->counts_from + (h - before->base);
    before->session = NULL;
    before->superseded = true;
    m->client = c;
    m->handled = one.h;
    c->session = m;
    c->counts_from = one.sent;
    c->base = h;
    c->bound = true;
    copy(c->account, m->owner);
}

/* Where the server has confirmed it, it has come. */
static void has_come(const struct client_peer *c, uint32_t h)
{
    const struct server_peer *s = c->session->server;

    if (peers.forwards || !is_counted(c) || !s || !s->end.plug || s->end.ever_stalled ||
        s->end.hung_up)
        return;
    for (unsigned i = 0; i < c->end.tag_count; i++) {
        const struct tag *t = &c->end.tags[i];

        if (t->position > c->counts_from &&
            (int32_t)(c->base + t->position - c->counts_from - h) <= 0)
            HOLDS(t->came || t->excused, "h is %u, and stanza %u has not come", h, t->position);
    }
}

static void acknowledged(struct client_peer *c, const struct wire_element *e)
{
    uint32_t h = number_of(wire_attribute(e, "h")) - peers.start;

    HOLDS(c->session || c->superseded || !is_counted(c), "%s", "<a/> without a session");
    if (!c->session)
        return;
    said(c->session, c, h);
    has_come(c, h);
}

static void failed(struct client_peer *c, const struct wire_element *e)
{
    const char *h = wire_attribute(e, "h");
    struct asked one;

    if (c->session)
        return;
    one = answered(c, 0, "failed");
    if (!h || !is_counted(c))
        return;
    HOLDS(one.what == 's', "h in the answer to %c", one.what);
    if (!one.model)
        return;
    HOLDS(owns(c, one.model), "%s was told of a session of %s", c->fresh->user, one.model->owner);
    said(one.model, c, number_of(h) - peers.start);
}

static void take_sm(struct client_peer *c, const struct wire_element *e)
{
    const char *name = strchr(e->name, '|') + 1;

    HOLDS(!wire_attribute(e, "evil"), "%s of a server's came through", name);
    if (!strcmp(name, "enabled"))
        enabled(c, e);
    else if (!strcmp(name, "resumed"))
        resumed(c, e);
    else if (!strcmp(name, "a"))
        acknowledged(c, e);
    else if (!strcmp(name, "failed"))
        failed(c, e);
    else if (!strcmp(name, "r"))
        c->owes = c->polite;
    else
        HOLDS(false, "%s to a client", name);
}

/* --- what the client got: stanzas --- */

/* All that is followed of this server's comes in its order, without a gap. */
static void in_order(struct server_peer *s, uint32_t number)
{
    for (uint32_t i = 0; i < s->end.tag_count; i++) {
        if (s->end.tags[i].number != number)
            continue;
        HOLDS(!s->last_delivered || i == s->last_delivered, "tag %u came behind %u", i,
              s->last_delivered);
        s->last_delivered = i + 1;
        return;
    }
}

/* Its place in the session: what comes again is what it was. */
static bool is_new(struct model *m, uint32_t tag)
{
    uint32_t place = m->handled++;

    if (place >= SIDE_TAGS)
        return true;
    if (place >= m->delivered) {
        HOLDS(place == m->delivered, "place %u behind %u", place, m->delivered);
        m->numbers[m->delivered++] = tag;
        return true;
    }
    HOLDS(m->numbers[place] == tag, "at place %u came %x, and before %x", place, tag,
          m->numbers[place]);
    return false;
}

static void take_stanza(struct client_peer *c, const struct wire_element *e)
{
    const char *id = wire_attribute(e, "id"), *type = wire_attribute(e, "type");
    uint32_t index, number;
    bool tagged = oracle_is_tag(id, 'S', &index, &number);
    bool fresh =
        !c->superseded && (!c->session || is_new(c->session, tagged ? index << 16 | number : 0));

    if (wire_is(e, "jabber:client|iq")) {
        copy(c->request, id);
        copy(c->from, wire_attribute(e, "from"));
        if (type && !strcmp(type, "result"))
            take_result(c, e);
    }
    if (tagged) {
        struct server_peer *s = &peers.servers[index];

        HOLDS(!*s->account || !*c->account || !strcmp(s->account, c->account),
              "a stanza for %s came to %s", s->account, c->account);
        if (fresh && !wire_is(e, "jabber:client|iq") &&
            s == (c->session ? c->session->server : c->fresh))
            in_order(s, number);
    } else if (oracle_is_tag(id, 'C', &index, &number) && &peers.clients[index] == c) {
        struct tag *t = oracle_find_tag(&c->end, number);

        if (t)
            t->excused = true;
    }
}

static void client_got(void *user, const struct wire_element *e)
{
    struct client_peer *c = user;

    if (wire_is_stanza(e)) {
        take_stanza(c, e);
    } else if (wire_is_sm(e)) {
        take_sm(c, e);
    } else if (wire_is(e, "urn:ietf:params:xml:ns:xmpp-sasl|success")) {
        HOLDS(!c->bound && c->fresh && c->fresh->authenticated, "%s", "success out of nothing");
        c->authenticated = c->may_restart = true;
    } else if (wire_is(e, "urn:ietf:params:xml:ns:xmpp-tls|proceed")) {
        c->secures = true;
    }
}

static void client_got_header(void *user, const struct wire_element *, unsigned documents)
{
    struct client_peer *c = user;

    HOLDS(documents == 1 || c->may_restart, "%s", "a header in the middle of a stream");
    c->may_restart = false;
}

static void nothing(void *)
{
}

static void client_sent_header(void *, const struct wire_element *, unsigned)
{
}

const struct wire_reader oracle_client_got = {client_got_header, client_got, nothing};
const struct wire_reader oracle_client_sent = {client_sent_header, client_sent, nothing};
