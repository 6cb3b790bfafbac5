/* SPDX-License-Identifier: MIT */
/*
 * Logins are believed, but mallory's. SCRAM and DIGEST-MD5 have their steps, not their
 * arithmetic: to Holdfast it is all base64.
 */
#include "tests/fuzz/negotiation_answer.h"

#include <stdarg.h>
#include <stdio.h>

#include "parser/sink.h"
#include "tests/fuzz/fuzz.h"

#define SASL              "urn:ietf:params:xml:ns:xmpp-sasl|"
#define BIND              "urn:ietf:params:xml:ns:xmpp-bind|"
#define NS_SASL_ATTRIBUTE "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"

__attribute__((format(printf, 2, 3))) static void answer(struct server_peer *s, const char *format,
                                                         ...)
{
    char text[2048];
    va_list rest;
    int len;

    va_start(rest, format);
    len = vsnprintf(text, sizeof text, format, rest);
    va_end(rest);
    HOLDS((size_t)len < sizeof text, "%d bytes", len);
    if (!buffer_put(&s->answers, (struct span){text, (size_t)len}))
        abort();
}

/* As it may stand in an attribute or a text; good until the next call but one. */
static const char *escaped(const char *text)
{
    static char places[2][6 * PEERS_NAME + 1];
    static unsigned place;
    struct sink k = {.p = places[place++ % 2], .max = sizeof places[0] - 1};

    sink_escape(&k, span_of(text));
    k.p[k.len] = 0;
    return k.p;
}

static void copy(char to[PEERS_NAME], const char *from)
{
    snprintf(to, PEERS_NAME, "%s", from ? from : "");
}

/* --- names --- */

void answer_plain_name(char out[PEERS_NAME], struct span name)
{
    out[0] = 0;
    if (name.len >= PEERS_NAME)
        return;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '@' || c == '.')) {
            out[0] = 0;
            return;
        }
        out[i] = c;
        out[i + 1] = 0;
    }
}

/* "alice" and "alice@domain" are the same one; what is neither is not known. */
static void plain_user(const struct server_peer *s, char out[PEERS_NAME], struct span name)
{
    char *at;

    answer_plain_name(out, name);
    if (!(at = strchr(out, '@')))
        return;
    if (at == out || strcmp(at + 1, world_hosts[s->host]))
        out[0] = 0;
    else
        *at = 0;
}

static size_t decode(char *out, size_t max, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0;
    size_t len = 0;

    for (; *text && *text != '=' && len < max; text++) {
        const char *digit = strchr(digits, *text);

        if (!digit)
            return 0;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8)
            out[len++] = (char)(bits >> (have -= 8));
    }
    return len;
}

/* --- SASL --- */

static void read_plain(struct server_peer *s, struct span message)
{
    const char *first = memchr(message.p, 0, message.len);
    size_t left = first ? message.len - (size_t)(first + 1 - message.p) : 0;
    const char *second = left ? memchr(first + 1, 0, left) : NULL;
    char authzid[PEERS_NAME];

    if (!second)
        return;
    plain_user(s, authzid, (struct span){message.p, (size_t)(first - message.p)});
    plain_user(s, s->user, (struct span){first + 1, (size_t)(second - first - 1)});
    HOLDS(first == message.p || !*authzid || !*s->user || !strcmp(authzid, s->user),
          "%s logs in as %s", s->user, authzid);
}

/* What stands behind `key`, up to `end`. */
static void read_field(struct server_peer *s, const char *message, const char *key, char end)
{
    const char *at = strstr(message, key);
    const char *to = at ? strchr(at + strlen(key), end) : NULL;

    if (to && !strchr(message, '\\'))
        plain_user(s, s->user, (struct span){at + strlen(key), (size_t)(to - at) - strlen(key)});
}

/* Who logs in, as far as every server would read the same. */
static void read_message(struct server_peer *s, const char *text)
{
    char message[1024];
    size_t len = decode(message, sizeof message - 1, text);

    message[len] = 0;
    if (!strcmp(s->mechanism, "PLAIN"))
        read_plain(s, (struct span){message, len});
    else if (!strncmp(s->mechanism, "SCRAM-", 6) && s->step == 1)
        read_field(s, message, ",n=", ',');
    else if (!strcmp(s->mechanism, "DIGEST-MD5") && len && !*s->user)
        read_field(s, message, "username=\"", '"');
}

