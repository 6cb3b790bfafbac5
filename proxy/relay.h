/* SPDX-License-Identifier: MIT */
/*
 * Where client, server and session meet: items become events, orders become deeds.
 *
 *     upward.c     the client's bytes, as items      downward.c   the server's bytes, as items
 *     negotiate.c  the client, until it is bound     greet.c      the server, until then
 *     relay.c      whole stanzas from either side    orders.c     what a batch of events came to
 *     resume.c     <resume/>, and a new login on a session's resource
 *     farewell.c   how connections and sessions end
 *     serve.c      writing a session's queue to its client
 *
 * The table in relay_items.c is the one place where parser/ and sm/ meet.
 */
#pragma once

#include "parser/header.h"
#include "proxy/client.h"
#include "proxy/link.h"

enum {
    RELAY_SID = 32, /* a session's name in the log and for the administrator */
    RELAY_PRESENCE_WAIT_MS =
        3000, /* for an <enable/> behind the first presence, before messages are handed over */
};

/* A client was accepted; the socket is taken, also on failure. */
void relay_accept(struct tools *tools, int fd, const struct conf_listen *listen,
                  const struct sockaddr_storage *peer);

/* A client, with its fresh link, has moved to this worker. */
void relay_arrived(struct client *c);

/* arena-slot-generation: names a session for people, and is of no use to a thief. */
void relay_sid(const struct sm_session *s, char out[RELAY_SID]);

/* What a header gives to the stanzas below it (parser/xml.h): the client's to what it sends, ours
 * to what it receives; the server's, and ours on the link. */
struct context relay_client_gives(const struct client *c);
struct context relay_client_has(const struct client *c);
struct context relay_link_gives(const struct link *l);
struct context relay_link_has(const struct link *l);

/* The one library's loan as the other's. */
static inline struct sm_text relay_text(struct span s)
{
    return (struct sm_text){s.p, s.len};
}

/* The worker's scratch for one text; what it held before is gone. */
struct sink relay_sink(struct tools *tools);

/* An error verdict of the parser as the end that it means. */
enum end relay_verdict_end(enum xml_verdict verdict);

/* Text for the attached client that counts nowhere; it waits for the end of a half-written stanza.
 */
void relay_say(struct link *l, struct span text);

/* Queues or sends text that counts nowhere to the server. */
void relay_pass(struct link *l, struct span text);

/* False: the server does not read what it is sent, so what it provokes is not answered. */
bool relay_has_room(const struct link *l);

/* Writes "<failed>" with a condition; `h` only if has_h. */
void relay_failed(struct client *c, bool ns2, const char *condition, bool has_h, uint32_t h);

/* Answers a stanza of the client with an error, counted where it stands. */
void relay_refuse(struct client *c, const struct item *item, const char *type,
                  const char *condition);

/* A whole stanza of the client: taken by the session, or relayed. */
void relay_take_up(struct client *c, const struct item *item, struct span raw);
/* XEP-0352: passed on outside of all counts, and remembered. */
void relay_take_csi(struct client *c, bool inactive);
/* An element that is no stanza and that nobody here knows: passed on, counted nowhere. */
void relay_pass_other(struct client *c, const struct item *item, struct span raw);
void relay_take_other(struct link *l, const struct item *item, struct span raw);

/* A whole stanza of the server for the session, where `in_tail` says that it lies in the session's
 * tail already. False: it was Holdfast's own to answer or to swallow. */
bool relay_take(struct link *l, const struct item *item, struct span raw, bool in_tail);
/* The same without a session: straight to the client. */
void relay_take_plain(struct link *l, const struct item *item, struct span raw);

/* --- relay_items.c --- */

/* What the login's table calls an item. */
enum login_says relay_says(const struct item *item);
/* What becomes of a stanza that its client does not get. */
enum sm_fate relay_fate(const struct item *item);
/* The same for a request and for its answer: of the id, and of the other side's JID. Never 0. */
uint32_t relay_request(const struct item *item, struct span peer, struct span jid);
