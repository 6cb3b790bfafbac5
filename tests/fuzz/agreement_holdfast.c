/* SPDX-License-Identifier: MIT */
/*
 * A stream as Holdfast reads it: cut by inflow, the header read, each item judged with
 * what that header gives.
 *
 * Where Holdfast takes less than XML allows, it is said to be stricter, and why. These are
 * all the places:
 * - limits (xml.h): depth, attributes, a value's length, declarations in a header;
 * - a header that is not one of XMPP's: another name or namespace, a prefix `stream` that
 *   is another's, an encoding that is not UTF-8 (RFC 6120, 4.8, 11.6);
 *   Of a header that has another prefix for the stream, too, `stream` is not taken;
 * - a byte order mark, and any encoding but UTF-8, declared or not (RFC 6120, 11.6);
 * - an XML declaration of a version that is none of XML 1.0's.
 * Comments, processing instructions, DTDs and text between items are wrong to every reader
 * here (RFC 6120, 11.1).
 */
#include "proxy/inflow.h"
#include "tests/fuzz/agreement_reading.h"

enum { ITEM_MAX = 1024 * 1024 };

struct holdfast {
    struct reading *r;
    struct xml *xml;
    struct context above;
    struct inflow in;
    struct meaning meaning;
    struct span stream;
    size_t at;  /* where the next item may begin */
    bool twice; /* the header declares both `stream` and another prefix for the stream */
};

static void stricter(struct reading *r, const char *why)
{
    r->stricter = true;
    r->why = why;
}

static const char *header_rule(enum xml_verdict v)
{
    switch (v) {
    case XML_BAD_PREFIX:
        return "bad-namespace-prefix";
    case XML_BAD_FORMAT:
        return "bad-format";
    case XML_BAD_NAMESPACE:
        return "invalid-namespace";
    case XML_BAD_ENCODING:
        return "unsupported-encoding";
    case XML_TOO_BIG:
        return "a limit";
    case XML_FINE:
    case XML_NOT_WELL_FORMED:
    case XML_RESTRICTED:
    case XML_NO_MEMORY:
        break;
    }
    return NULL;
}

/* By a byte order mark, or by <'s other byte (XML 1.0, F.1). */
static bool is_other_encoding(struct span s)
{
    static const struct span begins[] = {SPAN_LIT("\xEF\xBB\xBF"), SPAN_LIT("\xFE\xFF"),
                                         SPAN_LIT("\xFF\xFE"), SPAN_LIT("\0<"), SPAN_LIT("<\0")};

    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (s.len >= begins[i].len && !memcmp(s.p, begins[i].p, begins[i].len))
            return true;
    return false;
}

/* The item's first byte: behind white space that inflow swallowed. */
static size_t find_begin(struct holdfast *h)
{
    size_t at = h->at;

    while (at < h->stream.len && memchr(" \t\r\n", h->stream.p[at], 4))
        at++;
    return at;
}

static bool open_stream(struct holdfast *h, struct span raw)
{
    struct header header;
    size_t begin = find_begin(h);
    enum xml_verdict v = header_read(h->xml, raw, &header);

    if (v != XML_FINE) {
        if (header_rule(v))
            stricter(h->r, header_rule(v));
        return false;
    }
    h->above.lang = fuzz_copy(header.lang);
    h->above.prefixes = fuzz_copy(header.prefixes);
    h->twice = memmem(raw.p, raw.len, "xmlns:stream", 12) && header.prefixes.p &&
               memmem(header.prefixes.p, header.prefixes.len, NS_STREAMS, sizeof NS_STREAMS - 1);
    h->r->opened = true;
    h->r->spaced = begin > 0 && raw.len > 5 && !memcmp(raw.p, "<?xml", 5);
    h->at = h->r->opens = begin + raw.len;
    h->r->named = meaning_name(SPAN_LIT(NS_STREAMS), SPAN_LIT("stream"));
    return true;
}

/* A tree has bounds that items do not have: what an item beyond them means is not compared. */
static bool take_item(struct holdfast *h, struct span raw)
{
    struct read_item item = {.begin = find_begin(h)};
    struct item judged;
    const struct element *e;
    enum xml_verdict v = xml_next(h->xml, &h->above, raw, &judged);

    if (v != XML_FINE) {
        if (v == XML_TOO_BIG)
            stricter(h->r, "a limit");
        if (v == XML_BAD_PREFIX && h->twice)
            stricter(h->r, "the stream's second prefix");
        return false;
    }
    item.end = h->at = item.begin + raw.len;
    HOLDS(item.end <= h->stream.len && !memcmp(h->stream.p + item.begin, raw.p, raw.len),
          "not the bytes that came: %.*s", (int)raw.len, raw.p);
    v = xml_tree(h->xml, &h->above, raw, &e);
    HOLDS(v == XML_FINE || v == XML_TOO_BIG, "an item, but a tree with verdict %d", v);
    if (v == XML_FINE) {
        item.named = meaning_name(e->ns, e->name);
        item.meant = meaning_of_tree(&h->meaning, e);
    }
    return reading_add(h->r, h->stream, item);
}

/* False if the stream is over. */
static bool take(struct holdfast *h, enum inflow_found found, struct span raw)
{
    bool fine = false;

    switch (found) {
    case INFLOW_MORE:
        return true;
    case INFLOW_HEADER:
        fine = open_stream(h, raw);
        break;
    case INFLOW_ELEMENT:
        fine = take_item(h, raw);
        break;
    case INFLOW_CLOSE:
        h->r->end = READING_CLOSED;
        return false;
    case INFLOW_BAD:
        if (!h->r->opened && is_other_encoding(h->stream))
            stricter(h->r, "not in UTF-8, or a byte order mark");
        break;
    case INFLOW_SKIPPED:
    case INFLOW_RESTRICTED:
    case INFLOW_TOO_LONG:
    case INFLOW_NO_MEMORY:
    case INFLOW_ENDED:
        break;
    }
    if (!fine)
        h->r->end = READING_WRONG;
    return fine;
}

static bool take_all(struct holdfast *h, struct span fresh)
{
    for (;;) {
        struct span raw = SPAN_NONE;
        enum inflow_found found = inflow_next(&h->in, &fresh, &raw);

        if (found == INFLOW_MORE)
            return true;
        if (!take(h, found, raw))
            return false;
    }
}

void read_by_holdfast(struct reading *r, struct span stream, size_t piece)
{
    static struct holdfast h;

    memset(r, 0, sizeof *r);
    h = (struct holdfast){.r = r, .xml = fuzz_parser(), .stream = stream};
    inflow_init(&h.in, ITEM_MAX);
    for (size_t at = 0; at < stream.len;) {
        size_t len = piece && piece < stream.len - at ? piece : stream.len - at;
        struct span copy = fuzz_copy((struct span){stream.p + at, len});
        bool goes_on = take_all(&h, copy);

        fuzz_drop(copy);
        if (!goes_on)
            break;
        at += len;
    }
    inflow_clear(&h.in);
    fuzz_context_drop(&h.above);
    xml_free(h.xml);
}
