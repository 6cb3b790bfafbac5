/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for a legacy server that is as fast as it can be: plain TCP, SASL PLAIN with any
 * password, bind, XEP-0199; a message to uN@DOMAIN/… goes, as it came, to whoever bound as uN last.
 * It judges nothing. What comes for one link in a turn of the loop is sent to it at once.
 */
#include "tests/bench/channel.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/awake.h"
#include "tests/load/listen.h"

enum { READ_MAX = 65536, USERS_MAX = 100000, SECRET_MAX = 256 };

enum step { STEP_HEADER, STEP_AUTH, STEP_RESTART, STEP_BIND, STEP_BOUND, STEP_OVER };

struct board;

struct link {
    struct board *board;
    struct link *next_dirty;
    bool dirty;
    int fd;
    ev_io readable, writable;
    enum step step;
    unsigned user; /* N of uN, once authenticated */
    struct scan scan;
    struct bytes in, out;
};

struct board {
    struct ev_loop *loop;
    const char *domain;
    struct link *dirty;              /* those with something to send, until the end of the turn */
    struct link *by_user[USERS_MAX]; /* bound */
};

static void link_free(struct link *l)
{
    struct board *b = l->board;

    if (b->by_user[l->user] == l)
        b->by_user[l->user] = NULL;
    ev_io_stop(b->loop, &l->readable);
    ev_io_stop(b->loop, &l->writable);
    close(l->fd);
    bytes_clear(&l->in);
    bytes_clear(&l->out);
    free(l);
}

/* --- out --- */

static void touch(struct link *l)
{
    if (l->dirty)
        return;
    l->dirty = true;
    l->next_dirty = l->board->dirty;
    l->board->dirty = l;
}

static void put(struct link *l, const char *s)
{
    bytes_put(&l->out, s, strlen(s));
    touch(l);
}

static void finish(struct link *l)
{
    l->step = STEP_OVER;
    ev_io_stop(l->board->loop, &l->readable);
    touch(l);
}

static void flush(struct link *l)
{
    while (bytes_len(&l->out)) {
        ssize_t n = send(l->fd, bytes_front(&l->out), bytes_len(&l->out), MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            ev_io_start(l->board->loop, &l->writable);
            return;
        }
        if (n < 0) {
            l->step = STEP_OVER;
            break;
        }
        bytes_take(&l->out, (size_t)n);
    }
    ev_io_stop(l->board->loop, &l->writable);
    if (l->step == STEP_OVER)
        link_free(l);
}

static void on_turn_over(struct ev_loop *, ev_prepare *p, int)
{
    struct board *b = p->data;
    struct link *l;

    while ((l = b->dirty)) {
        b->dirty = l->next_dirty;
        l->dirty = false;
        flush(l);
    }
}

static void on_writable(struct ev_loop *, ev_io *w, int)
{
    touch(w->data);
}

/* --- what is said to it --- */

static void header(struct link *l)
{
    static const char sasl[] = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                               "<mechanism>PLAIN</mechanism></mechanisms>";
    static const char bind[] = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";

    bytes_print(&l->out,
                "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream="
                "'http://etherx.jabber.org/streams' from='%s' id='%p' version='1.0'>"
                "<stream:features>%s</stream:features>",
                l->board->domain, (void *)l, l->step == STEP_HEADER ? sasl : bind);
    touch(l);
    l->step = l->step == STEP_HEADER ? STEP_AUTH : STEP_BIND;
}

/* The number of a user uN, USERS_MAX if it is none. */
static unsigned user_of(const char *name)
{
    unsigned long n = *name == 'u' ? strtoul(name + 1, NULL, 10) : USERS_MAX;

    return n < USERS_MAX ? (unsigned)n : USERS_MAX;
}

