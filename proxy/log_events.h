/* SPDX-License-Identifier: MIT */
/*
 * Every event that the log can name, and what it means to somebody who reads it.
 * log_at accepts no other word, and a test holds that each word here is in use.
 */
#pragma once

/* clang-format off */
#define LOG_EVENTS(X)                                                                       \
    /* the process */                                                                       \
    X("start",           "Holdfast is up and serves")                                       \
    X("stop",            "Holdfast goes down")                                              \
    X("stopped",         "it is down; sessions that it ended, and those left to its keeper") \
    X("config",          "a mistake or a warning in the configuration, with file and line") \
    X("config_reloaded", "certificates and keys were read anew")                            \
    X("certificate_failed", "a certificate, key or CA cannot be used")                      \
    X("resolve_failed",  "a server's name has no address now")                              \
    X("start_failed",    "Holdfast cannot start, and why")                                  \
    X("control_failed",  "the control socket cannot be opened")                             \
    X("listening",       "a listener takes connections")                                    \
    X("listen_failed",   "an address cannot be listened on")                                \
    X("accepting_stopped", "no connection is accepted: there are no descriptors for it")    \
    X("accepting",       "connections are accepted again")                                  \
    X("daemon_started",  "the keeper started the daemon")                                   \
    X("daemon_ended",    "the daemon ended, and when the keeper starts it again")           \
    X("keeper_full",     "the keeper has no room for what it was given")                    \
    X("keeper_refused",  "the keeper did not take what was handed to it")                   \
    X("recovery",        "what was found of an earlier process")                             \
    X("recovered",       "a session of an earlier process goes on")                         \
    X("recovery_failed", "something of an earlier process could not be used")               \
    X("session_set_aside", "this session was in work at each of the last five deaths: it is ended") \
    X("socket_unused",   "systemd gave a socket that belongs to no [listen]")               \
    /* a client's connection */                                                             \
    X("accepted",        "a client's connection was accepted")                              \
    X("refused",         "an address has too many connections that have not logged in")      \
    X("tls_ready",       "a TLS handshake with a client is done")                           \
    X("http_refused",    "a web client's request was refused, and why")                      \
    X("websocket_open",  "a web client's connection became a WebSocket")                     \
    X("closed",          "a client's connection ended, and why")                            \
    X("tls_failed",      "a TLS handshake with a client failed")                            \
    X("login",           "the server accepted a client's credentials")                      \
    X("login_failed",    "the server refused a client's credentials")                       \
    X("bound",           "the server bound a resource for a client")                        \
    X("stanza_skipped",  "a stanza longer or deeper than allowed was refused unread")       \
    X("misplaced",       "an element was refused or dropped where it stood")                \
    X("ack_malformed",   "a client sent an <a/> without a count")                           \
    /* a session */                                                                         \
    X("session_start",   "a client enabled stream management; its session begins")          \
    X("session_refused", "stream management was refused, and why")                          \
    X("detached",        "a session lost its connection and waits for its client")          \
    X("resumed",         "a client came back to its session")                               \
    X("resume_refused",  "a client asked for a session that it cannot have")                \
    X("taken_over",      "a resumption or a new login took a session's connection or rest") \
    X("handed_over",     "an older session's rest went to a new login")                     \
    X("session_end",     "a session ended, and why")                                        \
    X("undelivered",     "what became of the stanzas a session ended with")                 \
    X("lost",            "stanzas said to be taken that the server never confirmed")        \
    /* a link to the server */                                                              \
    X("link_open",       "a link to the server is up")                                      \
    X("link_failed",     "a link to the server could not be opened")                        \
    X("link_tls_failed", "TLS with the server failed")                                      \
    X("channel_binding", "the server offers -PLUS mechanisms, which must be off")           \
    X("server_error",    "the server ended a stream with an error")                         \
    X("probe_overdue",   "the server leaves a ping of Holdfast unanswered")                 \
    X("link_closed",     "a link to the server ended, and why")                             \
    X("warning",         "something an administrator should look at")
/* clang-format on */
