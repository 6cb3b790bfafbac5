/* SPDX-License-Identifier: MIT */
/*
 * What a client says until it is bound.
 */
#pragma once

#include "parser/header.h"
#include "proxy/client.h"

void negotiate_header(struct client *c, struct span raw);
void negotiate_starttls(struct client *c, bool pipelined);
void negotiate_sasl(struct client *c, const struct item *item, struct span raw);
void negotiate_iq(struct client *c, const struct item *item,
                  struct span raw); /* XEP-0078, XEP-0077 */
void negotiate_bind(struct client *c, struct span raw);
void negotiate_bind_now(struct client *c);    /* nothing is in the way of it any more */
void negotiate_bind_answer(struct client *c); /* c->jid is known: the client learns it */
void negotiate_bound(struct client *c);
/* Writes a header in the client's way, and remembers what it gives to what comes below it. */
void negotiate_give_header(struct client *c, struct sink *k, const struct header *h);
void negotiate_own_header(struct client *c);
void negotiate_without_server(struct client *c);

/* The worker whose arena this account belongs to takes the client over; true if it has to move. */
[[nodiscard]] bool negotiate_move(struct client *c, unsigned arena);
