/* SPDX-License-Identifier: MIT */
/*
 * No stream is split differently by Holdfast, by one expat and by one libxml2: the same
 * items, from the same first byte to the same last one, of the same name, meaning the
 * same. And what Holdfast passes on below a header that it has written itself is the same
 * to an expat that reads that.
 *
 * - What Holdfast accepts, expat accepts. What expat accepts, Holdfast does, but for the
 *   places that agreement_holdfast.c lists.
 * - What Holdfast accepts, libxml2 accepts, but for those that agreement_libxml2.c lists.
 *   Where libxml2 accepts more (it has the names of XML 1.0's fifth edition, expat those
 *   of the fourth), the stream is wrong to Holdfast.
 * - White space in front of an XML declaration is no XML. Holdfast lets it pass, for
 *   behind a restart it may be the old stream's; the header is written anew, so nobody
 *   else sees it.
 *
 * Input: a byte that chooses a header (or none: the input brings its own), one that says
 * how long the pieces are in which Holdfast gets the stream, and the stream.
 */
#include "tests/fuzz/agreement_reading.h"

#define CLIENT  " xmlns='jabber:client'"
#define STREAMS "'http://etherx.jabber.org/streams'"
#define BOTH    CLIENT " xmlns:stream=" STREAMS

static const char *const headers[] = {
    "",
    "<stream:stream" BOTH ">",
    "<?xml version='1.0'?><stream:stream" BOTH " to='example.org' version='1.0'>",
    "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n<stream:stream" BOTH ">",
    "<stream:stream" BOTH " xmlns:a='urn:a' xmlns:b='urn:b&#10;&lt;' xml:lang='en'>",
    "<stream:stream" BOTH " xmlns:xml='http://www.w3.org/XML/1998/namespace'>",
    "<s:stream xmlns:s=" STREAMS CLIENT ">",
    "<s:stream xmlns:s=" STREAMS BOTH ">",
    "\n <stream:stream" BOTH ">\n",
    "<stream:stream" BOTH " xmlns:a='jabber:client' xmlns:b='a b' a:c='d'>",
    "<?xml version='1.1'?><stream:stream" BOTH ">",
};

static void same_items(const struct reading *a, const struct reading *b, size_t count,
                       const char *who)
{
    for (size_t i = 0; i < count; i++) {
        const struct read_item *x = &a->items[i], *y = &b->items[i];

        HOLDS(x->begin == y->begin && x->end == y->end, "%s, item %zu: %zu to %zu, not %zu to %zu",
              who, i, y->begin, y->end, x->begin, x->end);
        HOLDS(!x->named || x->named == y->named, "%s, item %zu: another name", who, i);
        HOLDS(!x->named || x->meant == y->meant, "%s, item %zu: another meaning", who, i);
    }
}

/* What Holdfast accepts, and no more; more only where Holdfast says that the stream is wrong, and
 * if it is `strict` about it, only where it says why. */
static void compare(const struct reading *holdfast, const struct reading *other, const char *who,
                    bool strict)
{
    const struct reading *h = holdfast, *o = other;

    if (h->spaced || h->uncounted || o->uncounted)
        return;
    HOLDS(!h->opened || o->opened, "%s does not take the header: %d %s", who, o->wrong_by,
          o->context);
    HOLDS(!h->opened || (h->opens == o->opens && h->named == o->named),
          "%s: header to %zu, not %zu", who, o->opens, h->opens);
    HOLDS(h->count <= o->count, "%s accepts %zu items, not %zu: %d %s", who, o->count, h->count,
          o->wrong_by, o->context);
    same_items(h, o, h->count, who);
    HOLDS(h->end != READING_CLOSED || o->end == READING_CLOSED, "%s: not closed: %d %s", who,
          o->wrong_by, o->context);
    if (h->opened == o->opened && h->count == o->count &&
        (h->end == READING_CLOSED) == (o->end == READING_CLOSED))
        return;
    HOLDS(h->end == READING_WRONG, "%s reads on", who);
    HOLDS(!strict || h->stricter, "%s accepts what Holdfast does not: %zu items, not %zu", who,
          o->count, h->count);
}

/* The items below a header that Holdfast has written, as the other side gets them. */
static void pass_on(const struct reading *h, struct span stream)
{
    static struct reading other;
    static char bytes[256 * 1024];
    struct sink k = SINK(bytes);
    struct xml *x = fuzz_parser();
    struct header header;
    size_t begin = 0;

    while (begin < h->opens && memchr(" \t\r\n", stream.p[begin], 4))
        begin++;
    HOLDS(header_read(x, (struct span){stream.p + begin, h->opens - begin}, &header) == XML_FINE,
          "not read twice");
    header_write(&k, &header);
    sink_put(&k, (struct span){stream.p + h->opens,
                               h->count ? h->items[h->count - 1].end - h->opens : 0});
    xml_free(x);
    if (k.full)
        return;
    read_by_expat(&other, sink_span(&k));
    HOLDS(other.end == READING_MORE && other.count == h->count, "%zu items, not %zu", other.count,
          h->count);
    for (size_t i = 0; i < h->count; i++)
        HOLDS(!h->items[i].named || (h->items[i].named == other.items[i].named &&
                                     h->items[i].meant == other.items[i].meant),
              "item %zu means something else", i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reading holdfast, expat, libxml2;
    struct span in = {(const char *)data, size}, stream;
    const char *header = headers[fuzz_byte(&in) % (sizeof headers / sizeof *headers)];
    size_t piece = fuzz_byte(&in), len = strlen(header) + in.len;
    char *bytes = malloc(len + 1);

    HOLDS(bytes, "no memory");
    memcpy(bytes, header, strlen(header));
    if (in.len)
        memcpy(bytes + strlen(header), in.p, in.len);
    stream = fuzz_copy((struct span){bytes, len});
    free(bytes);

    read_by_holdfast(&holdfast, stream, piece);
    read_by_expat(&expat, stream);
    read_by_libxml2(&libxml2, stream);
    compare(&holdfast, &expat, "expat", true);
    compare(&holdfast, &libxml2, "libxml2", false);
    if (holdfast.opened && !holdfast.uncounted)
        pass_on(&holdfast, stream);
    fuzz_drop(stream);
    return 0;
}
