/* SPDX-License-Identifier: MIT */
/*
 * What happened in all lives, counted: a row each. A run of many lives fails if
 * something marked MUST never happened, for then nothing of it was tested.
 */
#pragma once

#include "sm/event.h"

/* clang-format off */
#define FIGURES(X) \
    X(LIVES,         MUST, "lives") \
    X(STEPS,         MUST, "steps") \
    X(LOGINS,        MUST, "logins") \
    X(SESSIONS,      MUST, "sessions begun") \
    X(REFUSED,       MUST, "refused for want of memory") \
    X(PLAIN,         MUST, "logins without stream management") \
    X(SIMPLE,        MUST, "sessions that are not resumable") \
    X(UP,            MUST, "stanzas to the server") \
    X(DOWN,          MUST, "stanzas to clients") \
    X(UP_BYTES,      MUST, "bytes to the server") \
    X(DOWN_BYTES,    MUST, "bytes to clients") \
    X(DETACHED,      MUST, "detachments") \
    X(RESUMED,       MUST, "resumptions") \
    X(TAKEN_OVER,    MUST, "of them, from a connection that was there") \
    X(RESENT,        MUST, "stanzas written again") \
    X(WRAPPED,       MUST, "sessions whose counter passed 2^32") \
    X(FAILED,        MUST, "resumptions refused") \
    X(TOMBSTONE,     MUST, "of them, with an h") \
    X(FORGOTTEN,     MUST, "of them, after 48 hours") \
    X(INTRUDER,      MUST, "of them, of strangers and of liars") \
    X(REPLACED,      MUST, "logins on a detached session's resource") \
    X(CONFLICT,      MUST, "logins on an attached session's resource") \
    X(ADOPTED,       MUST, "messages adopted") \
    X(ADOPTED_PLAIN, MUST, "messages handed to a login without stream management") \
    X(RETURNED,      MUST, "stanzas returned to their senders") \
    X(DROPPED,       MUST, "stanzas dropped") \
    X(LOST,          MUST, "stanzas lost, and counted") \
    X(UNCONFIRMED,   MUST, "stanzas of clients given back or counted, when links died") \
    X(ANSWERED,      MUST, "over-long stanzas answered") \
    X(PINGS,         MUST, "pings of the server answered") \
    X(PROBES,        MUST, "probes answered by the server") \
    X(WARNED,        MUST, "probes overdue while other traffic flows") \
    X(ASKED,         MUST, "<r/> to clients") \
    X(TCP_ACKED,     MUST, "looks at the server's TCP") \
    X(UP_FULL,       MUST, "clients not read, the server being slow") \
    X(DOWN_FULL,     MUST, "links not read, the client being slow") \
    X(RST_QUEUED,    MUST, "links reset with bytes unread") \
    X(SKIPPED,       MUST, "stanzas for which there was no memory") \
    X(PUNCHED,       MUST, "runs of pages given back") \
    X(DEATHS,        MUST, "deaths of the process") \
    X(DEATHS_STORE,  MUST, "of them, behind a store") \
    X(DEATHS_CALL,   MUST, "of them, behind a system call") \
    X(DEATHS_AGAIN,  MUST, "of them, in a recovery") \
    X(DEATHS_OPEN,   MUST, "of them, while the arena was opened") \
    X(SURVIVED,      MUST, "sessions recovered") \
    X(STAGED,        MUST, "of them, with bytes that were received and not committed") \
    X(SENT_BEHIND,   MUST, "of them, with bytes that were sent and not committed") \
    X(ENDING_AGAIN,  MUST, "of them, in the middle of their end") \
    X(LEFT_AGAIN,    MUST, "left messages recovered") \
    X(DAMAGED,       MUST, "records damaged") \
    X(NO_SOCKET,     MUST, "sockets that did not come back") \
    X(MISMATCH,      MUST, "sockets whose counts did not match") \
    X(SET_ASIDE,     MUST, "sessions that were set aside") \
    X(COMPARED,      MUST, "lives that were drained and compared")
/* clang-format on */

enum figure {
#define X(name, must, text) FIG_##name,
    FIGURES(X)
#undef X
        FIG_COUNT,
};

struct figures {
    uint64_t count[FIG_COUNT];
    uint64_t ended[SM_END_COUNT];
};

void figures_add(struct figures *to, const struct figures *from);

/* Prints all; gives how many of those that must happen never did. */
unsigned figures_print(const struct figures *f);
