/* SPDX-License-Identifier: MIT */
/*
 * A header is cut out of the stream by the same framer that Holdfast uses; that only decides how
 * the client's messages are cut, and whatever is cut may be sent.
 */
#include "tests/fuzz/negotiation_web.h"

#include <stdio.h>
#include <stdlib.h>

#include "parser/framer.h"
#include "parser/sink.h"
#include "parser/stanza.h"
#include "parser/websocket.h"
#include "tests/fuzz/fuzz.h"

#define FRAMING "urn:ietf:params:xml:ns:xmpp-framing"
#define KEY     "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

enum { HEAD_MAX = 4096, HEADER_MAX = 4096, FIRST_BYTES = 2 };

static void put(struct buffer *out, struct span s)
{
    if (!buffer_put(out, s))
        abort();
}

static void puts_to(struct buffer *out, const char *text)
{
    put(out, span_of(text));
}

void web_clear(struct web *w)
{
    buffer_clear(&w->came);
    buffer_clear(&w->spoken);
    *w = (struct web){0};
}

void web_request(struct buffer *out, unsigned address)
{
    char text[400];

    snprintf(text, sizeof text,
             "GET /xmpp-websocket HTTP/1.1\r\nHost: plain.example\r\nConnection: Upgrade\r\n"
             "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
             "Sec-WebSocket-Protocol: xmpp\r\nX-Forwarded-For: 198.51.100.%u\r\n\r\n",
             address);
    puts_to(out, text);
}

/* --- what the client says --- */

void web_frame(struct web *w, uint8_t first, struct span payload, struct buffer *out)
{
    static const char mask[4] = {0x12, 0x34, 0x56, 0x78};
    char head[14] = {(char)first};
    size_t len = FIRST_BYTES;

    w->pings += (first & 15) == WS_OP_PING;
    if (payload.len < 126) {
        head[1] = (char)(0x80 | payload.len);
    } else {
        size_t bytes = payload.len <= UINT16_MAX ? 2 : 8;

        head[1] = (char)(0x80 | (bytes == 2 ? 126 : 127));
        while (bytes--)
            head[len++] = (char)((uint64_t)payload.len >> 8 * bytes);
    }
    memcpy(head + len, mask, sizeof mask);
    put(out, (struct span){head, len + sizeof mask});
    for (size_t i = 0; i < payload.len; i++) {
        char c = (char)(payload.p[i] ^ mask[i % sizeof mask]);

        put(out, (struct span){&c, 1});
    }
}

static bool begins(struct span s, const char *with)
{
    return s.len >= strlen(with) && !memcmp(s.p, with, strlen(with));
}

static const char *find(struct span s, const char *what)
{
    return s.len ? memmem(s.p, s.len, what, strlen(what)) : NULL;
}

/* The attributes of a header that an <open/> has, too: those that declare nothing. */
static void put_attributes(struct sink *k, struct span header)
{
    const char *at = find(header, "<stream:stream"), *end = header.p + header.len;

    for (at = at ? at + strlen("<stream:stream") : end; at < end;) {
        struct span rest = {at, (size_t)(end - at)};
        const char *quote = at, *close;

        while (quote < end && *quote != '\'' && *quote != '"')
            quote++;
        close = quote < end ? memchr(quote + 1, *quote, (size_t)(end - quote - 1)) : NULL;
        if (!close)
            return;
        if (!begins(rest, " xmlns"))
            sink_put(k, (struct span){at, (size_t)(close + 1 - at)});
        at = close + 1;
    }
}

static void speak_header(struct web *w, struct span header, struct buffer *out)
{
    char room[HEADER_MAX];
    struct sink k = SINK(room);

    sink_puts(&k, "<open xmlns='" FRAMING "'");
    put_attributes(&k, header);
    sink_puts(&k, "/>");
    web_frame(w, 0x81, sink_span(&k), out);
}

