/* SPDX-License-Identifier: MIT */
/*
 * Bodies are made of morsels with whatever may mislead a reader: entities, `>` in text,
 * quotes, elements and namespaces, letters of several bytes, and a little of CDATA.
 */
#include "tests/sim/stanzas.h"

#include <assert.h>

struct pen {
    char *p;
    size_t len;
};

static void put(struct pen *pen, const char *bytes, size_t len)
{
    assert(len <= STANZA_TEXT - pen->len);
    memcpy(pen->p + pen->len, bytes, len);
    pen->len += len;
}

#define LITERAL(pen, text) put(pen, text, sizeof(text) - 1)

static void word(struct pen *pen, const char *text)
{
    put(pen, text, strlen(text));
}

static void number(struct pen *pen, uint32_t n)
{
    char digits[10];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    put(pen, digits + at, sizeof digits - at);
}

static void name(struct pen *pen, char side, uint32_t story, uint32_t n)
{
    put(pen, &side, 1);
    number(pen, story);
    LITERAL(pen, ".");
    number(pen, n);
}

/* What is decided for one stanza. */
static uint64_t dice(const struct world *w, const struct story *s, char side, uint32_t n)
{
    uint64_t which = (uint64_t)story_number(w, s) << 32 | (uint64_t)(uint8_t)side << 24 | n;

    return chance_mix(w->seed * UINT64_C(0x2545f4914f6cdd1d) ^ which);
}

static void body(struct pen *pen, uint64_t dice, size_t least)
{
    static const struct span morsels[] = {
        SPAN_LIT("lorem ipsum dolor sit amet, consectetur adipisici elit "),
        SPAN_LIT("1 > 0 &amp;&amp; 0 &lt; 1 "),
        SPAN_LIT("it's \"quoted\" "),
        SPAN_LIT("<b xmlns='urn:b' c='>'>bold<br/></b>"),
        SPAN_LIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 "),
        SPAN_LIT("<![CDATA[<message>]] ]>]]>"),
        SPAN_LIT("\n\t]] &gt;/>"),
        SPAN_LIT("<a:b xmlns:a=\"urn:a\" a:c='&lt;/message>'/>"),
    };
    size_t from = pen->len;

    LITERAL(pen, "<body>");
    for (uint64_t rest = dice; pen->len - from < least; rest = rest >> 3 | rest << 61) {
        struct span one = morsels[rest & 7];

        put(pen, one.p, one.len);
    }
    LITERAL(pen, "</body>");
}

/* Most are short, as chat is. */
static size_t size_of(const struct world *w, uint64_t dice)
{
    static const uint16_t most[8] = {0, 40, 40, 80, 80, 160, 400, 1400};

    return (size_t)((dice >> 40) % (most[dice >> 32 & 7] + 1u)) * (w->set.large ? 4 : 1);
}

/* --- from the server --- */

enum down_kind stanza_down_kind(const struct world *w, const struct story *s, uint32_t n)
{
    static const enum down_kind kinds[16] = {
        DOWN_CHAT,     DOWN_CHAT,     DOWN_CHAT,    DOWN_CHAT,    DOWN_CHAT,  DOWN_CHAT,
        DOWN_CHAT,     DOWN_HEADLINE, DOWN_STATE,   DOWN_STATE,   DOWN_GROUP, DOWN_GROUP,
        DOWN_PRESENCE, DOWN_PRESENCE, DOWN_REQUEST, DOWN_REQUEST,
    };

    return s->results[n] ? DOWN_RESULT : kinds[dice(w, s, 's', n) & 15];
}

static const char *sender(uint64_t dice)
{
    static const char *const contacts[4] = {
        ("juliet@" DOMAIN "/balcony"),
        "bob@elsewhere.example",
        ("room@chat." DOMAIN "/nurse"),
        ("juliet@" DOMAIN),
    };

    return contacts[dice >> 8 & 3];
}

/* The start tag as far as all have it: name, type, from, to, id. */
static void begin_down(struct pen *pen, const struct world *w, const struct story *s,
                       const char *begin, uint64_t dice)
{
    word(pen, begin);
    LITERAL(pen, " from='");
    word(pen, sender(dice));
    LITERAL(pen, "' to='");
    word(pen, w->devices[s->device].jid);
    LITERAL(pen, "' id='");
}

size_t stanza_down(const struct world *w, const struct story *s, uint32_t n, char out[STANZA_TEXT])
{
    static const char *const begins[] = {
        [DOWN_CHAT] = "<message type='chat'",    [DOWN_HEADLINE] = "<message type='headline'",
        [DOWN_STATE] = "<message type=\"chat\"", [DOWN_GROUP] = "<message type='groupchat'",
        [DOWN_PRESENCE] = "<presence",           [DOWN_REQUEST] = "<iq type='get'",
        [DOWN_RESULT] = "<iq type='result'",
    };
    enum down_kind kind = stanza_down_kind(w, s, n);
    uint64_t d = dice(w, s, 's', n);
    uint32_t story = (uint32_t)story_number(w, s);
    struct pen pen = {.p = out};

    begin_down(&pen, w, s, begins[kind], d);
    if (kind == DOWN_RESULT)
        name(&pen, 'c', story, s->results[n]);
    else
        name(&pen, 's', story, n);
    switch (kind) {
    case DOWN_CHAT:
    case DOWN_HEADLINE:
    case DOWN_GROUP:
        LITERAL(&pen, "'>");
        body(&pen, d, size_of(w, d));
        LITERAL(&pen, "</message>");
        break;
    case DOWN_STATE:
        LITERAL(&pen, "'><active xmlns='http://jabber.org/protocol/chatstates'/></message >");
        break;
    case DOWN_PRESENCE:
        LITERAL(&pen, "'/>");
        break;
    case DOWN_REQUEST:
        LITERAL(&pen, "'><query xmlns='jabber:iq:version'/></iq>");
        break;
    case DOWN_RESULT:
        LITERAL(&pen, "'><x xmlns='urn:sim' n='");
        name(&pen, 's', story, n);
        LITERAL(&pen, "'/></iq>");
        break;
    }
    return pen.len;
}

