/* SPDX-License-Identifier: MIT */
/*
 * The head of a request is read alike however its bytes come: at once, in pieces that the
 * input chooses, and one by one. What is taken for a request is one to a reader, too,
 * that does no more than to look for lines, colons and spaces.
 *
 * Input: a byte that says how many of the following bytes are lengths of pieces, these
 * lengths, and the head.
 */
#include "tests/fuzz/fuzz.h"

#include <strings.h>

#include "parser/http.h"

enum { TEXT_MAX = HTTP_VALUE_MAX + 8 };

struct answer {
    enum http_found found;
    struct http_request request;
    size_t used; /* bytes of the head */
};

/* `lengths` says how long the pieces are, again and again; absent: all at once. */
static struct answer ask(struct http **h, struct span head, struct span lengths)
{
    struct answer a = {.found = HTTP_MORE};
    size_t next = 0;

    HOLDS(!http_new(h), "no memory");
    while (a.used < head.len && a.found == HTTP_MORE) {
        size_t len = lengths.len ? 1 + (uint8_t)lengths.p[next++ % lengths.len] : head.len;
        struct span copy, in;

        if (len > head.len - a.used)
            len = head.len - a.used;
        copy = in = fuzz_copy((struct span){head.p + a.used, len});
        a.found = http_next(*h, &in, &a.request);
        HOLDS(in.len <= len, "%zu of %zu", in.len, len);
        HOLDS(a.found != HTTP_MORE || !in.len, "wants more, and leaves %zu", in.len);
        a.used += len - in.len;
        fuzz_drop(copy);
    }
    return a;
}

static void same(struct span a, struct span b, const char *what)
{
    HOLDS(!a.p == !b.p && span_eq(a, b), "%s: \"%.*s\", not \"%.*s\"", what, (int)b.len, b.p,
          (int)a.len, a.p);
}

static void compare(const struct answer *a, const struct answer *b)
{
    const struct http_request *r = &a->request, *s = &b->request;

    HOLDS(a->found == b->found && a->used == b->used, "%d at %zu, not %d at %zu", b->found, b->used,
          a->found, a->used);
    if (a->found == HTTP_MORE)
        return;
    HOLDS(r->status == s->status, "%d, not %d", s->status, r->status);
    HOLDS(r->method == s->method && r->upgrade == s->upgrade && r->body == s->body, "another");
    same(r->path, s->path, "path");
    same(r->host, s->host, "host");
    same(r->origin, s->origin, "origin");
    same(r->key, s->key, "key");
    same(r->version, s->version, "version");
    same(r->protocols, s->protocols, "protocols");
    same(r->forwarded_for, s->forwarded_for, "forwarded_for");
}

/* --- lines, colons and spaces --- */

static struct span trimmed(struct span s)
{
    while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    while (s.len && (*s.p == ' ' || *s.p == '\t'))
        s = (struct span){s.p + 1, s.len - 1};
    return s;
}

/* The values of all headers of that name, joined. */
static struct span value_of(struct span head, const char *name, char room[TEXT_MAX])
{
    struct span value = SPAN_NONE;

    (void)fuzz_until(&head, '\n');
    while (head.len) {
        struct span line = fuzz_until(&head, '\n');
        struct span key = fuzz_until(&line, ':'), here;

        if (key.len != strlen(name) || strncasecmp(key.p, name, key.len))
            continue;
        HOLDS(line.len && line.p[line.len - 1] == '\r', "a line that ends in LF alone");
        line.len--;
        here = trimmed(line);
        HOLDS(value.len + here.len + 2 < TEXT_MAX, "%s of %zu bytes", name, value.len + here.len);
        if (value.p) {
            memcpy(room + value.len, ", ", 2);
            value.len += 2;
        }
        memcpy(room + value.len, here.p, here.len);
        value = (struct span){room, value.len + here.len};
    }
    return value;
}

