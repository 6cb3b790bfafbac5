/* SPDX-License-Identifier: MIT */
/*
 * A client that follows XEP-0198, a server, and the caller between them and the
 * session: streams of bytes that can be cut anywhere, and the truth about them.
 * Stanzas are numbered from 1 on in each direction.
 */
#pragma once

#include "tests/support/session_rig.h"

#include <inttypes.h>

enum { BUFFER = 1 << 16 };

struct pipe { /* bytes on their way in one direction */
    char bytes[BUFFER];
    size_t len, read;
};

struct life {
    struct rig *r;
    uint64_t seed, random;
    uint32_t start; /* of both counters */

    /* The client: numbers are of stanzas, from 1 on. */
    bool attached, resumed; /* has a connection; may send on it */
    uint32_t made, acked;   /* stanzas it made, and that it was told of */
    uint32_t got;           /* stanzas it received */
    uint32_t h_heard;       /* the last h that it read */
    struct pipe c2s, s2c;

    /* Holdfast's caller. */
    struct sm_orders orders; /* those in hand */
    uint32_t h_said;         /* the last that was said to any connection */
    uint32_t h_resumed;      /* the highest of <resumed/> */
    bool server_gone;

    /* The server. */
    struct pipe link;
    uint32_t sent;    /* stanzas to the client */
    uint32_t handled; /* the last of the client's */
    uint64_t pings[64];
    unsigned ping_count;
    bool unavailable, closed;
};

/* Of the life in hand; a failure prints it. */
static uint64_t life_seed;

#define must(truth)                                                                                \
    do {                                                                                           \
        if (!(truth)) {                                                                            \
            print_error("LIFE_SEED=%" PRIu64 "\n", life_seed);                                     \
            assert_true(truth);                                                                    \
        }                                                                                          \
    } while (0)

