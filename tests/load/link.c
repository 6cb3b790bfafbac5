/* SPDX-License-Identifier: MIT */
/*
 * A link to the stand-in: socket, negotiation, end. The negotiation is the least that a client may
 * expect: header, features, SASL PLAIN with any password, a new stream, bind.
 */
#include "tests/load/link.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_MAX = 65536 };
enum { LAG_ONE_IN = 4 }; /* so many readings are put off, where there is a lag */

/* --- out --- */

static void touch(struct link *l)
{
    if (l->dirty)
        return;
    l->dirty = true;
    l->next_dirty = l->standin->dirty;
    l->standin->dirty = l;
}

void link_put(struct link *l, const void *p, size_t len)
{
    bytes_put(&l->out, p, len);
    touch(l);
}

static void put(struct link *l, const char *s)
{
    link_put(l, s, strlen(s));
}

static void finish(struct link *l)
{
    l->over = true;
    ev_io_stop(l->standin->loop, &l->readable);
    ev_timer_stop(l->standin->loop, &l->lag);
    touch(l);
}

static void flush(struct link *l)
{
    struct ev_loop *loop = l->standin->loop;

    while (bytes_len(&l->out) && !l->dead) {
        int urgent = l->urgent ? MSG_OOB : 0;
        ssize_t n = send(l->fd, bytes_front(&l->out), bytes_len(&l->out), MSG_NOSIGNAL | urgent);

        if (n < 0 && errno == EAGAIN) {
            ev_io_start(loop, &l->writable);
            return;
        }
        if (n < 0) {
            l->dead = true;
            break;
        }
        l->standin->counts.bytes_out += (uint64_t)n;
        bytes_take(&l->out, (size_t)n);
        l->urgent -= l->urgent > 0;
    }
    ev_io_stop(loop, &l->writable);
    if (l->over)
        link_free(l);
    else if (l->ending)
        mischief_end(l);
}

void links_flush(struct standin *s)
{
    struct link *l;

    while ((l = s->dirty)) {
        s->dirty = l->next_dirty;
        l->dirty = false;
        flush(l);
    }
}

/* --- negotiation --- */

static void put_header(struct link *l, const char *features)
{
    struct standin *s = l->standin;
    struct bytes b = {0};

    bytes_print(&b,
                "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream="
                "'http://etherx.jabber.org/streams' from='%s' id='%016lx' version='1.0'>"
                "<stream:features>%s</stream:features>",
                s->domain, (unsigned long)dice_roll(&s->dice), features);
    link_put(l, bytes_front(&b), bytes_len(&b));
    bytes_clear(&b);
}

