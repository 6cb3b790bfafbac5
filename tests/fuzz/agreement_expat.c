/* SPDX-License-Identifier: MIT */
/*
 * A stream as servers read it: one expat for all of it. Prosody, ejabberd and jabberd2
 * parse with expat.
 */
#include "tests/fuzz/agreement_reading.h"

#include <expat.h>

struct whole {
    struct reading *r;
    XML_Parser expat;
    struct span stream;
    struct meaning meaning;
    size_t begin; /* of the item that is being read */
};

static size_t position(const struct whole *w)
{
    return (size_t)XML_GetCurrentByteIndex(w->expat);
}

static size_t position_behind(const struct whole *w)
{
    return position(w) + (size_t)XML_GetCurrentByteCount(w->expat);
}

static void wrong(struct whole *w)
{
    w->r->end = READING_WRONG;
    XML_StopParser(w->expat, XML_FALSE);
}

/* What expat calls a name is namespace, separator, name. */
static void split(const char *full, struct span *ns, struct span *name)
{
    const char *separator = strchr(full, '\x1f');

    *ns = separator ? (struct span){full, (size_t)(separator - full)} : SPAN_LIT("");
    *name = span_of(separator ? separator + 1 : full);
}

static void start(void *user, const char *full, const char **attributes)
{
    struct whole *w = user;
    struct span ns, name;

    if (w->r->end != READING_MORE)
        return;
    split(full, &ns, &name);
    if (!w->meaning.depth) {
        w->r->opened = true;
        w->r->opens = position_behind(w);
        w->r->named = meaning_name(ns, name);
    } else if (w->meaning.depth == 1) {
        w->begin = position(w);
    }
    meaning_open(&w->meaning, ns, name);
    if (w->meaning.too_deep) {
        wrong(w);
        return;
    }
    for (const char **a = attributes; *a; a += 2) {
        split(a[0], &ns, &name);
        meaning_attribute(&w->meaning, ns, name, span_of(a[1]));
    }
}

static void end(void *user, const char *)
{
    struct whole *w = user;
    struct read_item item = {.begin = w->begin, .end = position_behind(w)};

    if (w->r->end != READING_MORE)
        return;
    item.meant = meaning_close(&w->meaning, &item.named);
    if (!w->meaning.depth)
        reading_close(w->r, w->stream, item.end);
    else if (w->meaning.depth == 1 && !reading_add(w->r, w->stream, item))
        wrong(w);
}

static void text(void *user, const char *s, int len)
{
    struct whole *w = user;

    if (w->meaning.depth)
        meaning_text(&w->meaning, (struct span){s, (size_t)len});
}

static void comment(void *user, const char *)
{
    wrong(user);
}

static void instruction(void *user, const char *, const char *)
{
    wrong(user);
}

static void doctype(void *user, const char *, const char *, const char *, int)
{
    wrong(user);
}

void read_by_expat(struct reading *r, struct span stream)
{
    static struct whole w;

    memset(r, 0, sizeof *r);
    w = (struct whole){.r = r, .expat = XML_ParserCreateNS(NULL, '\x1f'), .stream = stream};
    HOLDS(w.expat, "no memory");
    XML_SetUserData(w.expat, &w);
    XML_SetElementHandler(w.expat, start, end);
    XML_SetCharacterDataHandler(w.expat, text);
    XML_SetCommentHandler(w.expat, comment);
    XML_SetProcessingInstructionHandler(w.expat, instruction);
    XML_SetStartDoctypeDeclHandler(w.expat, doctype);
    XML_SetReparseDeferralEnabled(w.expat, XML_FALSE);
    if (XML_Parse(w.expat, stream.p, (int)stream.len, 0) != XML_STATUS_OK && r->end == READING_MORE)
        r->end = READING_WRONG;
    XML_ParserFree(w.expat);
}
