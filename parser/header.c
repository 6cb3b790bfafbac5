/* SPDX-License-Identifier: MIT */
/*
 * xml.h judges a header's syntax and namespaces; here its attributes get their
 * meaning, and headers and stream errors are written.
 */
#include "parser/header.h"

/* "major.minor", numbers that may have zeros in front (RFC 6120, 4.7.5). What is not such a number
 * is treated as no version: a stream of before. */
static bool is_modern(struct span version)
{
    bool modern = false;
    size_t i = 0;

    for (; i < version.len && version.p[i] != '.'; i++) {
        if (version.p[i] < '0' || version.p[i] > '9')
            return false;
        modern = modern || version.p[i] != '0';
    }
    return modern;
}

/* What is common to both kinds of header. */
static enum xml_verdict read_root(const struct element *root, struct header *out)
{
    if (element_lang(root).len > HEADER_LANG_MAX ||
        element_attribute(root, "id").len > HEADER_ID_MAX)
        return XML_TOO_BIG;
    *out = (struct header){
        .to = element_attribute(root, "to"),
        .from = element_attribute(root, "from"),
        .id = element_attribute(root, "id"),
        .lang = element_lang(root),
        .modern = is_modern(element_attribute(root, "version")),
    };
    return XML_FINE;
}

enum xml_verdict header_read(struct xml *x, struct span in, struct header *out)
{
    const struct element *root;
    struct span prefixes;
    enum xml_verdict verdict = xml_header(x, in, &root, &prefixes);

    if (verdict == XML_FINE)
        verdict = read_root(root, out);
    if (verdict == XML_FINE)
        out->prefixes = prefixes;
    return verdict;
}

enum xml_verdict header_read_open(struct xml *x, struct span in, struct header *out)
{
    const struct context above = {0};
    const struct element *root;
    enum xml_verdict verdict = xml_tree(x, &above, in, &root);

    return verdict == XML_FINE ? read_root(root, out) : verdict;
}

static void put_attributes(struct sink *k, const struct header *h)
{
    sink_attribute(k, "from", h->from);
    sink_attribute(k, "to", h->to);
    sink_attribute(k, "id", h->id);
    sink_attribute(k, "xml:lang", h->lang);
    if (h->modern)
        sink_puts(k, " version='1.0'");
}

void header_write(struct sink *k, const struct header *h)
{
    sink_puts(k, "<?xml version='1.0'?>"
                 "<stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAMS "'");
    put_attributes(k, h);
    if (h->prefixes.p)
        sink_put(k, h->prefixes);
    sink_puts(k, ">");
}

void header_write_open(struct sink *k, const struct header *h)
{
    sink_puts(k, "<open xmlns='" NS_FRAMING "'");
    put_attributes(k, h);
    sink_puts(k, "/>");
}

void header_stream_error(struct sink *k, const char *condition, struct span text)
{
    sink_puts(k, "<stream:error><");
    sink_puts(k, condition);
    sink_puts(k, " xmlns='" NS_STREAM_ERRORS "'/>");
    if (text.p) {
        sink_puts(k, "<text xmlns='" NS_STREAM_ERRORS "' xml:lang='en'>");
        sink_escape(k, text);
        sink_puts(k, "</text>");
    }
    sink_puts(k, "</stream:error>");
}