/* xorshift64* */
static inline uint32_t below(struct life *l, uint32_t limit)
{
    l->random ^= l->random >> 12;
    l->random ^= l->random << 25;
    l->random ^= l->random >> 27;
    return (uint32_t)((l->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % limit;
}

static inline bool one_in(struct life *l, uint32_t n)
{
    return below(l, n) == 0;
}

static inline void put(struct pipe *p, const char *bytes, size_t len)
{
    must(len <= sizeof p->bytes - p->len);
    memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
}

/* The next whole element; NULL: none. A pipe that was read to its end begins anew. */
static inline const char *take(struct pipe *p)
{
    static char element[512];
    size_t at = p->read;
    bool iq = p->len - at > 4 && !memcmp(p->bytes + at, "<iq ", 4);
    const char *end = iq ? "</iq>" : ">";
    const char *found = memmem(p->bytes + at, p->len - at, end, strlen(end));

    if (!found)
        return NULL;
    size_t len = (size_t)(found - (p->bytes + at)) + strlen(end);
    must(len < sizeof element);
    memcpy(element, p->bytes + at, len);
    element[len] = 0;
    p->read += len;
    if (p->read == p->len)
        p->read = p->len = 0;
    return element;
}

static inline void cut(struct pipe *p)
{
    p->read = p->len = 0;
}

static inline uint32_t number_in(const char *element, const char *name)
{
    const char *at = strstr(element, name);

    must(at);
    return (uint32_t)strtoul(at + strlen(name), NULL, 10);
}

static inline bool answered_here(uint32_t n)
{
    return n % 7 == 0;
}

/* --- the server --- */

static inline void handle(struct life *l, uint32_t n)
{
    uint32_t next = l->handled + 1;

    while (answered_here(next))
        next++;
    must(n == next); /* each once, in order */
    l->handled = n;
}

static inline void server_reads(struct life *l)
{
    const char *element = take(&l->link);

    if (!element)
        return;
    must(!l->closed);
    if (!strncmp(element, "<u ", 3)) {
        handle(l, number_in(element, "n='"));
    } else if (!strncmp(element, "<iq ", 4)) {
        must(l->ping_count < 64);
        l->pings[l->ping_count++] = probe_of(element);
    } else if (!strncmp(element, "<pre", 4)) {
        must(!l->unavailable);
        l->unavailable = true;
    } else {
        must(!strcmp(element, "</stream:stream>") || !strncmp(element, "<error", 6));
        l->closed = element[1] == '/';
    }
}

static inline void server_answers(struct life *l)
{
    if (!l->ping_count)
        return;
    must(STEP(l->r, SM_PROBE_ANSWER, .probe = l->pings[0]));
    memmove(l->pings, l->pings + 1, --l->ping_count * sizeof l->pings[0]);
}

static inline void server_sends(struct life *l)
{
    char xml[400];
    int len = sprintf(xml, "<m n='%u' pad='%.*s'/>", ++l->sent, (int)below(l, 300),
                      "................................................................"
                      "................................................................"
                      "................................................................"
                      "................................................................"
                      "................................................................");

    STEP(l->r, SM_LINK_READ, .count = (uint64_t)len);
    if (one_in(l, 4)) {
        size_t half = below(l, (uint32_t)len);

        must(sm_tail_add(l->r->s, (struct sm_text){xml, half}));
        if (one_in(l, 2))
            sm_commit(l->r->s);
        must(sm_tail_add(l->r->s, (struct sm_text){xml + half, (size_t)len - half}));
        must(STEP(l->r, SM_TO_CLIENT, .stanza = {.fate = SM_FATE_KEEP}));
    } else {
        must(STEP(l->r, SM_TO_CLIENT,
                  .stanza = {.xml = xml, .len = (size_t)len, .fate = SM_FATE_KEEP}));
    }
}

/* --- Holdfast's caller --- */

/* All that an h may cover: what the server has handled, and what Holdfast answered behind it. */
static inline uint32_t safe(const struct life *l)
{
    uint32_t n = l->handled, taken = sm_session_view(l->r->s).taken - l->start;

    while (n < taken && answered_here(n + 1))
        n++;
    return n > l->h_resumed ? n : l->h_resumed;
}

static inline void check_said(struct life *l, const char *text, size_t len)
{
    uint32_t taken = sm_session_view(l->r->s).taken - l->start;

    for (const char *at = text; (at = memmem(at, len - (size_t)(at - text), "h='", 3)); at++) {
        uint32_t h = number_in(at, "h='") - l->start;
        const char *name = at;

        while (*name != '<')
            name--;
        if (!strncmp(name, "<resumed", 8)) {
            must(h == taken);
            l->h_resumed = h;
        }
        must(h >= l->h_said && h <= taken && (l->r->limits.ack_forwarded || h <= safe(l)));
        l->h_said = h;
    }
}

/* Up to `most` bytes of stanzas go to the connection. */
static inline void write_some(struct life *l, size_t most)
{
    struct rig *r = l->r;
    struct sm_text run;
    struct sm_stanza one;

    while (most && sm_unwritten(r->s, &run, &one)) {
        size_t len = run.len ? run.len : one.len;

        if (run.len && len > most)
            len = most;
        put(&l->s2c, run.len ? run.p : one.xml, len);
        STEP(r, SM_CLIENT_WROTE, .count = len);
        most = len > most ? 0 : most - len;
    }
}

/* The stanza that is half written is ended, so that other text can follow. */
static inline void end_stanza(struct life *l)
{
    struct sm_text run;
    struct sm_stanza one;

    if (sm_between(l->r->s) || !sm_unwritten(l->r->s, &run, &one))
        return;
    const char *end = memchr(run.p, '>', run.len);
    must(end);
    write_some(l, (size_t)(end - run.p) + 1);
    must(sm_between(l->r->s));
}

static inline bool over(const struct life *l)
{
    return sm_session_state(l->r->s) > SM_RESUMING;
}

/* What obeying brings about is left for the next time. */
static inline void obey(struct life *l)
{
    struct rig *r = l->r;
    struct sm_orders *o = &l->orders;
    struct sm_text bytes;

    if (over(l))
        return; /* its queue was full: how it ends is seen later */
    check_said(l, r->o.text, r->o.text_len);
    sm_commit(r->s);
    *o = r->o;
    r->o = (struct sm_orders){0};
    if (l->attached && o->text_len) {
        end_stanza(l);
        put(&l->s2c, o->text, o->text_len);
    }
    if (l->attached && o->todo & SM_DO_WRITE)
        write_some(l, one_in(l, 3) ? below(l, 500) : BUFFER);
    if (l->attached && o->todo & SM_DO_ASK) {
        end_stanza(l);
        put(&l->s2c, "<r/>", 4);
    }
    if (o->todo & SM_DO_CHECK_TCP && one_in(l, 2))
        STEP(r, SM_TCP_ACKED, .count = UINT32_MAX);
    if (sm_unsent(r->s, &bytes)) {
        size_t len = one_in(l, 2) ? bytes.len : below(l, (uint32_t)bytes.len + 1);

        put(&l->link, bytes.p, len);
        STEP(r, SM_LINK_SENT, .count = len);
    }
    if (o->todo & SM_DO_DETACH) {
        cut(&l->c2s);
        cut(&l->s2c);
        l->attached = l->resumed = false;
    }
}

static inline void client_read(struct life *l)
{
    const char *element;
    struct rig *r = l->r;

    if (sm_session_state(r->s) != SM_LIVE || !sm_reads_client(r->s) || !(element = take(&l->c2s)))
        return;
    STEP(r, SM_CLIENT_BYTES);
    if (!strncmp(element, "<u ", 3)) {
        if (answered_here(number_in(element, "n='")))
            must(STEP(r, SM_ANSWERED));
        else
            must(to_server(r, element));
    } else if (!strncmp(element, "<r", 2)) {
        must(STEP(r, SM_CLIENT_ASK));
    } else {
        must(ack(r, number_in(element, "h='")));
    }
}

/* --- the client --- */

static inline void client_puts(struct life *l, uint32_t n)
{
    char xml[64];

    put(&l->c2s, xml, (size_t)sprintf(xml, "<u n='%u'/>", n));
    if (one_in(l, 4))
        put(&l->c2s, "<r/>", 4);
}

static inline void client_sends(struct life *l)
{
    l->made++;
    if (l->attached && l->resumed)
        client_puts(l, l->made);
}

static inline void client_hears(struct life *l, uint32_t h)
{
    must(h - l->start >= l->acked && h - l->start <= l->made);
    l->acked = h - l->start;
}

static inline void client_reads(struct life *l)
{
    const char *element = l->attached ? take(&l->s2c) : NULL;
    char xml[64];

    if (!element)
        return;
    if (!strncmp(element, "<m ", 3)) {
        must(l->resumed);
        must(number_in(element, "n='") == l->got + 1); /* each once, in order */
        l->got++;
        if (one_in(l, 8))
            put(&l->c2s, xml, (size_t)sprintf(xml, "<a h='%u'/>", l->start + l->got));
    } else if (!strncmp(element, "<r/>", 4)) {
        put(&l->c2s, xml, (size_t)sprintf(xml, "<a h='%u'/>", l->start + l->got));
    } else if (!strncmp(element, "<a ", 3)) {
        client_hears(l, number_in(element, "h='"));
    } else {
        must(!strncmp(element, "<resumed ", 9) && !l->resumed);
        client_hears(l, number_in(element, "h='"));
        l->resumed = true;
        for (uint32_t n = l->acked + 1; n <= l->made; n++)
            client_puts(l, n);
    }
}

/* --- the network --- */

/* What was on its way arrives in part. Holdfast notices at once, or only when the client is back.
 */
static inline void network_cuts(struct life *l)
{
    if (!l->attached)
        return;
    for (uint32_t n = below(l, 6); n; n--)
        client_read(l);
    for (uint32_t n = below(l, 6); n; n--)
        client_reads(l);
    cut(&l->c2s);
    cut(&l->s2c);
    l->attached = l->resumed = false;
    if (one_in(l, 2))
        gone(l->r);
    obey(l);
}

static inline void client_resumes(struct life *l)
{
    uint32_t h = l->start + l->got;

    if (l->attached)
        return;
    gone(l->r); /* the old connection is frozen first, if it is there */
    must(sm_may_resume(l->r->s, h) == SM_RESUME_FINE);
    must(sm_may_resume(l->r->s, l->start + l->sent + 1) == SM_RESUME_TOO_HIGH);
    must(STEP(l->r, SM_RESUME, .h = h));
    l->attached = true;
}
