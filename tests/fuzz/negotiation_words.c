/* SPDX-License-Identifier: MIT */
/*
 * A table of words, which may be made of words, and those few that a function has to know.
 * "$1" and "$2" in a word's text are its arguments.
 */
#include "tests/fuzz/negotiation_words.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/negotiation_oracle.h"

#define SASL    "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define STREAMS "xmlns:stream='http://etherx.jabber.org/streams'"
#define STANZAS "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"

enum {
    DEEP = 5,    /* words in words' texts */
    NESTED = 10, /* words in arguments, too */
    ARGUMENTS = 2,
    REPEATS = 12000,
};

struct arguments {
    struct speaker who;
    struct span at[ARGUMENTS]; /* in full already; absent if not given */
    unsigned depth;
};

struct word {
    const char *name;
    const char *text; /* or: */
    void (*write)(const struct arguments *a, struct sink *out);
};

static void expand(const struct arguments *above, struct span text, struct sink *out);

/* --- words that know something --- */

static void put_number(struct sink *out, uint32_t n)
{
    char text[16];

    snprintf(text, sizeof text, "%u", n);
    sink_puts(out, text);
}

static long number(struct span text, long otherwise)
{
    char copy[16];

    if (!text.len || text.len >= sizeof copy)
        return otherwise;
    memcpy(copy, text.p, text.len);
    copy[text.len] = 0;
    return strtol(copy, NULL, 10);
}

static void put_text(struct sink *out, const char *text, const char *otherwise)
{
    sink_escape(out, span_of(text && *text ? text : otherwise));
}

static void put_host(const struct arguments *a, struct sink *out)
{
    sink_puts(out, a->who.client   ? a->who.client->host
                   : a->who.server ? world_hosts[a->who.server->host]
                                   : "");
}

static void put_tag(const struct arguments *a, struct sink *out)
{
    char text[PEERS_NAME];

    oracle_tag(a->who.client ? &a->who.client->end : &a->who.server->end, text, sizeof text);
    sink_puts(out, text);
}

/* The n-th session of the input; the latest without a number. */
static const struct model *model_at(struct span n)
{
    long i = number(n, (long)peers.model_count - 1);

    return i >= 0 && i < (long)peers.model_count ? &peers.models[i] : NULL;
}