static void has(struct span head, const char *name, struct span value)
{
    static char room[TEXT_MAX];

    same(value_of(head, name, room), value, name);
}

static bool has_token(struct span head, const char *name, const char *token)
{
    static char room[TEXT_MAX * 4];
    struct span list = value_of(head, name, room);

    while (list.len) {
        struct span one = trimmed(fuzz_until(&list, ','));

        if (one.len == strlen(token) && !strncasecmp(one.p, token, one.len))
            return true;
    }
    return false;
}

static bool stands_in(struct span s, struct span text)
{
    return !s.len || memmem(text.p, text.len, s.p, s.len);
}

static bool is_clean(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return true;
}

static void judge_lists(struct span list)
{
    struct span last = http_last_of(list), element = SPAN_NONE, rest = list;

    HOLDS(!last.p == !list.p, "a last element of nothing");
    while (rest.len)
        element = fuzz_until(&rest, ',');
    if (list.len && list.p[list.len - 1] == ',')
        element.len = 0;
    HOLDS(span_eq(trimmed(element), last), "\"%.*s\"", (int)last.len, last.p);
}

/* What was taken for a request is one. */
static void judge_request(const struct http_request *r, struct span head)
{
    struct span line = fuzz_until(&(struct span){head.p, head.len}, '\n');

    HOLDS(head.len <= HTTP_HEAD_MAX, "%zu bytes", head.len);
    HOLDS(head.len > 4 && !memcmp(head.p + head.len - 4, "\r\n\r\n", 4), "ends elsewhere");
    HOLDS(!memmem(head.p, head.len - 1, "\n\r\n", 3) || head.p[0] == '\r', "goes on");
    HOLDS(!r->status, "%d", r->status);
    HOLDS(r->path.p && r->path.len <= HTTP_TARGET_MAX, "%zu bytes of path", r->path.len);
    HOLDS(!r->path.len || *r->path.p == '/' || span_is(r->path, "*"), "no path");
    HOLDS(r->path.len || r->method == HTTP_IS_OTHER, "no path, and a method");
    HOLDS(r->host.len && stands_in(r->host, head), "a host from elsewhere");
    HOLDS(is_clean(r->path) && is_clean(r->host) && is_clean(r->origin) && is_clean(r->key) &&
              is_clean(r->version) && is_clean(r->protocols) && is_clean(r->forwarded_for),
          "control bytes");
    if (head.p[0] == '\r') /* empty lines in front of it: the lines below are others then */
        return;
    HOLDS(line.len > 10 && !memcmp(line.p + line.len - 10, " HTTP/1.", 8), "another version");
    HOLDS(!memmem(line.p, line.len, "  ", 2), "spaces");
    HOLDS(span_is(r->path, "/") || stands_in(r->path, line), "a path from elsewhere");
    has(head, "Origin", r->origin);
    has(head, "Sec-WebSocket-Key", r->key);
    has(head, "Sec-WebSocket-Version", r->version);
    has(head, "Sec-WebSocket-Protocol", r->protocols);
    has(head, "X-Forwarded-For", r->forwarded_for);
    HOLDS(r->upgrade ==
              (has_token(head, "Connection", "upgrade") && has_token(head, "Upgrade", "websocket")),
          "upgrade %d", r->upgrade);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};
    struct span lengths = fuzz_bytes(&in, fuzz_byte(&in) % 16);
    struct http *h[3];
    struct answer whole = ask(&h[0], in, SPAN_NONE), pieces = ask(&h[1], in, lengths),
                  bytes = ask(&h[2], in, (struct span){"", 1});

    compare(&whole, &pieces);
    compare(&whole, &bytes);
    if (whole.found == HTTP_REQUEST) {
        judge_request(&whole.request, (struct span){in.p, whole.used});
        judge_lists(whole.request.forwarded_for);
        judge_lists(whole.request.protocols);
    }
    for (int i = 0; i < 3; i++)
        http_free(h[i]);
    return 0;
}
