/* SPDX-License-Identifier: MIT */
/*
 * Cables, TLS and turns. TLS 1.2 with a ticket costs no public-key operation; what
 * is tested is not OpenSSL.
 */
#include "tests/fuzz/negotiation_peers.h"

#include <openssl/err.h>
#include <stdio.h>

#include "proxy/client.h"
#include "proxy/link.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/negotiation_oracle.h"
#include "tests/fuzz/negotiation_tls.h"

enum {
    ROUNDS = 5000, /* after which a conversation is taken for one without end */
    PLAIN = 16384,
};

struct peers peers;

static SSL_SESSION *tickets[WORLD_KINDS];

static SSL_CTX *client_context(void)
{
    static SSL_CTX *ctx;

    if (!ctx) {
        ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    }
    return ctx;
}

static SSL_CTX *server_context(void)
{
    static SSL_CTX *ctx;
    const char *file = world_certificate();

    if (!ctx) {
        ctx = SSL_CTX_new(TLS_server_method());
        HOLDS(SSL_CTX_use_certificate_file(ctx, file, SSL_FILETYPE_PEM) == 1 &&
                  SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) == 1,
              "%s", file);
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    }
    return ctx;
}

/* With NEGOTIATION_TRACE in the environment the whole conversation is shown. */
static void trace(const void *who, const char *what, struct span text)
{
    static int wanted = -1;

    if (wanted < 0)
        wanted = getenv("NEGOTIATION_TRACE") != NULL;
    if (wanted)
        fprintf(stderr, "%p %s %.*s\n", who, what, (int)text.len, text.p);
}

/* --- saying --- */

void peers_raw(struct side *e, struct span bytes)
{
    if (!e->plug || e->hung_up || e->plug->closed)
        return;
    if (!buffer_put(&e->plug->in, bytes))
        abort();
}

/* What TLS has to say goes on the cable. */
static void flush_tls(struct side *e)
{
    char *p;
    long len = BIO_get_mem_data(SSL_get_wbio(e->ssl), &p);

    if (len > 0)
        peers_raw(e, (struct span){p, (size_t)len});
    (void)BIO_reset(SSL_get_wbio(e->ssl));
}

static void encrypt(struct side *e, struct span text)
{
    if (e->tls == SIDE_TRUE) {
        SSL_write(e->ssl, text.p, (int)text.len);
        flush_tls(e);
    } else {
        peers_raw(e, text);
    }
}

/* The handshake is done: what waited for that is said. */
static void be_ready(struct side *e)
{
    struct buffer early = e->early;

    e->ready = true;
    e->early = (struct buffer){0};
    if (buffer_len(&early))
        encrypt(e, buffer_span(&early));
    buffer_clear(&early);
}

static void shake_hands(struct side *e)
{
    if (e->ready)
        return;
    (void)SSL_do_handshake(e->ssl);
    flush_tls(e);
    if (SSL_is_init_finished(e->ssl))
        be_ready(e);
}

