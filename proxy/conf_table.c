/* SPDX-License-Identifier: MIT */
/*
 * All settings. A row more is a setting more: it is then read, judged, compared on a
 * reload, freed, and a test asks for it in etc/holdfast.ini. The columns:
 * name, type, field, default, {least, most, words}, may-reload, built, meaning.
 */
#include "proxy/conf_table.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
enum { K = 1024, M = 1024 * K };
enum { TEXT_MAX = 1000 };
enum {
    SOCKET_FOLDER_MAX = 90
}; /* a UNIX socket's path has 107 bytes, with /control.sock behind this */

/* For types whose bounds are their own. */
#define ANY                                                                                        \
    {                                                                                              \
        0, 0, NULL                                                                                 \
    }
#define WORDS(...)                                                                                 \
    {                                                                                              \
        0, 0, (const char *const[])                                                                \
        {                                                                                          \
            __VA_ARGS__, NULL                                                                      \
        }                                                                                          \
    }

/* clang-format off */
#define FIELD(field) offsetof(struct conf_main, field)
static const struct conf_row main_rows[] = {
    {"workers", &conf_type_workers, FIELD(workers), "auto", {1, 256, NULL}, false, NULL,
     "Threads. auto is one for each core."},
    {"runtime_dir", &conf_type_text, FIELD(runtime_dir), "/run/holdfast", {1, SOCKET_FOLDER_MAX, NULL}, false, NULL,
     "The folder for control.sock, to which holdfastctl talks."},
    {"state_dir", &conf_type_text, FIELD(state_dir), "/var/lib/holdfast", {1, TEXT_MAX, NULL}, false, NULL,
     "The folder for what must survive a reboot."},
    {"log_level", &conf_type_word, FIELD(log_level), "info", WORDS("error", "warn", "info", "debug"), false, NULL,
     "How much is logged: error, warn, info or debug."},
    {"log_format", &conf_type_word, FIELD(log_format), "logfmt", WORDS("logfmt", "json", "journal"), false, "logfmt json",
     "The form of a line of the log: logfmt or json. (journal is not supported yet.)"},
    {"metrics", &conf_type_endpoint, FIELD(metrics), "127.0.0.1:9198", {1, 1, NULL}, false, "127.0.0.1:9198 none",
     "Where metrics and health will be served; none is off. Nothing is served\n"
     "there yet, so no other address is accepted."},
};
#undef FIELD

#define FIELD(field) offsetof(struct conf_listen, field)
static const struct conf_row listen_rows[] = {
    {"address", &conf_type_endpoints, FIELD(addresses), "[::]:5222", {0, CONF_LIST_MAX, NULL}, false, NULL,
     "Where clients connect: one or more addresses with ports, separated by spaces.\n"
     "[::] is all of IPv6 and IPv4. Empty: only what systemd's socket activation gives."},
    {"transport", &conf_type_word, FIELD(transport), "starttls", WORDS("starttls", "tls", "ws", "wss"), false, NULL,
     "starttls; tls, which is TLS from the first byte, usually on port 5223; wss, which\n"
     "is WebSocket over TLS; ws, the same without TLS, behind a web server. tls serves\n"
     "WebSocket as well, to clients that name http/1.1 by ALPN: so one port 443 does."},
    {"proxy_protocol", &conf_type_yes_no, FIELD(proxy_protocol), "no", ANY, false, NULL,
     "yes: each connection must begin with a PROXY protocol header, version 1 or 2,\n"
     "and must come from a network in proxy_from."},
    {"proxy_from", &conf_type_network_list, FIELD(proxy_from), "", {0, CONF_LIST_MAX, NULL}, false, NULL,
     "The networks of the proxies in front, separated by spaces: 10.0.0.0/8 2001:db8::/32\n"
     "With ws and wss, and without proxy_protocol, what they say last in X-Forwarded-For\n"
     "is the client's address. ws takes connections from nowhere else, and needs it on any\n"
     "address that is not loopback: passwords would pass in the clear."},
    {"path", &conf_type_text, FIELD(path), "/xmpp-websocket", {1, TEXT_MAX, NULL}, false, NULL,
     "The path of WebSocket: of ws, wss, and tls by ALPN."},
    {"origins", &conf_type_text, FIELD(origins), "", {0, TEXT_MAX, NULL}, false, NULL,
     "The Origins of web pages that may open a WebSocket, separated by spaces:\n"
     "https://chat.example.org. Empty is the domain's own, * any. Clients that are no\n"
     "browsers need none."},
};
#undef FIELD

