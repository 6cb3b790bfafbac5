/* SPDX-License-Identifier: MIT */
/*
 * The head is gathered, and http-parser gets each line when it is whole. So it tells a
 * name, a value, the target in one piece each, wherever the input was cut, and the
 * request's spans lie where the head was gathered.
 *
 * http-parser is lenient where servers differ: a bare LF, a folded line, control bytes,
 * a space in a name, HTTX for HTTP. These are refused here.
 */
#include "parser/http.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

/* Two of its names are two of ours; they are no part of its binary interface. */
#define http_method  http_parser_method
#define HTTP_REQUEST HTTP_PARSER_REQUEST
#include <http_parser.h>
#undef http_method
#undef HTTP_REQUEST

enum { BAD_REQUEST = 400, TARGET_TOO_LONG = 414, HEAD_TOO_LARGE = 431, OTHER_VERSION = 505 };

/* A request line's bytes: a method, the version, and the longest target. */
enum { REQUEST_LINE_MAX = HTTP_TARGET_MAX + 64 };

enum list { PROTOCOLS, FORWARDED_FOR, LIST_COUNT, ONCE = LIST_COUNT };

struct http {
    struct http_parser parser;
    struct http_request request;
    struct span name;      /* of the header whose value comes next */
    struct span target;    /* absent until the request line is read */
    struct span authority; /* of an absolute target */
    bool whole;            /* the head's last line was read */
    bool to_upgrade;       /* Connection has upgrade */
    bool to_websocket;     /* Upgrade has websocket */
    int status;            /* why it was refused; 0: it was not */
    size_t len, line;      /* bytes of `text`; where the line begins that is gathered */
    char text[HTTP_HEAD_MAX];
    char lists[LIST_COUNT][HTTP_VALUE_MAX]; /* of lists in several headers, joined */
};

static const struct row {
    const char *name;
    size_t place; /* in struct http_request */
    enum list list;
} headers[] = {
    {"Host", offsetof(struct http_request, host), ONCE},
    {"Origin", offsetof(struct http_request, origin), ONCE},
    {"Sec-WebSocket-Key", offsetof(struct http_request, key), ONCE},
    {"Sec-WebSocket-Version", offsetof(struct http_request, version), ONCE},
    {"Sec-WebSocket-Protocol", offsetof(struct http_request, protocols), PROTOCOLS},
    {"X-Forwarded-For", offsetof(struct http_request, forwarded_for), FORWARDED_FOR},
};

/* --- lists --- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trimmed(struct span s)
{
    while (s.len && is_space(s.p[0]))
        s = (struct span){s.p + 1, s.len - 1};
    while (s.len && is_space(s.p[s.len - 1]))
        s.len--;
    return s;
}

static bool same_word(struct span s, const char *word)
{
    return s.len == strlen(word) && !strncasecmp(s.p, word, s.len);
}

bool http_lists(struct span list, const char *token)
{
    while (list.len) {
        const char *comma = memchr(list.p, ',', list.len);
        size_t len = comma ? (size_t)(comma - list.p) : list.len;

        if (same_word(trimmed((struct span){list.p, len}), token))
            return true;
        list = comma ? (struct span){comma + 1, list.len - len - 1} : SPAN_NONE;
    }
    return false;
}

struct span http_last_of(struct span list)
{
    size_t at = list.len;

    while (at && list.p[at - 1] != ',')
        at--;
    return list.p ? trimmed((struct span){list.p + at, list.len - at}) : list;
}

/* --- what http-parser tells --- */

/* Its first reason stays. Not 0: http-parser stops. */
static int refuse(struct http *h, int status)
{
    if (!h->status)
        h->status = status;
    return -1;
}

static struct span up_to(struct span s, const char *ends)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr(ends, s.p[i]))
            return (struct span){s.p, i};
    return s;
}

