/* SPDX-License-Identifier: MIT */
/*
 * As proxy/farewell.c: how connections and sessions end, and what becomes of what a
 * session still held.
 */
#include "tests/sim/holder.h"

#include "parser/stanza.h"
#include "tests/sim/death.h"
#include "tests/sim/meaning.h"
#include "tests/sim/oracle.h"

#include <stdlib.h>

enum { LINGER_MS = 2000, CLOSE_MS = 5000, LEAVE_MS = 5000, RETURNS_A_COMMIT = 32 };

/* --- connections --- */

void holder_drop(struct hold_connection *c)
{
    kernel_close(c->h->w, c->socket);
    inflow_clear(&c->in);
    buffer_clear(&c->out);
    buffer_clear(&c->say);
    c->phase = HOLD_FREE;
    c->link = NULL;
}

void holder_end_connection(struct hold_connection *c, const char *error, bool speaks)
{
    c->link = NULL;
    c->bind_waits = c->enable_waits = false;
    if (!speaks) {
        holder_drop(c);
        return;
    }
    if (error && error[0] == '<') {
        holder_puts(c, error);
    } else if (error) {
        holder_puts(c, "<stream:error><");
        holder_puts(c, error);
        holder_puts(c, " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
    }
    holder_puts(c, "</stream:stream>");
    holder_flush(c);
    c->phase = HOLD_LEAVING;
    c->late_ms = c->h->w->now + LINGER_MS;
    if (!buffer_len(&c->out))
        kernel_shut(c->h->w, c->socket);
}

void holder_end(struct hold_connection *c, enum hold_end end, const char *error)
{
    struct hold_link *l = c->link;

    if (c->phase != HOLD_OPEN)
        return;
    holder_end_connection(c, error,
                          (end != END_LOST || error) &&
                              (!l || !l->session || l->client != c || sm_between(l->session)));
    if (!l || l->client != c)
        return;
    l->client = NULL;
    if (!l->session) {
        holder_leave(l, true);
        return;
    }
    switch (end) {
    case END_LOST:
        holder_tell(l, (struct sm_event){.type = SM_CLIENT_GONE});
        break;
    case END_ERROR:
        holder_tell(l, (struct sm_event){.type = SM_FINISH, .end = SM_END_ERROR});
        break;
    case END_TAKEN_OVER:
    case END_OVER:
        break;
    }
    holder_obey(l);
}

/* Written, and acknowledged by the client's TCP: it has reached it, whether or not it said so. */
static uint32_t delivered(const struct hold_connection *c)
{
    struct sm_view view = sm_session_view(c->link->session);
    uint64_t waiting = kernel_unacknowledged(c->h->w, c->socket);

    for (unsigned i = 0; i < MARKS; i++) {
        const struct hold_mark *m = &c->marks[(c->mark + MARKS - i) % MARKS];

        if (!m->wire || m->wire + waiting > c->wire_out)
            continue;
        return m->stanza - view.acked > view.passed ? 0 : m->stanza - view.acked;
    }
    return 0;
}

void holder_closed(struct hold_connection *c)
{
    struct hold_link *l = c->link;

    if (l && l->session) {
        c->closing = true;
        holder_tell(l, (struct sm_event){.type = SM_CLIENT_CLOSE, .count = delivered(c)});
        return;
    }
    if (!l || c->login != HOLD_BOUND) {
        holder_end(c, END_OVER, NULL);
        return;
    }
    c->closing = true;
    holder_link_write(l, SPAN_LIT("</stream:stream>"));
    holder_link_flush(l);
    c->late_ms = c->h->w->now + CLOSE_MS;
}

void holder_attached(struct hold_link *l, enum sm_end end)
{
    struct hold_connection *c = l->client;

    if (!c)
        return;
    holder_end_connection(c, end == SM_END_CLIENT ? NULL : "resource-constraint",
                          sm_between(l->session));
    l->client = NULL;
}

/* --- sessions --- */

void holder_server_over(struct hold_link *l, enum sm_end end)
{
    l->over = true;
    holder_obey(l); /* what came before it is written before it */
    if (l->session)
        holder_tell(l, (struct sm_event){.type = SM_LINK_CLOSED, .end = end});
}

static bool send_back(struct hold_link *l, const struct sm_stanza *one)
{
    struct sink k = SINK(l->h->text);
    struct item item;

    if (!meaning_of(l->h->w, (struct span){one->xml, one->len}, &item))
        return false;
    stanza_error(&k, &item, SPAN_NONE, "cancel", "service-unavailable");
    return holder_tell(l, (struct sm_event){.type = SM_PASS, .stanza = {.xml = k.p, .len = k.len}});
}

static enum sm_undelivered_fate dispose(struct hold_link *l, const struct sm_stanza *one)
{
    bool alive = !l->over && !l->eof;

    switch ((enum sm_fate)one->fate) {
    case SM_FATE_DROP:
        return SM_DROPPED;
    case SM_FATE_REFUSE:
        if (one->answered)
            return SM_DROPPED;
        return alive && send_back(l, one) ? SM_RETURNED : SM_LOST;
    case SM_FATE_KEEP:
        if (!l->h->w->set.bounces)
            return SM_DROPPED;
        return alive && send_back(l, one) ? SM_RETURNED : SM_LOST;
    }
    abort();
}

void holder_return(struct hold_link *l)
{
    static const enum fate fates[] = {
        [SM_RETURNED] = FATE_RETURNED, [SM_DROPPED] = FATE_DROPPED, [SM_LOST] = FATE_LOST};
    struct sm_stanza one;
    unsigned count = 0;

    death_looms(l->h->w);
    while (sm_undelivered(l->session, &one)) {
        enum sm_undelivered_fate how = dispose(l, &one);

        sm_undelivered_done(l->session, how);
        oracle_fate(l, (struct span){one.xml, one.len}, fates[how]);
        if (how != SM_DROPPED && ++count % RETURNS_A_COMMIT == 0) {
            holder_commit(l); /* what was answered makes room for further answers */
            holder_send(l);
        }
    }
    sm_returned(l->session, l->h->w->now, l->h->orders);
}

void holder_unconfirmed(struct hold_link *l)
{
    struct world *w = l->h->w;
    struct hold_connection *c = l->client;
    struct sm_stanza one;

    while (sm_unconfirmed(l->session, &one)) {
        struct span raw = {one.xml, one.len};
        struct sink k = SINK(l->h->text);
        struct item item;

        oracle_given_back(l, raw);
        if (!c || c->busy || !sm_between(l->session) || !meaning_of(w, raw, &item) ||
            item.type == TYPE_ERROR || item.type == TYPE_RESULT)
            continue;
        stanza_error(&k, &item, SPAN_NONE, "wait", "remote-server-timeout");
        holder_write(c, sink_span(&k));
    }
    if (c)
        holder_flush(c);
}

/* New logins that waited for a session's end before they bind its resource. */
static void wake_successors(struct holder *h)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        struct hold_connection *c = &h->connections[i];

        if (c->phase == HOLD_OPEN && c->bind_waits)
            holder_bind_now(c);
    }
}

