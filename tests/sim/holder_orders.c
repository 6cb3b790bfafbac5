/* SPDX-License-Identifier: MIT */
/*
 * As proxy/orders.c and proxy/serve.c: the commit, then the deeds, round and round until
 * nothing is left to do.
 */
#include "tests/sim/holder.h"

#include "parser/stanza.h"
#include "sm/wire.h"
#include "tests/sim/meaning.h"
#include "tests/sim/oracle.h"

#include <assert.h>

bool holder_tell(struct hold_link *l, struct sm_event event)
{
    event.now_ms = l->h->w->now;
    return sm_step(l->session, &event, l->h->orders);
}

void holder_commit(struct hold_link *l)
{
    sm_commit(l->session);
    oracle_committed(l);
}

/* --- to the client --- */

bool holder_blocked(const struct hold_connection *c)
{
    return c->blocked;
}

void holder_flush(struct hold_connection *c)
{
    struct span bytes;

    while ((bytes = buffer_span(&c->out)).len) {
        ssize_t n = kernel_send(c->h->w, c->socket, bytes.p, bytes.len);

        c->blocked = n <= 0;
        if (c->blocked)
            return;
        c->wire_out += (uint64_t)n;
        buffer_take(&c->out, (size_t)n);
    }
}

void holder_write(struct hold_connection *c, struct span bytes)
{
    bool put = buffer_put(&c->out, bytes);

    assert(put);
}

void holder_puts(struct hold_connection *c, const char *text)
{
    holder_write(c, span_of(text));
}

void holder_say(struct hold_link *l, struct span text)
{
    bool put = !l->client || buffer_put(&l->client->say, text);

    assert(put);
}

struct sink holder_sink(struct holder *h, size_t len)
{
    char *room;

    h->edited.start = h->edited.end = 0;
    room = buffer_room(&h->edited, len + 1024);
    assert(room);
    return (struct sink){.p = room, .max = len + 1024};
}

static void wrote(struct hold_link *l, size_t raw)
{
    holder_tell(l, (struct sm_event){.type = SM_CLIENT_WROTE, .count = raw});
}

static void write_late(struct hold_link *l, const struct sm_stanza *one)
{
    struct world *w = l->h->w;
    struct stanza_edit edit = {.delay_from = SPAN_LIT(DOMAIN), .delay_ms = one->stamp_ms};
    struct context none = {0};
    struct span raw = {one->xml, one->len};
    struct sink k = holder_sink(l->h, one->len);
    struct item item;
    bool known = meaning_of(w, raw, &item);

    fact(w, holder_story(l), known, "what is queued is no stanza: %.*s", (int)raw.len, raw.p);
    stanza_carry(&k, raw, &item, &none, &none, &edit);
    holder_write(l->client, sink_span(&k));
    wrote(l, one->len);
}

/* True if something was written. */
static bool write_some(struct hold_link *l)
{
    struct world *w = l->h->w;
    struct hold_connection *c = l->client;
    struct sm_text run;
    struct sm_stanza one;

    if (!c->share || !sm_unwritten(l->session, &run, &one))
        return false;
    if (run.len) {
        if (run.len > w->set.piece)
            run.len = w->set.piece;
        holder_write(c, (struct span){run.p, run.len});
        wrote(l, run.len);
    } else {
        assert(one.late);
        write_late(l, &one);
        run.len = one.len;
    }
    c->share -= run.len < c->share ? run.len : c->share;
    return true;
}

/* Text goes in only where no stanza is half written. */
static void write_texts(struct hold_link *l)
{
    struct hold_connection *c = l->client;

    if (!buffer_len(&c->say) || !sm_between(l->session))
        return;
    holder_write(c, buffer_span(&c->say));
    buffer_clear(&c->say);
}

static void write_ask(struct hold_link *l)
{
    struct hold_connection *c = l->client;
    char text[SM_WIRE_MAX];

    if (!c->asks || !sm_between(l->session))
        return;
    holder_write(c, (struct span){text, sm_wire_r(text, sm_session_ns2(l->session))});
    c->asks = false;
    if (!l->h->w->dead)
        happened(l->h->w, FIG_ASKED);
}

/* What was written by now, by the bytes that TCP has to acknowledge for it. */
static void note_written(struct hold_link *l)
{
    struct sm_view view = sm_session_view(l->session);
    struct hold_connection *c = l->client;

    if (!view.passed || c->marks[c->mark].stanza == view.acked + view.passed)
        return;
    c->mark = (c->mark + 1) % MARKS;
    c->marks[c->mark] =
        (struct hold_mark){c->wire_out + buffer_len(&c->out), view.acked + view.passed};
}

void holder_serve(struct hold_link *l)
{
    struct hold_connection *c = l->client;

    if (!c || holder_blocked(c))
        return;
    write_texts(l);
    while (!holder_blocked(c) && write_some(l))
        if (buffer_len(&c->out) >= l->h->w->set.piece)
            holder_flush(c);
    if (!holder_blocked(c)) {
        write_texts(l);
        write_ask(l);
    }
    holder_flush(c);
    note_written(l);
}

/* --- to the server --- */

static ssize_t send_now(struct hold_link *l, const char *bytes, size_t len)
{
    ssize_t n = kernel_link_send(l->h->w, l->socket, bytes, len);

    if (n < 0) {
        l->broken = true;
        return 0;
    }
    l->sent += (uint64_t)n;
    return n;
}

