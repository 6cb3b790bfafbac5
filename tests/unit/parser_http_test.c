/* SPDX-License-Identifier: MIT */
/*
 * What a request says is told as a text; it is the same for the whole head, byte by byte,
 * and cut in two anywhere. What stands behind a head is left where it is.
 */
#include "parser/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/allocation.h"
#include "tests/support/guard.h"

#define GET    "GET /xmpp HTTP/1.1\r\n"
#define HOST   "Host: example.org\r\n"
#define BEHIND "\x81\x80"

enum { TEXT_MAX = 64 * 1024 };

/* --- reading --- */

static void tell(char *told, size_t size, const char *name, struct span value)
{
    size_t len = strlen(told);

    if (value.p)
        snprintf(told + len, size - len, " %s=%.*s", name, (int)value.len, value.p);
}

static const char *told_of(enum http_found found, const struct http_request *r)
{
    static const char *const methods[] = {
        [HTTP_IS_GET] = "get",
        [HTTP_IS_HEAD] = "head",
        [HTTP_IS_OPTIONS] = "options",
        [HTTP_IS_OTHER] = "other",
    };
    static char told[TEXT_MAX];

    if (found == HTTP_MORE)
        return "more";
    if (found == HTTP_REFUSED) {
        snprintf(told, sizeof told, "%d", r->status);
        return told;
    }
    assert_int_equal(r->status, 0);
    snprintf(told, sizeof told, "%s%s%s", methods[r->method], r->upgrade ? " upgrade" : "",
             r->body ? " body" : "");
    tell(told, sizeof told, "path", r->path);
    tell(told, sizeof told, "host", r->host);
    tell(told, sizeof told, "origin", r->origin);
    tell(told, sizeof told, "key", r->key);
    tell(told, sizeof told, "version", r->version);
    tell(told, sizeof told, "protocols", r->protocols);
    tell(told, sizeof told, "from", r->forwarded_for);
    return told;
}

/* Reads the head in pieces: the first one has `first` bytes, the others have `then`. What is behind
 * the head has to be left. */
static const char *read_cut(struct span head, size_t behind, size_t first, size_t then)
{
    struct http_request r;
    enum http_found found = HTTP_MORE;
    const char *told;
    struct http *h;
    size_t len = first;

    assert_int_equal(http_new(&h), 0);
    for (size_t at = 0; at < head.len && found == HTTP_MORE; at += len, len = then) {
        struct span in;

        if (len > head.len - at)
            len = head.len - at;
        in = guard_copy((struct span){head.p + at, len});
        found = http_next(h, &in, &r);
        if (found == HTTP_MORE)
            assert_int_equal(in.len, 0);
        if (found == HTTP_REQUEST)
            assert_int_equal(head.len - at - len + in.len, behind);
        if (found != HTTP_MORE) { /* it is said again, and nothing more is read */
            size_t left = in.len;

            assert_int_equal(http_next(h, &in, &r), found);
            assert_int_equal(in.len, left);
        }
    }
    told = told_of(found, &r); /* while the spans live */
    http_free(h);
    return told;
}

static void head_of_says(struct span head, size_t behind, const char *what)
{
    assert_string_equal(read_cut(head, behind, head.len, 1), what);
    assert_string_equal(read_cut(head, behind, 1, 1), what);
    for (size_t first = 1; first < head.len && head.len < 1000; first++)
        assert_string_equal(read_cut(head, behind, first, head.len), what);
}

/* However it comes, the head says this, and so it does with something behind it. */
static void head_says(const char *head, const char *what)
{
    char more[TEXT_MAX];

    head_of_says(span_of(head), 0, what);
    snprintf(more, sizeof more, "%s%s", head, BEHIND);
    head_of_says(span_of(more), strlen(BEHIND), what);
}

static void is_refused(const char *head, int status)
{
    char what[16];

    snprintf(what, sizeof what, "%d", status);
    head_of_says(span_of(head), 0, what);
}

/* --- requests --- */

static void an_upgrade_is_read(void **)
{
    head_says("GET /xmpp-websocket HTTP/1.1\r\n"
              "Host: example.org:5281\r\n"
              "User-Agent: a browser\r\n"
              "Upgrade: websocket\r\n"
              "Connection: keep-alive, Upgrade\r\n"
              "Origin: https://chat.example.org\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
              "Sec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Protocol: xmpp\r\n\r\n",
              "get upgrade path=/xmpp-websocket host=example.org:5281 "
              "origin=https://chat.example.org key=dGhlIHNhbXBsZSBub25jZQ== version=13 "
              "protocols=xmpp");
}

static void names_and_tokens_have_any_case(void **)
{
    head_says("GET / HTTP/1.1\r\nhost:a\r\nUPGRADE:WebSocket\r\nconnection:UPGRADE\r\n"
              "sec-websocket-key:b\r\n\r\n",
              "get upgrade path=/ host=a key=b");
}

