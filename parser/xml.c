/* SPDX-License-Identifier: MIT */
/*
 * Feeding expat, and judging what it says.
 *
 * Between items expat stands inside a root of ours that declares what every stream's
 * header does. An item is fine if it is one element that begins at its first byte and
 * ends at its last: then expat has nothing left of it, and the next one, of another
 * stream perhaps, is read as if there had been none before.
 */
#include <errno.h>
#include <stdlib.h>

#include "parser/xml_priv.h"

#define STREAM    "='" NS_STREAMS "'"
#define BARE_ROOT "<root xmlns='" NS_CLIENT "'"
#define ROOT      "<stream:stream xmlns='" NS_CLIENT "' xmlns:stream" STREAM

enum {
    PIECE = 3072,             /* fed at a time: it fits into 4 KB with what expat keeps before */
    RENEW_BYTES = 256 * 1024, /* after so many a new expat is made, for it remembers all names */
};

int xml_new(struct xml **out)
{
    struct xml *x = calloc(1, sizeof *x);

    if (!x)
        return -ENOMEM;
    *out = x;
    return 0;
}

static void drop(struct xml *x)
{
    if (x->expat)
        XML_ParserFree(x->expat);
    x->expat = NULL;
}

void xml_forget(struct xml *x)
{
    drop(x);
    explicit_bzero(&x->tree.memory, sizeof x->tree.memory);
    explicit_bzero(&x->tree.text_memory, sizeof x->tree.text_memory);
}

void xml_free(struct xml *x)
{
    if (!x)
        return;
    drop(x);
    free(x);
}

void xml_refuse(struct xml *x, enum xml_verdict v)
{
    if (x->verdict != XML_FINE)
        return;
    x->verdict = v;
    XML_StopParser(x->expat, XML_FALSE);
}

size_t xml_position(const struct xml *x)
{
    return (size_t)XML_GetCurrentByteIndex(x->expat);
}

size_t xml_position_behind(const struct xml *x)
{
    return xml_position(x) + (size_t)XML_GetCurrentByteCount(x->expat);
}

bool xml_enter(struct xml *x)
{
    if (x->verdict != XML_FINE)
        return false;
    if (!x->depth && xml_position(x) != x->begin)
        xml_refuse(x, XML_NOT_WELL_FORMED);
    else if (x->depth == XML_DEPTH_MAX)
        xml_refuse(x, XML_TOO_BIG);
    else if (XML_GetSpecifiedAttributeCount(x->expat) > 2 * XML_ATTRIBUTES_MAX)
        xml_refuse(x, XML_TOO_BIG);
    if (x->verdict != XML_FINE)
        return false;
    x->depth++;
    return true;
}

bool xml_leave(struct xml *x)
{
    if (x->verdict != XML_FINE)
        return false;
    if (!x->depth) /* the end tag of our own root */
        xml_refuse(x, XML_NOT_WELL_FORMED);
    else if (--x->depth == 0 && xml_position_behind(x) != x->end)
        xml_refuse(x, XML_NOT_WELL_FORMED);
    else
        x->whole = !x->depth;
    return x->verdict == XML_FINE;
}

static void refuse_doctype(void *user, const char *, const char *, const char *, int)
{
    xml_refuse(user, XML_RESTRICTED);
}

static void refuse_comment(void *user, const char *)
{
    xml_refuse(user, XML_RESTRICTED);
}

static void refuse_instruction(void *user, const char *, const char *)
{
    xml_refuse(user, XML_RESTRICTED);
}

/* What expat's refusal means to the stream. */
static enum xml_verdict verdict_of_error(const struct xml *x)
{
    enum XML_Error e = XML_GetErrorCode(x->expat);

    if (x->verdict != XML_FINE)
        return x->verdict;
    if (e == XML_ERROR_NO_MEMORY)
        return XML_NO_MEMORY;
    if (e == XML_ERROR_UNBOUND_PREFIX)
        return XML_BAD_PREFIX;
    if (e == XML_ERROR_UNDEFINED_ENTITY)
        return XML_RESTRICTED;
    return XML_NOT_WELL_FORMED;
}

/*
 * Feeds piece by piece. Expat defers the reading of a tag that is cut by the end of a piece until
 * much more of it is there (CVE-2023-52425). Behind the last piece nothing comes: it is to be read.
 */
static enum xml_verdict feed(struct xml *x, struct span in)
{
    bool pieces = in.len > PIECE;

    while (in.len) {
        size_t len = in.len < PIECE ? in.len : PIECE;

        if (pieces)
            XML_SetReparseDeferralEnabled(x->expat, len == in.len ? XML_FALSE : XML_TRUE);
        x->fed += len;
        if (XML_Parse(x->expat, in.p, (int)len, 0) != XML_STATUS_OK)
            return verdict_of_error(x);
        in.p += len;
        in.len -= len;
    }
    if (pieces)
        XML_SetReparseDeferralEnabled(x->expat, XML_TRUE);
    return x->verdict;
}

