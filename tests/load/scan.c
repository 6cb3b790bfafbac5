/* SPDX-License-Identifier: MIT */
/*
 * A scanner of one byte at a time, which stops where an item ends.
 */
#include "tests/load/scan.h"

#include <string.h>

enum state { IN_TEXT, BEHIND_LESS, IN_START, IN_END, IN_DECLARATION };

/* Between items only white space is allowed; it is dropped. */
static void skip_blanks(struct bytes *in)
{
    size_t n = 0, len = bytes_len(in);

    while (n < len && strchr(" \t\r\n", bytes_front(in)[n]))
        n++;
    if (n)
        bytes_take(in, n);
}

/* The byte ends a tag: what that means at this depth. */
static enum scan_found tag_ends(struct scan *s, char before)
{
    enum state state = s->state;

    s->state = IN_TEXT;
    if (state == IN_DECLARATION)
        return s->depth ? SCAN_BROKEN : SCAN_MORE;
    if (state == IN_END) {
        if (!s->depth) /* of the stream before, whose successor never began */
            return SCAN_CLOSING;
        s->depth--;
        return s->depth == 0 ? SCAN_CLOSING : s->depth == 1 ? SCAN_ITEM : SCAN_MORE;
    }
    if (before == '/')
        return s->depth == 0 ? SCAN_BROKEN : s->depth == 1 ? SCAN_ITEM : SCAN_MORE;
    return s->depth++ == 0 ? SCAN_HEADER : SCAN_MORE;
}

static enum scan_found look_at(struct scan *s, char c, char before)
{
    switch ((enum state)s->state) {
    case IN_TEXT:
        if (c == '<')
            s->state = BEHIND_LESS;
        else if (s->depth < 2 && s->depth + s->at != 0 && !strchr(" \t\r\n", c))
            return SCAN_BROKEN;
        return SCAN_MORE;
    case BEHIND_LESS:
        s->state = c == '/' ? IN_END : c == '?' ? IN_DECLARATION : IN_START;
        return c == '!' || c == '>' ? SCAN_BROKEN : SCAN_MORE;
    case IN_START:
    case IN_END:
    case IN_DECLARATION:
        if (s->quote) {
            if (c == s->quote)
                s->quote = 0;
        } else if (c == '"' || c == '\'') {
            s->quote = c;
        } else if (c == '>') {
            return tag_ends(s, before);
        }
        return SCAN_MORE;
    }
    return SCAN_BROKEN;
}

enum scan_found scan_next(struct scan *s, struct bytes *in, struct text *out)
{
    enum scan_found found = SCAN_MORE;
    size_t len;

    bytes_take(in, s->given);
    s->given = 0;
    if (!s->at)
        skip_blanks(in);
    len = bytes_len(in);
    while (s->at < len && found == SCAN_MORE) {
        const char *p = bytes_front(in);

        if (s->state == IN_TEXT && s->depth >= 2) { /* most of what comes is this */
            const char *less = memchr(p + s->at, '<', len - s->at);

            s->at = less ? (size_t)(less - p) : len;
            if (!less)
                break;
        }
        found = look_at(s, p[s->at], s->at ? p[s->at - 1] : 0);
        s->at++;
    }
    if (found == SCAN_MORE || found == SCAN_BROKEN)
        return found;
    *out = (struct text){bytes_front(in), s->at};
    s->given = s->at;
    s->at = 0;
    return found;
}

bool scan_halfway(const struct scan *s, const struct bytes *in)
{
    return bytes_len(in) > s->given;
}

/* --- looking into an item --- */

static bool ends_name(char c)
{
    return c == ' ' || c == '>' || c == '/' || c == '=' || c == '\n' || c == '\t' || c == '\r';
}

static size_t name_len(const char *p, size_t max)
{
    size_t n = 0;

    while (n < max && !ends_name(p[n]))
        n++;
    return n;
}

bool text_is(struct text t, const char *s)
{
    return t.len == strlen(s) && !memcmp(t.p, s, t.len);
}

bool item_is(struct text item, const char *name)
{
    size_t len = item.len > 1 ? name_len(item.p + 1, item.len - 1) : 0;
    const char *colon = len ? memchr(item.p + 1, ':', len) : NULL;
    const char *local = colon ? colon + 1 : item.p + 1;

    return len && text_is((struct text){local, (size_t)(item.p + 1 + len - local)}, name);
}

bool item_attribute(struct text item, const char *name, struct text *out)
{
    const char *p = item.p + 1, *end = item.p + item.len;

    p += name_len(p, (size_t)(end - p));
    while (p < end && *p != '>') {
        size_t len = name_len(p, (size_t)(end - p));
        struct text found = {p, len};
        const char *value;

        if (!len) {
            p++;
            continue;
        }
        p += len;
        if (end - p < 2 || *p != '=')
            return false;
        if (!(value = memchr(p + 2, p[1], (size_t)(end - p - 2))))
            return false;
        if (text_is(found, name)) {
            *out = (struct text){p + 2, (size_t)(value - p - 2)};
            return true;
        }
        p = value + 1;
    }
    return false;
}

bool item_number(struct text item, const char *name, uint32_t *out)
{
    uint64_t sum = 0;
    struct text t;

    if (!item_attribute(item, name, &t) || !t.len || t.len > 10)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        if (t.p[i] < '0' || t.p[i] > '9')
            return false;
        sum = sum * 10 + (uint64_t)(t.p[i] - '0');
    }
    *out = (uint32_t)sum;
    return sum <= UINT32_MAX;
}

bool item_has(struct text item, const char *part)
{
    return memmem(item.p, item.len, part, strlen(part)) != NULL;
}