static void values_have_no_space_around_them(void **)
{
    head_says(GET "Host: \t example.org \t \r\nOrigin:\r\nSec-WebSocket-Key:  \t\r\n\r\n",
              "get path=/xmpp host=example.org origin= key=");
}

static void both_headers_make_an_upgrade(void **)
{
    head_says(GET HOST "Upgrade: websocket\r\n\r\n", "get path=/xmpp host=example.org");
    head_says(GET HOST "Connection: upgrade\r\n\r\n", "get path=/xmpp host=example.org");
    head_says(GET HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
              "get path=/xmpp host=example.org");
    head_says(GET HOST "Connection: close\r\nUpgrade: websocket\r\n\r\n",
              "get path=/xmpp host=example.org");
    head_says(GET HOST "Connection: close\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"
                       "Upgrade: x\r\nConnection: upgrade\r\nConnection: x\r\n\r\n",
              "get upgrade path=/xmpp host=example.org");
}

static void lists_in_several_headers_are_joined(void **)
{
    head_says(GET HOST "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nSec-WebSocket-Protocol: a\r\n"
                       "X-Forwarded-For: ::1\r\nSec-WebSocket-Protocol: xmpp, b\r\n"
                       "X-Forwarded-For:\r\n\r\n",
              "get path=/xmpp host=example.org protocols=a, xmpp, b "
              "from=192.0.2.1, 192.0.2.2, ::1, ");
}

