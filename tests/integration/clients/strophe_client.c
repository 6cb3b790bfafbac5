/* SPDX-License-Identifier: MIT */
/*
 * libstrophe as a client of the matrix; line_protocol.py says what the lines mean.
 *
 * libstrophe neither reconnects nor keeps what resumption needs: when a connection ends, the
 * application takes the stream management state from it and hands it to the next one.
 */
#include "tests/integration/clients/line_protocol.h"

#include <fcntl.h>

#include <strophe.h>

#define LOOP_MS 10

struct client {
    xmpp_ctx_t *ctx;
    xmpp_conn_t *conn;
    char *host, *jid, *password, *ca;
    unsigned short port;
    bool direct_tls;
    bool resumed; /* said by the library's log, the only place that tells */
    bool lost;    /* the connection ended; the loop makes the next one */
    bool asked;   /* a status is to be answered once all that was said is written */
};

static void log_line(void *userdata, xmpp_log_level_t level, const char *, const char *msg)
{
    struct client *c = userdata;

    if (strstr(msg, "Session resumed"))
        c->resumed = true;
    if (level >= XMPP_LEVEL_WARN)
        fprintf(stderr, "libstrophe: %s\n", msg);
}

static int on_message(xmpp_conn_t *, xmpp_stanza_t *stanza, void *userdata)
{
    struct client *c = userdata;
    char *body = xmpp_message_get_body(stanza);

    if (body)
        line_emit("message", "from", xmpp_stanza_get_from(stanza), "body", body);
    xmpp_free(c->ctx, body);
    return 1;
}

static int on_presence(xmpp_conn_t *, xmpp_stanza_t *stanza, void *)
{
    line_emit("presence", "from", xmpp_stanza_get_from(stanza), "type",
              xmpp_stanza_get_type(stanza));
    return 1;
}

static void say_presence(struct client *c)
{
    xmpp_stanza_t *presence = xmpp_presence_new(c->ctx);

    xmpp_send(c->conn, presence);
    xmpp_stanza_release(presence);
}

static void on_change(xmpp_conn_t *conn, xmpp_conn_event_t event, int, xmpp_stream_error_t *,
                      void *userdata)
{
    struct client *c = userdata;

    if (event != XMPP_CONN_CONNECT) {
        line_emit("disconnected", NULL, NULL, NULL, NULL);
        c->lost = true;
        return;
    }
    xmpp_handler_add(conn, on_message, NULL, "message", NULL, c);
    xmpp_handler_add(conn, on_presence, NULL, "presence", NULL, c);
    if (!c->resumed)
        say_presence(c);
    const char *jid = xmpp_conn_get_bound_jid(conn);
    line_emit_online(jid ? jid : c->jid, c->resumed);
}

/* Opens a connection, with the state that the one before left behind, if there is any. */
static void open_connection(struct client *c, xmpp_sm_state_t *state)
{
    c->conn = xmpp_conn_new(c->ctx);
    c->resumed = false;
    c->lost = false;
    xmpp_conn_set_flags(c->conn,
                        c->direct_tls ? XMPP_CONN_FLAG_LEGACY_SSL : XMPP_CONN_FLAG_MANDATORY_TLS);
    xmpp_conn_set_cafile(c->conn, c->ca);
    xmpp_conn_set_jid(c->conn, c->jid);
    xmpp_conn_set_pass(c->conn, c->password);
    if (state && xmpp_conn_set_sm_state(c->conn, state) != XMPP_EOK)
        line_emit("log", "text", "the state was refused", NULL, NULL);
    if (xmpp_connect_client(c->conn, c->host, c->port, on_change, c) != XMPP_EOK) {
        line_emit("log", "text", "the connection could not be begun", NULL, NULL);
        c->lost = true;
    }
}

static void open_again(struct client *c)
{
    xmpp_sm_state_t *state = xmpp_conn_get_sm_state(c->conn);

    xmpp_conn_release(c->conn);
    open_connection(c, state);
}

static void do_connect(struct client *c, const char *line)
{
    static char value[VALUE_MAX_BYTES];

    c->host = line_value(line, "host", value) ? strdup(value) : NULL;
    c->port = line_value(line, "port", value) ? (unsigned short)atoi(value) : 0;
    c->jid = line_value(line, "jid", value) ? strdup(value) : NULL;
    c->password = line_value(line, "password", value) ? strdup(value) : NULL;
    c->ca = line_value(line, "ca", value) ? strdup(value) : NULL;
    c->direct_tls = line_value(line, "tls", value) && strcmp(value, "tls") == 0;
    open_connection(c, NULL);
}

static void do_send(struct client *c, const char *line)
{
    static char to[VALUE_MAX_BYTES], body[VALUE_MAX_BYTES];
    xmpp_stanza_t *message;

    if (!line_value(line, "to", to) || !line_value(line, "body", body))
        return;
    message = xmpp_message_new(c->ctx, "chat", to, NULL);
    xmpp_message_set_body(message, body);
    xmpp_send(c->conn, message);
    xmpp_stanza_release(message);
}

/* False when the program is to end. */
static bool obey(void *client, const char *line)
{
    static char name[VALUE_MAX_BYTES];
    struct client *c = client;

    if (!line_value(line, "do", name) || strcmp(name, "quit") == 0)
        return false;
    if (strcmp(name, "connect") == 0)
        do_connect(c, line);
    else if (strcmp(name, "send") == 0)
        do_send(c, line);
    else if (strcmp(name, "status") == 0)
        c->asked = true;
    return true;
}

/* libstrophe keeps only what was written, to send it again: so a status waits for its queue. */
static void answer_status(struct client *c)
{
    if (!c->asked || (c->conn && xmpp_conn_send_queue_len(c->conn) > 0))
        return;
    c->asked = false;
    line_emit("status", NULL, NULL, NULL, NULL);
}

int main(void)
{
    struct client c = {0};
    xmpp_log_t log = {log_line, &c};

    xmpp_initialize();
    c.ctx = xmpp_ctx_new(NULL, &log);
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    while (line_read(obey, &c)) {
        xmpp_run_once(c.ctx, LOOP_MS);
        answer_status(&c);
        if (c.lost)
            open_again(&c);
    }
    return 0;
}
