/* SPDX-License-Identifier: MIT */
/*
 * A stream as some clients read it: one libxml2 for all of it, pushed, namespaces
 * understood.
 *
 * Libxml2 is told apart from expat by its errors. Not counted as such are:
 * - what it says of namespace names that are no URIs, or relative ones: Namespaces in XML
 *   1.0, 2.2, leaves that to the application; to expat, and to servers, they are text;
 * - its own limits (depth 256, names of 50,000 bytes, text of 10 MB): XML_PARSE_HUGE.
 */
#include "tests/fuzz/agreement_reading.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

struct pushed {
    struct reading *r;
    xmlParserCtxtPtr parser;
    struct span stream;
    struct meaning meaning;
};

static void wrong(struct pushed *p)
{
    if (p->r->end == READING_MORE)
        p->r->end = READING_WRONG;
    if (p->parser)
        xmlStopParser(p->parser);
}

static struct span text_of(const xmlChar *s)
{
    return s ? span_of((const char *)s) : SPAN_LIT("");
}

/* Attributes come as name, prefix, namespace, begin and end of the value. */
static void start(void *user, const xmlChar *name, const xmlChar *, const xmlChar *ns, int,
                  const xmlChar **, int count, int, const xmlChar **attributes)
{
    struct pushed *p = user;
    size_t at = (size_t)xmlByteConsumed(p->parser); /* of the end of the tag */

    if (p->r->end != READING_MORE)
        return;
    if (at >= p->stream.len || !memchr("/>", p->stream.p[at], 2)) {
        wrong(p); /* it says so only after it has told the element */
        return;
    }
    if (!p->meaning.depth) {
        p->r->opened = true;
        p->r->opens = at + 1;
        p->r->named = meaning_name(text_of(ns), text_of(name));
    }
    meaning_open(&p->meaning, text_of(ns), text_of(name));
    if (p->meaning.too_deep) {
        wrong(p);
        return;
    }
    for (const xmlChar **a = attributes; count; count--, a += 5)
        meaning_attribute(&p->meaning, text_of(a[2]), text_of(a[0]),
                          (struct span){(const char *)a[3], (size_t)(a[4] - a[3])});
}

/* It does not say where an element began: that is where the white space behind what came before it
 * ends. */
static void end(void *user, const xmlChar *, const xmlChar *, const xmlChar *)
{
    struct pushed *p = user;
    struct reading *r = p->r;
    struct read_item item = {.begin = r->count ? r->items[r->count - 1].end : r->opens};

    if (r->end != READING_MORE)
        return;
    item.end = (size_t)xmlByteConsumed(p->parser);
    item.meant = meaning_close(&p->meaning, &item.named);
    if (!p->meaning.depth)
        reading_close(r, p->stream, item.end);
    if (p->meaning.depth != 1)
        return;
    while (item.begin < item.end && memchr(" \t\r\n", p->stream.p[item.begin], 4))
        item.begin++;
    if (p->stream.p[item.begin] != '<' || !reading_add(r, p->stream, item))
        wrong(p);
}

static void text(void *user, const xmlChar *s, int len)
{
    struct pushed *p = user;

    if (p->r->end == READING_MORE && p->meaning.depth)
        meaning_text(&p->meaning, (struct span){(const char *)s, (size_t)len});
}

/* Pushed, it does not turn the line ends of a CDATA section into line feeds (XML 1.0, 2.11). It
 * stands at the first byte of what it gives. */
static void cdata(void *user, const xmlChar *s, int len)
{
    struct pushed *p = user;
    size_t at = (size_t)xmlByteConsumed(p->parser);

    for (int i = 0; i < len; i++, at++) {
        xmlChar c = s[i] == '\r' ? '\n' : s[i];

        if (s[i] != '\n' || p->stream.p[at - 1] != '\r')
            text(p, &c, 1);
    }
}

static void comment(void *user, const xmlChar *)
{
    wrong(user);
}

static void instruction(void *user, const xmlChar *, const xmlChar *)
{
    wrong(user);
}

static void doctype(void *user, const xmlChar *, const xmlChar *, const xmlChar *)
{
    wrong(user);
}

static void error(void *user, xmlErrorPtr e)
{
    struct pushed *p = user;

    if (e->level <= XML_ERR_WARNING || e->code == XML_WAR_NS_URI ||
        e->code == XML_WAR_NS_URI_RELATIVE)
        return;
    if (p->r->end == READING_MORE) {
        p->r->wrong_by = e->code;
        snprintf(p->r->context, sizeof p->r->context, "%s", e->message ? e->message : "");
    }
    wrong(p);
}

void read_by_libxml2(struct reading *r, struct span stream)
{
    static struct pushed p;
    xmlSAXHandler sax = {
        .startElementNs = start,
        .endElementNs = end,
        .characters = text,
        .ignorableWhitespace = text,
        .cdataBlock = cdata,
        .comment = comment,
        .processingInstruction = instruction,
        .internalSubset = doctype,
        .serror = error,
        .initialized = XML_SAX2_MAGIC,
    };

    memset(r, 0, sizeof *r);
    p = (struct pushed){.r = r, .stream = stream};
    p.parser = xmlCreatePushParserCtxt(&sax, &p, NULL, 0, NULL);
    HOLDS(p.parser, "no memory");
    xmlCtxtUseOptions(p.parser, XML_PARSE_NONET | XML_PARSE_HUGE | XML_PARSE_NOENT);
    xmlParseChunk(p.parser, stream.p, (int)stream.len, 0);
    xmlFreeParserCtxt(p.parser);
}