static void methods_are_three_and_others(void **)
{
    head_says("HEAD / HTTP/1.1\r\n" HOST "\r\n", "head path=/ host=example.org");
    head_says("OPTIONS /a HTTP/1.1\r\n" HOST "\r\n", "options path=/a host=example.org");
    head_says("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "options path=* host=example.org");
    head_says("DELETE / HTTP/1.1\r\n" HOST "\r\n", "other path=/ host=example.org");
    head_says("CONNECT example.org:443 HTTP/1.1\r\n" HOST "\r\n", "other path= host=example.org");
    is_refused("BREW / HTTP/1.1\r\n", 400);
    is_refused("get / HTTP/1.1\r\n", 400);
}

static void a_path_has_no_query_and_is_left_as_it_is(void **)
{
    head_says("GET /a%2Fb%00/../?c=/d?e HTTP/1.1\r\n" HOST "\r\n",
              "get path=/a%2Fb%00/../ host=example.org");
    head_says("GET /? HTTP/1.1\r\n" HOST "\r\n", "get path=/ host=example.org");
    head_says("GET //a HTTP/1.1\r\n" HOST "\r\n", "get path=//a host=example.org");
}

static void an_absolute_target_has_a_path_and_the_host(void **)
{
    head_says("GET https://example.net:1/a?b HTTP/1.1\r\n" HOST "\r\n",
              "get path=/a host=example.net:1");
    head_says("GET ws://[::1] HTTP/1.1\r\n" HOST "\r\n", "get path=/ host=[::1]");
    head_says("GET ws://a?b/c HTTP/1.1\r\n" HOST "\r\n", "get path=/ host=a");
    is_refused("GET http://user:word@example.net/ HTTP/1.1\r\n" HOST "\r\n", 400);
    is_refused("GET http://example.net/ HTTP/1.1\r\n\r\n", 400);
    is_refused("GET http:/// HTTP/1.1\r\n" HOST "\r\n", 400);
}

static void a_body_is_announced_by_either_header(void **)
{
    head_says(GET HOST "Content-Length: 1\r\n\r\n", "get body path=/xmpp host=example.org");
    head_says(GET HOST "Content-Length: 0\r\n\r\n", "get path=/xmpp host=example.org");
    head_says("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
              "other body path=/ host=example.org");
    head_says(GET HOST "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n",
              "get upgrade body path=/xmpp host=example.org");
}

static void empty_lines_in_front_are_skipped(void **)
{
    head_says("\r\n\r\n" GET HOST "\r\n", "get path=/xmpp host=example.org");
}

static void a_head_that_stops_is_not_whole(void **)
{
    struct span head = SPAN_LIT(GET HOST "Origin: a\r\n\r\n");

    for (size_t len = 1; len < head.len; len++)
        head_of_says((struct span){head.p, len}, 0, "more");
}

/* --- refused --- */

static void other_versions_are_refused(void **)
{
    is_refused("GET / HTTP/1.0\r\n", 505);
    is_refused("GET / HTTP/2.0\r\n", 505);
    is_refused("GET / HTTP/0.9\r\n", 505);
    is_refused("GET /\r\n", 505);
    head_says("GET / HTTP/1.2\r\n" HOST "\r\n", "get path=/ host=example.org");
}

static void request_lines_that_are_none_are_refused(void **)
{
    static const char *const lines[] = {
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.10\r\n",
        "GET / HTTP/1\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET  / HTTP/1.1\r\n",
        "GET /  HTTP/1.1\r\n",
        "GET / \r\n",
        "GET / HTTX/1.1\r\n",
        "SOURCE / ICE/1.1\r\n",
        "GET a HTTP/1.1\r\n",
        "GET * HTTP/1.1\r\n",
        "OPTIONS *a HTTP/1.1\r\n",
        "GET /a#b HTTP/1.1\r\n",
        "GET /a\tb HTTP/1.1\r\n",
        "GET /\xc3\xa4 HTTP/1.1\r\n",
        " GET / HTTP/1.1\r\n",
        "<stream:stream xmlns='jabber:client'>",
        "\x16\x03\x01",
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        is_refused(lines[i], 400);
}

/* RFC 9112, 3.2; what two servers would read differently. */
static void headers_that_are_none_are_refused(void **)
{
    static const char *const rests[] = {
        "\r\n",
        "Host:\r\n\r\n",
        "Host: a, b\r\n\r\n",
        "Host: a/b\r\n\r\n",
        "Host: a@b\r\n\r\n",
        HOST "Host: example.org\r\n",
        HOST "Origin: a\r\nOrigin: a\r\n",
        HOST "Sec-WebSocket-Key: a\r\nSec-WebSocket-Key: a\r\n",
        HOST "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n",
        HOST "Origin : a\r\n",
        HOST "Ori gin: a\r\n",
        HOST "Origin\r\n",
        HOST ": a\r\n",
        HOST "Origin: a\r\n b\r\n",
        HOST "Origin: a\r\n\tb\r\n",
        HOST "Cookie: a\r\n b\r\n\r\n",
        HOST "Cookie:\r\n\tb\r\n\r\n",
        HOST " \r\n\r\n",
        HOST "Origin: a\n",
        HOST "\n",
        HOST "Origin: a\rb",
        HOST "\rb",
        HOST "\r\r\n",
        HOST "Origin: \x01",
        HOST "Origin: a\x7f",
        HOST "Origin: a\x0b",
        HOST "Content-Length: 1\r\nContent-Length: 1\r\n",
        HOST "Content-Length: 1\r\nContent-Length: 2\r\n",
        HOST "Content-Length: 1, 1\r\n",
        HOST "Content-Length: +1\r\n",
        HOST "Content-Length: \r\n\r\n",
        HOST "Content-Length: 99999999999999999999\r\n",
        HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        HOST "Transfer-Encoding: gzip\r\n\r\n",
        HOST "Transfer-Encoding: xchunked\r\n\r\n",
        HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
    };
    char head[1024];

    for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
        snprintf(head, sizeof head, "%s%s", GET, rests[i]);
        is_refused(head, 400);
    }
}

static void a_zero_is_refused_wherever_it_is(void **)
{
    static const char head[] = GET HOST "Origin: a\r\n\r\n";
    char changed[sizeof head];

    for (size_t at = 0; at < sizeof head - 1; at++) {
        memcpy(changed, head, sizeof head);
        changed[at] = '\0';
        head_of_says((struct span){changed, sizeof head - 1}, 0, "400");
    }
}

/* --- bounds --- */

static char filled[TEXT_MAX];

/* The format with so many times x in the place of its %s. */
static const char *filled_with(const char *format, size_t len)
{
    static char x[TEXT_MAX];

    assert_true(len < sizeof x);
    memset(x, 'x', len);
    x[len] = '\0';
    assert_true((size_t)snprintf(filled, sizeof filled, format, x) < sizeof filled);
    return filled;
}

static bool is_read(const char *head)
{
    return !strncmp(read_cut(span_of(head), 0, strlen(head), 1), "get", 3);
}

static void a_target_has_a_bound(void **)
{
    assert_true(is_read(filled_with("GET /%s HTTP/1.1\r\n" HOST "\r\n", HTTP_TARGET_MAX - 1)));
    is_refused(filled_with("GET /%s HTTP/1.1\r\n" HOST "\r\n", HTTP_TARGET_MAX), 414);
    is_refused(filled_with("GET /%s", HTTP_TARGET_MAX + 100), 414); /* its end is not awaited */
    is_refused(filled_with("GET /?%s HTTP/1.1\r\n", HTTP_TARGET_MAX), 414);
    is_refused(filled_with("GET /%s HTTP/1.0\r\n", HTTP_TARGET_MAX), 414);
}

static void values_that_are_looked_at_have_a_bound(void **)
{
    static const char *const names[] = {"Host",
                                        "Origin",
                                        "Sec-WebSocket-Key",
                                        "Sec-WebSocket-Version",
                                        "Sec-WebSocket-Protocol",
                                        "X-Forwarded-For"};
    char format[128];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(format, sizeof format, GET "%s%s: %%s\r\n\r\n", i ? HOST : "", names[i]);
        assert_true(is_read(filled_with(format, HTTP_VALUE_MAX)));
        is_refused(filled_with(format, HTTP_VALUE_MAX + 1), 431);
    }
    assert_true(is_read(filled_with(GET HOST "Cookie: %s\r\n\r\n", 2 * HTTP_VALUE_MAX)));
}

