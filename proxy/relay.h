/* SPDX-License-Identifier: MIT */
/*
 * Where client, server and session meet: items become events, orders become deeds.
 *
 *     relay.c      established streams: stanzas, acknowledgements, orders
 *     negotiate.c  what the client says until it is bound
 *     greet.c      what the server says until the client is bound
 *     resume.c     <resume/>, and a new login on a session's resource
 *     farewell.c   how connections and sessions end
 *
 * The table in relay_items.c is the one place where parser/ and sm/ meet.
 */
#pragma once

#include "parser/header.h"
#include "proxy/client.h"
#include "proxy/link.h"

enum {
    RELAY_SID = 32,                /* a session's name in the log and for the administrator */
    RELAY_PRESENCE_WAIT_MS = 3000, /* for an <enable/> behind the first presence, before messages are handed over */
};

extern const struct client_handler relay_client_handler;
extern const struct link_handler relay_link_handler;

/* --- for the worker --- */

/* A client was accepted; the socket is taken, also on failure. */
void relay_accept(struct tools *tools, int fd, const struct conf_listen *listen,
                  const struct sockaddr_storage *peer);

/* A client, with its fresh link, has moved to this worker. */
void relay_arrived(struct client *c);

/* Sessions whose deadline has come. */
void relay_deadlines(struct tools *tools);

/* Ends detached sessions while memory is short; once a turn. */
void relay_relieve(struct tools *tools);

/* Once a second: memory that can be given back, links that waited for some. */
void relay_housekeeping(struct tools *tools);

/* Every session of this worker ends in order. */
void relay_finish_all(struct tools *tools);

/* arena-slot-generation: names a session for people, and is of no use to a thief. */
void relay_sid(const struct sm_session *s, char out[RELAY_SID]);

/* --- relay.c --- */

void relay_schedule(struct tools *tools, struct sm_core *core);

/* Takes up what is kept of the server's bytes, after a move. */
void relay_link_go_on(struct link *l);

/* Takes up what is kept of the client's bytes, now that something it waited for has come. */
void relay_go_on(struct client *c);

/* One event for the session of a link, into the worker's orders; relay_settle commits and obeys them.
 * Nothing else may be told to another session in between. */
bool relay_event(struct link *l, struct sm_event event);
void relay_settle(struct link *l);
/* Sends what is committed for the server, as much as its socket takes. */
void relay_send(struct link *l);
/* Orders that must not be obeyed: their session was not to be. */
void take_back_orders(struct tools *tools);

/* Answers a stanza of the client with an error, counted where it stands. */
void relay_refuse(struct client *c, const struct item *item, const char *type, const char *condition);

/* The contexts of both sides (parser/xml.h). */
struct context relay_client_gives(const struct client *c);   /* its header's, to what it sends */
struct context relay_client_has(const struct client *c);     /* our header's, to what it receives */
struct context relay_link_gives(const struct link *l);
struct context relay_link_has(const struct link *l);

/* Queues or sends text that counts nowhere to the server. */
void relay_pass(struct link *l, struct span text);

/* Writes "<failed>" with a condition; `h` only if has_h. */
void relay_failed(struct client *c, bool ns2, const char *condition, bool has_h, uint32_t h);

/* An error verdict of the parser as the end that it means. */
enum end relay_verdict_end(enum xml_verdict verdict);

/* The worker's scratch for one text; what it held before is gone. */
struct sink relay_sink(struct tools *tools);

/* --- relay_items.c --- */

enum login_says relay_says(const struct item *item);
enum sm_fate relay_fate(const struct item *item);
uint32_t relay_request(const struct item *item, struct span peer, struct span jid);

/* --- negotiate.c --- */

void negotiate_header(struct client *c, struct span raw);
void negotiate_starttls(struct client *c, bool pipelined);
void negotiate_sasl(struct client *c, const struct item *item, struct span raw);
void negotiate_iq(struct client *c, const struct item *item, struct span raw); /* XEP-0078, XEP-0077 */
void negotiate_bind(struct client *c, struct span raw);
void negotiate_bind_now(struct client *c); /* nothing is in the way of it any more */
void negotiate_enable(struct client *c, const struct item *item);
void negotiate_bind_answer(struct client *c); /* c->jid is known: the client learns it */
void negotiate_bound(struct client *c);
void negotiate_own_header(struct client *c);
void negotiate_without_server(struct client *c);

/* The worker whose arena this account belongs to takes the client over; true if it has to move. */
[[nodiscard]] bool negotiate_move(struct client *c, unsigned arena);

/* --- greet.c --- */

void greet_opened(struct link *l);
void greet_item(struct link *l, enum inflow_found found, struct span raw);
void greet_lost(struct link *l); /* the link died or closed before the client was bound */
void greet_header(struct link *l); /* (again) sends the header that belongs to the client's */

/* --- resume.c --- */

void resume_begin(struct client *c, const struct item *item);
void resume_take_up(struct client *c);                    /* on the right worker */
void resume_proved(struct client *c, struct span jid);    /* the throw-away bind's answer; absent: refused */
void resume_hand_over(struct client *c);                  /* messages that an ended session left behind */

/* --- farewell.c --- */

/* The word for the log. */
const char *sm_end_word(enum sm_end end);

/* The one way in which a connection ends: log, counter, stream error, session. `text` is written in
 * place of the table's stream error if it is present. */
void farewell_client(struct client *c, enum end end, struct span text);
/* The client's closing tag. */
void farewell_close(struct client *c);
/* The session ended: the attached client learns why. */
void farewell_attached(struct link *l, enum sm_end end);
void farewell_return(struct link *l);
void farewell_unconfirmed(struct link *l);
void farewell_over(struct link *l);
/* An <r/> went unanswered: the session is detached already. */
void farewell_detach(struct client *c, enum end end);
/* The server ended an established link: its stream error or closing tag, or something that is no XML. */
void farewell_server(struct link *l, struct span error, enum sm_end end);