void holder_over(struct hold_link *l)
{
    struct world *w = l->h->w;
    struct story *s = holder_story(l);
    enum sm_end end = sm_session_end(l->session);
    uint64_t left = sm_core_counts(l->h->core).left;

    oracle_freeing(l);
    death_looms(w);
    sm_session_free(l->session, w->now);
    l->session = NULL;
    oracle_freed(w, s, sm_core_counts(l->h->core).left > left);
    holder_leave(l, l->over && (end == SM_END_SERVER || end == SM_END_CONFLICT));
    wake_successors(l->h);
}

/* --- links --- */

static void drop_link(struct hold_link *l)
{
    kernel_link_close(l->h->w, l->socket);
    inflow_clear(&l->in);
    buffer_clear(&l->out);
    l->phase = HOLD_FREE;
}

static void shut_when_empty(struct hold_link *l)
{
    if (!buffer_len(&l->out))
        kernel_link_shut(l->h->w, l->socket);
}

void holder_leave(struct hold_link *l, bool word)
{
    if (l->phase != HOLD_OPEN)
        return;
    l->client = NULL;
    if (l->eof) {
        drop_link(l);
        return;
    }
    if (word)
        holder_link_write(l, SPAN_LIT("</stream:stream>"));
    l->phase = HOLD_LEAVING;
    l->leave_ms = l->h->w->now + LEAVE_MS;
    holder_link_flush(l);
    shut_when_empty(l);
}

void holder_leaving(struct hold_link *l)
{
    struct world *w = l->h->w;
    char nothing[512];
    ssize_t n = KERNEL_AGAIN;

    if (buffer_len(&l->out) && kernel_link_writable(w, l->socket)) {
        holder_link_flush(l);
        shut_when_empty(l);
    }
    if (kernel_link_readable(w, l->socket))
        n = kernel_link_receive(w, l->socket, nothing, sizeof nothing);
    if (n == 0 || n == KERNEL_RESET || l->broken || w->now >= l->leave_ms)
        drop_link(l);
}
