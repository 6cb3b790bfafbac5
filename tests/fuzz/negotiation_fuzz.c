/* SPDX-License-Identifier: MIT */
/*
 * All of proxy/ below main, with clients and servers played by the input: logins, sessions,
 * resumptions, take-overs, and everything that can go wrong with them. What must be true is in
 * negotiation_oracle.h; the settings in negotiation_world.c.
 *
 * The input is text, a move in a line: who, what, and what with.
 *
 *     0 open tls              client 0 connects; on tls, tls13, starttls, balanced, bare, ws, wss
 *                             or wsbare, to the host and from the address of the numbers behind it
 *     0 say $login(alice)     says this (negotiation_words.c); each item is a message on ws
 *     0 frame 89 hi           a frame that begins with that byte, with this in it
 *     0 bytes GET /           bytes of its own above TLS, and on ws outside of frames
 *     0 raw \x16\x03          the same below TLS
 *     0 fin, reset, alert     ends its connection; so do servers
 *     0 stall, read           reads no more; reads again
 *     0 room 100              its window is so large
 *     0 polite                answers each <r/> from now on
 *     0 secure                begins TLS, after all
 *     A say $answer           the server of the first link
 *     A hold, go              it answers nothing by itself; it does
 *     * wait 2000               time passes
 *     * refuse 1, silent 1      what becomes of the next connects to servers
 *     * segment 3               Holdfast gets no more bytes at once
 *     * mute, speak             new servers do not answer by themselves; they do
 *     * tight                   (first line) the other set of settings
 *     * truly                   (first line, or behind that) TLS is OpenSSL's (negotiation_tls.h)
 *     * stop                    as at SIGTERM; the input is over
 *
 * What makes no sense is left out. Servers answer as they should where nothing else is said, so
 * few moves lead far. NEGOTIATION_TRACE and NEGOTIATION_LOG in the environment show what happens.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/client.h"
#include "proxy/link.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/negotiation_peers.h"
#include "tests/fuzz/negotiation_words.h"

enum {
    MOVES_MAX = 60,
    WAIT_MAX_MS = 3600000,
    STATES = 4096,
};

/* States that Holdfast was in: to libFuzzer as good as code that was reached. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t states[STATES];

struct move {
    struct speaker who;
    struct side *end;
    unsigned name;
    struct span with;
};

/* --- moves --- */

static long number(struct span text, long otherwise)
{
    char copy[12];

    if (!text.len || text.len >= sizeof copy)
        return otherwise;
    memcpy(copy, text.p, text.len);
    copy[text.len] = 0;
    return strtol(copy, NULL, 10);
}

static void say(const struct move *m)
{
    static char room[WORDS_MAX];
    struct sink text = SINK(room);

    words_expand(m->who, m->with, &text);
    side_say(m->end, sink_span(&text));
}

static void raw(const struct move *m)
{
    static char room[WORDS_MAX];
    struct sink text = SINK(room);

    words_expand(m->who, m->with, &text);
    side_raw(m->end, sink_span(&text));
}

/* Who says this is not followed any more: it may have been anything. */
static void be_lost(const struct move *m)
{
    m->who.client->lost_count = true;
    m->end->web.pings = UINT_MAX / 2;
}

static void bytes(const struct move *m)
{
    static char room[WORDS_MAX];
    struct sink text = SINK(room);

    if (!m->who.client)
        return;
    words_expand(m->who, m->with, &text);
    be_lost(m);
    side_bytes(m->end, sink_span(&text));
}

static void frame(const struct move *m)
{
    static char room[WORDS_MAX];
    struct sink text = SINK(room);
    struct span rest = m->with, kind = fuzz_until(&rest, ' ');
    char number[3] = "81";
    struct buffer out = {0};
    unsigned first;

    if (!m->who.client || !m->end->web.state)
        return;
    if (kind.len && kind.len < sizeof number)
        snprintf(number, sizeof number, "%.*s", (int)kind.len, kind.p);
    first = (unsigned)strtoul(number, NULL, 16);
    words_expand(m->who, rest, &text);
    if (first == 0x81 && web_is_item(&m->end->web, sink_span(&text)))
        wire_feed(&m->end->sent, sink_span(&text));
    else if (first < 0x88)
        be_lost(m);
    web_frame(&m->end->web, (uint8_t)first, sink_span(&text), &out);
    side_bytes(m->end, buffer_span(&out));
    buffer_clear(&out);
}

static void fin(const struct move *m)
{
    side_hang_up(m->end, false);
}

static void reset(const struct move *m)
{
    side_hang_up(m->end, true);
}

static void alert(const struct move *m)
{
    side_alert(m->end);
}

static void stall(const struct move *m)
{
    m->end->stalled = m->end->ever_stalled = true;
}

static void unstall(const struct move *m)
{
    m->end->stalled = false;
    if (m->end->plug)
        m->end->plug->room = SIZE_MAX;
}

static void narrow(const struct move *m)
{
    long room = number(m->with, 1);

    m->end->ever_stalled = true;
    if (m->end->plug)
        m->end->plug->room = room < 1 ? 1 : (size_t)room;
}

static void be_polite(const struct move *m)
{
    if (m->who.client)
        m->who.client->polite = true;
}

static void secure(const struct move *m)
{
    if (m->who.client)
        peers_secure(m->who.client, false);
}

static void hold(const struct move *m)
{
    if (m->who.server)
        m->who.server->holds = true;
}

static void go(const struct move *m)
{
    if (m->who.server)
        m->who.server->holds = false;
}

