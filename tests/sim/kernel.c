/* SPDX-License-Identifier: MIT */
/*
 * A pipe for each direction of each socket. What the peers of a dead process have
 * sent waits in the links, which the keeper holds.
 */
#include "tests/sim/kernel.h"

#include <assert.h>

/* --- pipes --- */

uint32_t pipe_room(const struct world *w, const struct pipe *p)
{
    uint32_t held = p->end - p->read;

    return held < w->set.room ? w->set.room - held : 0;
}

static void arrive(struct pipe *p, uint32_t len)
{
    p->arrived += len;
    p->passed += len;
}

static void put(struct pipe *p, const char *bytes, size_t len)
{
    assert(len <= PIPE_SIZE - (p->end - p->read));
    if (len > PIPE_SIZE - p->end) {
        memmove(p->bytes, p->bytes + p->read, p->end - p->read);
        p->arrived -= p->read;
        p->end -= p->read;
        p->read = 0;
    }
    memcpy(p->bytes + p->end, bytes, len);
    p->end += (uint32_t)len;
}

void pipe_put(struct world *w, struct pipe *p, const char *bytes, size_t len)
{
    put(p, bytes, len);
    if (!one_in(w, w->set.lag))
        arrive(p, p->end - p->arrived);
}

const char *pipe_take(struct pipe *p, uint32_t len)
{
    const char *at = p->bytes + p->read;

    assert(len <= pipe_waits(p));
    p->read += len;
    if (p->read == p->end)
        p->read = p->arrived = p->end = 0;
    return at;
}

static void empty(struct pipe *p)
{
    p->read = p->arrived = p->end = 0;
    p->passed = p->lost = 0;
}

/* What is on its way is lost, but for some of it. */
static void cut(struct world *w, struct pipe *p)
{
    arrive(p, below(w, p->end - p->arrived + 1));
    p->lost += p->end - p->arrived;
    p->end = p->arrived;
}

static void move(struct world *w, struct pipe *p, bool all)
{
    uint32_t len = p->end - p->arrived;

    if (len)
        arrive(p, all || one_in(w, 2) ? len : 1 + below(w, len));
}

static void move_socket(struct world *w, uint32_t n, bool all)
{
    if (n < LINKS) {
        move(w, &w->links[n].up, all);
        move(w, &w->links[n].down, all);
    } else if (!w->connections[n - LINKS].severed) {
        move(w, &w->connections[n - LINKS].up, all);
        move(w, &w->connections[n - LINKS].down, all);
    }
}

void kernel_move(struct world *w)
{
    uint32_t from = below(w, LINKS + CONNECTIONS);

    for (uint32_t i = 0; i < (LINKS + CONNECTIONS) / 2; i++)
        move_socket(w, (from + i) % (LINKS + CONNECTIONS), false);
}

void kernel_move_all(struct world *w)
{
    for (uint32_t n = 0; n < LINKS + CONNECTIONS; n++)
        move_socket(w, n, true);
}

/* --- the process's death --- */

void kernel_instant(struct world *w, enum figure how)
{
    if (w->dead || !w->fuse || --w->fuse)
        return;
    w->dead = true;
    memcpy(w->copy, w->memory, ARENA_SIZE);
    happened(w, FIG_DEATHS);
    happened(w, how);
    if (w->recovering)
        happened(w, FIG_DEATHS_AGAIN);
    if (w->opening)
        happened(w, FIG_DEATHS_OPEN);
    trace(w, "the process dies%s", w->recovering ? ", recovering" : "");
}

/* --- links --- */

static void link_done(struct kernel_link *l)
{
    if (!l->process_open && !l->server_open)
        l->used = false;
}

int kernel_link_open(struct world *w, int story)
{
    for (int i = 0; i < LINKS; i++) {
        struct kernel_link *l = &w->links[i];

        if (l->used)
            continue;
        empty(&l->up);
        empty(&l->down);
        l->received = below(w, 4000); /* the login's bytes */
        l->sent = l->acked = below(w, 3000);
        l->story = story;
        l->used = l->process_open = l->server_open = true;
        l->parked = l->up_fin = l->down_fin = l->down_rst = l->lost = false;
        return i;
    }
    return -1;
}

