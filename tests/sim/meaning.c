/* SPDX-License-Identifier: MIT */
/*
 * A start tag with its attributes, a look for a few children, and the comparison.
 */
#include "tests/sim/meaning.h"

static bool has(struct span raw, const char *text)
{
    return memmem(raw.p, raw.len, text, strlen(text));
}

/* --- the start tag --- */

static void attribute(struct item *item, struct span name, struct span value, struct span *type)
{
    const struct {
        const char *name;
        struct span *place;
    } known[] = {
        {"id", &item->id},         {"from", &item->from},
        {"to", &item->to},         {"type", type},
        {"h", &item->h},           {"max", &item->max},
        {"previd", &item->previd}, {"resume", &item->resume},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (span_is(name, known[i].name))
            *known[i].place = value;
}

/* The offset behind its ">"; 0: there is none. */
static size_t start_tag(struct span raw, struct item *item, struct span *type)
{
    const char *at = raw.p + 1, *end = raw.p + raw.len;

    while (at < end && !strchr(" />", *at))
        at++;
    item->name_end = (size_t)(at - raw.p);
    while (at < end && *at == ' ') {
        struct span name = {++at, 0}, value;
        char quote;

        if (at < end && strchr("/>", *at))
            break;
        while (at < end && *at != '=')
            at++;
        name.len = (size_t)(at - name.p);
        if (end - at < 3 || !strchr("'\"", quote = at[1]))
            return 0;
        value.p = at + 2;
        if (!(at = memchr(value.p, quote, (size_t)(end - value.p))))
            return 0;
        value.len = (size_t)(at++ - value.p);
        attribute(item, name, value, type);
    }
    if (at < end && *at == '/')
        at++;
    return at < end && *at == '>' ? (size_t)(at + 1 - raw.p) : 0;
}

/* --- what it is --- */

static enum item_kind kind_of(struct span name)
{
    static const struct {
        const char *name;
        enum item_kind kind;
    } kinds[] = {
        {"message", ITEM_MESSAGE},
        {"presence", ITEM_PRESENCE},
        {"iq", ITEM_IQ},
        {"r", ITEM_SM_R},
        {"a", ITEM_SM_A},
        {"enable", ITEM_SM_ENABLE},
        {"resume", ITEM_SM_RESUME},
        {"enabled", ITEM_SM_OTHER},
        {"resumed", ITEM_SM_OTHER},
        {"failed", ITEM_SM_OTHER},
        {"active", ITEM_CSI_ACTIVE},
        {"inactive", ITEM_CSI_INACTIVE},
        {"stream:error", ITEM_STREAM_ERROR},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (span_is(name, kinds[i].name))
            return kinds[i].kind;
    return ITEM_OTHER;
}

static enum item_type type_of(struct span type)
{
    static const char *const names[] = {
        [TYPE_NORMAL] = "normal",     [TYPE_CHAT] = "chat",     [TYPE_GROUPCHAT] = "groupchat",
        [TYPE_HEADLINE] = "headline", [TYPE_ERROR] = "error",   [TYPE_GET] = "get",
        [TYPE_SET] = "set",           [TYPE_RESULT] = "result", [TYPE_UNAVAILABLE] = "unavailable",
    };

    for (size_t i = TYPE_NORMAL; type.p && i < sizeof names / sizeof *names; i++)
        if (span_is(type, names[i]))
            return (enum item_type)i;
    return type.p ? TYPE_OTHER : TYPE_NONE;
}

static bool is_stanza(const struct item *item)
{
    return item->kind == ITEM_MESSAGE || item->kind == ITEM_PRESENCE || item->kind == ITEM_IQ;
}

/* --- both --- */

static void agree(struct world *w, struct span raw, const struct item *mine)
{
    struct item item;
    enum xml_verdict verdict = xml_next(w->xml, &(struct context){0}, raw, &item);
    unsigned flags = ITEM_DELAYED | ITEM_CONTENT | ITEM_SM2;

    fact(w, NULL, verdict == XML_FINE, "expat refuses (%d) %.*s", verdict, (int)raw.len, raw.p);
    fact(w, NULL,
         item.kind == mine->kind && item.name_end == mine->name_end &&
             item.content_end == mine->content_end && (item.flags & flags) == mine->flags,
         "expat and meaning.c disagree about %.*s", (int)raw.len, raw.p);
    if (is_stanza(mine))
        fact(w, NULL,
             item.type == mine->type && span_eq(item.id, mine->id) &&
                 span_eq(item.from, mine->from) && span_eq(item.to, mine->to) &&
                 (item.kind != ITEM_IQ || item.payload == mine->payload),
             "expat and meaning.c disagree about the stanza %.*s", (int)raw.len, raw.p);
    else
        fact(w, NULL,
             span_eq(item.h, mine->h) && span_eq(item.previd, mine->previd) &&
                 span_eq(item.resume, mine->resume) && span_eq(item.max, mine->max),
             "expat and meaning.c disagree about %.*s", (int)raw.len, raw.p);
}

bool meaning_of(struct world *w, struct span raw, struct item *item)
{
    struct span type = SPAN_NONE;
    size_t start;

    *item = (struct item){0};
    if (raw.len < 4 || raw.p[0] != '<' || raw.p[raw.len - 1] != '>' ||
        !(start = start_tag(raw, item, &type)))
        return false;
    item->kind = kind_of((struct span){raw.p + 1, item->name_end - 1});
    item->type = type_of(type);
    item->content_end = raw.len - 2;
    if (start < raw.len) {
        const char *end = memrchr(raw.p + start, '<', raw.len - start);

        if (!end || end[1] != '/' || memcmp(end + 2, raw.p + 1, item->name_end - 1))
            return false;
        item->content_end = (size_t)(end - raw.p);
    }
    if (is_stanza(item)) {
        item->flags = has(raw, "<delay xmlns='urn:xmpp:delay'") ? ITEM_DELAYED : 0;
        if (item->kind == ITEM_MESSAGE && (has(raw, "<body>") || has(raw, "<error ")))
            item->flags |= ITEM_CONTENT;
        item->payload = has(raw, "<ping xmlns='urn:xmpp:ping'/>") ? PAYLOAD_PING : PAYLOAD_OTHER;
        if (has(raw, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'"))
            item->payload = PAYLOAD_BIND;
        if (start == raw.len)
            item->payload = PAYLOAD_NONE;
    } else if (has((struct span){raw.p, start}, "urn:xmpp:sm:2")) {
        item->flags = ITEM_SM2;
    }
    if (w->set.expat)
        agree(w, raw, item);
    return true;
}