static void speak_element(struct web *w, struct span element, struct buffer *out)
{
    size_t name_end = xml_name_end(element);
    const char *end = memchr(element.p, '>', element.len);
    struct span tag = {element.p, end ? (size_t)(end - element.p) : element.len};
    struct buffer text = {0};

    put(&text, (struct span){element.p, name_end});
    if (!find(tag, " xmlns=") && name_end < element.len && !memchr(element.p, ':', name_end))
        puts_to(&text, " xmlns='jabber:client'");
    put(&text, (struct span){element.p + name_end, element.len - name_end});
    web_frame(w, 0x81, buffer_span(&text), out);
    buffer_clear(&text);
}

/* How long the item is that the text begins with; 0: it is not whole. */
static size_t speak_item(struct web *w, struct span text, struct buffer *out)
{
    struct framer framer;
    size_t used;
    enum framed found;

    if (begins(text, "</stream:stream>")) {
        web_frame(w, 0x81, SPAN_LIT("<close xmlns='" FRAMING "'/>"), out);
        return strlen("</stream:stream>");
    }
    if (begins(text, "<?xml ") || begins(text, "<stream:stream"))
        framer_init(&framer);
    else
        framer_document(&framer);
    found = framer_next(&framer, text, &used);
    switch (found) {
    case FRAMED_MORE:
        return 0;
    case FRAMED_SPACE:
        return used;
    case FRAMED_HEADER:
        speak_header(w, (struct span){text.p, used}, out);
        return used;
    case FRAMED_ELEMENT:
        speak_element(w, (struct span){text.p, used}, out);
        return used;
    case FRAMED_CLOSE:
    case FRAMED_RESTRICTED:
    case FRAMED_BAD:
        web_frame(w, 0x81, text, out);
        return text.len;
    }
    abort();
}

void web_speak(struct web *w, struct span text, struct buffer *out)
{
    size_t used;

    put(&w->spoken, text);
    while (buffer_len(&w->spoken) && (used = speak_item(w, buffer_span(&w->spoken), out)))
        buffer_take(&w->spoken, used);
}

bool web_is_item(const struct web *w, struct span text)
{
    struct framer framer;
    size_t used;

    framer_document(&framer);
    return !buffer_len(&w->spoken) && framer_next(&framer, text, &used) == FRAMED_ELEMENT &&
           used == text.len && !begins(text, "<?");
}

/* --- what it hears --- */

struct standing {
    XML_Parser parser;
    unsigned depth;
    bool named, restricted;
    char root[WIRE_NAME];
};

static void on_start(void *user, const char *name, const char **)
{
    struct standing *s = user;

    if (!s->depth++)
        snprintf(s->root, sizeof s->root, "%s", name);
}

static void on_end(void *user, const char *)
{
    ((struct standing *)user)->depth--;
}

static void on_comment(void *user, const char *)
{
    ((struct standing *)user)->restricted = true;
}

static void on_instruction(void *user, const char *, const char *)
{
    ((struct standing *)user)->restricted = true;
}

static void on_doctype(void *user, const char *, const char *, const char *, int)
{
    ((struct standing *)user)->restricted = true;
}

/* An element that says its namespace itself, and nothing in front of it or behind it. */
static void stands_alone(struct span text, struct standing *s)
{
    *s = (struct standing){.parser = XML_ParserCreateNS("UTF-8", '|')};
    XML_SetUserData(s->parser, s);
    XML_SetElementHandler(s->parser, on_start, on_end);
    XML_SetCommentHandler(s->parser, on_comment);
    XML_SetProcessingInstructionHandler(s->parser, on_instruction);
    XML_SetStartDoctypeDeclHandler(s->parser, on_doctype);
    HOLDS(text.len > 2 && text.p[0] == '<' && text.p[1] != '?' && text.p[text.len - 1] == '>',
          "a message: %.*s", (int)text.len, text.p);
    HOLDS(XML_Parse(s->parser, text.p, (int)text.len, 1) == XML_STATUS_OK, "%s in a message: %.*s",
          XML_ErrorString(XML_GetErrorCode(s->parser)), (int)text.len, text.p);
    HOLDS(!s->restricted && strchr(s->root, '|'), "a message: %.*s", (int)text.len, text.p);
    XML_ParserFree(s->parser);
}

