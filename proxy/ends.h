/* SPDX-License-Identifier: MIT */
/*
 * Every way a connection ends, in one table: the word for log and counter, the
 * stream error that the client gets, and what becomes of its session.
 */
#pragma once

#include <stdbool.h>

enum ends_session {
    ENDS_DETACHES, /* the session, if there is one, is held for a resumption */
    ENDS_CLOSES,   /* the session ends in order */
    ENDS_NOTHING,  /* the session is not touched: it is over already, or somebody else's by now */
};

/* clang-format off */
#define ENDS(X) \
    /*  name               word                    stream error (RFC 6120, 4.9.3)  session */ \
    X(END_FIN,             "fin",                  NULL,                       ENDS_DETACHES) \
    X(END_RESET,           "reset",                NULL,                       ENDS_DETACHES) \
    X(END_TLS,             "tls-failed",           NULL,                       ENDS_DETACHES) \
    X(END_TLS_CLOSED,      "tls-closed",           NULL,                       ENDS_DETACHES) \
    X(END_CLEARTEXT,       "bytes-after-starttls", NULL,                       ENDS_NOTHING)  \
    X(END_PROXY_HEADER,    "bad-proxy-header",     NULL,                       ENDS_NOTHING)  \
    X(END_CROWD,           "too-many-connections", NULL,                       ENDS_NOTHING)  \
    X(END_HTTP,            "http",                 NULL,                       ENDS_NOTHING)  \
    X(END_WS_CLOSED,       "websocket-closed",     NULL,                       ENDS_DETACHES) \
    X(END_WS_FAULT,        "websocket-fault",      NULL,                       ENDS_DETACHES) \
    X(END_ACK_TIMEOUT,     "ack-timeout",          "connection-timeout",       ENDS_DETACHES) \
    X(END_LOGIN_TIMEOUT,   "login-timeout",        "connection-timeout",       ENDS_NOTHING)  \
    X(END_ADMIN,           "by-administrator",     "reset",                    ENDS_DETACHES) \
    X(END_STOP,            "stop",                 NULL,                       ENDS_DETACHES) \
    X(END_MEMORY,          "no-memory",            "resource-constraint",      ENDS_DETACHES) \
    X(END_TAKEN_OVER,      "taken-over",           "conflict",                 ENDS_NOTHING)  \
    X(END_ENABLE_TWICE,    "enabled-twice",        "unsupported-stanza-type",  ENDS_DETACHES) \
    X(END_CLOSED,          "closed",               NULL,                       ENDS_CLOSES)   \
    X(END_NOT_WELL_FORMED, "not-well-formed",      "not-well-formed",          ENDS_CLOSES)   \
    X(END_RESTRICTED_XML,  "restricted-xml",       "restricted-xml",           ENDS_CLOSES)   \
    X(END_BAD_PREFIX,      "bad-prefix",           "bad-namespace-prefix",     ENDS_CLOSES)   \
    X(END_NOT_UTF8,        "not-utf8",             NULL,                       ENDS_CLOSES)   \
    X(END_BAD_ENCODING,    "bad-encoding",         "unsupported-encoding",     ENDS_CLOSES)   \
    X(END_BAD_FORMAT,      "bad-format",           "bad-format",               ENDS_CLOSES)   \
    X(END_BAD_NAMESPACE,   "bad-namespace",        "invalid-namespace",        ENDS_CLOSES)   \
    X(END_POLICY,          "policy-violation",     "policy-violation",         ENDS_CLOSES)   \
    X(END_TYPE,            "unsupported-stanza",   "unsupported-stanza-type",  ENDS_CLOSES)   \
    X(END_UNAUTHORIZED,    "not-authorized",       "not-authorized",           ENDS_CLOSES)   \
    X(END_HOST_UNKNOWN,    "host-unknown",         "host-unknown",             ENDS_CLOSES)   \
    X(END_NO_UPSTREAM,     "no-upstream",          "remote-connection-failed", ENDS_NOTHING)  \
    X(END_SERVER_SILENT,   "server-silent",        "remote-connection-failed", ENDS_NOTHING)  \
    X(END_IN_LINE,         "waited-in-line",       "resource-constraint",      ENDS_NOTHING)  \
    X(END_NO_DESCRIPTORS,  "no-descriptors",       "resource-constraint",      ENDS_NOTHING)  \
    X(END_LINK_LOST,       "link-lost",            "remote-connection-failed", ENDS_NOTHING)  \
    X(END_SERVER_CLOSED,   "server-closed",        NULL,                       ENDS_NOTHING)  \
    X(END_SERVER_ERROR,    "server-error",         NULL,                       ENDS_NOTHING)  \
    X(END_ACK_TOO_HIGH,    "ack-too-high",         NULL,                       ENDS_NOTHING)  \
    X(END_REPLACED,        "replaced",             "conflict",                 ENDS_NOTHING)  \
    X(END_SHED,            "session-ended",        "resource-constraint",      ENDS_NOTHING)
/* clang-format on */

enum end {
#define X(name, word, error, session) name,
    ENDS(X)
#undef X
        END_COUNT,
};

const char *end_word(enum end end);
const char *end_stream_error(enum end end); /* NULL: none is sent */
enum ends_session end_session(enum end end);