#define FIELD(field) offsetof(struct conf_host, field)
static const struct conf_row host_rows[] = {
    {"upstream", &conf_type_target_list, FIELD(upstreams), "127.0.0.1:5322", {1, CONF_LIST_MAX, NULL}, false, NULL,
     "The XMPP server: one or more addresses or names with ports, separated by spaces,\n"
     "tried in turn."},
    {"upstream_tls", &conf_type_word, FIELD(upstream_tls), "no", WORDS("no", "starttls", "tls"), false, NULL,
     "Encrypt the link to the server: no, starttls or tls. A link over TLS, and the\n"
     "sessions on it, cannot survive a restart of Holdfast."},
    {"upstream_ca", &conf_type_text, FIELD(upstream_ca), "", {0, TEXT_MAX, NULL}, false, NULL,
     "A file of certificates, or a folder, that the server's certificate is verified\n"
     "against. Empty: those of the system."},
    {"upstream_proxy_protocol", &conf_type_word, FIELD(upstream_proxy_protocol), "no", WORDS("no", "v1", "v2"), false, NULL,
     "Tell the server the client's address in a PROXY protocol header: no, v1 or v2."},
    {"upstream_logins", &conf_type_count, FIELD(upstream_logins), "200", {1, 100000, NULL}, false, NULL,
     "Clients that may be logging in at once; more wait in line, so that a returning\n"
     "crowd does not run the server over."},
    {"upstream_source", &conf_type_sources, FIELD(upstream_sources), "", {0, CONF_LIST_MAX, NULL}, false, NULL,
     "Local addresses to connect from, separated by spaces. More than one is needed\n"
     "beyond 28,000 links. Empty: the system chooses."},
    {"certificate", &conf_type_text, FIELD(certificate), NULL, {1, TEXT_MAX, NULL}, true, NULL,
     "The certificate for the domain, with its chain behind it (PEM). Required,\n"
     "but where all listeners are ws."},
    {"private_key", &conf_type_text, FIELD(private_key), NULL, {1, TEXT_MAX, NULL}, true, NULL,
     "The private key of the certificate (PEM, no passphrase). Required likewise."},
    {"websocket_url", &conf_type_text, FIELD(websocket_url), "", {0, TEXT_MAX, NULL}, false, NULL,
     "The WebSocket address that /.well-known/host-meta and host-meta.json announce:\n"
     "wss://xmpp.example.org/xmpp-websocket. Empty: none is announced."},
};
#undef FIELD

#define FIELD(field) offsetof(struct conf_stream_management, field)
static const struct conf_row sm_rows[] = {
    {"resume_timeout", &conf_type_duration, FIELD(resume_timeout_ms), "10m", {10, 7 * (uint64_t)DAY, NULL}, false, NULL,
     "How long a session is held while its client is away."},
    {"ack", &conf_type_word, FIELD(ack), "confirmed", WORDS("confirmed", "forwarded"), false, NULL,
     "When a client's stanza is acknowledged: confirmed is when the server has handled\n"
     "it, forwarded when Holdfast has taken it."},
    {"request_after", &conf_type_count, FIELD(request_after), "5", {1, 10000, NULL}, false, NULL,
     "Ask the client for an acknowledgement after so many stanzas,"},
    {"request_idle", &conf_type_duration, FIELD(request_idle_ms), "1s", {10, DAY, NULL}, false, NULL,
     "so long after the last stanza of a burst,"},
    {"request_every", &conf_type_duration, FIELD(request_every_ms), "60s", {10, DAY, NULL}, false, NULL,
     "and at least so often while stanzas are unacknowledged."},
    {"ack_timeout", &conf_type_duration, FIELD(ack_timeout_ms), "60s", {10, DAY, NULL}, false, NULL,
     "A client that leaves such a request unanswered for so long counts as away."},
    {"idle_check", &conf_type_duration, FIELD(idle_check_ms), "5m", {10, DAY, NULL}, false, NULL,
     "A client that has been silent for so long is asked, too."},
    {"queue_stanzas", &conf_type_count, FIELD(queue_stanzas), "10000", {1, 1000000, NULL}, false, NULL,
     "Stanzas kept for one session until its client acknowledges them."},
    {"queue_bytes", &conf_type_size, FIELD(queue_bytes), "4M", {4 * K, 1024 * (uint64_t)M, NULL}, false, NULL,
     "The same in bytes."},
    {"sessions_per_account", &conf_type_count, FIELD(sessions_per_account), "20", {1, 1000, NULL}, false, NULL,
     "Sessions of one account; the one longest away ends first."},
    {"on_expiry", &conf_type_word, FIELD(on_expiry), "spool", WORDS("spool", "bounce", "drop"), false, NULL,
     "Messages left when a session ends: spool keeps them for the account's next\n"
     "session, bounce answers their senders with an error, drop drops them.\n"
     "(spool is not supported yet and behaves as bounce.)"},
};
#undef FIELD