/* scheme://authority/path: http-parser has seen to the part in front of the authority. */
static void read_absolute(struct http *h, struct span target)
{
    size_t scheme = up_to(target, ":").len + strlen("://");
    struct span rest = {target.p + scheme, target.len - scheme};

    h->authority = up_to(rest, "/?");
    rest = (struct span){rest.p + h->authority.len, rest.len - h->authority.len};
    h->request.path = up_to(rest, "?");
    if (!h->request.path.len)
        h->request.path = SPAN_LIT("/");
}

/* The forms of RFC 9112, 3.2. Only CONNECT has a target without a path. */
static int on_target(http_parser *parser, const char *p, size_t len)
{
    struct http *h = parser->data;
    struct span target = h->target = (struct span){p, len};

    if (len > HTTP_TARGET_MAX)
        return refuse(h, TARGET_TOO_LONG);
    for (size_t i = 0; i < len; i++)
        if (p[i] <= ' ' || p[i] > '~' || p[i] == '#')
            return refuse(h, BAD_REQUEST);
    if (parser->method == HTTP_CONNECT)
        h->request.path = SPAN_LIT("");
    else if (p[0] == '/')
        h->request.path = up_to(target, "?");
    else if (p[0] != '*')
        read_absolute(h, target);
    else if (len == 1 && parser->method == HTTP_OPTIONS)
        h->request.path = target;
    else
        return refuse(h, BAD_REQUEST);
    return 0;
}

static int on_name(http_parser *parser, const char *p, size_t len)
{
    struct http *h = parser->data;

    h->name = (struct span){p, len};
    return memchr(p, ' ', len) ? refuse(h, BAD_REQUEST) : 0;
}

/* A value behind those of the same list that came before it. */
static int join(struct http *h, enum list list, struct span *joined, struct span value)
{
    char *room = h->lists[list];
    size_t left = HTTP_VALUE_MAX - joined->len;

    if (left < strlen(", ") || value.len > left - strlen(", "))
        return refuse(h, HEAD_TOO_LARGE);
    if (joined->p != room)
        memcpy(room, joined->p, joined->len);
    memcpy(room + joined->len, ", ", strlen(", "));
    memcpy(room + joined->len + strlen(", "), value.p, value.len);
    *joined = (struct span){room, joined->len + strlen(", ") + value.len};
    return 0;
}

static int keep(struct http *h, const struct row *row, struct span value)
{
    struct span *kept = (struct span *)((char *)&h->request + row->place);

    if (value.len > HTTP_VALUE_MAX)
        return refuse(h, HEAD_TOO_LARGE);
    if (kept->p)
        return row->list == ONCE ? refuse(h, BAD_REQUEST) : join(h, row->list, kept, value);
    *kept = value;
    return 0;
}

static int on_value(http_parser *parser, const char *p, size_t len)
{
    struct http *h = parser->data;
    struct span value = trimmed((struct span){p, len});

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (same_word(h->name, headers[i].name))
            return keep(h, &headers[i], value);
    if (same_word(h->name, "Connection"))
        h->to_upgrade = h->to_upgrade || http_lists(value, "upgrade");
    else if (same_word(h->name, "Upgrade"))
        h->to_websocket = h->to_websocket || http_lists(value, "websocket");
    return 0;
}

/* A name or an address, perhaps with a port: no room for a user's name, a path or a second host. */
static bool is_host(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (!c || !strchr("-._~%:[]", c)))
            return false;
    }
    return s.len > 0;
}

static int on_end(http_parser *parser)
{
    struct http *h = parser->data;
    struct http_request *r = &h->request;

    h->whole = true;
    if (!is_host(r->host) || (h->authority.p && !is_host(h->authority)))
        return refuse(h, BAD_REQUEST);
    if (h->authority.p)
        r->host = h->authority;
    r->method = parser->method == HTTP_GET       ? HTTP_IS_GET
                : parser->method == HTTP_HEAD    ? HTTP_IS_HEAD
                : parser->method == HTTP_OPTIONS ? HTTP_IS_OPTIONS
                                                 : HTTP_IS_OTHER;
    r->upgrade = h->to_upgrade && h->to_websocket;
    r->body = parser->uses_transfer_encoding ||
              ((parser->flags & F_CONTENTLENGTH) && parser->content_length);
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_end,
};

