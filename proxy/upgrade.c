/* SPDX-License-Identifier: MIT */
/*
 * Answers are put together in the worker's scratch. Everything that comes from the
 * request and is compared, is compared as a whole: nothing of it is sent back.
 */
#include "proxy/upgrade.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <strings.h>

#include "proxy/client_entry.h"
#include "proxy/farewell.h"
#include "proxy/log.h"
#include "proxy/relay.h"

#define ALT_CONNECTIONS "urn:xmpp:alt-connections:websocket"

enum { KEY_TEXT = 24, ACCEPT_TEXT = 28, NAME_MAX_BYTES = 256 };

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {204, "No Content"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {426, "Upgrade Required"},
        {431, "Request Header Fields Too Large"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Bad Request";
}

/* Sends an answer, and ends the connection with it. `fields` are whole lines. */
static void answer(struct client *c, int status, const char *fields, struct span body)
{
    bool head = c->web->asked.method == HTTP_IS_HEAD;
    struct sink k = relay_sink(c->tools);
    char numbers[80];

    snprintf(numbers, sizeof numbers, "HTTP/1.1 %d ", status);
    sink_puts(&k, numbers);
    sink_puts(&k, status_text(status));
    snprintf(numbers, sizeof numbers, "\r\nContent-Length: %zu\r\n", body.len);
    sink_puts(&k, status == 204 ? "\r\n" : numbers);
    sink_puts(&k, "Connection: close\r\n");
    sink_puts(&k, fields);
    sink_puts(&k, "\r\n");
    if (!head)
        sink_put(&k, body);
    client_write(c, sink_span(&k));
    farewell_client(c, END_HTTP, SPAN_NONE);
}

static void refuse(struct client *c, int status, const char *why, const char *fields)
{
    char body[200];
    int len = snprintf(body, sizeof body, "%d %s: %s\n", status, status_text(status), why);

    log_at(LOG_INFO, "http_refused", f_u64("conn", c->id), f_u32("status", (uint32_t)status),
           f_str("why", why), f_addr("peer", (const struct sockaddr *)&c->peer));
    answer(c, status, fields, (struct span){body, (size_t)len});
}

/* --- host-meta --- */

/* A name without its port, as a host that is served; NULL: none, or longer than any name is. */
static const struct conf_host *host_of(const struct client *c, struct span authority)
{
    const char *colon = authority.p ? memchr(authority.p, ':', authority.len) : NULL;
    size_t len = colon ? (size_t)(colon - authority.p) : authority.len;
    char name[NAME_MAX_BYTES];

    if (!len || len >= sizeof name || memchr(authority.p, 0, len))
        return NULL;
    memcpy(name, authority.p, len);
    name[len] = '\0';
    return conf_host_by_sni(c->tools->conf, name);
}

static void put_xrd(struct sink *k, const char *url)
{
    sink_puts(k, "<?xml version='1.0' encoding='utf-8'?>\n"
                 "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>"
                 "<Link rel='" ALT_CONNECTIONS "'");
    sink_attribute(k, "href", span_of(url));
    sink_puts(k, "/></XRD>\n");
}

static void put_json(struct sink *k, const char *url)
{
    json_t *meta = json_pack("{s:[{s:s,s:s}]}", "links", "rel", ALT_CONNECTIONS, "href", url);
    char *text = meta ? json_dumps(meta, JSON_COMPACT) : NULL;

    if (text)
        sink_puts(k, text);
    k->full |= !text;
    free(text);
    json_decref(meta);
}

static void give_host_meta(struct client *c, bool json)
{
    const struct http_request *r = &c->web->asked;
    const struct conf_host *host = host_of(c, r->host);
    char text[8192]; /* the worker's scratch gets the answer */
    struct sink k = SINK(text);

    if (r->method == HTTP_IS_OPTIONS) {
        answer(c, 204,
               "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET, HEAD\r\n"
               "Access-Control-Allow-Headers: *\r\n",
               SPAN_NONE);
        return;
    }
    if (r->method == HTTP_IS_OTHER) {
        refuse(c, 405, "only GET, HEAD and OPTIONS", "Allow: GET, HEAD, OPTIONS\r\n");
        return;
    }
    if (host && *host->websocket_url)
        (json ? put_json : put_xrd)(&k, host->websocket_url);
    if (!k.len || k.full) {
        refuse(c, 404, "nothing is announced for this host", "Access-Control-Allow-Origin: *\r\n");
        return;
    }
    answer(c, 200,
           json ? "Content-Type: application/json\r\nAccess-Control-Allow-Origin: *\r\n"
                : "Content-Type: application/xrd+xml\r\nAccess-Control-Allow-Origin: *\r\n",
           sink_span(&k));
}

/* --- the upgrade --- */

/* "scheme://host:port"; the host is one that is served, or NULL. */
static const struct conf_host *host_of_origin(const struct client *c, struct span origin)
{
    for (size_t i = 0; i + 3 < origin.len; i++)
        if (!memcmp(origin.p + i, "://", 3))
            return host_of(c, (struct span){origin.p + i + 3, origin.len - i - 3});
    return NULL;
}

/* True if the list of settings, with blanks between them, has the Origin, or "*". */
static bool listed(const char *list, struct span origin)
{
    while (*list) {
        size_t len = strcspn(list, " \t");

        if ((len == 1 && *list == '*') || (len == origin.len && !strncasecmp(list, origin.p, len)))
            return true;
        list += len;
        list += strspn(list, " \t");
    }
    return false;
}

/* A page may open what its own domain serves, or what the settings name (RFC 6455, 10.2). Who is no
 * browser says no Origin, and has no user whose rights it could borrow. */
static bool admits_origin(struct client *c, struct span origin)
{
    const char *list = c->listen->origins;

    if (!origin.p)
        return true;
    if (*list)
        return listed(list, origin);
    c->web->origin = host_of_origin(c, origin);
    return c->web->origin;
}

static bool is_key(struct span key)
{
    unsigned char text[KEY_TEXT + 1], bytes[KEY_TEXT];

    if (key.len != KEY_TEXT)
        return false;
    memcpy(text, key.p, KEY_TEXT);
    text[KEY_TEXT] = '\0';
    return EVP_DecodeBlock(bytes, text, KEY_TEXT) == 18 && !memchr(text, '=', 22) &&
           text[22] == '=' && text[23] == '=';
}

/* RFC 6455, 4.2.2. False: OpenSSL has no SHA-1, or no memory. */
static bool accept_of(struct span key, unsigned char out[ACCEPT_TEXT + 1])
{
    char text[KEY_TEXT + 36];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;

    memcpy(text, key.p, KEY_TEXT);
    memcpy(text + KEY_TEXT, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    return EVP_Digest(text, sizeof text, digest, &len, EVP_sha1(), NULL) == 1 &&
           EVP_EncodeBlock(out, digest, (int)len) == ACCEPT_TEXT;
}

static bool grant(struct client *c)
{
    struct sink k = relay_sink(c->tools);
    unsigned char accept[ACCEPT_TEXT + 1];

    if (!accept_of(c->web->asked.key, accept)) {
        farewell_client(c, END_MEMORY, SPAN_NONE);
        return false;
    }
    sink_puts(&k, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Protocol: xmpp\r\n"
                  "Sec-WebSocket-Accept: ");
    sink_puts(&k, (const char *)accept);
    sink_puts(&k, "\r\n\r\n");
    client_write(c, sink_span(&k));
    client_flush(c);
    log_at(LOG_DEBUG, "websocket_open", f_u64("conn", c->id),
           f_span("origin", c->web->asked.origin));
    c->web->phase = WEBSOCKET_OPEN;
    websocket_request_done(c->web);
    return c->phase == CLIENT_OPEN;
}

static bool take_upgrade(struct client *c)
{
    const struct http_request *r = &c->web->asked;

    if (r->method != HTTP_IS_GET)
        refuse(c, 405, "only GET", "Allow: GET\r\n");
    else if (!r->upgrade)
        refuse(c, 426, "this is a WebSocket", "Upgrade: websocket\r\n");
    else if (!span_is(r->version, "13"))
        refuse(c, 426, "only version 13 of WebSocket", "Sec-WebSocket-Version: 13\r\n");
    else if (!is_key(r->key))
        refuse(c, 400, "Sec-WebSocket-Key is missing or malformed", "");
    else if (!http_lists(r->protocols, "xmpp"))
        refuse(c, 400, "the subprotocol xmpp is not offered", "");
    else if (!admits_origin(c, r->origin))
        refuse(c, 403, "a foreign Origin", "");
    else
        return grant(c);
    return false;
}

static bool answer_request(struct client *c)
{
    struct span path = c->web->asked.path;
    bool json = span_is(path, "/.well-known/host-meta.json");

    if (c->web->asked.body)
        refuse(c, 413, "nothing here takes a body", "");
    else if (json || span_is(path, "/.well-known/host-meta"))
        give_host_meta(c, json);
    else if (span_is(path, c->listen->path))
        return take_upgrade(c);
    else
        refuse(c, 404, "no such path", "");
    return false;
}

/* --- who asks --- */

/* The address that a web server in front saw, which is the last one of X-Forwarded-For: those
 * before it were said by the client. False: it is none. */
static bool take_forwarded(struct client *c)
{
    struct span last = http_last_of(c->web->asked.forwarded_for);
    struct sockaddr_storage peer = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&peer;
    char text[INET6_ADDRSTRLEN];

    if (!last.p) /* it asks for itself, perhaps whether we live */
        return true;
    if (last.len > 2 && last.p[0] == '[' && last.p[last.len - 1] == ']')
        last = (struct span){last.p + 1, last.len - 2};
    if (!last.len || last.len >= sizeof text)
        return false;
    memcpy(text, last.p, last.len);
    text[last.len] = '\0';
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        peer.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        peer.ss_family = AF_INET6;
    else
        return false;
    c->peer = peer;
    return true;
}

/* True if it may go on: its address is known by now, and has room. */
static bool admit(struct client *c)
{
    if (!c->expects_forwarded)
        return !c->delayed; /* more of what TLS had read comes while it waits */
    c->expects_forwarded = false;
    if (take_forwarded(c))
        return client_admit(c);
    refuse(c, 400, "X-Forwarded-For ends with no address", "");
    return false;
}

bool upgrade_take(struct client *c, struct span *fresh)
{
    struct websocket *w = c->web;

    if (w->phase == WEBSOCKET_READS) {
        switch (http_next(w->request, fresh, &w->asked)) {
        case HTTP_MORE:
            return false;
        case HTTP_REFUSED:
            refuse(c, w->asked.status, "the request cannot be read", "");
            return false;
        case HTTP_REQUEST:
            w->phase = WEBSOCKET_ASKED;
            break;
        }
    }
    if (admit(c))
        return answer_request(c);
    if (c->phase == CLIENT_OPEN && !websocket_hold(w, &c->in, *fresh))
        farewell_client(c, END_MEMORY, SPAN_NONE);
    return false;
}