static void begin_tls(struct side *e, SSL_CTX *truly)
{
    wire_restart(&e->got);
    wire_restart(&e->sent);
    e->tls = truly ? SIDE_TRUE : SIDE_MOCK;
    if (!truly)
        return;
    e->ssl = SSL_new(truly);
    SSL_set_bio(e->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
}

void peers_say(struct side *e, struct span text)
{
    if (!e->plug || e->hung_up || !text.len)
        return;
    trace(e, ">", text);
    wire_feed(&e->sent, text);
    if (e->tls != SIDE_CLEAR && !e->ready) {
        if (!buffer_put(&e->early, text))
            abort();
    } else {
        encrypt(e, text);
    }
}

void peers_alert(struct side *e)
{
    if (!e->ready)
        return;
    if (e->tls == SIDE_MOCK) {
        peers_raw(e, SPAN_LIT("\xfe"));
    } else {
        (void)SSL_shutdown(e->ssl);
        flush_tls(e);
    }
}

void peers_hang_up(struct side *e, bool reset)
{
    if (e->plug)
        kernel_close(e->plug, reset);
    e->hung_up = true;
}

static enum world_kind kind_now(void)
{
    return peers.forwards ? WORLD_TIGHT : WORLD_USUAL;
}

static void secure_server(struct server_peer *s)
{
    begin_tls(&s->end, tls_truly ? server_context() : NULL);
    s->secured = true;
    if (tls_truly)
        SSL_set_accept_state(s->end.ssl);
}

void peers_secure(struct client_peer *c, bool newest)
{
    if (c->end.tls != SIDE_CLEAR)
        return;
    begin_tls(&c->end, tls_truly ? client_context() : NULL);
    if (c->end.tls == SIDE_MOCK) {
        peers_raw(&c->end, SPAN_LIT("N"));
        return;
    }
    SSL_set_connect_state(c->end.ssl);
    SSL_set_tlsext_host_name(c->end.ssl, c->host);
    if (!newest)
        SSL_set_max_proto_version(c->end.ssl, TLS1_2_VERSION);
    if (!newest && tickets[kind_now()])
        SSL_set_session(c->end.ssl, tickets[kind_now()]);
    shake_hands(&c->end);
}

static void keep_ticket(const struct side *e)
{
    if (!tickets[kind_now()] && SSL_version(e->ssl) == TLS1_2_VERSION)
        tickets[kind_now()] = SSL_get1_session(e->ssl);
}

/* --- reading --- */

static void hear(struct side *e, struct span text, const char *who)
{
    trace(e, "<", text);
    wire_feed(&e->got, text);
    oracle_reads(&e->got, who);
}

static void decrypt(struct side *e, struct span came, const char *who)
{
    char plain[PLAIN];
    int len;

    BIO_write(SSL_get_rbio(e->ssl), came.p, (int)came.len);
    shake_hands(e);
    while ((len = SSL_read(e->ssl, plain, sizeof plain)) > 0)
        hear(e, (struct span){plain, (size_t)len}, who);
    flush_tls(e);
    ERR_clear_error();
}

/* The mock's; a client is welcomed before it hears anything, and a server is greeted. Who is told
 * something else understands nothing of what follows. */
static void decode(struct side *e, struct span came, bool client, const char *who)
{
    if (!e->ready && !e->deaf) {
        e->deaf = came.p[0] != (client ? MOCK_WELCOME : MOCK_HELLO);
        if (e->deaf)
            return;
        came = (struct span){came.p + 1, came.len - 1};
        if (!client)
            peers_raw(e, SPAN_LIT("n"));
        be_ready(e);
    }
    if (came.len && (uint8_t)came.p[came.len - 1] == MOCK_CLOSE)
        came.len--;
    if (came.len && e->ready)
        hear(e, came, who);
}

/* Takes what Holdfast wrote. True if there was something. */
static bool hear_all(struct side *e, bool client)
{
    const char *who = client ? "client" : "server";
    struct buffer came;

    if (!e->plug || e->stalled || !buffer_len(&e->plug->out))
        return false;
    came = e->plug->out;
    e->plug->out = (struct buffer){0};
    if (e->plug->room < SIZE_MAX / 2)
        e->plug->room *= 2;
    if (e->tls == SIDE_TRUE)
        decrypt(e, buffer_span(&came), who);
    else if (e->tls == SIDE_MOCK)
        decode(e, buffer_span(&came), client, who);
    else
        hear(e, buffer_span(&came), who);
    buffer_clear(&came);
    return true;
}

/* Both sides have closed it, and all was read. */
static void let_go(struct side *e)
{
    if (!e->plug || !e->plug->closed || (!e->stalled && buffer_len(&e->plug->out)))
        return;
    kernel_forget(e->plug);
    e->plug = NULL;
}

static bool client_turn(struct client_peer *c)
{
    bool moved = hear_all(&c->end, true);

    if (c->end.ssl && c->end.ready)
        keep_ticket(&c->end);
    if (c->secures) {
        c->secures = false;
        peers_secure(c, false);
    }
    if (c->owes && c->session) {
        char text[96];
        int len = snprintf(text, sizeof text, "<a xmlns='urn:xmpp:sm:3' h='%u'/>",
                           peers.start + c->session->handled);

        c->owes = false;
        peers_say(&c->end, (struct span){text, (size_t)len});
        moved = true;
    }
    let_go(&c->end);
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
    moved = hear_all(&s->end, false);
    if (!s->holds && buffer_len(&s->answers)) {
        struct buffer answers = s->answers;

        s->answers = (struct buffer){0};
        peers_say(&s->end, buffer_span(&answers));
        buffer_clear(&answers);
        moved = true;
    }
    if (s->secures && !s->secured)
        secure_server(s);
    if (s->bye && !s->end.hung_up && !buffer_len(&s->answers)) {
        peers_hang_up(&s->end, false);
        moved = true;
    }
    let_go(&s->end);
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

/* `e` is used for the first time since the input began; its parsers are kept from before. */
static void side_init(struct side *e, struct plug *p, const struct wire_reader *got,
                      const struct wire_reader *sent, void *peer)
{
    e->plug = p;
    wire_init(&e->got, got, peer);
    wire_init(&e->sent, sent, peer);
}

static void greet_link(struct plug *p)
{
    struct server_peer *s;

    if (peers.server_count == PEERS_SERVERS) {
        kernel_close(p, true);
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
    for (size_t i = 0; i < KERNEL_PLUGS; i++) {
        struct plug *p = &kernel.plugs[i];

        if (p->state == PLUG_FREE || p->state == PLUG_LISTENS || p->port < WORLD_PORT ||
            is_known(p))
            continue;
        if (p->closed)
            kernel_forget(p);
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

struct client_peer *peers_open(unsigned name, enum peers_way way, enum world_host host,
                               unsigned from)
{
    static const uint16_t ports[] = {[PEERS_TLS] = WORLD_SECURE,
                                     [PEERS_TLS13] = WORLD_SECURE,
                                     [PEERS_STARTTLS] = WORLD_CLEAR,
                                     [PEERS_BALANCED] = WORLD_BALANCED,
                                     [PEERS_BARE] = WORLD_BALANCED};
    struct plug *p = peers.client_count < PEERS_CLIENTS
                         ? kernel_connect((uint16_t)(ports[way] + WORLD_NEXT * kind_now()),
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

        peers_raw(&c->end, (struct span){text, (size_t)len});
    }
    if (way != PEERS_BARE && way != PEERS_STARTTLS)
        peers_secure(c, way == PEERS_TLS13);
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

/* Nothing is kept but the parsers. */
static void side_clear(struct side *e)
{
    XML_Parser got = e->got.parser, sent = e->sent.parser;

    SSL_free(e->ssl);
    buffer_clear(&e->early);
    buffer_clear(&e->got.text);
    buffer_clear(&e->sent.text);
    *e = (struct side){0};
    e->got.parser = got;
    e->sent.parser = sent;
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
        peers_hang_up(&peers.clients[i].end, i % 2);
    peers_settle();
    for (unsigned i = 0; i < peers.server_count; i++)
        peers_hang_up(&peers.servers[i].end, i % 2);
    kernel.spent = 0;
    world_leave(peers.world);
    for (unsigned i = 0; i < peers.client_count; i++)
        forget(&peers.clients[i]);
    for (unsigned i = 0; i < peers.server_count; i++)
        forget_server(&peers.servers[i]);
    for (unsigned i = 0; i < peers.model_count; i++)
        peers.models[i] = (struct model){0};
}
