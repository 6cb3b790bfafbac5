/* SPDX-License-Identifier: MIT */
/*
 * Turns: Holdfast acts, then each client, then each server, until all have said what they had to.
 */
#include "tests/fuzz/negotiation_peers.h"

#include <stdio.h>

#include "proxy/client.h"
#include "proxy/link.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/negotiation_oracle.h"
#include "tests/fuzz/negotiation_tls.h"

enum { ROUNDS = 5000 }; /* after which a conversation is taken for one without end */

struct peers peers;

static SSL_SESSION *tickets[WORLD_KINDS];

static enum world_kind kind_now(void)
{
    return peers.forwards ? WORLD_TIGHT : WORLD_USUAL;
}

static void secure_server(struct server_peer *s)
{
    s->secured = true;
    side_accept(&s->end, world_certificate());
}

void peers_secure(struct client_peer *c, bool newest)
{
    if (c->end.tls == SIDE_CLEAR)
        side_dial(&c->end, c->host, &tickets[kind_now()], newest);
}

/* --- turns --- */

static bool client_turn(struct client_peer *c)
{
    bool moved = side_hear(&c->end);

    oracle_reads(&c->end.got, "client");
    if (c->secures) {
        c->secures = false;
        peers_secure(c, false);
    }
    if (c->owes && c->session) {
        char text[96];
        int len = snprintf(text, sizeof text, "<a xmlns='urn:xmpp:sm:3' h='%u'/>",
                           peers.start + c->session->handled);

        c->owes = false;
        side_say(&c->end, (struct span){text, (size_t)len});
        moved = true;
    }
    return moved;
}

/* The line in front of everything else is not the stream's. */
static void skip_told(struct server_peer *s)
{
    struct buffer *out = s->end.plug ? &s->end.plug->out : NULL;

    while (out && !s->told && !s->end.stalled && buffer_len(out)) {
        s->told = out->p[out->start] == '\n';
        buffer_take(out, 1);
    }
}

static bool server_turn(struct server_peer *s)
{
    bool moved;

    skip_told(s);
    moved = side_hear(&s->end);
    oracle_reads(&s->end.got, "server");
    if (!s->holds && buffer_len(&s->answers)) {
        struct buffer answers = s->answers;

        s->answers = (struct buffer){0};
        side_say(&s->end, buffer_span(&answers));
        buffer_clear(&answers);
        moved = true;
    }
    if (s->secures && !s->secured)
        secure_server(s);
    if (s->bye && !s->end.hung_up && !buffer_len(&s->answers)) {
        side_hang_up(&s->end, false);
        moved = true;
    }
    return moved;
}

/* --- who is who --- */

static bool is_known(const struct plug *p)
{
    for (unsigned i = 0; i < peers.server_count; i++)
        if (peers.servers[i].end.plug == p)
            return true;
    return false;
}

static void greet_link(struct plug *p)
{
    struct server_peer *s;

    if (peers.server_count == PEERS_SERVERS) {
        plugs_close(p, true);
        return;
    }
    s = &peers.servers[peers.server_count++];
    s->host = (enum world_host)(p->port - WORLD_PORT);
    s->holds = peers.mute;
    s->told = s->host != WORLD_TOLD;
    side_init(&s->end, p, &oracle_server_got, &oracle_server_sent, s);
    if (s->host == WORLD_TLS)
        secure_server(s);
}

/* Plugs that connect somewhere since the last look get a server; those that nobody holds any more
 * are free. */
static void look_for_links(void)
{
    for (size_t i = 0; i < PLUGS_MAX; i++) {
        struct plug *p = &plugs.at[i];

        if (p->state == PLUG_FREE || p->state == PLUG_LISTENS || p->port < WORLD_PORT ||
            is_known(p))
            continue;
        if (p->closed)
            plugs_forget(p);
        else if (p->state == PLUG_UP)
            greet_link(p);
    }
}

static struct client_peer *client_with(int fd)
{
    for (unsigned i = 0; i < peers.client_count; i++)
        if (peers.clients[i].end.plug && peers.clients[i].end.plug->fd == fd)
            return &peers.clients[i];
    return NULL;
}

/* Which client's login a link serves is looked up in Holdfast while it is so. */
static void look_for_clients(void)
{
    for (unsigned i = 0; i < peers.server_count; i++) {
        struct server_peer *s = &peers.servers[i];
        struct link *l;

        if (s->client || !s->end.plug)
            continue;
        for (unsigned j = 0; j < WORLD_WORKERS; j++) {
            LIST_FOREACH(l, &world_tools(peers.world, j)->links, entry)
            if (l->fd == s->end.plug->fd && l->client)
                s->client = client_with(l->client->fd);
        }
        if (s->client && !s->client->fresh)
            s->client->fresh = s;
    }
}