/* --- from the client --- */

enum up_kind stanza_up_kind(const struct world *w, const struct story *s, uint32_t n)
{
    static const enum up_kind kinds[16] = {
        UP_CHAT, UP_CHAT, UP_CHAT, UP_CHAT, UP_CHAT,    UP_CHAT,    UP_CHAT,     UP_CHAT,
        UP_CHAT, UP_CHAT, UP_CHAT, UP_CHAT, UP_REQUEST, UP_REQUEST, UP_PRESENCE, UP_LONG,
    };
    uint64_t d = dice(w, s, 'c', n);

    if (s->answers[n])
        return UP_RESULT;
    if (s->presence == n)
        return UP_AVAILABLE;
    if (kinds[d & 15] == UP_LONG && d >> 8 & 1)
        return d >> 9 & 7 ? UP_CHAT : UP_LONG_ERROR;
    return kinds[d & 15];
}

bool stanza_answered(const struct world *w, const struct story *s, uint32_t n)
{
    enum up_kind kind = stanza_up_kind(w, s, n);

    return kind == UP_LONG || kind == UP_LONG_ERROR;
}

size_t stanza_up(const struct world *w, const struct story *s, uint32_t n, char out[STANZA_TEXT])
{
    enum up_kind kind = stanza_up_kind(w, s, n);
    uint64_t d = dice(w, s, 'c', n);
    uint32_t story = (uint32_t)story_number(w, s);
    struct pen pen = {.p = out};

    switch (kind) {
    case UP_CHAT:
    case UP_LONG:
    case UP_LONG_ERROR:
        word(&pen, kind == UP_LONG_ERROR ? "<message type='error' id='" : "<message id='");
        name(&pen, 'c', story, n);
        LITERAL(&pen, "' to='juliet@" DOMAIN "'>");
        body(&pen, d,
             kind == UP_CHAT ? size_of(w, d) : w->set.limits.stanza_bytes + (d >> 48) % 2000);
        LITERAL(&pen, "</message>");
        break;
    case UP_REQUEST:
        LITERAL(&pen, "<iq to='" DOMAIN "' type='get' id='");
        name(&pen, 'c', story, n);
        LITERAL(&pen, "'><query xmlns='jabber:iq:roster'/></iq>");
        break;
    case UP_PRESENCE:
        LITERAL(&pen, "<presence to='juliet@" DOMAIN "' id='");
        name(&pen, 'c', story, n);
        LITERAL(&pen, "'/>");
        break;
    case UP_AVAILABLE:
        LITERAL(&pen, "<presence id='");
        name(&pen, 'c', story, n);
        LITERAL(&pen, "'><priority>1</priority></presence>");
        break;
    case UP_RESULT:
        LITERAL(&pen, "<iq type='result' to='");
        word(&pen, sender(dice(w, s, 's', s->answers[n])));
        LITERAL(&pen, "' id='");
        name(&pen, 's', story, s->answers[n]);
        LITERAL(&pen, "'><x xmlns='urn:sim' n='");
        name(&pen, 'c', story, n);
        LITERAL(&pen, "'/></iq>");
        break;
    }
    return pen.len;
}

/* --- names --- */

static uint32_t read_number(const char **at, const char *end)
{
    uint32_t n = 0;

    while (*at < end && **at >= '0' && **at <= '9')
        n = n * 10 + (uint32_t)(*(*at)++ - '0');
    return n;
}

struct tag stanza_tag_of(struct span id)
{
    const char *at = id.p, *end = id.p + id.len;
    struct tag tag = {0};

    if (id.len < 4 || (*at != 's' && *at != 'c'))
        return tag;
    char side = *at++;
    tag.story = read_number(&at, end);
    if (at == end || *at++ != '.' || tag.story >= STORIES)
        return (struct tag){0};
    tag.number = read_number(&at, end);
    if (at != end || !tag.number || tag.number > STANZAS)
        return (struct tag){0};
    tag.side = side;
    return tag;
}

static struct span value(struct span raw, const char *attribute)
{
    const char *at = memmem(raw.p, raw.len, attribute, strlen(attribute));
    const char *end;

    if (!at)
        return SPAN_NONE;
    at += strlen(attribute);
    end = memchr(at, '\'', raw.len - (size_t)(at - raw.p));
    return end ? (struct span){at, (size_t)(end - at)} : SPAN_NONE;
}

struct tag stanza_tag(struct span raw)
{
    struct span inner = value(raw, "<x xmlns='urn:sim' n='");

    return stanza_tag_of(inner.p ? inner : value(raw, " id='"));
}
