/* SPDX-License-Identifier: MIT */
/*
 * Messages are put together here from what the frames were made of, so nothing of Holdfast's
 * reading is used. Of one that is wrong at most one element may come, which stood in front.
 */
#include "tests/fuzz/messages_model.h"

#include <expat.h>

enum { MANY = 1500 };

enum frame_fault { PROTOCOL = 1002, UNACCEPTABLE = 1003, NO_CODE = 1005, TOO_BIG = 1009 };

/* --- frames --- */

static void put(struct frames *f, const void *p, size_t len)
{
    if (len > FRAMES_MAX - f->len)
        return;
    memcpy(f->bytes + f->len, p, len);
    f->len += len;
}

/* `*` becomes many. The result lives until the next call; it is cut off where it is too long. */
static struct span in_full(struct span text)
{
    static char room[FRAMES_MAX / 2];
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        size_t count = text.p[i] == '*' ? MANY : 1;

        if (count > sizeof room - len)
            break;
        memset(room + len, text.p[i] == '*' ? 'x' : text.p[i], count);
        len += count;
    }
    return (struct span){room, len};
}

static void put_frame(struct frames *f, uint8_t first, bool masked, struct span payload)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t head[14] = {first};
    size_t len = 2;

    if (payload.len < 126) {
        head[1] = (uint8_t)payload.len;
    } else if (payload.len < 65536) {
        head[1] = 126;
        head[len++] = (uint8_t)(payload.len >> 8);
        head[len++] = (uint8_t)payload.len;
    } else {
        head[1] = 127;
        for (int i = 7; i >= 0; i--)
            head[len++] = (uint8_t)((uint64_t)payload.len >> 8 * i);
    }
    if (masked) {
        head[1] |= 0x80;
        memcpy(head + len, mask, sizeof mask);
        len += sizeof mask;
    }
    put(f, head, len);
    for (size_t i = 0; i < payload.len; i++) {
        char c = (char)(payload.p[i] ^ (masked ? mask[i % 4] : 0));

        put(f, &c, 1);
    }
}

/* --- what has to come of them --- */

struct place {
    XML_Parser parser;
    long begins, ends;
    unsigned depth;
    bool restricted;
};

/* A name that begins with a colon is none where there are namespaces. */
static void on_start(void *user, const char *name, const char **)
{
    struct place *p = user;

    p->restricted |= name[0] == ':';
    if (!p->depth++)
        p->begins = XML_GetCurrentByteIndex(p->parser);
}

static void on_end(void *user, const char *)
{
    struct place *p = user;

    if (!--p->depth)
        p->ends = XML_GetCurrentByteIndex(p->parser) + XML_GetCurrentByteCount(p->parser);
}

static void on_comment(void *user, const char *)
{
    ((struct place *)user)->restricted = true;
}

static void on_instruction(void *user, const char *, const char *)
{
    ((struct place *)user)->restricted = true;
}

static void on_doctype(void *user, const char *, const char *, const char *, int)
{
    ((struct place *)user)->restricted = true;
}

static struct span without_space(struct span s)
{
    while (s.len && memchr(" \t\r\n", s.p[0], 4))
        s = (struct span){s.p + 1, s.len - 1};
    return s;
}

/* What is in front of the root may be anything that begins and ends as a declaration does. */
static struct span behind_declaration(struct span s)
{
    const char *end;

    s = without_space(s);
    if (s.len < 6 || memcmp(s.p, "<?xml", 5) != 0 || !memchr(" \t\r\n", s.p[5], 4))
        return s;
    end = memmem(s.p + 6, s.len - 6, "?>", 2);
    return end ? without_space((struct span){end + 2, s.len - (size_t)(end + 2 - s.p)}) : s;
}

struct span messages_element(struct span document)
{
    struct place p = {.parser = XML_ParserCreate("UTF-8"), .begins = -1, .ends = -1};
    struct span text = behind_declaration(document);
    bool fine = text.len > 1 && text.p[0] == '<' && text.p[1] != '?'; /* no byte order mark */

    XML_SetUserData(p.parser, &p);
    XML_SetElementHandler(p.parser, on_start, on_end);
    XML_SetCommentHandler(p.parser, on_comment);
    XML_SetProcessingInstructionHandler(p.parser, on_instruction);
    XML_SetStartDoctypeDeclHandler(p.parser, on_doctype);
    fine = fine && XML_Parse(p.parser, text.p, (int)text.len, 1) == XML_STATUS_OK && !p.restricted;
    XML_ParserFree(p.parser);
    return fine ? (struct span){text.p + p.begins, (size_t)(p.ends - p.begins)} : SPAN_NONE;
}

static const struct seen *due(const struct model *m)
{
    return m->at < m->got->count ? &m->got->all[m->at] : NULL;
}

/* Something is wrong with what was said: one item may have come of it, and that was the last. */
static void nothing_follows(struct model *m)
{
    const struct seen *last = m->got->count ? &m->got->all[m->got->count - 1] : NULL;

    m->done = true;
    HOLDS(m->got->count > m->at && m->got->count <= m->at + 2, "%zu items, and due is %zu",
          m->got->count, m->at);
    HOLDS(m->got->over && (last->found >= INFLOW_RESTRICTED || last->found == INFLOW_ELEMENT),
          "it goes on behind %d", last->found);
}

