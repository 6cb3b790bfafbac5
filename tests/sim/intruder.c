/* SPDX-License-Identifier: MIT */
/*
 * Strangers and liars: a connection that asks for somebody else's session, or for its own
 * with a count that cannot be. It is to be refused, and the session unharmed.
 */
#include "tests/sim/client.h"
#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <stdio.h>

void client_intrude(struct world *w, int device)
{
    struct device *d = &w->devices[device];
    struct story *s = d->story < 0 ? NULL : &w->stories[d->story];
    int other = device;
    uint32_t h;
    char text[160];

    if (w->intruder >= 0 || !s || !s->id[0])
        return;
    for (uint32_t i = 0; i < w->set.devices; i++)
        if (strcmp(w->devices[i].account, w->devices[device].account))
            other = (int)i;
    h = other != device ? s->start + s->got
        : one_in(w, 2)  ? s->start + QUEUED + below(w, 100000)
                        : s->start - 1 - below(w, 100000);
    if ((w->intruder = kernel_connect(w, other)) < 0)
        return;
    w->connections[w->intruder].intrudes = true;
    snprintf(text, sizeof text, "<resume xmlns='urn:xmpp:sm:3' h='%" PRIu32 "' previd='%s'/>", h,
             s->id);
    trace(w, "an intruder on connection %d: %s", w->intruder, text);
    kernel_client_send(w, w->intruder, text, strlen(text));
}

void client_watch_intruder(struct world *w)
{
    struct kernel_connection *c;
    struct pipe *p;

    if (w->intruder < 0)
        return;
    c = &w->connections[w->intruder];
    p = &c->down;
    if (memmem(p->bytes + p->read, pipe_waits(p), "/failed>", 8))
        happened(w, FIG_INTRUDER);
    else if (!c->down_rst && !(c->down_fin && p->read == p->end))
        return;
    fact(w, NULL, !memmem(p->bytes + p->read, p->end - p->read, "<resumed", 8),
         "an intruder got a session");
    kernel_leave(w, w->intruder, KERNEL_FIN);
    w->intruder = -1;
}