bool kernel_link_readable(const struct world *w, int link)
{
    const struct kernel_link *l = &w->links[link];

    return pipe_waits(&l->down) || l->down_rst || (l->down_fin && l->down.read == l->down.end);
}

ssize_t kernel_link_receive(struct world *w, int link, char *to, size_t max)
{
    struct kernel_link *l = &w->links[link];
    uint32_t len = pipe_waits(&l->down);
    ssize_t result = l->down_rst                                  ? KERNEL_RESET
                     : l->down_fin && l->down.read == l->down.end ? 0
                                                                  : KERNEL_AGAIN;

    if (w->dead)
        return KERNEL_AGAIN;
    if (len) {
        if (len > max)
            len = (uint32_t)max;
        memcpy(to, pipe_take(&l->down, len), len);
        l->received += len;
        result = (ssize_t)len;
    }
    kernel_instant(w, FIG_DEATHS_CALL);
    return result;
}

bool kernel_link_writable(const struct world *w, int link)
{
    const struct kernel_link *l = &w->links[link];

    return l->down_rst || !l->server_open || pipe_room(w, &l->up);
}

ssize_t kernel_link_send(struct world *w, int link, const char *bytes, size_t len)
{
    struct kernel_link *l = &w->links[link];

    if (w->dead)
        return 0;
    if (l->down_rst)
        return -1;
    if (!l->server_open) { /* into the void, until its reset comes back */
        l->sent += len;
        l->down_rst = l->down.arrived == l->down.end;
        kernel_instant(w, FIG_DEATHS_CALL);
        return (ssize_t)len;
    }
    if (len > pipe_room(w, &l->up))
        len = pipe_room(w, &l->up);
    if (len > 1 && one_in(w, 8))
        len = 1 + below(w, (uint32_t)len);
    pipe_put(w, &l->up, bytes, len);
    l->sent += len;
    kernel_instant(w, FIG_DEATHS_CALL);
    return (ssize_t)len;
}

void kernel_link_park(struct world *w, int link, uint32_t slot, uint32_t generation)
{
    struct kernel_link *l = &w->links[link];

    if (w->dead)
        return;
    l->parked = true;
    l->slot = slot;
    l->generation = generation;
    kernel_instant(w, FIG_DEATHS_CALL);
}

void kernel_link_shut(struct world *w, int link)
{
    if (w->dead)
        return;
    w->links[link].up_fin = true;
    kernel_instant(w, FIG_DEATHS_CALL);
}

static void close_link(struct world *w, struct kernel_link *l)
{
    if (!l->process_open)
        return;
    l->process_open = l->parked = false;
    if (l->down.end != l->down.read)
        cut(w, &l->up); /* bytes unread: a reset */
    l->up_fin = true;
    empty(&l->down);
    link_done(l);
}

void kernel_link_close(struct world *w, int link)
{
    if (w->dead)
        return;
    close_link(w, &w->links[link]);
    kernel_instant(w, FIG_DEATHS_CALL);
}

void kernel_server_ends(struct world *w, int link, bool reset)
{
    struct kernel_link *l = &w->links[link];

    l->server_open = false;
    l->down_fin = true;
    l->down_rst = reset;
    if (reset) {
        if (l->down.end != l->down.read)
            happened(w, FIG_RST_QUEUED);
        cut(w, &l->down);
    }
    l->acked += l->up.passed; /* which is what TCP said, and no more of it comes */
    empty(&l->up);
    link_done(l);
}

/* --- connections --- */

static void connection_done(struct kernel_connection *c)
{
    if (!c->process_open && !c->client_open)
        c->used = false;
}

int kernel_connect(struct world *w, int device)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        struct kernel_connection *c = &w->connections[i];

        if (c->used)
            continue;
        empty(&c->up);
        empty(&c->down);
        c->device = device;
        c->used = c->process_open = c->client_open = true;
        c->up_fin = c->up_rst = c->down_fin = c->down_rst = c->severed = c->intrudes = false;
        return i;
    }
    return -1;
}