static void open_client(const struct move *m)
{
    static const char *const ways[PEERS_WAYS] = {"tls",  "starttls", "tls13", "balanced",
                                                 "bare", "ws",       "wss",   "wsbare"};
    struct span rest = m->with, how = fuzz_until(&rest, ' '), host = fuzz_until(&rest, ' ');
    const struct client_peer *before = peers_client(m->name);
    unsigned way = 0;

    for (unsigned i = 0; i < PEERS_WAYS; i++)
        if (span_is(how, ways[i]))
            way = i;
    if (before)
        side_hang_up(&peers_client(m->name)->end, true);
    (void)peers_open(m->name, (enum peers_way)way,
                     (enum world_host)((unsigned long)number(host, 0) % WORLD_HOSTS),
                     (unsigned)number(rest, m->name) % 64);
}

static void pass_time(const struct move *m)
{
    long ms = number(m->with, 0);

    for (unsigned i = 0; i < 2; i++) { /* who answers has time to */
        world_pass(peers.world, (uint64_t)(ms < 0 ? 0 : ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms) / 2);
        peers_settle();
    }
}

static void refuse(const struct move *m)
{
    plugs.spent = (unsigned)number(m->with, 1);
    plugs.dial = PLUGS_REFUSES;
}

static void be_silent(const struct move *m)
{
    plugs.spent = (unsigned)number(m->with, 1);
    plugs.dial = PLUGS_IS_SILENT;
}

static void segment(const struct move *m)
{
    long bytes = number(m->with, 0);

    plugs.segment = bytes < 0 ? 0 : (size_t)bytes;
}

static void mute(const struct move *)
{
    peers.mute = true;
}

static void speak(const struct move *)
{
    peers.mute = false;
}

enum { OF_CLIENT = 1, OF_SERVER = 2, OF_PEER = 3, OF_NEW = 4, OF_WORLD = 8 };

static const struct {
    const char *name;
    void (*deed)(const struct move *m);
    unsigned of;
} deeds[] = {
    {"say", say, OF_PEER},
    {"raw", raw, OF_PEER},
    {"bytes", bytes, OF_CLIENT},
    {"frame", frame, OF_CLIENT},
    {"fin", fin, OF_PEER},
    {"reset", reset, OF_PEER},
    {"alert", alert, OF_PEER},
    {"stall", stall, OF_PEER},
    {"read", unstall, OF_PEER},
    {"room", narrow, OF_PEER},
    {"polite", be_polite, OF_CLIENT},
    {"secure", secure, OF_CLIENT},
    {"hold", hold, OF_SERVER},
    {"go", go, OF_SERVER},
    {"open", open_client, OF_NEW},
    {"wait", pass_time, OF_WORLD},
    {"refuse", refuse, OF_WORLD},
    {"silent", be_silent, OF_WORLD},
    {"segment", segment, OF_WORLD},
    {"mute", mute, OF_WORLD},
    {"speak", speak, OF_WORLD},
};

/* --- the script --- */

/* Who moves; what he may do. */
static unsigned find_mover(struct span who, struct move *m)
{
    char c = who.len == 1 ? who.p[0] : 0;

    if (c == '*')
        return OF_WORLD;
    if (c >= '0' && c <= '9') {
        m->name = (unsigned)(c - '0');
        m->who.client = peers_client(m->name);
        if (!m->who.client)
            return OF_NEW;
        m->end = &m->who.client->end;
        return OF_NEW | OF_CLIENT;
    }
    if (c >= 'A' && c < (char)('A' + peers.server_count)) {
        m->who.server = &peers.servers[c - 'A'];
        m->end = &m->who.server->end;
        return OF_SERVER;
    }
    return 0;
}

static void make_move(struct span line)
{
    struct move m = {.with = line};
    struct span who = fuzz_until(&m.with, ' '), what = fuzz_until(&m.with, ' ');
    unsigned may = find_mover(who, &m);

    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++)
        if ((deeds[i].of & may) && span_is(what, deeds[i].name))
            deeds[i].deed(&m);
}

static void note_state(unsigned state)
{
    states[state % STATES] = 1;
}

/* What each client and link is in the middle of. */
static void note_states(void)
{
    for (unsigned i = 0; i < WORLD_WORKERS; i++) {
        struct tools *t = world_tools(peers.world, i);
        struct client *c;
        struct link *l;

        LIST_FOREACH(c, &t->clients, entry)
        {
            const struct sm_session *s = c->link ? c->link->session : NULL;
            unsigned session = s ? 1 + (unsigned)sm_session_state(s) : 0;
            unsigned link = c->link ? 1 + (unsigned)c->link->stage : 0;

            note_state((((unsigned)c->login * 8 + link) * 8 + session) * 4 + c->busy * 2u +
                       c->closing);
        }
        LIST_FOREACH(l, &t->links, entry)
        {
            if (l->session && !l->client)
                note_state(3000 + (unsigned)sm_session_state(l->session) * 16 +
                           (unsigned)sm_session_end(l->session));
        }
    }
}

/* True if the input begins with that line, which is then cut off. */
static bool take_line(struct span *in, const char *what)
{
    struct span rest = *in;

    if (!span_is(fuzz_until(&rest, '\n'), what))
        return false;
    *in = rest;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    bool tight, truly;

    if (memmem(data, size, "tag-", 4)) /* tags are given out by the oracle alone */
        return -1;
    tight = take_line(&input, "* tight");
    truly = take_line(&input, "* truly");
    plugs_begin();
    peers_begin(tight ? WORLD_TIGHT : WORLD_USUAL, truly);
    for (unsigned i = 0; input.len && i < MOVES_MAX; i++) {
        struct span line = fuzz_until(&input, '\n');

        if (span_is(line, "* stop")) {
            world_stop(peers.world);
            break;
        }
        make_move(line);
        peers_settle();
        note_states();
    }
    peers_end();
    plugs_end();
    return 0;
}
