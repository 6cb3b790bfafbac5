/* SPDX-License-Identifier: MIT */
/*
 * The whole vocabulary between a session and the world: events in, orders out.
 *
 * The caller tells what happened, event by event, in one batch; commits; and only
 * then obeys the orders that the batch came to, in the order in which they stand
 * in enum sm_todo. Orders are levels, not edges: obeying one twice does no harm.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_text { /* a loan for the length of the call */
    const char *p;
    size_t len;
};

/* What becomes of a stanza for the client if its session ends first (sm/README.md, "Undelivered").
 */
enum sm_fate {
    SM_FATE_DROP,   /* presence, chat states, groupchat messages, results and errors */
    SM_FATE_KEEP,   /* messages with content: handed over, returned to the sender, or dropped */
    SM_FATE_REFUSE, /* iq requests: answered with an error unless the client answered already */
};

struct sm_stanza {
    const char *xml;
    size_t len;
    uint64_t stamp_ms; /* when it came, milliseconds since 1970 */
    uint32_t request;  /* of an iq request: a hash of its id and peer, never 0; otherwise 0 */
    uint16_t flags;    /* the caller's own; kept with the stanza */
    uint8_t fate;      /* enum sm_fate */
    bool late;         /* (out only) it waited or was sent before: a message gets a delay stamp */
    bool answered;     /* (out only) the client answered this request already */
};

/* How a session ends; enough to log it and to choose the words for client and server. */
enum sm_end {
    SM_END_NONE,
    SM_END_CLIENT,   /* </stream:stream> or <close/> from the client */
    SM_END_EXPIRED,  /* nobody resumed it in time */
    SM_END_GONE,     /* its connection ended, and it was not resumable */
    SM_END_SERVER,   /* the server closed the stream, or sent a stream error */
    SM_END_LINK,     /* the link died */
    SM_END_PROBE,    /* the server answers nothing any more */
    SM_END_REPLACED, /* a new login of the account binds its resource */
    SM_END_CONFLICT, /* the server replaced it: a stream error conflict */
    SM_END_ERROR,    /* a stream error of the client's making */
    SM_END_ACK,      /* the client acknowledged stanzas that were never sent */
    SM_END_QUEUE,    /* detached, and its queue is full */
    SM_END_MEMORY,   /* detached, and the memory of all is short */
    SM_END_CROWDED,  /* detached the longest of more sessions than an account may have */
    SM_END_ORDERED,  /* by the administrator */
    SM_END_COUNT,
};

enum sm_event_type {
    /* From the server, through the link. */
    SM_TO_CLIENT, /* stanza: xml at the staging area; or xml NULL: all of the tail (sm_tail) is it
                   */
    SM_LINK_READ, /* count: bytes received from the link, before what they hold is told */
    SM_LINK_SENT, /* count: bytes of sm_unsent that the kernel took */
    SM_PROBE_ANSWER, /* probe: the id in the answer to a ping of ours */
    SM_LINK_CLOSED,  /* the server's closing tag, stream error or EOF; end: SERVER, LINK or CONFLICT
                      */
    SM_TCP_ACKED, /* count: bytes sent on the link since connect that the server's TCP acknowledged
                   */

    /* From the client. */
    SM_TO_SERVER, /* stanza; counts as taken */
    SM_ANSWERED,  /* a stanza of the client that Holdfast answers itself: counts in its place */
    SM_PASS,      /* stanza: bytes for the server that count nowhere: CSI, answers to its pings */
    SM_REPLY,     /* stanza: for the client, written by Holdfast (an error): queued and counted */
    SM_REQUEST_DONE, /* stanza.request: the client answered that request */
    SM_CLIENT_ACK,   /* h */
    SM_CLIENT_ASK,   /* <r/> */
    SM_CLIENT_BYTES, /* any byte at all came: the clocks start anew */
    SM_CLIENT_WROTE, /* count: bytes of sm_unwritten that the connection took */
    SM_CLIENT_CLOSE, /* the client's own orderly end; count: stanzas known delivered by its TCP
                      * since the oldest held (0: none known) */
    SM_CLIENT_GONE,  /* the connection ended in any other way */
    SM_RESUME,       /* h; only after sm_may_resume said SM_RESUME_FINE for it, and detached */
    SM_READING, /* count: 1 Holdfast reads the client, 0 it does not: the ack clock stands still */

    /* From Holdfast. */
    SM_FINISH,   /* end: ends in order */
    SM_DETACH,   /* end: NONE; like CLIENT_GONE, by the administrator */
    SM_DEADLINE, /* the time that sm_deadline named has come */
    SM_EVENT_COUNT,
};

struct sm_event {
    enum sm_event_type type;
    uint64_t now_ms; /* CLOCK_BOOTTIME */
    struct sm_stanza stanza;
    uint64_t count;
    uint64_t probe;
    uint32_t h;
    enum sm_end end;
};

/* Orders, obeyed in this order, after the commit. */
enum sm_todo {
    SM_DO_SAY = 1 << 0, /* write text to the client: <enabled/>, <a/>, <resumed/>; before stanzas */
    SM_DO_WRITE = 1 << 1,      /* write what sm_unwritten gives to the client */
    SM_DO_ASK = 1 << 2,        /* <r/> behind it, in the same write if possible */
    SM_DO_SEND = 1 << 3,       /* send what sm_unsent gives to the link */
    SM_DO_RESUMED = 1 << 4,    /* <resumed/> is in the text: the client is read again */
    SM_DO_TOO_HIGH = 1 << 5,   /* stream error handled-count-too-high, from h_claimed and h_sent */
    SM_DO_DETACH = 1 << 6,     /* drop the connection: an <r/> was not answered in time */
    SM_DO_CHECK_TCP = 1 << 7,  /* a probe is overdue, or ack = forwarded: tell SM_TCP_ACKED */
    SM_DO_WARN_PROBE = 1 << 8, /* a probe is overdue while other traffic flows: log it */
    SM_DO_UNCONFIRMED =
        1 << 9, /* the link is lost: sm_unconfirmed gives what was said but not confirmed */
    SM_DO_END_CLIENT =
        1 << 10,            /* the session ended for `end`: close the client's stream accordingly */
    SM_DO_RETURN = 1 << 11, /* the session ends: call sm_undelivered until it is empty, answer what
                             * is to be answered (SM_PASS; false: it cannot be), call sm_returned */
    SM_DO_OVER = 1 << 12,   /* the session is over: end the link and call sm_session_free */
};

struct sm_orders {
    uint32_t todo;   /* enum sm_todo */
    enum sm_end end; /* with END_CLIENT, RETURN, OVER */
    uint32_t h_claimed, h_sent;
    uint32_t text_len;
    char text[8192]; /* SM_TEXT_MAX */
};