static enum xml_verdict make(struct xml *x)
{
    x->expat = XML_ParserCreate_MM("UTF-8", &xml_memory, XML_SEPARATOR);
    if (!x->expat)
        return XML_NO_MEMORY;
    XML_SetUserData(x->expat, x);
    x->fed = 0;
    x->readers = NULL;
    x->verdict = XML_FINE;
    return XML_FINE;
}

static void set_readers(struct xml *x, const struct xml_readers *r)
{
    if (x->readers == r)
        return;
    x->readers = r;
    XML_SetElementHandler(x->expat, r->start, r->end);
    XML_SetCharacterDataHandler(x->expat, r->text);
    XML_SetStartNamespaceDeclHandler(x->expat, r->prefix);
    XML_SetXmlDeclHandler(x->expat, r->declaration);
    XML_SetStartDoctypeDeclHandler(x->expat, refuse_doctype);
    XML_SetCommentHandler(x->expat, refuse_comment);
    XML_SetProcessingInstructionHandler(x->expat, refuse_instruction);
}

/* Makes a new expat that has read a root, with more declarations in it. */
static enum xml_verdict make_below(struct xml *x, const char *root, struct span prefixes)
{
    char tag[sizeof ROOT + XML_PREFIXES_MAX];
    struct sink k = SINK(tag);
    enum xml_verdict v;

    sink_puts(&k, root);
    sink_put(&k, prefixes);
    sink_puts(&k, ">");
    if (k.full)
        return XML_TOO_BIG;
    if ((v = make(x)) != XML_FINE)
        return v;
    return feed(x, sink_span(&k));
}

static enum xml_verdict read_item(struct xml *x, const struct xml_readers *readers, struct span in)
{
    enum xml_verdict v;

    x->verdict = XML_FINE;
    x->depth = 0;
    x->begin = x->fed;
    x->end = x->fed + in.len;
    x->whole = false;
    readers->begin(x);
    set_readers(x, readers);
    v = feed(x, in);
    return v == XML_FINE && !x->whole ? XML_NOT_WELL_FORMED : v;
}

/* Once more, below the declarations of its own stream's header. */
static enum xml_verdict judge_borrower(struct xml *x, const struct xml_readers *readers,
                                       struct span prefixes, struct span in)
{
    enum xml_verdict v = make_below(x, ROOT, prefixes);

    if (v == XML_FINE) {
        x->needs = SINK(x->needs_memory);
        sink_put(&x->needs, prefixes);
        v = read_item(x, readers, in);
    }
    drop(x);
    return v;
}

/* True if a header has another prefix than `stream` for its own name: below it `stream` is unknown,
 * as it is not below our root. (A header that declares both is treated alike.) */
static bool stream_is_unknown(struct span prefixes)
{
    struct span stream = SPAN_LIT(STREAM);

    while (prefixes.len >= stream.len) {
        const char *is = memchr(prefixes.p, '=', prefixes.len - stream.len + 1);

        if (!is || !memcmp(is, stream.p, stream.len))
            return is;
        prefixes = (struct span){is + 1, prefixes.len - (size_t)(is + 1 - prefixes.p)};
    }
    return false;
}

/* Below what such a header declares, and no more. */
static enum xml_verdict judge_bare(struct xml *x, const struct xml_readers *readers,
                                   struct span prefixes, struct span in)
{
    enum xml_verdict v;

    drop(x);
    v = make_below(x, BARE_ROOT, prefixes);
    if (v == XML_FINE)
        v = read_item(x, readers, in);
    drop(x);
    return v;
}

static enum xml_verdict judge(struct xml *x, const struct xml_readers *readers,
                              const struct context *above, struct span in)
{
    enum xml_verdict v = XML_FINE;

    x->needs = (struct sink){0};
    if (above && stream_is_unknown(above->prefixes))
        v = judge_bare(x, readers, above->prefixes, in);
    if (v != XML_FINE)
        return v;
    if (!x->expat)
        v = make_below(x, ROOT, SPAN_NONE);
    if (v == XML_FINE)
        v = read_item(x, readers, in);
    if (v != XML_FINE || x->fed > RENEW_BYTES)
        drop(x);
    if (v == XML_BAD_PREFIX && above && above->prefixes.len)
        return judge_borrower(x, readers, above->prefixes, in);
    return v;
}

/* Expat (2.5) takes the declaration of a prefix for which it has no memory as an attribute, and
 * goes on: that a prefix is unknown is believed only if an expat that is new says so, too. */
enum xml_verdict xml_judge(struct xml *x, const struct xml_readers *readers,
                           const struct context *above, struct span in)
{
    enum xml_verdict v = judge(x, readers, above, in);

    return v == XML_BAD_PREFIX ? judge(x, readers, above, in) : v;
}

static enum xml_verdict judge_header(struct xml *x, const struct xml_readers *readers,
                                     struct span in)
{
    enum xml_verdict v;

    drop(x);
    v = make(x);
    if (v == XML_FINE)
        v = read_item(x, readers, in);
    drop(x);
    return v;
}

enum xml_verdict xml_judge_header(struct xml *x, const struct xml_readers *readers, struct span in)
{
    enum xml_verdict v = judge_header(x, readers, in);

    return v == XML_BAD_PREFIX ? judge_header(x, readers, in) : v;
}
