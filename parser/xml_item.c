/* SPDX-License-Identifier: MIT */
/*
 * What an item is: its kind, the attributes that matter, a look at its children.
 *
 * This is on every stanza's way. Only the item's root and its direct children are
 * looked at; nothing is allocated, and what is kept of it lies in the parser.
 */
#include <assert.h>

#include "parser/xml_priv.h"

#define IN(ns, name)   ns XML_SEPARATOR name
#define XML_LANG       IN("http://www.w3.org/XML/1998/namespace", "lang")
#define NS_CSI         "urn:xmpp:csi:0"
#define NS_ANCIENT_ACK "http://www.xmpp.org/extensions/xep-0198.html#ns"

static const struct {
    const char *name;
    enum item_kind kind;
} kinds[] = {
    {IN(NS_CLIENT, "message"), ITEM_MESSAGE},
    {IN(NS_CLIENT, "presence"), ITEM_PRESENCE},
    {IN(NS_CLIENT, "iq"), ITEM_IQ},
    {IN(NS_SM3, "r"), ITEM_SM_R},
    {IN(NS_SM3, "a"), ITEM_SM_A},
    {IN(NS_SM3, "enable"), ITEM_SM_ENABLE},
    {IN(NS_SM3, "resume"), ITEM_SM_RESUME},
    {IN(NS_SM2, "r"), ITEM_SM_R},
    {IN(NS_SM2, "a"), ITEM_SM_A},
    {IN(NS_SM2, "enable"), ITEM_SM_ENABLE},
    {IN(NS_SM2, "resume"), ITEM_SM_RESUME},
    {IN(NS_TLS, "starttls"), ITEM_STARTTLS},
    {IN(NS_TLS, "proceed"), ITEM_PROCEED},
    {IN(NS_TLS, "failure"), ITEM_TLS_FAILURE},
    {IN(NS_SASL, "auth"), ITEM_AUTH},
    {IN(NS_SASL, "challenge"), ITEM_CHALLENGE},
    {IN(NS_SASL, "response"), ITEM_RESPONSE},
    {IN(NS_SASL, "success"), ITEM_SUCCESS},
    {IN(NS_SASL, "failure"), ITEM_FAILURE},
    {IN(NS_SASL, "abort"), ITEM_ABORT},
    {IN(NS_STREAMS, "features"), ITEM_FEATURES},
    {IN(NS_STREAMS, "error"), ITEM_STREAM_ERROR},
    {IN(NS_STREAMS, "stream"), ITEM_STREAM},
    {IN(NS_FRAMING, "open"), ITEM_OPEN},
    {IN(NS_FRAMING, "close"), ITEM_CLOSE},
    {IN(NS_CSI, "active"), ITEM_CSI_ACTIVE},
    {IN(NS_CSI, "inactive"), ITEM_CSI_INACTIVE},
};

static const struct {
    const char *name;
    enum item_type type;
} types[] = {
    {"chat", TYPE_CHAT},
    {"groupchat", TYPE_GROUPCHAT},
    {"get", TYPE_GET},
    {"set", TYPE_SET},
    {"result", TYPE_RESULT},
    {"error", TYPE_ERROR},
    {"unavailable", TYPE_UNAVAILABLE},
    {"normal", TYPE_NORMAL},
    {"headline", TYPE_HEADLINE},
};

/* A name, or a whole namespace. */
#define ROW(ns, name)                                                                              \
    {                                                                                              \
        IN(ns, name), sizeof(IN(ns, name)) - 1                                                     \
    }

/* Children that do not make a message worth keeping. */
static const struct span no_content[] = {
    ROW("http://jabber.org/protocol/chatstates", ""), /* XEP-0085 */
    ROW(NS_CLIENT, "thread"),
    ROW("urn:xmpp:receipts", "request"),        /* XEP-0184 */
    ROW("urn:xmpp:chat-markers:0", "markable"), /* XEP-0333 */
    ROW("urn:xmpp:hints", ""),                  /* XEP-0334 */
    ROW("urn:xmpp:sid:0", ""),                  /* XEP-0359 */
    ROW("urn:xmpp:carbons:2", ""), /* XEP-0280: a copy, which its sender never sent here */
    ROW("urn:xmpp:mam:2", ""),     /* XEP-0313: from the archive, where it stays */
    ROW("urn:xmpp:mam:1", ""),
    ROW("urn:xmpp:mam:0", ""),
    ROW(NS_DELAY, "delay"),
};

