/* SPDX-License-Identifier: MIT */
/*
 * Writing by appending to a pen that knows its room. No element can be longer than
 * its room, so running out of it is a mistake of ours.
 */
#include "sm/wire.h"

#include <assert.h>
#include <string.h>

struct pen {
    char *out;
    size_t len, room;
};

static void put(struct pen *p, const char *text, size_t len)
{
    assert(len <= p->room - p->len);
    memcpy(p->out + p->len, text, len);
    p->len += len;
}

static void word(struct pen *p, const char *text)
{
    put(p, text, strlen(text));
}

static void decimal(struct pen *p, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    put(p, digits + at, sizeof digits - at);
}

static void hex(struct pen *p, uint64_t n)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put(p, &"0123456789abcdef"[n >> shift & 15], 1);
}

/* For inside of an attribute in single quotes. */
static void escaped(struct pen *p, struct sm_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '&')
            word(p, "&amp;");
        else if (text.p[i] == '<')
            word(p, "&lt;");
        else if (text.p[i] == '\'')
            word(p, "&apos;");
        else
            put(p, text.p + i, 1);
    }
}

static void open_sm(struct pen *p, const char *name, bool ns2)
{
    word(p, "<");
    word(p, name);
    word(p, ns2 ? " xmlns='urn:xmpp:sm:2'" : " xmlns='urn:xmpp:sm:3'");
}

static void attribute_h(struct pen *p, uint32_t h)
{
    word(p, " h='");
    decimal(p, h);
    word(p, "'");
}

size_t sm_wire_enabled(char out[SM_WIRE_MAX], bool ns2, const char *id, uint64_t max_ms)
{
    struct pen p = {out, 0, SM_WIRE_MAX};

    open_sm(&p, "enabled", ns2);
    if (id) {
        word(&p, " id='");
        word(&p, id);
        word(&p, "' resume='true' max='");
        decimal(&p, max_ms < 1000 ? 1 : max_ms / 1000); /* schema: a positive integer */
        word(&p, "'");
    }
    word(&p, "/>");
    return p.len;
}

size_t sm_wire_resumed(char out[SM_WIRE_MAX], bool ns2, uint32_t h, const char *previd)
{
    struct pen p = {out, 0, SM_WIRE_MAX};

    open_sm(&p, "resumed", ns2);
    attribute_h(&p, h);
    word(&p, " previd='");
    word(&p, previd);
    word(&p, "'/>");
    return p.len;
}

size_t sm_wire_failed(char out[SM_WIRE_MAX], bool ns2, const char *condition, const uint32_t *h)
{
    struct pen p = {out, 0, SM_WIRE_MAX};

    open_sm(&p, "failed", ns2);
    if (h)
        attribute_h(&p, *h);
    word(&p, "><");
    word(&p, condition);
    word(&p, " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
    return p.len;
}

size_t sm_wire_a(char out[SM_WIRE_MAX], bool ns2, uint32_t h)
{
    struct pen p = {out, 0, SM_WIRE_MAX};

    open_sm(&p, "a", ns2);
    attribute_h(&p, h);
    word(&p, "/>");
    return p.len;
}

size_t sm_wire_r(char out[SM_WIRE_MAX], bool ns2)
{
    struct pen p = {out, 0, SM_WIRE_MAX};

    open_sm(&p, "r", ns2);
    word(&p, "/>");
    return p.len;
}

size_t sm_wire_too_high(char out[SM_WIRE_MAX], bool ns2, uint32_t h, uint32_t sent)
{
    struct pen p = {out, 0, SM_WIRE_MAX};

    word(&p, "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
    open_sm(&p, "handled-count-too-high", ns2);
    attribute_h(&p, h);
    word(&p, " send-count='");
    decimal(&p, sent);
    word(&p, "'/></stream:error>");
    return p.len;
}

size_t sm_wire_probe(char out[SM_WIRE_PROBE], struct sm_text domain, uint64_t id)
{
    struct pen p = {out, 0, SM_WIRE_PROBE};

    assert(domain.len <= SM_WIRE_DOMAIN);
    word(&p, "<iq type='get' id='hf-");
    hex(&p, id);
    word(&p, "' to='");
    escaped(&p, domain);
    word(&p, "'><ping xmlns='urn:xmpp:ping'/></iq>");
    return p.len;
}

bool sm_wire_probe_id(uint64_t *id, struct sm_text text)
{
    uint64_t n = 0;

    if (text.len != 3 + 16 || memcmp(text.p, "hf-", 3))
        return false;
    for (size_t i = 3; i < text.len; i++) {
        char c = text.p[i];

        if (c >= '0' && c <= '9')
            n = n << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *id = n;
    return true;
}
