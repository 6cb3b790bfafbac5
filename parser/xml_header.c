/* SPDX-License-Identifier: MIT */
/*
 * Reading a stream's header: its root, and what it declares for all that is below.
 *
 * It is judged by an expat of its own, which is gone afterwards. Only headers whose
 * default namespace and whose `stream` are those that every header of ours has are
 * fine, so that the other declarations are all that two streams can differ in.
 */
#include <strings.h>

#include "parser/xml_priv.h"

static void header_begin(struct xml *x)
{
    xml_tree_begin(x);
    x->client = false;
    x->stream_differs = false;
    x->declarations = 0;
    x->prefixes = SINK(x->prefixes_memory);
}

/* "1." and digits (XML 1.0, 2.8): whatever is after the point is read as 1.0. Expat looks at that
 * as little as at the encoding that it is told not to believe. */
static bool is_version(const char *version)
{
    if (strncmp(version, "1.", 2) || !version[2])
        return false;
    for (version += 2; *version; version++)
        if (*version < '0' || *version > '9')
            return false;
    return true;
}

static void header_declaration(void *user, const char *version, const char *encoding, int)
{
    if (version && !is_version(version))
        xml_refuse(user, XML_BAD_FORMAT);
    else if (encoding && strcasecmp(encoding, "UTF-8"))
        xml_refuse(user, XML_BAD_ENCODING);
}

/* Comes once for each declaration of the root, before the root itself. */
static void header_prefix(void *user, const char *prefix, const char *uri)
{
    struct xml *x = user;
    struct sink *k = &x->prefixes;

    if (!prefix) {
        x->client = uri && !strcmp(uri, NS_CLIENT);
    } else if (!strcmp(prefix, "stream")) {
        x->stream_differs = !uri || strcmp(uri, NS_STREAMS);
    } else if (strcmp(prefix, "xml")) {
        x->declarations++;
        sink_puts(k, " xmlns:");
        sink_puts(k, prefix);
        sink_puts(k, "='");
        sink_escape(k, span_of(uri));
        sink_puts(k, "'");
    }
}

static enum xml_verdict judge_root(const struct xml *x, const char *name)
{
    const char *separator = strchr(name, XML_SEPARATOR[0]);

    if (strcmp(separator ? separator + 1 : name, "stream"))
        return XML_BAD_FORMAT;
    if (strcmp(name, NS_STREAMS XML_SEPARATOR "stream") || !x->client)
        return XML_BAD_NAMESPACE;
    if (x->stream_differs)
        return XML_BAD_PREFIX;
    if (x->prefixes.full || x->declarations > XML_DECLARATIONS_MAX)
        return XML_TOO_BIG;
    return XML_FINE;
}

static void header_start(void *user, const char *name, const char **attributes)
{
    struct xml *x = user;
    enum xml_verdict v = judge_root(x, name);

    x->begin = xml_position(x); /* an XML declaration may stand before it */
    if (!xml_enter(x))
        return;
    x->whole = xml_position_behind(x) == x->end;
    if (v != XML_FINE || !x->whole)
        xml_refuse(x, v != XML_FINE ? v : XML_BAD_FORMAT);
    else
        xml_tree_open(x, name, attributes);
}

/* An empty element opens no stream. */
static void header_end(void *user, const char *)
{
    xml_refuse(user, XML_BAD_FORMAT);
}

static const struct xml_readers header_readers = {
    .begin = header_begin,
    .start = header_start,
    .end = header_end,
    .prefix = header_prefix,
    .declaration = header_declaration,
};

enum xml_verdict xml_header(struct xml *x, struct span in, const struct element **out,
                            struct span *prefixes)
{
    enum xml_verdict v = xml_judge_header(x, &header_readers, in);

    if (v != XML_FINE)
        return v;
    *out = x->tree.root;
    *prefixes = x->prefixes.len ? sink_span(&x->prefixes) : SPAN_NONE;
    return XML_FINE;
}
