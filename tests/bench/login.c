/* SPDX-License-Identifier: MIT */
/*
 * The way of a client to a session, step by step as most clients go it: nothing is sent before the
 * last answer is there.
 */
#include "tests/bench/swarm.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define SM "urn:xmpp:sm:3"

static void say_header(struct client *c)
{
    c->channel.scan = (struct scan){0};
    bytes_clear(&c->channel.in);
    bytes_print(&c->channel.out,
                "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client'"
                " xmlns:stream='http://etherx.jabber.org/streams'>",
                c->swarm->domain);
}

static void fail(struct client *c, struct text item)
{
    char why[300];

    snprintf(why, sizeof why, "step %d: %.*s", c->login, (int)item.len, item.p);
    swarm_lost(c->swarm, c, why);
}

void login_begin(struct client *c)
{
    c->login = LOGIN_NONE;
    if (!channel_open(&c->channel, c->swarm->loop, &c->swarm->to))
        swarm_lost(c->swarm, c, "no socket");
}

void login_open(struct client *c)
{
    if (!c->swarm->plain && !c->swarm->starttls) {
        channel_secure(&c->channel, c->swarm->tls, c->swarm->domain);
        return;
    }
    say_header(c);
    c->login = c->swarm->starttls ? LOGIN_HEADER : LOGIN_FEATURES;
    channel_flush(&c->channel);
}

void login_secure(struct client *c)
{
    if (c->swarm->knocks) {
        swarm_knocked(c->swarm, c);
        return;
    }
    say_header(c);
    c->login = LOGIN_FEATURES;
    channel_flush(&c->channel);
}

static void authenticate(struct client *c)
{
    unsigned char secret[400];
    char plain[256];
    int len = snprintf(plain, sizeof plain, "%cu%u%c%s", 0, c->number, 0, c->swarm->password);

    EVP_EncodeBlock(secret, (const unsigned char *)plain, len);
    bytes_print(&c->channel.out,
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
                (const char *)secret);
}

static void bind_or_resume(struct client *c)
{
    if (c->id[0]) {
        bytes_print(&c->channel.out, "<resume xmlns='" SM "' previd='%s' h='%u'/>", c->id,
                    c->handled);
        c->login = LOGIN_ENABLE;
        return;
    }
    bytes_print(&c->channel.out,
                "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                "<resource>bench</resource></bind></iq>");
    c->login = LOGIN_BIND;
}

static void enable(struct client *c)
{
    bytes_print(&c->channel.out, "<presence/>");
    if (!c->swarm->managed) {
        channel_flush(&c->channel);
        client_live(c);
        return;
    }
    bytes_print(&c->channel.out, "<enable xmlns='" SM "' resume='true'/>");
    c->said = c->acked = c->asked = c->handled = c->due = c->heard = 0;
    c->login = LOGIN_ENABLE;
}

static void enabled(struct client *c, struct text item)
{
    struct text id;

    if (item_is(item, "resumed")) {
        client_resumed(c, item);
    } else if (item_is(item, "enabled") && item_attribute(item, "id", &id) &&
               id.len < sizeof c->id) {
        snprintf(c->id, sizeof c->id, "%.*s", (int)id.len, id.p);
        client_live(c);
    } else if (item_is(item, "failed")) {
        c->swarm->counts.refused++;
        fail(c, item);
    }
}

void login_item(struct client *c, enum scan_found found, struct text item)
{
    if (found == SCAN_CLOSING || item_is(item, "error") || item_is(item, "failure")) {
        fail(c, item);
        return;
    }
    if (found == SCAN_HEADER)
        return;
    if (c->login == LOGIN_HEADER && item_is(item, "features")) {
        bytes_print(&c->channel.out, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        c->login = LOGIN_PROCEED;
    } else if (c->login == LOGIN_PROCEED && item_is(item, "proceed")) {
        channel_secure(&c->channel, c->swarm->tls, c->swarm->domain);
        return;
    } else if (c->login == LOGIN_FEATURES && item_is(item, "features")) {
        authenticate(c);
        c->login = LOGIN_SUCCESS;
    } else if (c->login == LOGIN_SUCCESS && item_is(item, "success")) {
        say_header(c);
        c->login = LOGIN_AGAIN;
    } else if (c->login == LOGIN_AGAIN && item_is(item, "features")) {
        bind_or_resume(c);
    } else if (c->login == LOGIN_BIND && item_is(item, "iq")) {
        enable(c);
    } else if (c->login == LOGIN_ENABLE) {
        enabled(c, item);
    }
    channel_flush(&c->channel);
}
