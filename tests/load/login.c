/* SPDX-License-Identifier: MIT */
/*
 * From the first byte to <resumed/> or <enabled/>. A stream that pipelines says it all once TLS is
 * there, and then sees that the answers come in their order.
 */
#include "tests/load/stream.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define BIND "urn:ietf:params:xml:ns:xmpp-bind"

static void put_header(struct stream *s)
{
    struct bytes *page = &s->client->crowd->page;

    bytes_print(page,
                "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' "
                "xmlns:stream='http://etherx.jabber.org/streams'>",
                s->client->crowd->options.domain);
    wire_put(&s->wire, bytes_front(page), bytes_len(page));
    bytes_clear(page);
}

static void put_auth(struct stream *s)
{
    struct bytes *page = &s->client->crowd->page;
    unsigned char plain[sizeof s->client->user + 16], text[2 * sizeof plain];
    int len = snprintf((char *)plain, sizeof plain, "%c%s%csecret", 0, s->client->user, 0);

    EVP_EncodeBlock(text, plain, len);
    bytes_print(page, "<auth xmlns='" SASL "' mechanism='PLAIN'>%s</auth>", text);
    wire_put(&s->wire, bytes_front(page), bytes_len(page));
    bytes_clear(page);
}

static void begin(struct stream *s, enum step step)
{
    s->step = step;
    put_header(s);
    if (step == STEP_OFFER && s->pipelines) {
        put_auth(s);
        put_header(s);
        client_resume(s->client, s);
    }
    wire_flush(&s->wire);
}

void login_connected(struct stream *s)
{
    const struct options *o = &s->client->crowd->options;
    bool direct = o->tls.sin_port && s->step == STEP_SECURE;

    if (!direct) {
        begin(s, STEP_CLEAR);
        return;
    }
    wire_secure(&s->wire, s->client->crowd->tls, o->domain, dice_share(&s->client->dice, .5));
}

void login_secure(struct stream *s)
{
    if (SSL_session_reused(s->wire.ssl))
        s->client->crowd->counts.tickets++;
    s->scan = (struct scan){0};
    begin(s, STEP_OFFER);
}

static void wrong(struct stream *s, struct text item)
{
    crowd_fault(s->client->crowd, s->client->jid, "step %d of the login: %.*s", s->step,
                (int)(item.len < 300 ? item.len : 300), item.p);
    stream_end(s, WIRE_RESET);
    client_lost(s->client, s);
}

static void bind_resource(struct stream *s)
{
    s->step = STEP_BIND;
    wire_puts(&s->wire, "<iq type='set' id='bind'><bind xmlns='" BIND "'><resource>soak</resource>"
                        "</bind></iq>");
}

static void features(struct stream *s, struct text item)
{
    if (!item_has(item, "urn:xmpp:sm:3") || !item_has(item, BIND)) {
        wrong(s, item);
    } else if (s->resumes && !s->asked_for) {
        client_resume(s->client, s);
        s->step = STEP_RESUME;
    } else if (s->resumes) {
        s->step = STEP_RESUME;
    } else if (s->stale) {
        s->step = STEP_RESUME;
        bytes_print(&s->client->crowd->page, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>",
                    s->client->closed_id);
        wire_put(&s->wire, bytes_front(&s->client->crowd->page),
                 bytes_len(&s->client->crowd->page));
        bytes_clear(&s->client->crowd->page);
    } else {
        bind_resource(s);
    }
}

/* <failed/>: only for a session that was closed, and then with no more than was said in it. */
static void refused(struct stream *s, struct text item)
{
    uint32_t h;

    if (s->resumes) {
        if (client_refused(s->client, s, item))
            bind_resource(s);
        return;
    }
    if (!s->stale || !item_has(item, "<item-not-found") ||
        (item_number(item, "h", &h) && h > s->client->closed_h)) {
        wrong(s, item);
        return;
    }
    s->client->crowd->counts.stale++;
    s->stale = false;
    bind_resource(s);
}

static void start_tls(struct stream *s)
{
    const struct options *o = &s->client->crowd->options;

    s->step = STEP_SECURE;
    s->scan = (struct scan){0};
    bytes_clear(&s->wire.in);
    wire_secure(&s->wire, s->client->crowd->tls, o->domain, dice_share(&s->client->dice, .5));
}

static void authenticate(struct stream *s)
{
    s->step = STEP_SUCCESS;
    if (!s->pipelines)
        put_auth(s);
}

static void restart(struct stream *s)
{
    s->step = STEP_FEATURES;
    s->scan.depth = 0;
    if (!s->pipelines)
        put_header(s);
}

void login_item(struct stream *s, bool header, struct text item)
{
    const char *expected[] = {
        [STEP_CLEAR] = "features",  [STEP_PROCEED] = "proceed",   [STEP_OFFER] = "features",
        [STEP_SUCCESS] = "success", [STEP_FEATURES] = "features", [STEP_RESUME] = "resumed",
        [STEP_BIND] = "iq",         [STEP_ENABLE] = "enabled",
    };

    if (header)
        return;
    if (s->step == STEP_RESUME && item_is(item, "failed")) {
        refused(s, item);
    } else if (s->step >= STEP_LIVE || !expected[s->step] || !item_is(item, expected[s->step])) {
        wrong(s, item);
    } else if (s->step == STEP_CLEAR) {
        s->step = STEP_PROCEED;
        wire_puts(&s->wire, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    } else if (s->step == STEP_PROCEED) {
        start_tls(s);
    } else if (s->step == STEP_OFFER) {
        authenticate(s);
    } else if (s->step == STEP_SUCCESS) {
        restart(s);
    } else if (s->step == STEP_FEATURES) {
        features(s, item);
    } else if (s->step == STEP_RESUME) {
        client_resumed(s->client, s, item);
    } else if (s->step == STEP_BIND) {
        client_enable(s->client, s);
    } else {
        client_enabled(s->client, s, item);
    }
}