static void header(struct link *l)
{
    if (l->step == STEP_HEADER) {
        put_header(l, "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                      "<mechanism>PLAIN</mechanism></mechanisms>");
        l->step = STEP_AUTH;
    } else {
        put_header(l, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
                      "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>");
        l->step = STEP_BIND;
    }
}

/* What stands between the start tag and the end tag of an element with text only. */
static struct text content(struct text item)
{
    const char *begin = memchr(item.p, '>', item.len), *end;

    if (!begin || begin == item.p + item.len - 1)
        return (struct text){"", 0};
    begin++;
    end = memchr(begin, '<', (size_t)(item.p + item.len - begin));
    return (struct text){begin, end ? (size_t)(end - begin) : 0};
}

/* authzid NUL authcid NUL password, in base64. */
static bool log_in(struct link *l, struct text item)
{
    unsigned char plain[3 * USER_MAX + 1];
    struct text given = content(item);
    const char *user;
    int len;

    if (!item_is(item, "auth") || given.len > 4 * USER_MAX || !given.len)
        return false;
    len = EVP_DecodeBlock(plain, (const unsigned char *)given.p, (int)given.len);
    if (len <= 0)
        return false;
    plain[len] = 0;
    user = (const char *)plain + strlen((const char *)plain) + 1;
    if (user >= (const char *)plain + len)
        return false;
    snprintf(l->user, sizeof l->user, "%s", user);
    l->standin->counts.logins++;
    put(l, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    l->step = STEP_RESTART;
    l->scan.depth = 0;
    return true;
}

static void give_way(struct link *old)
{
    struct standin *s = old->standin;

    s->counts.conflicts++;
    standin_fault(s, old->account->jid, "its link had to give way to a new one");
    put(old, "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
             "</stream:stream>");
    old->account = NULL;
    old->step = STEP_CLOSED;
    finish(old);
}

static bool bind_resource(struct link *l, struct text item)
{
    struct standin *s = l->standin;
    const char *begin = memmem(item.p, item.len, "<resource>", 10);
    struct text resource = begin
                               ? content((struct text){begin, (size_t)(item.p + item.len - begin)})
                               : (struct text){"some", 4};
    struct text id = {"", 0};
    struct bytes b = {0};

    if (!item_is(item, "iq") || !item_has(item, "urn:ietf:params:xml:ns:xmpp-bind"))
        return false;
    bytes_print(&b, "%s@%s/%.*s", l->user, s->domain, (int)resource.len, resource.p);
    l->account = accounts_find(s->accounts, (struct text){bytes_front(&b), bytes_len(&b)});
    bytes_clear(&b);
    if (l->account->link)
        give_way(l->account->link);
    l->account->link = l;
    l->account->available = false;
    l->step = STEP_BOUND;
    s->counts.bound++;
    (void)item_attribute(item, "id", &id);
    bytes_print(&b,
                "<iq type='result' id='%.*s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                "<jid>%s</jid></bind></iq>",
                (int)id.len, id.p, l->account->jid);
    link_put(l, bytes_front(&b), bytes_len(&b));
    bytes_clear(&b);
    return true;
}

/* --- in --- */

void link_leave_account(struct link *l)
{
    if (!l->account)
        return;
    if (l->account->available)
        route_gone(l->account);
    l->account->link = NULL;
    l->account->available = false;
    l->account = NULL;
}

static void closing(struct link *l)
{
    if (l->account)
        l->standin->counts.closed++;
    else
        l->standin->counts.unbound++;
    link_leave_account(l);
    l->step = STEP_CLOSED;
    put(l, "</stream:stream>");
    finish(l);
}

static void ended(struct link *l)
{
    struct standin *s = l->standin;

    if (!l->account) {
        s->counts.unbound_abrupt++;
    } else {
        bool young = s->mischief && !l->account->available; /* no session has it yet */

        s->counts.abrupt++;
        if (!s->may_vanish && !young)
            standin_fault(s, l->account->jid, "its link ended without a closing tag");
    }
    link_leave_account(l);
    l->step = STEP_CLOSED;
    finish(l);
}

static void broken(struct link *l, const char *why, struct text item)
{
    standin_fault(l->standin, l->account ? l->account->jid : l->user, "%s: %.*s", why,
                  (int)(item.len < 200 ? item.len : 200), item.p);
    link_leave_account(l);
    l->step = STEP_CLOSED;
    finish(l);
}

static bool take(struct link *l, enum scan_found found, struct text item)
{
    bool restart = l->step == STEP_HEADER || l->step == STEP_RESTART;

    if (found == SCAN_CLOSING) {
        closing(l);
        return true;
    }
    if ((found == SCAN_HEADER) != restart)
        return false;
    if (found == SCAN_HEADER)
        header(l);
    else if (l->step == STEP_AUTH)
        return log_in(l, item);
    else if (l->step == STEP_BIND)
        return bind_resource(l, item);
    else
        route(l->standin, l->account, item);
    return true;
}

static void read_some(struct link *l)
{
    struct text item = {"", 0};
    ssize_t n = recv(l->fd, bytes_room(&l->in, READ_MAX), READ_MAX, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (l->step == STEP_ENDED) {
        if (n <= 0)
            finish(l);
        return;
    }
    if (n <= 0) {
        ended(l);
        return;
    }
    l->standin->counts.bytes_in += (uint64_t)n;
    bytes_filled(&l->in, (size_t)n);
    while (l->step != STEP_CLOSED) {
        enum scan_found found = scan_next(&l->scan, &l->in, &item);

        if (found == SCAN_MORE)
            break;
        if (found == SCAN_BROKEN) {
            broken(l, "not XML", (struct text){bytes_front(&l->in), bytes_len(&l->in)});
            break;
        }
        if (!take(l, found, item))
            broken(l, "out of place", item);
    }
    if (!bytes_len(&l->in))
        bytes_clear(&l->in);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int)
{
    struct link *l = w->data;
    struct standin *s = l->standin;

    if (s->lag_s > 0 && !ev_is_active(&l->lag) && dice_below(&s->dice, LAG_ONE_IN) == 0) {
        ev_io_stop(loop, &l->readable);
        ev_timer_set(&l->lag, dice_around(&s->dice, s->lag_s), 0.);
        ev_timer_start(loop, &l->lag);
        return;
    }
    read_some(l);
}

static void on_lag_over(struct ev_loop *loop, ev_timer *t, int)
{
    struct link *l = t->data;

    mischief_stalled(l);
    ev_io_start(loop, &l->readable);
    read_some(l);
}

static void on_writable(struct ev_loop *, ev_io *w, int)
{
    touch(w->data);
}

/* --- life --- */

void link_new(struct standin *s, int fd)
{
    struct link *l = calloc(1, sizeof *l);

    if (!l)
        abort();
    s->counts.links++;
    s->counts.open++;
    l->standin = s;
    l->fd = fd;
    l->place = &s->links;
    if ((l->next = s->links))
        l->next->place = &l->next;
    s->links = l;
    ev_io_init(&l->readable, on_readable, fd, EV_READ);
    ev_io_init(&l->writable, on_writable, fd, EV_WRITE);
    ev_timer_init(&l->lag, on_lag_over, 0., 0.);
    l->readable.data = l->writable.data = l->lag.data = l;
    ev_io_start(s->loop, &l->readable);
}

void link_free(struct link *l)
{
    struct standin *s = l->standin;

    ev_io_stop(s->loop, &l->readable);
    ev_io_stop(s->loop, &l->writable);
    ev_timer_stop(s->loop, &l->lag);
    close(l->fd);
    if ((*l->place = l->next))
        l->next->place = l->place;
    bytes_clear(&l->in);
    bytes_clear(&l->out);
    s->counts.open--;
    free(l);
}