void peers_settle(void)
{
    unsigned rounds = 0;
    bool moved;

    do {
        moved = false;
        world_settle(peers.world);
        look_for_links();
        look_for_clients();
        for (unsigned i = 0; i < peers.client_count; i++)
            moved |= client_turn(&peers.clients[i]);
        for (unsigned i = 0; i < peers.server_count; i++)
            moved |= server_turn(&peers.servers[i]);
        HOLDS(rounds++ < ROUNDS, "%s", "it never has all said");
    } while (moved);
}

/* --- clients --- */

struct client_peer *peers_client(unsigned name)
{
    for (unsigned i = peers.client_count; i--;)
        if (peers.clients[i].name == name)
            return &peers.clients[i];
    return NULL;
}

static void ask_for_web(struct client_peer *c, unsigned from)
{
    struct buffer request = {0};

    web_request(&request, from);
    side_bytes(&c->end, buffer_span(&request));
    buffer_clear(&request);
}

struct client_peer *peers_open(unsigned name, enum peers_way way, enum world_host host,
                               unsigned from)
{
    static const uint16_t ports[] = {
        [PEERS_TLS] = WORLD_SECURE,         [PEERS_TLS13] = WORLD_SECURE,
        [PEERS_STARTTLS] = WORLD_CLEAR,     [PEERS_BALANCED] = WORLD_BALANCED,
        [PEERS_BARE] = WORLD_BALANCED,      [PEERS_WEB] = WORLD_WEB,
        [PEERS_WEB_TLS] = WORLD_WEB_SECURE, [PEERS_WEB_BARE] = WORLD_WEB};
    struct plug *p = peers.client_count < PEERS_CLIENTS
                         ? plugs_connect((uint16_t)(ports[way] + WORLD_NEXT * kind_now()),
                                         from % WORLD_WORKERS, 0xc0000200 + from)
                         : NULL;
    struct client_peer *c;

    if (!p)
        return NULL;
    c = &peers.clients[peers.client_count++];
    c->name = name;
    c->host = world_hosts[host];
    c->limit = UINT32_MAX;
    side_init(&c->end, p, &oracle_client_got, &oracle_client_sent, c);
    if (way == PEERS_BALANCED) {
        char text[80];
        int len =
            snprintf(text, sizeof text, "PROXY TCP4 198.51.100.%u 192.0.2.1 4000 5223\r\n", from);

        side_raw(&c->end, (struct span){text, (size_t)len});
    }
    if (way >= PEERS_WEB)
        c->end.web.state = WEB_HEAD;
    if (way != PEERS_BARE && way != PEERS_STARTTLS && way != PEERS_WEB && way != PEERS_WEB_BARE)
        peers_secure(c, way == PEERS_TLS13);
    if (way == PEERS_WEB || way == PEERS_WEB_TLS)
        ask_for_web(c, from);
    return c;
}

/* --- the end --- */

void peers_begin(enum world_kind kind, bool truly)
{
    peers.world = world_enter(kind);
    peers.start = peers.world->arenas.limits.counter_start;
    tls_truly = truly;
    peers.forwards = kind == WORLD_TIGHT;
    peers.mute = peers.untagged_presence = false;
    peers.client_count = peers.server_count = peers.model_count = 0;
}

static void forget(struct client_peer *c)
{
    struct side end;

    side_clear(&c->end);
    end = c->end;
    *c = (struct client_peer){.end = end};
}

static void forget_server(struct server_peer *s)
{
    struct side end;

    side_clear(&s->end);
    buffer_clear(&s->answers);
    end = s->end;
    *s = (struct server_peer){.end = end};
}

void peers_end(void)
{
    for (unsigned i = 0; i < peers.client_count; i++)
        side_hang_up(&peers.clients[i].end, i % 2);
    peers_settle();
    for (unsigned i = 0; i < peers.server_count; i++)
        side_hang_up(&peers.servers[i].end, i % 2);
    plugs.spent = 0;
    world_leave(peers.world);
    for (unsigned i = 0; i < peers.client_count; i++)
        forget(&peers.clients[i]);
    for (unsigned i = 0; i < peers.server_count; i++)
        forget_server(&peers.servers[i]);
    for (unsigned i = 0; i < peers.model_count; i++)
        peers.models[i] = (struct model){0};
}