void kernel_client_send(struct world *w, int connection, const char *bytes, size_t len)
{
    struct kernel_connection *c = &w->connections[connection];

    if (!c->severed && c->process_open)
        pipe_put(w, &c->up, bytes, len);
}

bool kernel_readable(const struct world *w, int connection)
{
    const struct kernel_connection *c = &w->connections[connection];

    return pipe_waits(&c->up) || c->up_rst || (c->up_fin && c->up.read == c->up.end);
}

ssize_t kernel_receive(struct world *w, int connection, char *to, size_t max)
{
    struct kernel_connection *c = &w->connections[connection];
    uint32_t len = pipe_waits(&c->up);

    if (w->dead)
        return KERNEL_AGAIN;
    if (len) {
        if (len > max)
            len = (uint32_t)max;
        memcpy(to, pipe_take(&c->up, len), len);
        kernel_instant(w, FIG_DEATHS_CALL);
        return (ssize_t)len;
    }
    if (c->up_rst)
        return KERNEL_RESET;
    return c->up_fin && c->up.read == c->up.end ? 0 : KERNEL_AGAIN;
}

bool kernel_writable(const struct world *w, int connection)
{
    const struct kernel_connection *c = &w->connections[connection];

    return c->up_rst || pipe_room(w, &c->down);
}

ssize_t kernel_send(struct world *w, int connection, const char *bytes, size_t len)
{
    struct kernel_connection *c = &w->connections[connection];

    if (w->dead)
        return 0;
    if (c->up_rst)
        return -1;
    if (len > pipe_room(w, &c->down))
        len = pipe_room(w, &c->down);
    if (len > 1 && one_in(w, 8))
        len = 1 + below(w, (uint32_t)len);
    if (c->severed)
        put(&c->down, bytes, len); /* and no TCP is there to acknowledge it */
    else
        pipe_put(w, &c->down, bytes, len);
    kernel_instant(w, FIG_DEATHS_CALL);
    return (ssize_t)len;
}

uint64_t kernel_unacknowledged(const struct world *w, int connection)
{
    const struct pipe *p = &w->connections[connection].down;

    return p->lost + (p->end - p->arrived);
}

void kernel_shut(struct world *w, int connection)
{
    if (!w->dead)
        w->connections[connection].down_fin = true;
}

static void close_connection(struct world *w, struct kernel_connection *c)
{
    if (!c->process_open)
        return;
    c->process_open = false;
    if (c->up.end != c->up.read || !c->down_fin) {
        cut(w, &c->down);
        c->down_rst = true;
    }
    empty(&c->up);
    connection_done(c);
}

void kernel_close(struct world *w, int connection)
{
    if (!w->dead)
        close_connection(w, &w->connections[connection]);
}

void kernel_sever(struct world *w, int connection)
{
    struct kernel_connection *c = &w->connections[connection];

    cut(w, &c->up);
    cut(w, &c->down);
    c->severed = true;
}

void kernel_tell(struct world *w, int connection)
{
    struct kernel_connection *c = &w->connections[connection];

    if (!c->severed)
        kernel_sever(w, connection);
    c->up_rst = true;
}

void kernel_leave(struct world *w, int connection, enum kernel_leaving how)
{
    struct kernel_connection *c = &w->connections[connection];

    c->client_open = false;
    switch (how) {
    case KERNEL_FIN:
        c->up_fin = true;
        break;
    case KERNEL_RST:
        kernel_tell(w, connection);
        break;
    case KERNEL_SILENCE:
        if (!c->severed)
            kernel_sever(w, connection);
        break;
    case KERNEL_ORPHAN:
        break;
    }
    connection_done(c);
}

/* --- after a death --- */

void kernel_bereave(struct world *w)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        struct kernel_connection *c = &w->connections[i];

        if (c->used && c->process_open) {
            c->down_fin = one_in(w, 2);
            close_connection(w, c);
        }
    }
    for (int i = 0; i < LINKS; i++) {
        struct kernel_link *l = &w->links[i];

        if (l->used && l->process_open && !l->parked)
            close_link(w, l);
    }
}