void holder_send(struct hold_link *l)
{
    struct sm_text bytes;

    while (sm_unsent(l->session, &bytes)) {
        ssize_t n = 0;

        if (l->phase == HOLD_OPEN && !l->broken && !buffer_len(&l->out))
            n = send_now(l, bytes.p, bytes.len);
        if (!n)
            return;
        holder_tell(l, (struct sm_event){.type = SM_LINK_SENT, .count = (uint64_t)n});
    }
}

/* Before there is a session. */
void holder_link_flush(struct hold_link *l)
{
    struct span bytes;

    while (!l->broken && (bytes = buffer_span(&l->out)).len) {
        ssize_t n = send_now(l, bytes.p, bytes.len);

        if (!n)
            return;
        buffer_take(&l->out, (size_t)n);
    }
}

void holder_link_write(struct hold_link *l, struct span bytes)
{
    bool put = buffer_put(&l->out, bytes);

    assert(put);
}

void holder_pass(struct hold_link *l, struct span text)
{
    struct sm_stanza stanza = {.xml = text.p, .len = text.len};

    if (l->session) {
        holder_tell(l, (struct sm_event){.type = SM_PASS, .stanza = stanza});
        return;
    }
    holder_link_write(l, text);
    holder_link_flush(l);
}

/* --- the deeds --- */

static void check_tcp(struct hold_link *l)
{
    struct world *w = l->h->w;
    const struct kernel_link *k = &w->links[l->socket];

    if (!w->dead) {
        happened(w, FIG_TCP_ACKED);
        holder_story(l)->loose = true;
    }
    holder_tell(l, (struct sm_event){.type = SM_TCP_ACKED, .count = k->acked + k->up.passed});
}

static void resumed(struct hold_link *l)
{
    struct hold_connection *c = l->client;

    if (!c)
        return;
    c->busy = false;
    if (sm_session_inactive(l->session)) { /* XEP-0352, 5: whoever resumes counts as active */
        sm_session_set_inactive(l->session, false);
        holder_pass(l, SPAN_LIT("<active xmlns='urn:xmpp:csi:0'/>"));
    }
    c->goes_on = true;
}

static void too_high(struct hold_link *l, const struct sm_orders *given)
{
    char error[SM_WIRE_MAX + 1];

    error[sm_wire_too_high(error, sm_session_ns2(l->session), given->h_claimed, given->h_sent)] = 0;
    holder_end(l->client, END_OVER, error);
}

static void obey(struct hold_link *l, const struct sm_orders *given)
{
    struct world *w = l->h->w;
    uint32_t todo = given->todo;

    if (todo & SM_DO_SAY) {
        oracle_said(l, given->text, given->text_len);
        holder_say(l, (struct span){given->text, given->text_len});
    }
    if (todo & SM_DO_ASK && l->client)
        l->client->asks = true;
    if (todo & (SM_DO_SAY | SM_DO_WRITE | SM_DO_ASK))
        holder_serve(l);
    if (todo & SM_DO_SEND)
        holder_send(l);
    if (todo & SM_DO_RESUMED)
        resumed(l);
    if (todo & SM_DO_TOO_HIGH && l->client)
        too_high(l, given);
    if (todo & SM_DO_DETACH && l->client) {
        holder_end_connection(l->client, "connection-timeout", sm_between(l->session));
        l->client = NULL;
    }
    if (todo & SM_DO_CHECK_TCP)
        check_tcp(l);
    if (todo & SM_DO_WARN_PROBE && !w->dead)
        happened(w, FIG_WARNED);
    if (todo & SM_DO_UNCONFIRMED)
        holder_unconfirmed(l);
    if (todo & SM_DO_END_CLIENT)
        holder_attached(l, given->end);
    if (todo & SM_DO_RETURN)
        holder_return(l);
}

/* What the session wants to be read. */
static void levels(struct hold_link *l)
{
    struct world *w = l->h->w;
    struct hold_connection *c = l->client;

    l->reads = sm_reads_link(l->session);
    if (!l->reads && !w->dead)
        happened(w, FIG_DOWN_FULL);
    if (!c || sm_reads_client(l->session) != c->unread)
        return;
    c->unread = !c->unread;
    if (c->unread && !w->dead)
        happened(w, FIG_UP_FULL);
    holder_tell(l, (struct sm_event){.type = SM_READING, .count = !c->unread});
    c->goes_on |= !c->unread;
}

/* The orders that have come to be, and a fresh place for those that obeying them brings about. */
static struct sm_orders *take_orders(struct holder *h)
{
    struct sm_orders *given = h->orders;

    h->orders = given == &h->pair[0] ? &h->pair[1] : &h->pair[0];
    h->orders->todo = h->orders->text_len = 0;
    h->orders->end = SM_END_NONE;
    return given;
}

void holder_take_back(struct holder *h)
{
    (void)take_orders(h);
    (void)take_orders(h);
}

/* True: the session is over and gone. */
static bool obey_all(struct hold_link *l)
{
    bool over = false;

    for (;;) {
        struct sm_orders *given;

        holder_commit(l);
        if (!l->h->orders->todo)
            break;
        given = take_orders(l->h);
        over |= given->todo & SM_DO_OVER;
        obey(l, given);
    }
    if (over)
        holder_over(l);
    return over;
}

void holder_obey(struct hold_link *l)
{
    struct hold_connection *c;

    if (l->settling || !l->session)
        return;
    l->settling = true;
    while (!obey_all(l)) {
        levels(l);
        if (!l->h->orders->todo)
            break;
    }
    l->settling = false;
    c = l->client;
    if (c && c->goes_on)
        holder_go_on(c);
}
