/* SPDX-License-Identifier: MIT */
/*
 * Two readers that know namespaces: one gets an element below a stream's header, the other the
 * message that Holdfast makes of it, alone. They have to be told the same.
 */
#include "tests/fuzz/messages_model.h"

#include <expat.h>

#include "parser/element.h"

/* --- what is said --- */

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAMS "'>"

/* What a namespace-aware reader is told of an element, as text. */
struct telling {
    struct buffer text;
    unsigned depth, from;
};

static void tell(struct telling *t, const char *s)
{
    if (t->depth >= t->from)
        HOLDS(buffer_put(&t->text, (struct span){s, strlen(s) + 1}), "no memory");
}

static void tell_start(void *user, const char *name, const char **attributes)
{
    tell(user, name);
    for (; *attributes; attributes++)
        tell(user, *attributes);
    ((struct telling *)user)->depth++;
}

static void tell_end(void *user, const char *)
{
    ((struct telling *)user)->depth--;
    tell(user, "/");
}

static void tell_text(void *user, const char *s, int len)
{
    struct telling *t = user;

    if (t->depth >= t->from)
        HOLDS(buffer_put(&t->text, (struct span){s, (size_t)len}), "no memory");
}

/* False: it is no XML. `header` is empty or HEADER, which is not told. */
static bool tell_all(struct telling *t, struct span header, struct span element)
{
    XML_Parser p = XML_ParserCreateNS("UTF-8", '|');
    bool fine;

    *t = (struct telling){.from = header.len ? 1 : 0};
    XML_SetUserData(p, t);
    XML_SetElementHandler(p, tell_start, tell_end);
    XML_SetCharacterDataHandler(p, tell_text);
    fine = XML_Parse(p, header.p, (int)header.len, 0) == XML_STATUS_OK &&
           XML_Parse(p, element.p, (int)element.len, !header.len) == XML_STATUS_OK;
    XML_ParserFree(p);
    return fine;
}

/* Holdfast's own texts use the prefix for the root alone, and say all other namespaces. */
static bool may_be_said(struct span element)
{
    struct telling below;
    bool fine = tell_all(&below, SPAN_LIT(HEADER), element);
    bool prefixed = element.len > 8 && !memcmp(element.p, "<stream:", 8);

    buffer_clear(&below.text);
    return fine &&
           !memmem(element.p + (prefixed ? 8 : 0), element.len - (prefixed ? 8 : 0),
                   "stream:", 7) &&
           (!prefixed || memchr(element.p, '>', element.len) == element.p + element.len - 1);
}

/* The payload of the next frame that Holdfast wrote. */
static struct span next_message(struct span *frames)
{
    uint8_t first = fuzz_byte(frames), second = fuzz_byte(frames);
    size_t len = second;

    HOLDS(first == 0x81 && second < 127, "%x %x", first, second);
    if (second == 126)
        len = (size_t)(fuzz_byte(frames) << 8) | fuzz_byte(frames);
    HOLDS(len == second || len > 125, "%zu bytes in a long form", len);
    HOLDS(frames->len >= len, "%zu bytes of %zu", frames->len, len);
    return fuzz_bytes(frames, len);
}

void messages_said(struct span element)
{
    struct buffer text = {0}, out = {0};
    struct telling below, alone;
    struct span frames;

    if (!element.p || !may_be_said(element) || element.len > UINT16_MAX - 100)
        return;
    HOLDS(buffer_put(&text, element) && buffer_put(&text, element), "no memory");
    HOLDS(websocket_say(&out, buffer_span(&text)), "no memory");
    frames = buffer_span(&out);
    HOLDS(tell_all(&below, SPAN_LIT(HEADER), element), "%s", "it was one before");
    for (int i = 0; i < 2; i++) {
        struct span message = next_message(&frames);

        HOLDS(tell_all(&alone, SPAN_LIT(""), message), "not one element: %.*s", (int)message.len,
              message.p);
        HOLDS(span_eq(buffer_span(&below.text), buffer_span(&alone.text)), "%.*s is not %.*s",
              (int)message.len, message.p, (int)element.len, element.p);
        buffer_clear(&alone.text);
    }
    HOLDS(!frames.len, "%zu bytes more", frames.len);
    buffer_clear(&below.text);
    buffer_clear(&text);
    buffer_clear(&out);
}
