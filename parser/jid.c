/* SPDX-License-Identifier: MIT */
/*
 * libidn wants a zero-terminated string of valid UTF-8 and changes it in place; what
 * it is given here has been checked for that. Nearly all JIDs are plain ASCII, for
 * which the profiles do no more than fold letters, so that these never reach it.
 */
#include "parser/jid.h"

#include <stringprep.h>

struct profile {
    const Stringprep_profile *tables;
    const char *forbidden; /* of printable ASCII */
    bool folds;            /* capitals become small letters */
};

static const struct profile nodeprep = {stringprep_xmpp_nodeprep, " \"&'/:<>@", true};
static const struct profile nameprep = {stringprep_nameprep, "", true};
static const struct profile resourceprep = {stringprep_xmpp_resourceprep, "", false};

/* A prepared part, on its way into a sink. */
struct part {
    char bytes[JID_PART_MAX + 1];
    size_t len;
};

/* True if s is ASCII that the profile lets pass; then *out is s, folded. */
static bool prepare_ascii(struct part *out, struct span s, const struct profile *p)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (c < ' ' || c > '~' || strchr(p->forbidden, c))
            return false;
        out->bytes[i] = (char)(p->folds && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    out->len = s.len;
    return true;
}

static bool prepare(struct part *out, struct span s, const struct profile *p)
{
    if (!s.len || s.len > JID_PART_MAX)
        return false;
    if (prepare_ascii(out, s, p))
        return true;
    if (!span_utf8(s) || memchr(s.p, '\0', s.len)) /* valid, but it would end the string early */
        return false;
    memcpy(out->bytes, s.p, s.len);
    out->bytes[s.len] = '\0';
    if (stringprep(out->bytes, sizeof out->bytes, 0, p->tables) != STRINGPREP_OK)
        return false;
    out->len = strlen(out->bytes);
    return out->len > 0;
}

static bool put(struct sink *k, const struct part *part)
{
    sink_put(k, (struct span){part->bytes, part->len});
    return !k->full;
}

static bool host_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80) ||
           (c && strchr("-._[]:", c));
}

bool jid_split(struct span jid, struct span *local, struct span *domain, struct span *resource)
{
    struct span l = SPAN_NONE, d = jid, r = SPAN_NONE;
    const char *slash = d.len ? memchr(d.p, '/', d.len) : NULL, *at;

    if (slash) {
        r = (struct span){slash + 1, d.len - (size_t)(slash + 1 - d.p)};
        d.len = (size_t)(slash - d.p);
    }
    at = d.len ? memchr(d.p, '@', d.len) : NULL;
    if (at) {
        l = (struct span){d.p, (size_t)(at - d.p)};
        d = (struct span){at + 1, d.len - l.len - 1};
    }
    if (!d.len || (l.p && !l.len) || (r.p && !r.len))
        return false;
    if (l.len > JID_PART_MAX || d.len > JID_PART_MAX || r.len > JID_PART_MAX)
        return false;
    *local = l;
    *domain = d;
    *resource = r;
    return true;
}

bool jid_local(struct sink *k, struct span local)
{
    struct part part;

    return prepare(&part, local, &nodeprep) && put(k, &part);
}

/* Nameprep is made for labels that a resolver looks at afterwards; it lets @ and / pass, and makes
 * them of their full-width forms. */
bool jid_domain(struct sink *k, struct span domain)
{
    struct part part;

    if (!prepare(&part, domain, &nameprep))
        return false;
    for (size_t i = 0; i < part.len; i++)
        if (!host_character(part.bytes[i]))
            return false;
    if (part.bytes[part.len - 1] == '.')
        part.len--;
    return part.len && part.bytes[part.len - 1] != '.' && put(k, &part);
}

bool jid_resource(struct sink *k, struct span resource)
{
    struct part part;

    return prepare(&part, resource, &resourceprep) && put(k, &part);
}

bool jid_prepare(struct sink *k, struct span local, struct span domain, struct span resource)
{
    if (local.p) {
        if (!jid_local(k, local))
            return false;
        sink_puts(k, "@");
    }
    if (!jid_domain(k, domain))
        return false;
    if (resource.p) {
        sink_puts(k, "/");
        if (!jid_resource(k, resource))
            return false;
    }
    return !k->full;
}

bool jid_normal(struct sink *k, struct span jid, bool bare)
{
    struct span local, domain, resource;

    return jid_split(jid, &local, &domain, &resource) &&
           jid_prepare(k, local, domain, bare ? SPAN_NONE : resource);
}

bool jid_same(struct span a, struct span b, bool bare)
{
    char normal_a[JID_MAX], normal_b[JID_MAX];
    struct sink ka = SINK(normal_a), kb = SINK(normal_b);

    return jid_normal(&ka, a, bare) && jid_normal(&kb, b, bare) &&
           span_eq(sink_span(&ka), sink_span(&kb));
}
