/* SPDX-License-Identifier: MIT */
/*
 * The head of one HTTP/1.1 request (RFC 9112): the upgrade to a WebSocket, or something
 * small that is asked for on the same port. http-parser reads it, line by line.
 *
 * A connection makes one request. So there is nothing behind the head that could be taken
 * for a second one, and whatever two readers might read differently is refused.
 */
#pragma once

#include "parser/span.h"

/* Bytes: of the head, of the target in it, of a value that is looked at (a Cookie may be longer).
 */
enum { HTTP_HEAD_MAX = 16384, HTTP_TARGET_MAX = 2048, HTTP_VALUE_MAX = 4096 };

enum http_method {
    HTTP_IS_GET,
    HTTP_IS_HEAD,
    HTTP_IS_OPTIONS,
    HTTP_IS_OTHER,
};

enum http_found {
    HTTP_MORE,    /* all of the input was used */
    HTTP_REQUEST, /* the head is whole; *in begins behind it */
    HTTP_REFUSED, /* `status` says why: 400, 414, 431, 505; it is said again by the next call */
};

/* Absent is what was not sent. Values have no space around them. */
struct http_request {
    enum http_method method;
    struct span path; /* without query; percent-encoding left as it is; of OPTIONS perhaps "*" */
    struct span host; /* of the target if that names one, as RFC 9112, 3.2.2 has it */
    struct span origin;
    struct span key, version;  /* Sec-WebSocket-Key, -Version */
    struct span protocols;     /* Sec-WebSocket-Protocol; all of them, joined by ", " */
    struct span forwarded_for; /* X-Forwarded-For; likewise */
    bool upgrade;              /* Connection has the token upgrade, and Upgrade has websocket */
    bool body;                 /* one is announced: nothing here takes it */
    int status;                /* with HTTP_REFUSED */
};

struct http; /* about 24 KB, for as long as the request is read */

/* 0 or -ENOMEM. */
[[nodiscard]] int http_new(struct http **out);

/* Reads on. *in is moved on past what was taken. The spans of the request lie in `h` and live as
 * long; *out is written with HTTP_REQUEST and HTTP_REFUSED only. */
[[nodiscard]] enum http_found http_next(struct http *h, struct span *in, struct http_request *out);

/* NULL is fine. */
void http_free(struct http *h);

/* True if the token is an element of the list, whose elements have commas between them; in whatever
 * case. An absent list has none. */
[[nodiscard]] bool http_lists(struct span list, const char *token);

/* The last element without the space around it, empty if nothing is behind the last comma; absent
 * if the list is. */
[[nodiscard]] struct span http_last_of(struct span list);