/* authzid NUL authcid NUL password, in base64. */
static bool log_in(struct link *l, struct text item)
{
    unsigned char plain[SECRET_MAX + 1] = {0};
    const char *begin = memchr(item.p, '>', item.len), *end;
    int len;

    if (!item_is(item, "auth") || !begin)
        return false;
    begin++;
    end = memchr(begin, '<', (size_t)(item.p + item.len - begin));
    if (!end || end - begin > SECRET_MAX)
        return false;
    len = EVP_DecodeBlock(plain, (const unsigned char *)begin, (int)(end - begin));
    if (len <= 0)
        return false;
    l->user = user_of((const char *)plain + strlen((const char *)plain) + 1);
    if (l->user == USERS_MAX)
        return false;
    put(l, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    l->step = STEP_RESTART;
    l->scan.depth = 0;
    return true;
}

static bool bind_resource(struct link *l, struct text item)
{
    struct text id = {"", 0};

    if (!item_is(item, "iq") || !item_has(item, "urn:ietf:params:xml:ns:xmpp-bind"))
        return false;
    (void)item_attribute(item, "id", &id);
    bytes_print(&l->out,
                "<iq type='result' id='%.*s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                "<jid>u%u@%s/bench</jid></bind></iq>",
                (int)id.len, id.p, l->user, l->board->domain);
    touch(l);
    l->board->by_user[l->user] = l;
    l->step = STEP_BOUND;
    return true;
}

static void pass(struct board *b, struct text item)
{
    const char *to = memmem(item.p, item.len, " to='", 5);
    unsigned user = to ? user_of(to + 5) : USERS_MAX;

    if (user == USERS_MAX || !b->by_user[user])
        return;
    bytes_put(&b->by_user[user]->out, item.p, item.len);
    touch(b->by_user[user]);
}

static void answer(struct link *l, struct text item)
{
    struct text id = {"", 0}, type = {"", 0};

    (void)item_attribute(item, "id", &id);
    (void)item_attribute(item, "type", &type);
    if (!text_is(type, "get") && !text_is(type, "set"))
        return;
    bytes_print(&l->out, "<iq type='result' from='%s' to='u%u@%s/bench' id='%.*s'/>",
                l->board->domain, l->user, l->board->domain, (int)id.len, id.p);
    touch(l);
}

static bool take(struct link *l, enum scan_found found, struct text item)
{
    if (found == SCAN_CLOSING) {
        put(l, "</stream:stream>");
        finish(l);
        return true;
    }
    if ((found == SCAN_HEADER) != (l->step == STEP_HEADER || l->step == STEP_RESTART))
        return false;
    if (found == SCAN_HEADER)
        header(l);
    else if (l->step == STEP_AUTH)
        return log_in(l, item);
    else if (l->step == STEP_BIND)
        return bind_resource(l, item);
    else if (item_is(item, "message"))
        pass(l->board, item);
    else if (item_is(item, "iq"))
        answer(l, item);
    return true;
}

static void on_readable(struct ev_loop *, ev_io *w, int)
{
    struct link *l = w->data;
    struct text item = {"", 0};
    enum scan_found found;
    ssize_t n = recv(l->fd, bytes_room(&l->in, READ_MAX), READ_MAX, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        finish(l);
        return;
    }
    bytes_filled(&l->in, (size_t)n);
    while (l->step != STEP_OVER && (found = items_next(&l->scan, &l->in, &item)) != SCAN_MORE) {
        if (found != SCAN_BROKEN && take(l, found, item))
            continue;
        printf("FAULT u%u: step %d: %.*s\n", l->user, l->step, (int)item.len, item.p);
        finish(l);
    }
    if (!bytes_len(&l->in))
        bytes_clear(&l->in);
}

/* --- life --- */

static void on_connection(struct ev_loop *loop, ev_io *w, int)
{
    int fd, on = 1;

    while ((fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct link *l = calloc(1, sizeof *l);

        if (!l)
            abort();
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        l->board = w->data;
        l->fd = fd;
        ev_io_init(&l->readable, on_readable, fd, EV_READ);
        ev_io_init(&l->writable, on_writable, fd, EV_WRITE);
        l->readable.data = l->writable.data = l;
        ev_io_start(loop, &l->readable);
    }
}

static void on_stop(struct ev_loop *loop, ev_signal *, int)
{
    ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
    static struct board b;
    int port = argc == 3 ? atoi(argv[1]) : 0;
    ev_prepare turn_over;
    ev_signal stop;
    ev_io listener;

    if (port <= 0) {
        fputs("usage: switchboard PORT DOMAIN\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    b.domain = argv[2];
    if (!(b.loop = ev_default_loop(EVBACKEND_EPOLL)))
        abort();
    ev_io_init(&listener, on_connection, listen_on_loopback("switchboard: listen", port), EV_READ);
    ev_prepare_init(&turn_over, on_turn_over);
    ev_signal_init(&stop, on_stop, SIGTERM);
    listener.data = turn_over.data = &b;
    ev_io_start(b.loop, &listener);
    ev_prepare_start(b.loop, &turn_over);
    ev_signal_start(b.loop, &stop);
    awake_begin(b.loop);
    ev_run(b.loop, 0);
    return 0;
}