static void a_joined_list_has_the_same_bound(void **)
{
    static const char format[] = GET HOST "X-Forwarded-For: %s\r\nX-Forwarded-For: a\r\n\r\n";

    assert_true(is_read(filled_with(format, HTTP_VALUE_MAX - 3)));
    is_refused(filled_with(format, HTTP_VALUE_MAX - 2), 431);
    is_refused(filled_with(format, HTTP_VALUE_MAX - 1), 431);
    is_refused(filled_with(format, HTTP_VALUE_MAX), 431);
}

static void a_head_has_a_bound(void **)
{
    static const char format[] = GET HOST "A: %s\r\n\r\n";
    size_t rest = sizeof format - 1 - 2;

    assert_true(is_read(filled_with(format, HTTP_HEAD_MAX - rest)));
    is_refused(filled_with(format, HTTP_HEAD_MAX - rest + 1), 431);
    is_refused(filled_with(GET HOST "A: %s", HTTP_HEAD_MAX), 431);
    is_refused(filled_with(GET "%s", HTTP_HEAD_MAX), 431);
}

static void empty_lines_in_front_have_a_bound(void **)
{
    for (size_t i = 0; i <= HTTP_HEAD_MAX; i++)
        filled[i] = i % 2 ? '\n' : '\r';
    filled[HTTP_HEAD_MAX + 1] = '\0';
    is_refused(filled, 431);
}

/* --- lists --- */

static bool lists(const char *list, const char *token)
{
    return http_lists(guard_copy(span_of(list)), token);
}

static void a_token_is_found_in_a_list(void **)
{
    assert_true(lists("xmpp", "xmpp"));
    assert_true(lists("a, \tXmpp \t,b", "xmpp"));
    assert_true(lists(",,xmpp", "xmpp"));
    assert_false(lists("", "xmpp"));
    assert_false(lists(NULL, "xmpp"));
    assert_false(lists("xmp, xmppp, x mpp", "xmpp"));
    assert_false(lists("\"xmpp\"", "xmpp"));
}

static bool last_is(const char *list, const char *last)
{
    return span_is(http_last_of(guard_copy(span_of(list))), last);
}

static void the_last_of_a_list_is_behind_the_last_comma(void **)
{
    assert_true(last_is("192.0.2.1", "192.0.2.1"));
    assert_true(last_is("192.0.2.1, \t::1 ", "::1"));
    assert_true(last_is("192.0.2.1, ", ""));
    assert_true(last_is("", ""));
    assert_true(last_is(",a", "a"));
    assert_null(http_last_of(SPAN_NONE).p);
}

static void memory_may_lack(void **)
{
    size_t blocks = allocation_blocks();
    struct http *h = NULL;
    int r;

    allocation_fail(1, ALLOCATION_ONE);
    r = http_new(&h);
    assert_true(allocation_relent());
    assert_int_equal(r, -ENOMEM);
    assert_null(h);
    http_free(NULL);
    assert_int_equal(allocation_blocks(), blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upgrade_is_read),
        cmocka_unit_test(names_and_tokens_have_any_case),
        cmocka_unit_test(values_have_no_space_around_them),
        cmocka_unit_test(both_headers_make_an_upgrade),
        cmocka_unit_test(lists_in_several_headers_are_joined),
        cmocka_unit_test(methods_are_three_and_others),
        cmocka_unit_test(a_path_has_no_query_and_is_left_as_it_is),
        cmocka_unit_test(an_absolute_target_has_a_path_and_the_host),
        cmocka_unit_test(a_body_is_announced_by_either_header),
        cmocka_unit_test(empty_lines_in_front_are_skipped),
        cmocka_unit_test(a_head_that_stops_is_not_whole),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(request_lines_that_are_none_are_refused),
        cmocka_unit_test(headers_that_are_none_are_refused),
        cmocka_unit_test(a_zero_is_refused_wherever_it_is),
        cmocka_unit_test(a_target_has_a_bound),
        cmocka_unit_test(values_that_are_looked_at_have_a_bound),
        cmocka_unit_test(a_joined_list_has_the_same_bound),
        cmocka_unit_test(a_head_has_a_bound),
        cmocka_unit_test(empty_lines_in_front_have_a_bound),
        cmocka_unit_test(a_token_is_found_in_a_list),
        cmocka_unit_test(the_last_of_a_list_is_behind_the_last_comma),
        cmocka_unit_test(memory_may_lack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