static const struct {
    struct span ns;
    enum item_payload payload;
} payloads[] = {
    {ROW(NS_BIND, ""), PAYLOAD_BIND},
    {ROW(NS_IQ_AUTH, ""), PAYLOAD_AUTH},
    {ROW("jabber:iq:register", ""), PAYLOAD_REGISTER},
};

static bool has_prefix(const char *s, const char *prefix)
{
    return !strncmp(s, prefix, strlen(prefix));
}

/* Most texts differ in their first byte already. */
static bool same(const char *a, const char *b)
{
    return *a == *b && !strcmp(a, b);
}

/* True if the row is that name, or that name's namespace. */
static bool covers(struct span row, const char *name)
{
    return *name == *row.p && !strncmp(name, row.p, row.len) &&
           (!name[row.len] || row.p[row.len - 1] == XML_SEPARATOR[0]);
}

static bool is_sm(const char *name)
{
    return has_prefix(name, IN(NS_SM3, "")) || has_prefix(name, IN(NS_SM2, "")) ||
           has_prefix(name, IN(NS_ANCIENT_ACK, ""));
}

static enum item_kind kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (same(name, kinds[i].name))
            return kinds[i].kind;
    return is_sm(name) ? ITEM_SM_OTHER : ITEM_OTHER;
}

static enum item_type type_of(const char *value)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (same(value, types[i].name))
            return types[i].type;
    return TYPE_OTHER;
}

/* Copies the value, if it is that attribute's. */
static bool take_value(struct xml *x, struct span *out, const char *wanted, const char **attribute)
{
    size_t len;

    if (!same(attribute[0], wanted))
        return false;
    len = strlen(attribute[1]);
    if (len > XML_VALUE_MAX) {
        xml_refuse(x, XML_TOO_BIG);
        return true;
    }
    assert(len <= sizeof x->values - x->values_len); /* no attribute comes twice */
    *out = (struct span){x->values + x->values_len, len};
    memcpy(x->values + x->values_len, attribute[1], len);
    x->values_len += len;
    return true;
}

static void take_stanza_attribute(struct xml *x, const char **attribute)
{
    struct item *item = &x->item;

    if (take_value(x, &item->id, "id", attribute) ||
        take_value(x, &item->from, "from", attribute) || take_value(x, &item->to, "to", attribute))
        return;
    if (same(attribute[0], "type"))
        item->type = type_of(attribute[1]);
}

static void take_sm_attribute(struct xml *x, const char **attribute)
{
    struct item *item = &x->item;

    (void)(take_value(x, &item->h, "h", attribute) ||
           take_value(x, &item->previd, "previd", attribute) ||
           take_value(x, &item->resume, "resume", attribute) ||
           take_value(x, &item->max, "max", attribute));
}

static void read_root(struct xml *x, const char *name, const char **attributes)
{
    struct item *item = &x->item;
    bool stanza, sm;

    item->kind = kind_of(name);
    stanza = item->kind <= ITEM_IQ;
    sm = item->kind >= ITEM_SM_ENABLE && item->kind <= ITEM_SM_OTHER;
    if (item->kind == ITEM_IQ)
        item->payload = PAYLOAD_NONE;
    if (sm && has_prefix(name, IN(NS_SM2, "")))
        item->flags |= ITEM_SM2;

    for (const char **a = attributes; *a && x->verdict == XML_FINE; a += 2) {
        if (stanza)
            take_stanza_attribute(x, a);
        else if (sm)
            take_sm_attribute(x, a);
        if (same(a[0], XML_LANG))
            item->flags |= ITEM_LANG;
    }
}

static bool is_content(const char *name)
{
    for (size_t i = 0; i < sizeof no_content / sizeof *no_content; i++)
        if (covers(no_content[i], name))
            return false;
    return true;
}

