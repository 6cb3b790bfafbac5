/* SPDX-License-Identifier: MIT */
/*
 * One of the crowd: an account that wants to be there, its session, and the streams
 * that come and go below it.
 *
 * At most one stream carries the session, or has asked for it (`live`); another one may still be
 * logging in (`coming`); former ones are deaf, or are only read for the <conflict/> that is due.
 */
#pragma once

#include "tests/load/crowd.h"
#include "tests/load/oracle.h"
#include "tests/load/session.h"
#include "tests/load/wire.h"

enum step {
    STEP_CONNECT,
    STEP_CLEAR, /* waits for the features with STARTTLS */
    STEP_PROCEED,
    STEP_SECURE, /* the TLS handshake */
    STEP_OFFER,  /* waits for the features with mechanisms */
    STEP_SUCCESS,
    STEP_FEATURES, /* of the authenticated stream */
    STEP_RESUME,   /* waits for <resumed/> */
    STEP_BIND,
    STEP_ENABLE,
    STEP_LIVE,
    STEP_CLOSING, /* its closing tag is said */
    STEP_FORMER,
};

struct stream {
    struct wire wire; /* first: a wire's owner is its stream */
    struct client *client;
    struct stream *next; /* of the client's former ones, or of the dead */
    struct scan scan;
    enum step step;
    bool resumes;   /* wants the session; otherwise it begins one */
    bool stale;     /* tries an id that is no good any more, and then binds */
    bool pipelines; /* says all it has to say at once */
    bool asked_for; /* <resume/> is said */
    bool excused;   /* its <conflict/> need not come */
    bool conflict;  /* it came */
    bool closed;    /* the other side's closing tag came */
    unsigned asks;  /* <r/>s that are not answered */
    ev_timer timer; /* logs in for so long; lingers for so long */
};

struct client {
    struct crowd *crowd;
    uint32_t number;
    char user[40], jid[128];
    struct dice dice;
    struct client *friend; /* who hears it; itself, if it talks to the echo */
    char peer[128];        /* to whom it talks, and who is to be heard */
    struct session session;
    struct stream *live, *coming, *former;
    SSL_SESSION *ticket;
    ev_timer say, trouble, back;
    struct way way;                 /* from here to the friend */
    struct way pings;               /* from here to the server and back */
    char closed_id[SESSION_ID_MAX]; /* of the session that was closed last */
    uint32_t closed_h;              /* stanzas said in it */
    unsigned logouts, gone;
    unsigned loose; /* streams that were cut behind <resume/>: one may still be heeded */
    bool leaves;    /* its closing tag was said; whether it was heard is not known */
    bool last_said; /* the last words before the end */
    bool lost;      /* its session is gone, which is a fault: it has given up */
};

void client_init(struct client *c, struct crowd *crowd, uint32_t number);
void client_free(struct client *c);

/* The session is there, on a stream in good order. */
bool client_is_here(const struct client *c);

/* Nobody is there and nothing is under way. */
bool client_is_out(const struct client *c);

/* Begins a new stream now, unless one is under way; or some time later. */
void client_come(struct client *c);
void client_come_later(struct client *c);

/* Cuts a long absence short. */
void client_hurry(struct client *c);

/* Starts the clocks of talk and trouble. */
void client_talk(struct client *c);

/* Puts a stanza, or <r/>, on the live stream, if there is one; the caller flushes it. A stanza
 * that cannot be put now is said later. */
void client_say(struct client *c, enum said said);
void client_ask(struct client *c);
void client_log_out(struct client *c);

/* What a login comes to. The stream that <resume/> or <enable/> is said on is the live one. */
void client_resume(struct client *c, struct stream *s);
void client_resumed(struct client *c, struct stream *s, struct text item);
void client_enable(struct client *c, struct stream *s);
void client_enabled(struct client *c, struct stream *s, struct text item);

/* The stream says that the session is over, or its end was the server's. It may be tried
 * nevertheless. */
void client_told_over(struct client *c);

/* The session is refused; the stream may go on without it. False: it must not be refused, and the
 * client has given up. */
[[nodiscard]] bool client_refused(struct client *c, struct stream *s, struct text item);

/* An item on the live stream. */
void client_item(struct client *c, struct stream *s, struct text item);

/* The stream is over, in this way; what the client lost by it is its own to know. */
void client_lost(struct client *c, struct stream *s);