/* Over-long elements are known by what the framer sees of them, so they may be no XML; a
 * declaration counts. */
static void message_too_long(struct model *m, struct span element)
{
    const struct seen *s = due(m);
    char tag[INFLOW_TAG_MAX];

    HOLDS(s, "%s", "nothing came of a long message");
    if (s->found >= INFLOW_RESTRICTED) {
        HOLDS(!element.p || s->found == INFLOW_TOO_LONG, "found %d", s->found);
        m->done = true;
        return;
    }
    m->at++;
    if (s->found == INFLOW_ELEMENT) {
        HOLDS(!element.p || span_eq(s->text, element), "%.*s", (int)s->text.len, s->text.p);
    } else if (element.p && s->text.p && s->text.p[1] != '?') {
        struct span start = inflow_start_tag(element, tag);

        HOLDS(!start.p || span_eq(s->text, start), "%.*s", (int)s->text.len, s->text.p);
    }
    if (!element.p && (due(m) ? due(m)->found >= INFLOW_RESTRICTED : m->got->over))
        m->done = true;
}

static void message_ends(struct model *m)
{
    struct span text = buffer_span(&m->message), element = messages_element(text);
    const struct seen *s = due(m);

    if (text.len > m->item_max && without_space(text).len) {
        message_too_long(m, element);
    } else if (element.p) {
        HOLDS(s && s->found == INFLOW_ELEMENT && span_eq(s->text, element), "%d, not %.*s",
              s ? (int)s->found : -1, (int)element.len, element.p);
        m->at++;
    } else if (without_space(text).len) {
        nothing_follows(m);
    }
    buffer_clear(&m->message);
}

/* A fault or a Close: of a message that is not whole one item may have come, or an end. */
static void frames_end(struct model *m, enum end end, uint16_t code)
{
    const struct seen *s;

    if (buffer_len(&m->message) && (s = due(m)) && s->found < INFLOW_RESTRICTED)
        m->at++;
    s = due(m);
    m->done = true;
    if (buffer_len(&m->message) && (!s || s->found != INFLOW_ENDED || m->got->end != end))
        HOLDS(m->got->over, "%s", "it goes on behind its end");
    else
        HOLDS(s && s->found == INFLOW_ENDED && m->got->end == end && m->got->code == code,
              "%d: %d %u, not %d %u", s ? (int)s->found : -1, m->got->end, m->got->code, end, code);
}

static void fault(struct model *m, uint16_t code)
{
    frames_end(m, END_WS_FAULT, code);
}

static void text_frame(struct model *m, bool begins, bool last, struct span payload)
{
    if (begins == m->inside) {
        fault(m, PROTOCOL);
    } else if (payload.len > 16 * m->item_max - buffer_len(&m->message)) {
        fault(m, TOO_BIG);
    } else {
        HOLDS(buffer_put(&m->message, payload), "no memory");
        m->inside = !last;
        if (last)
            message_ends(m);
    }
}

void messages_frame(struct frames *f, struct model *m, struct span line)
{
    char kind = line.len ? line.p[0] : 't';
    struct span payload = line.len ? (struct span){line.p + 1, line.len - 1} : line, part;
    struct span control = {payload.p, payload.len < WS_CONTROL_MAX ? payload.len : WS_CONTROL_MAX};
    uint8_t code[2] = {3000 >> 8, payload.len ? (uint8_t)((3000 & 255) + (payload.p[0] & 63)) : 0};
    static const uint8_t firsts[] = {
        ['t'] = 0x81, ['f'] = 0x01, ['c'] = 0x00, ['l'] = 0x80, ['b'] = 0x82, ['u'] = 0x81};

    payload = in_full(payload);
    part = (struct span){(char *)code, payload.len ? 2 : 0};
    switch (kind) {
    case 'p':
    case 'o':
        if (f)
            put_frame(f, kind == 'p' ? 0x89 : 0x8a, true, control);
        else if (kind == 'p')
            m->ping = control.p ? control : SPAN_LIT("");
        return;
    case 'x':
        if (f)
            put_frame(f, 0x88, true, part);
        else
            frames_end(m, END_WS_CLOSED,
                       part.len ? (uint16_t)(code[0] << 8 | code[1]) : (uint16_t)NO_CODE);
        return;
    case 'r':
        if (f)
            put(f, payload.p, payload.len);
        else
            m->done = payload.len || m->done;
        return;
    case 'f':
    case 'c':
    case 'l':
    case 'b':
    case 'u':
        break;
    default:
        kind = 't';
    }
    if (f)
        put_frame(f, firsts[(uint8_t)kind], kind != 'u', payload);
    else if (kind == 'u')
        fault(m, PROTOCOL);
    else if (kind == 'b')
        fault(m, m->inside ? PROTOCOL : UNACCEPTABLE);
    else
        text_frame(m, kind == 't' || kind == 'f', kind == 't' || kind == 'l', payload);
}

void messages_end(struct model *m)
{
    const struct reading *r = m->got;

    if (buffer_len(&m->message))
        return;
    HOLDS(r->count == m->at, "%zu items, not %zu", r->count, m->at);
    HOLDS(r->pong_due == !!m->ping.p, "%d pings", r->pong_due);
    if (m->ping.p)
        HOLDS(span_eq((struct span){r->pong, r->pong_len}, m->ping), "pong %.*s", r->pong_len,
              r->pong);
}
