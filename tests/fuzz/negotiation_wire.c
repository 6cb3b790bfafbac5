/* SPDX-License-Identifier: MIT */
/*
 * A new document is known by its declaration, which expat finds misplaced, or by a stream
 * header inside of a stream. The bytes from there on are given to it once more.
 */
#include "tests/fuzz/negotiation_wire.h"

#include <stdio.h>

#include "tests/fuzz/fuzz.h"

#define STREAM "http://etherx.jabber.org/streams|stream"

static void copy(char *to, size_t max, const char *from)
{
    size_t len = strnlen(from, max - 1);

    memcpy(to, from, len);
    to[len] = 0;
}

static void append(char *to, size_t max, const char *from, int len)
{
    size_t used = strlen(to), more = (size_t)len;

    if (more > max - 1 - used)
        more = max - 1 - used;
    memcpy(to + used, from, more);
    to[used + more] = 0;
}

static void begin_element(struct wire *w, const char *name, const char **attributes)
{
    struct wire_element *e = &w->element;

    copy(e->name, sizeof e->name, name);
    e->text[0] = 0;
    e->attribute_count = e->inner_count = 0;
    w->begins = XML_GetCurrentByteIndex(w->parser);
    for (; attributes[0] && e->attribute_count < WIRE_ATTRIBUTES; attributes += 2) {
        struct wire_pair *a = &e->attributes[e->attribute_count++];

        copy(a->name, sizeof a->name, attributes[0]);
        copy(a->value, sizeof a->value, attributes[1]);
    }
}

static void on_start(void *user, const char *name, const char **attributes)
{
    struct wire *w = user;

    if (w->depth == 1 && !strcmp(name, STREAM)) {
        w->anew = XML_GetCurrentByteIndex(w->parser);
        XML_StopParser(w->parser, XML_FALSE);
        return;
    }
    w->depth++;
    if (w->depth <= 2)
        begin_element(w, name, attributes);
    if (w->depth == 1) {
        w->documents++;
        if (strcmp(name, STREAM) && !w->wrong)
            w->wrong = "no stream header";
        else
            w->reader->header(w->user, &w->element, w->documents);
    } else if (w->depth > 2 && w->element.inner_count < WIRE_INNER) {
        struct wire_pair *inner = &w->element.inner[w->element.inner_count++];

        copy(inner->name, sizeof inner->name, name);
        inner->value[0] = 0;
    }
}

static void on_text(void *user, const char *text, int len)
{
    struct wire *w = user;
    struct wire_element *e = &w->element;

    if (w->depth == 2)
        append(e->text, sizeof e->text, text, len);
    else if (w->depth > 2 && e->inner_count)
        append(e->inner[e->inner_count - 1].value, WIRE_VALUE, text, len);
}

static void on_end(void *user, const char *)
{
    struct wire *w = user;

    w->depth--;
    if (w->depth == 1) {
        w->element.size = (size_t)(XML_GetCurrentByteIndex(w->parser) +
                                   XML_GetCurrentByteCount(w->parser) - w->begins);
        w->reader->element(w->user, &w->element);
    } else if (!w->depth) {
        w->over = true;
        w->reader->close(w->user);
    }
}

static void on_forbidden(struct wire *w)
{
    w->wrong = "a comment, a processing instruction or a document type";
    XML_StopParser(w->parser, XML_FALSE);
}

static void on_comment(void *user, const char *)
{
    on_forbidden(user);
}

static void on_instruction(void *user, const char *, const char *)
{
    on_forbidden(user);
}

static void on_doctype(void *user, const char *, const char *, const char *, int)
{
    on_forbidden(user);
}

static void begin_document(struct wire *w)
{
    XML_ParserReset(w->parser, NULL);
    XML_SetReparseDeferralEnabled(w->parser, XML_FALSE);
    XML_SetUserData(w->parser, w);
    XML_SetElementHandler(w->parser, on_start, on_end);
    XML_SetCharacterDataHandler(w->parser, on_text);
    XML_SetCommentHandler(w->parser, on_comment);
    XML_SetProcessingInstructionHandler(w->parser, on_instruction);
    XML_SetStartDoctypeDeclHandler(w->parser, on_doctype);
    w->read = 0;
    w->depth = 0;
    w->anew = -1;
    w->over = false;
}

void wire_init(struct wire *w, const struct wire_reader *reader, void *user)
{
    w->reader = reader;
    w->user = user;
    wire_restart(w);
}

void wire_restart(struct wire *w)
{
    if (!w->parser && !(w->parser = XML_ParserCreateNS(NULL, '|')))
        abort();
    buffer_clear(&w->text);
    w->wrong = NULL;
    w->documents = 0;
    begin_document(w);
}

/* What expat cannot read is the next document, or wrong. */
static void stumble(struct wire *w)
{
    enum XML_Error error = XML_GetErrorCode(w->parser);

    if (w->anew < 0 && error == XML_ERROR_MISPLACED_XML_PI && w->depth == 1)
        w->anew = XML_GetCurrentByteIndex(w->parser);
    if (w->anew >= 0 && !w->wrong) {
        buffer_take(&w->text, (size_t)w->anew);
        begin_document(w);
    } else if (!w->wrong) {
        w->wrong = XML_ErrorString(error);
    }
}

void wire_feed(struct wire *w, struct span bytes)
{
    if (!buffer_put(&w->text, bytes))
        abort();
    while (!w->wrong && w->read < buffer_len(&w->text)) {
        struct span text = buffer_span(&w->text);
        size_t from = w->read;

        w->read = text.len;
        if (XML_Parse(w->parser, text.p + from, (int)(text.len - from), 0) != XML_STATUS_OK)
            stumble(w);
    }
}

const char *wire_attribute(const struct wire_element *e, const char *name)
{
    for (unsigned i = 0; i < e->attribute_count; i++)
        if (!strcmp(e->attributes[i].name, name))
            return e->attributes[i].value;
    return NULL;
}

const char *wire_inner(const struct wire_element *e, const char *name)
{
    for (unsigned i = 0; i < e->inner_count; i++)
        if (!strcmp(e->inner[i].name, name))
            return e->inner[i].value;
    return NULL;
}

bool wire_is(const struct wire_element *e, const char *name)
{
    return !strcmp(e->name, name);
}

bool wire_is_stanza(const struct wire_element *e)
{
    return wire_is(e, "jabber:client|message") || wire_is(e, "jabber:client|presence") ||
           wire_is(e, "jabber:client|iq");
}

bool wire_is_sm(const struct wire_element *e)
{
    return !strncmp(e->name, "urn:xmpp:sm:2|", 14) || !strncmp(e->name, "urn:xmpp:sm:3|", 14);
}