static void hear_text(struct span text, struct wire *got)
{
    struct standing s;

    stands_alone(text, &s);
    if (!strcmp(s.root, FRAMING "|open"))
        wire_feed(got, SPAN_LIT("<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
                                "xmlns:stream='http://etherx.jabber.org/streams'>"));
    else if (!strcmp(s.root, FRAMING "|close"))
        wire_feed(got, SPAN_LIT("</stream:stream>"));
    else
        wire_feed(got, text);
}

/* How long the frame is that `in` begins with; 0: it is not whole. */
static size_t hear_frame(struct web *w, struct span in, struct wire *got)
{
    unsigned first, form;
    size_t more, len = 0;
    struct span payload;

    if (in.len < FIRST_BYTES)
        return 0;
    first = (uint8_t)in.p[0];
    form = (uint8_t)in.p[1];
    more = form == 126 ? 2 : form == 127 ? 8 : 0;
    HOLDS(form < 128, "%s", "a masked frame");
    if (in.len < FIRST_BYTES + more)
        return 0;
    for (size_t i = 0; i < more; i++)
        len = len << 8 | (uint8_t)in.p[FIRST_BYTES + i];
    len = more ? len : form;
    HOLDS(!more || len > (more == 2 ? 125 : UINT16_MAX), "%zu in a long form", len);
    payload = (struct span){in.p + FIRST_BYTES + more, len};
    if (in.len - FIRST_BYTES - more < len)
        return 0;
    switch (first) {
    case 0x80 | WS_OP_TEXT:
        hear_text(payload, got);
        break;
    case 0x80 | WS_OP_CLOSE:
        HOLDS(!len || len == 2, "a Close of %zu bytes", len);
        w->state = WEB_OVER;
        break;
    case 0x80 | WS_OP_PONG:
        HOLDS(len <= WS_CONTROL_MAX && ++w->pongs <= w->pings, "pong %u of %u", w->pongs, w->pings);
        break;
    default:
        HOLDS(false, "a frame that begins with %x", first);
    }
    return FIRST_BYTES + more + len;
}

/* How long the head of the answer is; 0: it is not whole. */
static size_t hear_head(struct web *w, struct span in)
{
    const char *end = find(in, "\r\n\r\n"), *body;
    struct span head = {in.p, end ? (size_t)(end - in.p) + 4 : in.len};

    HOLDS(head.len <= HEAD_MAX, "%zu bytes of HTTP", head.len);
    HOLDS(strncmp("HTTP/1.1 ", in.p, in.len < 9 ? in.len : 9) == 0, "%.*s", (int)in.len, in.p);
    if (!end)
        return 0;
    if (begins(in, "HTTP/1.1 101 ")) {
        HOLDS(find(head, ACCEPT) && find(head, "Sec-WebSocket-Protocol: xmpp\r\n"), "%.*s",
              (int)head.len, head.p);
        w->state = WEB_FRAMES;
        return head.len;
    }
    body = find(head, "Content-Length: ");
    w->body = body ? (size_t)atol(body + strlen("Content-Length: ")) : 0;
    w->state = WEB_BODY;
    return head.len;
}

void web_hear(struct web *w, struct span bytes, struct wire *got)
{
    size_t used = 1;

    put(&w->came, bytes);
    while (buffer_len(&w->came) && used) {
        struct span in = buffer_span(&w->came);

        HOLDS(w->state != WEB_OVER, "%zu bytes behind a Close", in.len);
        if (w->state == WEB_HEAD) {
            used = hear_head(w, in);
        } else if (w->state == WEB_FRAMES) {
            used = hear_frame(w, in, got);
        } else {
            HOLDS(in.len <= w->body, "%zu bytes of a body of %zu", in.len, w->body);
            w->body -= in.len;
            used = in.len;
        }
        buffer_take(&w->came, used);
    }
}