static void take_sasl(struct server_peer *s, const struct wire_element *e, bool begins)
{
    unsigned steps;

    if (begins) {
        const char *mechanism = wire_attribute(e, "mechanism");

        snprintf(s->mechanism, sizeof s->mechanism, "%s", mechanism ? mechanism : "");
        s->user[0] = 0;
        s->step = 0;
    }
    s->step++;
    read_message(s, e->text);
    steps = !strncmp(s->mechanism, "SCRAM-", 6) ? 2 : !strcmp(s->mechanism, "DIGEST-MD5") ? 3 : 1;
    if (!strcmp(s->user, "mallory"))
        answer(s, "<failure " NS_SASL_ATTRIBUTE "><not-authorized/></failure>");
    else if (s->step < steps)
        answer(s, "<challenge " NS_SASL_ATTRIBUTE ">cj1hYmM=</challenge>");
    else
        answer(s, "<success " NS_SASL_ATTRIBUTE "/>");
}

/* --- iq --- */

static void take_iq(struct server_peer *s, const struct wire_element *e)
{
    const char *id = wire_attribute(e, "id"), *type = wire_attribute(e, "type");
    const char *wish = wire_inner(e, BIND "resource");

    copy(s->request, id);
    if (!type || (strcmp(type, "get") && strcmp(type, "set")))
        return;
    if (wire_inner(e, BIND "bind")) {
        copy(s->bind, id);
        copy(s->resource, wish && *wish ? wish : "any");
        answer(s,
               "<iq type='result' id='%s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
               "<jid>%s@%s/%s</jid></bind></iq>",
               escaped(s->bind), *s->user ? s->user : "guest", world_hosts[s->host],
               escaped(s->resource));
    } else if (wire_inner(e, "jabber:iq:auth|query") && !strcmp(type, "set")) {
        const char *user = wire_inner(e, "jabber:iq:auth|username");

        copy(s->legacy, id);
        copy(s->resource, wire_inner(e, "jabber:iq:auth|resource"));
        plain_user(s, s->user, span_of(user ? user : ""));
        answer(s, "<iq type='result' id='%s'/>", escaped(s->legacy));
    } else if (wire_inner(e, "jabber:iq:auth|query")) {
        answer(s,
               "<iq type='result' id='%s'><query xmlns='jabber:iq:auth'><username/></query></iq>",
               s->request);
    } else if (wire_inner(e, "urn:xmpp:ping|ping")) {
        copy(s->ping, id);
        answer(s, "<iq type='result' id='%s' from='%s'/>", escaped(s->ping), world_hosts[s->host]);
    }
}

/* --- the stream --- */

void answer_header(struct server_peer *s)
{
    bool clear = s->host == WORLD_STARTTLS && !s->secured;

    answer(s,
           "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
           "xmlns:stream='http://etherx.jabber.org/streams' from='%s' id='s%u' version='1.0'>",
           world_hosts[s->host], s->end.got.documents);
    if (clear)
        answer(s, "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                  "</stream:features>");
    else if (s->authenticated)
        answer(s, "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
                  "<sm xmlns='urn:xmpp:sm:3' evil='1'/></stream:features>");
    else
        answer(s, "<stream:features><mechanisms " NS_SASL_ATTRIBUTE ">"
                  "<mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-1</mechanism>"
                  "<mechanism>DIGEST-MD5</mechanism><mechanism>X-TOKEN</mechanism></mechanisms>"
                  "<auth xmlns='http://jabber.org/features/iq-auth'/></stream:features>");
}

void answer_element(struct server_peer *s, const struct wire_element *e)
{
    if (wire_is(e, SASL "auth"))
        take_sasl(s, e, true);
    else if (wire_is(e, SASL "response"))
        take_sasl(s, e, false);
    else if (wire_is(e, SASL "abort"))
        answer(s, "<failure " NS_SASL_ATTRIBUTE "><aborted/></failure>");
    else if (wire_is(e, "urn:ietf:params:xml:ns:xmpp-tls|starttls"))
        answer(s, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    else if (wire_is(e, "jabber:client|iq"))
        take_iq(s, e);
}

void answer_close(struct server_peer *s)
{
    answer(s, "</stream:stream>");
    s->bye = true;
}