#define FIELD(field) offsetof(struct conf_limits, field)
static const struct conf_row limits_rows[] = {
    {"memory", &conf_type_size, FIELD(memory), "2G", {M, 1024 * 1024 * (uint64_t)M, NULL}, false, NULL,
     "For all sessions together."},
    {"connections_per_ip", &conf_type_count, FIELD(connections_per_ip), "100", {1, 1000000, NULL}, false, NULL,
     "Unauthenticated connections from one address; with IPv6, from one /64."},
    {"connection_rate_per_ip", &conf_type_count, FIELD(connection_rate_per_ip), "20", {1, 1000000, NULL}, false, NULL,
     "Connections a second from one address; beyond it they wait, and are not refused."},
    {"unauthenticated_timeout", &conf_type_duration, FIELD(unauthenticated_timeout_ms), "30s", {10, HOUR, NULL}, false, NULL,
     "A connection that has not authenticated after so long is closed, and one that has\n"
     "not bound a resource as long after that."},
    {"stanza_bytes", &conf_type_size, FIELD(stanza_bytes), "512K", {10000, 16 * M, NULL}, false, NULL,
     "The longest stanza. Keep it below what the server takes: 250K for Prosody,\n"
     "60K for jabberd2 as Debian has it; ejabberd's is max_stanza_size."},
    {"stanza_bytes_unauthenticated", &conf_type_size, FIELD(stanza_bytes_unauthenticated), "16K", {4 * K, M, NULL}, false, NULL,
     "The same before a client has authenticated."},
};
#undef FIELD

#define ROWS(rows) rows, sizeof(rows) / sizeof *(rows)
#define PLACES(type, field) offsetof(struct conf, field), offsetof(struct type, entries)
const struct conf_shape conf_shapes[CONF_SECTIONS] = {
    [CONF_SECTION_MAIN] =   {"holdfast",          false, PLACES(conf_main, main),            ROWS(main_rows)},
    [CONF_SECTION_LISTEN] = {"listen",            true,  PLACES(conf_listen, listens),       ROWS(listen_rows)},
    [CONF_SECTION_HOST] =   {"host",              true,  PLACES(conf_host, hosts),           ROWS(host_rows)},
    [CONF_SECTION_SM] =     {"stream-management", false, PLACES(conf_stream_management, sm), ROWS(sm_rows)},
    [CONF_SECTION_LIMITS] = {"limits",            false, PLACES(conf_limits, limits),        ROWS(limits_rows)},
};
/* clang-format on */

const struct conf_row *conf_row(enum conf_section section, const char *name)
{
    const struct conf_shape *shape = &conf_shapes[section];

    for (size_t i = 0; i < shape->row_count; i++)
        if (!strcmp(shape->rows[i].name, name))
            return &shape->rows[i];
    return NULL;
}

static struct conf_entry **entries_of(enum conf_section section, const void *base)
{
    return (struct conf_entry **)((char *)base + conf_shapes[section].entries);
}

const struct conf_entry *conf_entry(enum conf_section section, const void *base, const char *name)
{
    const struct conf_row *row = conf_row(section, name);

    assert(row);
    return *entries_of(section, base) + (row - conf_shapes[section].rows);
}

bool conf_section_init(enum conf_section section, void *base)
{
    const struct conf_shape *shape = &conf_shapes[section];
    char why[CONF_WHY_MAX];

    *entries_of(section, base) = calloc(shape->row_count, sizeof(struct conf_entry));
    if (!*entries_of(section, base))
        return false;
    for (size_t i = 0; i < shape->row_count; i++) {
        const struct conf_row *row = &shape->rows[i];
        const char *standard = row->standard ? row->standard : "";
        struct conf_bounds bounds = row->bounds;

        if (!row->standard)
            bounds.least = 0;
        if (!row->type->read(standard, &bounds, (char *)base + row->place, why))
            return false;
    }
    return true;
}

void conf_section_clear(enum conf_section section, void *base)
{
    const struct conf_shape *shape = &conf_shapes[section];
    struct conf_entry **entries = entries_of(section, base);

    for (size_t i = 0; i < shape->row_count; i++) {
        shape->rows[i].type->clear((char *)base + shape->rows[i].place);
        if (*entries)
            free((*entries)[i].text);
    }
    free(*entries);
    *entries = NULL;
}