static void put_id(const struct arguments *a, struct sink *out)
{
    const struct model *m = model_at(a->at[0]);

    put_text(out, m ? m->id : NULL, "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}

/* What an honest client of that session has handled, and so many more. */
static void put_h(const struct arguments *a, struct sink *out)
{
    const struct model *m = model_at(a->at[0]);

    put_number(out, peers.start + (m ? m->handled : 0) + (uint32_t)number(a->at[1], 0));
}

/* The same of the speaker's own. */
static void put_own_h(const struct arguments *a, struct sink *out)
{
    const struct model *m = a->who.client ? a->who.client->session : NULL;

    put_number(out, peers.start + (m ? m->handled : 0) + (uint32_t)number(a->at[0], 0));
}

static void put_request(const struct arguments *a, struct sink *out)
{
    put_text(out, a->who.client ? a->who.client->request : a->who.server->request, "1");
}

static void put_from(const struct arguments *a, struct sink *out)
{
    put_text(out, a->who.client ? a->who.client->from : "", "romeo@example.net/x");
}

static void put_bind_id(const struct arguments *a, struct sink *out)
{
    put_text(out, a->who.server ? a->who.server->bind : "", "bind");
}

static void put_legacy_id(const struct arguments *a, struct sink *out)
{
    put_text(out, a->who.server ? a->who.server->legacy : "", "auth");
}

static void put_ping_id(const struct arguments *a, struct sink *out)
{
    put_text(out, a->who.server ? a->who.server->ping : "", "hf-0000000000000000");
}

static void put_user(const struct arguments *a, struct sink *out)
{
    put_text(out, a->who.server ? a->who.server->user : "", "alice");
}

static void put_resource(const struct arguments *a, struct sink *out)
{
    put_text(out, a->who.server ? a->who.server->resource : "", "phone");
}

/* All that a well-behaved server owes. */
static void put_answers(const struct arguments *a, struct sink *out)
{
    if (!a->who.server)
        return;
    sink_put(out, buffer_span(&a->who.server->answers));
    buffer_clear(&a->who.server->answers);
}

static void put_base64(const struct arguments *a, struct sink *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct span in = a->at[0];

    for (size_t i = 0; i < in.len; i += 3) {
        uint32_t bits = 0;

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < in.len ? (uint8_t)in.p[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            sink_put(out, j <= in.len - i ? (struct span){&digits[bits >> (18 - 6 * j) & 63], 1}
                                          : SPAN_LIT("="));
    }
}

static void put_repeat(const struct arguments *a, struct sink *out)
{
    long n = number(a->at[0], 1);

    for (long i = 0; i < n && i < REPEATS && !out->full; i++)
        sink_put(out, a->at[1].len ? a->at[1] : SPAN_LIT("a"));
}

/* --- the table --- */

/* clang-format off */
static const struct word words[] = {
    /* The client. */
    {"head",     "<?xml version='1.0'?><stream:stream xmlns='jabber:client' " STREAMS " to='$host' version='1.0'>", NULL},
    {"headx",    "<stream:stream xmlns='jabber:client' " STREAMS " xmlns:x='urn:x' xml:lang='de' to='$host' version='1.0'>", NULL},
    {"headold",  "<stream:stream xmlns='jabber:client' " STREAMS " to='$host'>", NULL},
    {"starttls", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", NULL},
    {"auth",     "<auth " SASL " mechanism='$1' evil='1'>$2</auth>", NULL},
    {"response", "<response " SASL " evil='1'>$1</response>", NULL},
    {"abort",    "<abort " SASL "/>", NULL},
    {"plain",    "$auth(PLAIN,$b64($2\\x00$1\\x00pw))", NULL},
    {"scram",    "$auth(SCRAM-SHA-1,$b64(n\\,\\,n=$1\\,r=abc))", NULL},
    {"final",    "$response($b64(c=biws\\,r=abcdef\\,p=AAAA))", NULL},
    {"md5",      "$auth(DIGEST-MD5)", NULL},
    {"digest",   "$response($b64(username=\"$1\"\\,realm=\"$host\"\\,nonce=\"a\"\\,cnonce=\"b\"\\,nc=00000001\\,qop=auth\\,digest-uri=\"xmpp/$host\"\\,response=00))", NULL},
    {"token",    "$auth(X-TOKEN,$b64($1))", NULL},
    {"bind",     "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>$1</resource></bind></iq>", NULL},
    {"bindany",  "<iq type='set' id='b2'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", NULL},
    {"unbind",   "<iq type='set' id='b3'><unbind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>$1</resource></unbind></iq>", NULL},
    {"legacyget", "<iq type='get' id='l1'><query xmlns='jabber:iq:auth'><username>$1</username></query></iq>", NULL},
    {"legacy",   "<iq type='set' id='l2'><query xmlns='jabber:iq:auth'><username>$1</username><password>pw</password><resource>$2</resource></query></iq>", NULL},
    {"register", "<iq type='set' id='r1'><query xmlns='jabber:iq:register'><username>$1</username><password>pw</password></query></iq>", NULL},
    {"enable",   "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", NULL},
    {"enable2",  "<enable xmlns='urn:xmpp:sm:2' resume='1' max='$1'/>", NULL},
    {"enableno", "<enable xmlns='urn:xmpp:sm:3'/>", NULL},
    {"resume",   "<resume xmlns='urn:xmpp:sm:3' previd='$id($1)' h='$h($1,$2)'/>", NULL},
    {"resume2",  "<resume xmlns='urn:xmpp:sm:2' previd='$id($1)' h='$h($1,$2)'/>", NULL},
    {"r",        "<r xmlns='urn:xmpp:sm:3'/>", NULL},
    {"a",        "<a xmlns='urn:xmpp:sm:3' h='$own($1)'/>", NULL},
    {"login",    "$head$plain($1)$head", NULL},
    {"all",      "$login($1)$bind($2)$enable", NULL},
    {"back",     "$login($1)$resume($2)", NULL},
    {"msg",      "<message to='romeo@example.net' id='$tag' type='chat'><body>$1</body></message>", NULL},
    {"pres",     "<presence id='$tag'/>", NULL},
    {"away",     "<presence id='$tag' type='unavailable'/>", NULL},
    {"get",      "<iq type='get' id='$tag' to='$1'><query xmlns='jabber:iq:roster'/></iq>", NULL},
    {"result",   "<iq type='result' id='$request' to='$from'/>", NULL},
    {"error",    "<iq type='error' id='$request' to='$from'><error type='cancel'><service-unavailable " STANZAS "/></error></iq>", NULL},
    {"borrow",   "<message to='romeo@example.net' id='$tag'><x:a/></message>", NULL},
    {"active",   "<active xmlns='urn:xmpp:csi:0'/>", NULL},
    {"inactive", "<inactive xmlns='urn:xmpp:csi:0'/>", NULL},
    {"big",      "<message to='romeo@example.net' type='chat'><body>$repeat($1)</body></message>", NULL},
    {"deep",     "<message>$repeat($1,<a>)$repeat($1,</a>)</message>", NULL},
    {"close",    "</stream:stream>", NULL},
    {"wopen",    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='$host' version='1.0'/>", NULL},
    {"wclose",   "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>", NULL},
    {"wmsg",     "<message xmlns='jabber:client' to='romeo@example.net' id='$tag'><body>$1</body></message>", NULL},
    {"upgrade",  "GET /xmpp-websocket HTTP/1.1\\x0d\\nHost: $host\\x0d\\nConnection: Upgrade\\x0d\\nUpgrade: websocket\\x0d\\nSec-WebSocket-Version: 13\\x0d\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\x0d\\nSec-WebSocket-Protocol: xmpp\\x0d\\n$1\\x0d\\n", NULL},
    {"forwarded", "X-Forwarded-For: $1\\x0d\\n", NULL},
    {"http",     "GET $1 HTTP/1.1\\x0d\\nHost: $host\\x0d\\n$2\\x0d\\n", NULL},
    /* The server. */
    {"shead",    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' " STREAMS " from='$host' id='s' version='1.0'>", NULL},
    {"sheadx",   "<stream:stream xmlns='jabber:client' " STREAMS " xmlns:y='urn:y' xml:lang='fr' from='$host' id='s' version='1.0'>", NULL},
    {"sheadold", "<stream:stream xmlns='jabber:client' " STREAMS " from='$host' id='s'>", NULL},
    {"features", "<stream:features><mechanisms " SASL "><mechanism>$1</mechanism></mechanisms><auth xmlns='http://jabber.org/features/iq-auth'/></stream:features>", NULL},
    {"bindable", "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>", NULL},
    {"proceed",  "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", NULL},
    {"success",  "<success " SASL "/>", NULL},
    {"challenge", "<challenge " SASL ">cj1h</challenge>", NULL},
    {"failure",  "<failure " SASL "><not-authorized/></failure>", NULL},
    {"bound",    "<iq type='result' id='$bindid'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>$user@$host/$resource</jid></bind></iq>", NULL},
    {"boundas",  "<iq type='result' id='$bindid'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>$1</jid></bind></iq>", NULL},
    {"unbound",  "<iq type='error' id='$bindid'><error type='cancel'><conflict " STANZAS "/></error></iq>", NULL},
    {"logged",   "<iq type='$1' id='$legacyid'/>", NULL},
    {"pong",     "<iq type='result' id='$pingid' from='$host'/>", NULL},
    {"smsg",     "<message from='romeo@example.net/x' to='$user@$host/$resource' id='$tag' type='chat'><body>$1</body></message>", NULL},
    {"sgroup",   "<message from='room@example.net/x' id='$tag' type='groupchat'><body>hi</body></message>", NULL},
    {"spres",    "<presence from='romeo@example.net/x' id='$tag'/>", NULL},
    {"sget",     "<iq type='get' from='romeo@example.net/x' id='$tag'><query xmlns='jabber:iq:version'/></iq>", NULL},
    {"sping",    "<iq type='get' from='$host' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>", NULL},
    {"sborrow",  "<message from='romeo@example.net/x' id='$tag'><y:a/></message>", NULL},
    {"sbig",     "<message from='romeo@example.net/x' id='$tag'><body>$repeat($1)</body></message>", NULL},
    {"evil",     "<$1 xmlns='urn:xmpp:sm:3' evil='1' h='1' id='$id' previd='$id'/>", NULL},
    {"serror",   "<stream:error><$1 xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", NULL},
    {"other",    "<x xmlns='urn:x'>$1</x>", NULL},
    /* Parts. */
    {"answer",   NULL, put_answers},
    {"host",     NULL, put_host},
    {"tag",      NULL, put_tag},
    {"id",       NULL, put_id},
    {"h",        NULL, put_h},
    {"own",      NULL, put_own_h},
    {"request",  NULL, put_request},
    {"from",     NULL, put_from},
    {"bindid",   NULL, put_bind_id},
    {"legacyid", NULL, put_legacy_id},
    {"pingid",   NULL, put_ping_id},
    {"user",     NULL, put_user},
    {"resource", NULL, put_resource},
    {"b64",      NULL, put_base64},
    {"repeat",   NULL, put_repeat},
};
/* clang-format on */

const char *words_name(size_t n)
{
    return n < sizeof words / sizeof *words ? words[n].name : NULL;
}

/* --- expanding --- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static const struct word *find(struct span name)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_is(name, words[i].name))
            return &words[i];
    return NULL;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What a backslash begins; how many bytes of the text that was. */
static size_t put_escape(struct span text, struct sink *out)
{
    char c = text.len > 1 ? text.p[1] : '\\';

    if (c == 'x' && text.len > 3 && hex(text.p[2]) >= 0 && hex(text.p[3]) >= 0) {
        c = (char)(hex(text.p[2]) << 4 | hex(text.p[3]));
        sink_put(out, (struct span){&c, 1});
        return 4;
    }
    c = (char)(c == 'n' ? '\n' : c);
    sink_put(out, (struct span){&c, 1});
    return text.len > 1 ? 2 : 1;
}

/* Where the argument ends that begins here: at a comma or the parenthesis that is its own. */
static size_t argument_end(struct span text, size_t at)
{
    unsigned open = 0;

    for (; at < text.len; at++) {
        char c = text.p[at];

        if (c == '\\')
            at++;
        else if (c == '(')
            open++;
        else if ((c == ')' || c == ',') && !open)
            return at;
        else if (c == ')')
            open--;
    }
    return text.len;
}

/* The arguments behind a word, in full, into `room`; gives where they end. */
static size_t read_arguments(const struct arguments *above, struct span text, size_t at,
                             struct arguments *to, struct sink *room)
{
    if (at >= text.len || text.p[at] != '(')
        return at;
    for (unsigned i = 0; at < text.len && text.p[at] != ')'; i++) {
        size_t begin = at + 1, end = argument_end(text, begin), from = room->len;

        expand(above, (struct span){text.p + begin, end - begin}, room);
        if (i < ARGUMENTS && !room->full)
            to->at[i] = (struct span){room->p + from, room->len - from};
        at = end;
    }
    return at < text.len ? at + 1 : at;
}

/* "$1", or "$name(…)"; how many bytes of the text that was. */
static size_t put_word(const struct arguments *above, struct span text, struct sink *out)
{
    static char rooms[NESTED][WORDS_MAX];
    static unsigned nested;
    struct arguments own = {.who = above->who, .depth = above->depth + 1};
    struct sink room = {.p = rooms[nested], .max = WORDS_MAX};
    size_t end = 1;
    const struct word *word;

    if (text.len > 1 && (text.p[1] == '1' || text.p[1] == '2')) {
        sink_put(out, above->at[text.p[1] - '1']);
        return 2;
    }
    while (end < text.len && is_letter(text.p[end]))
        end++;
    word = find((struct span){text.p + 1, end - 1});
    if (!word || own.depth > DEEP || nested == NESTED - 1) {
        sink_put(out, (struct span){text.p, 1});
        return 1;
    }
    nested++;
    end = read_arguments(above, text, end, &own, &room);
    if (word->write)
        word->write(&own, out);
    else
        expand(&own, span_of(word->text), out);
    nested--;
    return end;
}

static void expand(const struct arguments *above, struct span text, struct sink *out)
{
    size_t at = 0;

    while (at < text.len && !out->full) {
        struct span rest = {text.p + at, text.len - at};
        size_t plain = 0;

        while (plain < rest.len && rest.p[plain] != '$' && rest.p[plain] != '\\')
            plain++;
        sink_put(out, (struct span){rest.p, plain});
        at += plain;
        if (plain)
            continue;
        at += rest.p[0] == '$' ? put_word(above, rest, out) : put_escape(rest, out);
    }
}

void words_expand(struct speaker who, struct span text, struct sink *out)
{
    struct arguments none = {.who = who};

    expand(&none, text, out);
}