/* --- lines --- */

/* No control bytes, line ends are CRLF, and no line begins with a space: that would be the rest of
 * the one before (RFC 9112, 5.2). Who speaks no HTTP at all is told by the first byte. */
static bool may_follow(const struct http *h, char c)
{
    char before = h->len ? h->text[h->len - 1] : '\0';

    if (!h->len)
        return c == '\r' || (c >= 'A' && c <= 'Z');
    if (before == '\r' || c == '\n')
        return before == '\r' && c == '\n';
    if (before == '\n' && is_space(c))
        return false;
    return c == '\t' || c == '\r' || ((unsigned char)c >= ' ' && c != '\x7F');
}

/* What is wrong with a request line that http-parser accepts: it takes any number of spaces, and
 * HTTX for HTTP. A line without a version is one of HTTP/0.9. */
static int judge_request_line(const struct http *h, struct span line)
{
    struct span before = {line.p, (size_t)(h->target.p - line.p)};
    struct span behind = {h->target.p + h->target.len, line.len - before.len - h->target.len};

    if (before.len < 2 || before.p[before.len - 2] == ' ')
        return BAD_REQUEST;
    if (span_is(behind, "\r\n"))
        return OTHER_VERSION;
    if (behind.len != strlen(" HTTP/1.1\r\n") || memcmp(behind.p, " HTTP/", strlen(" HTTP/")) != 0)
        return BAD_REQUEST;
    return h->parser.http_major != 1 || h->parser.http_minor < 1 ? OTHER_VERSION : 0;
}

static void read_line(struct http *h)
{
    struct span line = {h->text + h->line, h->len - h->line};
    bool first = !h->target.p;
    size_t got = http_parser_execute(&h->parser, &settings, line.p, line.len);
    int status;

    h->line = h->len;
    if (got != line.len || HTTP_PARSER_ERRNO(&h->parser) != HPE_OK)
        (void)refuse(h, BAD_REQUEST);
    else if (first && h->target.p && (status = judge_request_line(h, line)))
        (void)refuse(h, status);
}

static void take(struct http *h, char c)
{
    if (!may_follow(h, c)) {
        (void)refuse(h, BAD_REQUEST);
        return;
    }
    if (h->len == HTTP_HEAD_MAX) {
        (void)refuse(h, HEAD_TOO_LARGE);
        return;
    }
    h->text[h->len++] = c;
    if (!h->target.p && h->len - h->line > REQUEST_LINE_MAX)
        (void)refuse(h, TARGET_TOO_LONG);
    else if (c == '\n')
        read_line(h);
}

/* --- all of it --- */

int http_new(struct http **out)
{
    struct http *h = malloc(sizeof *h); /* the room for text stays as it is until there is some */

    if (!h)
        return -ENOMEM;
    memset(h, 0, offsetof(struct http, text));
    http_parser_init(&h->parser, HTTP_PARSER_REQUEST);
    h->parser.data = h;
    *out = h;
    return 0;
}

enum http_found http_next(struct http *h, struct span *in, struct http_request *out)
{
    size_t used = 0;

    while (used < in->len && !h->whole && !h->status)
        take(h, in->p[used++]);
    if (used)
        *in = (struct span){in->p + used, in->len - used};
    if (h->status) {
        *out = (struct http_request){.status = h->status};
        return HTTP_REFUSED;
    }
    if (!h->whole)
        return HTTP_MORE;
    *out = h->request;
    return HTTP_REQUEST;
}

void http_free(struct http *h)
{
    free(h);
}
