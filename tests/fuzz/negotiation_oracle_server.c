/* SPDX-License-Identifier: MIT */
/*
 * The server's two directions: what may reach it, and when.
 */
#include <stdio.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/negotiation_answer.h"
#include "tests/fuzz/negotiation_oracle.h"

#define SASL   "urn:ietf:params:xml:ns:xmpp-sasl|"
#define TLS    "urn:ietf:params:xml:ns:xmpp-tls|"
#define BIND   "urn:ietf:params:xml:ns:xmpp-bind|"
#define LEGACY "jabber:iq:auth|query"

static bool has(const struct wire_element *e, const char *inner)
{
    return wire_inner(e, inner) != NULL;
}

/* What a client sent under its own name: it comes once, in order, on its own session's link. */
static void take_tag(struct server_peer *s, uint32_t index, uint32_t number)
{
    struct client_peer *c = &peers.clients[index];
    struct tag *t = oracle_find_tag(&c->end, number);

    if (!t)
        return;
    HOLDS(!t->came, "stanza %u came twice", t->position);
    t->came = true;
    HOLDS(t->position <= c->limit, "stanza %u came, and h is %u", t->position, c->limit);
    HOLDS(!*s->account || !*c->account || !strcmp(s->account, c->account),
          "a stanza of %s came to the link of %s", c->account, s->account);
    if (t > c->end.tags)
        HOLDS(t[-1].came || t[-1].excused, "stanza %u came, and %u did not", t->position,
              t[-1].position);
}

/* The session is about to end: who were put back on it would lose it. */
static void leaves(struct server_peer *s)
{
    for (unsigned i = 0; i < peers.model_count; i++)
        if (peers.models[i].server == s)
            peers.models[i].leaving = true;
}

static void take_stanza(struct server_peer *s, const struct wire_element *e)
{
    const char *id = wire_attribute(e, "id"), *type = wire_attribute(e, "type");
    uint32_t index, number;

    if (oracle_is_tag(id, 'C', &index, &number))
        take_tag(s, index, number);
    if (wire_is(e, "jabber:client|presence") && !id && !peers.untagged_presence && type &&
        !strcmp(type, "unavailable"))
        leaves(s);
}

/* Before it is authenticated, a client has nothing to say to the server but who it is. */
static void before_authentication(const struct wire_element *e)
{
    bool login =
        wire_is(e, "jabber:client|iq") && (has(e, LEGACY) || has(e, "jabber:iq:register|query"));

    HOLDS(login || wire_is(e, SASL "auth") || wire_is(e, SASL "response") ||
              wire_is(e, SASL "abort") || wire_is(e, TLS "starttls"),
          "%s before authentication", e->name);
}

static void check_state(const struct server_peer *s, const struct wire_element *e)
{
    const struct client_peer *c = s->client;
    bool readable = c && c->end.plug && !c->end.ever_stalled && !c->end.hung_up;
    bool authenticated = c && (c->authenticated || (!readable && s->authenticated));
    const char *type = wire_attribute(e, "type");
    bool bind = wire_is(e, "jabber:client|iq") && (has(e, BIND "bind") || has(e, LEGACY)) && type &&
                (!strcmp(type, "set") || !strcmp(type, "get"));
    bool crossed = wire_is(e, SASL "auth") && !*s->mechanism; /* it said success unasked */

    if (!c || (!readable && *s->legacy))
        return;
    if (!authenticated)
        before_authentication(e);
    else if (!s->bound && readable)
        HOLDS(bind || crossed, "%s before bind", e->name);
    else if (s->bound && !s->end.ever_stalled)
        HOLDS(!bind, "%s", "a second bind");
}

/* SASL is written anew from what was understood. */
static void is_written_anew(const struct wire_element *e)
{
    HOLDS(!wire_attribute(e, "evil"), "%s passed as it was", e->name);
}

static void server_got(void *user, const struct wire_element *e)
{
    struct server_peer *s = user;

    HOLDS(!wire_is_sm(e), "%s to a server", e->name);
    s->asked |= wire_is(e, TLS "starttls");
    check_state(s, e);
    if (!strncmp(e->name, SASL, sizeof SASL - 1))
        is_written_anew(e);
    if (wire_is_stanza(e))
        take_stanza(s, e);
    answer_element(s, e);
}

static void server_got_header(void *user, const struct wire_element *header, unsigned documents)
{
    struct server_peer *s = user;

    (void)header;
    HOLDS(documents == 1 || s->authenticated, "%s", "a second header before authentication");
    HOLDS(documents <= 2, "%u headers, the last behind: %.*s", documents,
          (int)buffer_len(&s->end.got.text), buffer_span(&s->end.got.text).p);
    answer_header(s);
}

static void server_got_close(void *user)
{
    answer_close(user);
}

/* --- what the server sent --- */

static void server_sent(void *user, const struct wire_element *e)
{
    struct server_peer *s = user;
    const char *jid;

    if (wire_is_stanza(e))
        oracle_note_tag(&s->end, e, 'S', 0);
    if (wire_is(e, SASL "success"))
        s->authenticated = true;
    if (wire_is(e, TLS "proceed") && s->host == WORLD_STARTTLS && !s->secured) {
        s->secures = s->asked;
        s->end.deaf |= !s->asked; /* <starttls/> and what follows reach it in one piece */
    }
    if (wire_is(e, "jabber:client|iq") && (jid = wire_inner(e, BIND "jid"))) {
        const char *slash = strchr(jid, '/');

        answer_plain_name(s->thrown,
                          (struct span){jid, slash ? (size_t)(slash - jid) : strlen(jid)});
    }
}

static void server_sent_header(void *, const struct wire_element *, unsigned)
{
}

static void nothing(void *)
{
}

const struct wire_reader oracle_server_got = {server_got_header, server_got, server_got_close};
const struct wire_reader oracle_server_sent = {server_sent_header, server_sent, nothing};
