/* SPDX-License-Identifier: MIT */
/*
 * libstrophe as a client of the matrix; line_protocol.py says what the lines mean.
 *
 * libstrophe neither reconnects nor keeps what resumption needs: when a connection ends, the
 * application takes the stream management state from it and hands it to the next one.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <strophe.h>

#define LINE_MAX_BYTES  (1 << 20)
#define VALUE_MAX_BYTES (1 << 17)
#define LOOP_MS         10

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

/* Prints text as the inside of a JSON string. */
static void put_escaped(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20)
            printf("\\u%04x", *c);
        else
            putchar(*c);
    }
}

/* An event with up to two more keys; a name that is NULL ends them. */
static void emit(const char *event, const char *name1, const char *value1, const char *name2,
                 const char *value2)
{
    printf("{\"event\": \"%s\"", event);
    if (name1) {
        printf(", \"%s\": \"", name1);
        put_escaped(value1 ? value1 : "");
        putchar('"');
    }
    if (name2) {
        printf(", \"%s\": \"", name2);
        put_escaped(value2 ? value2 : "");
        putchar('"');
    }
    puts("}");
    fflush(stdout);
}

/*
 * The value of a key in one flat JSON object, a string or a number, into out. Commands are ASCII,
 * and need no escapes but those of the quote and the backslash.
 */
static bool get_value(const char *line, const char *key, char *out)
{
    char quoted[64];
    size_t n = 0;

    snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    const char *at = strstr(line, quoted);
    if (!at)
        return false;
    at += strlen(quoted);
    bool is_string = *at == '"';
    at += is_string;
    while (*at && n + 1 < VALUE_MAX_BYTES) {
        if (is_string ? *at == '"' : *at == ',' || *at == '}')
            break;
        if (*at == '\\' && at[1])
            at++;
        out[n++] = *at++;
    }
    out[n] = '\0';
    return true;
}

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
        emit("message", "from", xmpp_stanza_get_from(stanza), "body", body);
    xmpp_free(c->ctx, body);
    return 1;
}

static int on_presence(xmpp_conn_t *, xmpp_stanza_t *stanza, void *)
{
    emit("presence", "from", xmpp_stanza_get_from(stanza), "type", xmpp_stanza_get_type(stanza));
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
        emit("disconnected", NULL, NULL, NULL, NULL);
        c->lost = true;
        return;
    }
    xmpp_handler_add(conn, on_message, NULL, "message", NULL, c);
    xmpp_handler_add(conn, on_presence, NULL, "presence", NULL, c);
    if (!c->resumed)
        say_presence(c);
    const char *jid = xmpp_conn_get_bound_jid(conn);
    printf("{\"event\": \"online\", \"jid\": \"%s\", \"resumed\": %s}\n", jid ? jid : c->jid,
           c->resumed ? "true" : "false");
    fflush(stdout);
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
        emit("log", "text", "the state was refused", NULL, NULL);
    if (xmpp_connect_client(c->conn, c->host, c->port, on_change, c) != XMPP_EOK) {
        emit("log", "text", "the connection could not be begun", NULL, NULL);
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

    c->host = get_value(line, "host", value) ? strdup(value) : NULL;
    c->port = get_value(line, "port", value) ? (unsigned short)atoi(value) : 0;
    c->jid = get_value(line, "jid", value) ? strdup(value) : NULL;
    c->password = get_value(line, "password", value) ? strdup(value) : NULL;
    c->ca = get_value(line, "ca", value) ? strdup(value) : NULL;
    c->direct_tls = get_value(line, "tls", value) && strcmp(value, "tls") == 0;
    open_connection(c, NULL);
}

static void do_send(struct client *c, const char *line)
{
    static char to[VALUE_MAX_BYTES], body[VALUE_MAX_BYTES];
    xmpp_stanza_t *message;

    if (!get_value(line, "to", to) || !get_value(line, "body", body))
        return;
    message = xmpp_message_new(c->ctx, "chat", to, NULL);
    xmpp_message_set_body(message, body);
    xmpp_send(c->conn, message);
    xmpp_stanza_release(message);
}

/* False when the program is to end. */
static bool obey(struct client *c, const char *line)
{
    static char name[VALUE_MAX_BYTES];

    if (!get_value(line, "do", name) || strcmp(name, "quit") == 0)
        return false;
    if (strcmp(name, "connect") == 0)
        do_connect(c, line);
    else if (strcmp(name, "send") == 0)
        do_send(c, line);
    else if (strcmp(name, "status") == 0)
        c->asked = true;
    return true;
}

/* Carries out the whole lines that have come. False when the program is to end. */
static bool read_commands(struct client *c)
{
    static char buffer[LINE_MAX_BYTES];
    static size_t used;
    ssize_t n = read(STDIN_FILENO, buffer + used, sizeof buffer - used);
    char *end;

    if (n == 0)
        return false;
    if (n > 0)
        used += (size_t)n;
    while ((end = memchr(buffer, '\n', used))) {
        size_t len = (size_t)(end + 1 - buffer);

        *end = '\0';
        if (!obey(c, buffer))
            return false;
        memmove(buffer, buffer + len, used - len);
        used -= len;
    }
    return true;
}

/* libstrophe keeps only what was written, to send it again: so a status waits for its queue. */
static void answer_status(struct client *c)
{
    if (!c->asked || (c->conn && xmpp_conn_send_queue_len(c->conn) > 0))
        return;
    c->asked = false;
    emit("status", NULL, NULL, NULL, NULL);
}

int main(void)
{
    struct client c = {0};
    xmpp_log_t log = {log_line, &c};

    xmpp_initialize();
    c.ctx = xmpp_ctx_new(NULL, &log);
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    while (read_commands(&c)) {
        xmpp_run_once(c.ctx, LOOP_MS);
        answer_status(&c);
        if (c.lost)
            open_again(&c);
    }
    return 0;
}