static void read_message_child(struct item *item, const char *name)
{
    if (!(item->flags & ITEM_CONTENT) && is_content(name))
        item->flags |= ITEM_CONTENT;
    if (same(name, IN(NS_DELAY, "delay")))
        item->flags |= ITEM_DELAYED;
}

static void read_iq_child(struct xml *x, const char *name)
{
    struct item *item = &x->item;
    enum item_payload payload = PAYLOAD_OTHER;

    if (!x->children && !strcmp(name, IN(NS_PING, "ping")))
        payload = PAYLOAD_PING;
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
        if (covers(payloads[i].ns, name))
            payload = payloads[i].payload;
    if (item->payload < PAYLOAD_REGISTER || payload > item->payload)
        item->payload = payload;
}

static void item_begin(struct xml *x)
{
    x->item = (struct item){.kind = ITEM_OTHER};
    x->children = 0;
    x->values_len = 0;
}

static void item_start(void *user, const char *name, const char **attributes)
{
    struct xml *x = user;

    if (!xml_enter(x))
        return;
    if (x->depth == 1) {
        read_root(x, name, attributes);
        return;
    }
    if (x->depth == 3 && x->item.payload == PAYLOAD_PING)
        x->item.payload = PAYLOAD_OTHER;
    if (x->depth != 2)
        return;
    if (x->item.kind == ITEM_MESSAGE)
        read_message_child(&x->item, name);
    else if (x->item.kind == ITEM_IQ)
        read_iq_child(x, name);
    x->children++;
}

static void item_end(void *user, const char *)
{
    (void)!xml_leave(user);
}

/* Where the declaration of `prefix` in " xmlns:a='…' xmlns:b='…'" begins; *len is its length. */
static char *find_declaration(struct sink *list, const char *prefix, size_t *len)
{
    char *end = list->p + list->len;
    size_t name_len = strlen(prefix);
    const size_t before = sizeof " xmlns:" - 1;

    for (char *p = list->p; p < end;) {
        char *is = memchr(p, '=', (size_t)(end - p));
        char *close = is && end - is > 2 ? memchr(is + 2, is[1], (size_t)(end - is - 2)) : NULL;

        if (!close)
            return NULL;
        *len = (size_t)(close + 1 - p);
        if ((size_t)(is - p) == before + name_len && !memcmp(p + before, prefix, name_len))
            return p;
        p = close + 1;
    }
    return NULL;
}

/* The root declares by itself what it then need not borrow. */
static void item_prefix(void *user, const char *prefix, const char *)
{
    struct xml *x = user;
    size_t len;
    char *at;

    if (x->depth)
        return;
    if (!prefix) {
        x->item.flags |= ITEM_XMLNS;
        return;
    }
    if (!x->needs.len || !(at = find_declaration(&x->needs, prefix, &len)))
        return;
    memmove(at, at + len, (size_t)(x->needs.p + x->needs.len - (at + len)));
    x->needs.len -= len;
}

static const struct xml_readers item_readers = {
    .begin = item_begin,
    .start = item_start,
    .end = item_end,
    .prefix = item_prefix,
};

static bool ends_name(char c)
{
    return c == ' ' || c == '>' || c == '/' || c == '\t' || c == '\r' || c == '\n';
}

size_t xml_name_end(struct span element)
{
    size_t i = 1;

    while (i < element.len && !ends_name(element.p[i]))
        i++;
    return i;
}

/* The last `<` of a whole element begins its end tag, unless it is the first one, too. */
static size_t find_content_end(struct span in)
{
    size_t i = in.len - 1;

    while (i && in.p[i] != '<')
        i--;
    return i ? i : in.len - 2;
}

enum xml_verdict xml_next(struct xml *x, const struct context *above, struct span in,
                          struct item *out)
{
    enum xml_verdict v = xml_judge(x, &item_readers, above, in);

    if (v != XML_FINE)
        return v;
    if (x->needs.max) {
        x->item.flags |= ITEM_BORROWS;
        x->item.needs = sink_span(&x->needs);
    }
    x->item.name_end = xml_name_end(in);
    x->item.content_end = find_content_end(in);
    *out = x->item;
    return XML_FINE;
}
