/* SPDX-License-Identifier: MIT */
/*
 * The scanner: one function for each place in a stream that reading can stop at.
 *
 * It knows just as much XML as it takes to tell which `>` ends an item. Whatever it
 * lets through that is not XML, expat refuses: were an item cut too early or too late,
 * it would not be one whole element.
 */
#include "parser/framer.h"

enum state {
    BEFORE,      /* the stream's header has not begun */
    FIRST,       /* behind its first < */
    MARKER,      /* in "<?xml " */
    DECLARATION, /* behind that */
    PROLOG,      /* behind "?>" */
    NAME,        /* in the name of the stream's start tag */
    BETWEEN,     /* between items */
    OPEN,        /* behind any other < */
    TAG,         /* in a start tag */
    SLASH,       /* behind a / in it */
    TEXT,
    BANG,    /* behind "<!" */
    BRACKET, /* in "<![CDATA[" */
    CDATA,
    END,           /* in an end tag */
    CLOSING,       /* in the name of the stream's end tag */
    CLOSING_SPACE, /* behind it */
    OVER,          /* behind the stream */
    RESTRICTED,
    BAD,
};

/* What a read function is given and moves on: at least one byte is there to be read. */
struct cursor {
    const char *p, *end;
};

enum { TAG_STOP = 1, NAME_STOP = 2, SPACE = 4 };

static const uint8_t classes[256] = {
    ['\''] = TAG_STOP | NAME_STOP, ['"'] = TAG_STOP | NAME_STOP, ['<'] = TAG_STOP | NAME_STOP,
    ['>'] = TAG_STOP | NAME_STOP,  ['/'] = TAG_STOP | NAME_STOP, ['='] = NAME_STOP,
    [' '] = SPACE | NAME_STOP,     ['\t'] = SPACE | NAME_STOP,   ['\r'] = SPACE | NAME_STOP,
    ['\n'] = SPACE | NAME_STOP,
};

static bool is(char c, uint8_t class)
{
    return classes[(uint8_t)c] & class;
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (uint8_t)c >= 0x80;
}

static enum framed fail(struct framer *f, enum state s)
{
    f->state = (uint8_t)s;
    return s == RESTRICTED ? FRAMED_RESTRICTED : FRAMED_BAD;
}

static enum framed go(struct framer *f, enum state s, enum framed found)
{
    f->state = (uint8_t)s;
    return found;
}

/* Moves behind the next `c`; false, and at the end, if there is none. */
static bool skip_past(struct cursor *c, char what)
{
    const char *p = memchr(c->p, what, (size_t)(c->end - c->p));

    c->p = p ? p + 1 : c->end;
    return p;
}

/* Moves over white space; false if there is none. */
static bool skip_space(struct cursor *c)
{
    const char *p = c->p;

    while (c->p < c->end && is(*c->p, SPACE))
        c->p++;
    return c->p != p;
}

/* Outside of everything: white space is an item, `<` begins one. */
static enum framed read_outside(struct framer *f, struct cursor *c, enum state open)
{
    if (skip_space(c))
        return FRAMED_SPACE;
    if (*c->p++ != '<')
        return fail(f, BAD);
    return go(f, open, FRAMED_MORE);
}

static enum framed read_prolog(struct framer *f, struct cursor *c)
{
    if (skip_space(c))
        return FRAMED_MORE;
    if (*c->p++ != '<')
        return fail(f, BAD);
    return go(f, OPEN, FRAMED_MORE);
}

static void hash(uint32_t *h, char c)
{
    *h = (*h ^ (uint8_t)c) * 16777619u; /* FNV-1a */
}

static enum framed read_open(struct framer *f, struct cursor *c)
{
    char first = *c->p;

    if (begins_name(first)) {
        if (f->opened)
            f->depth++;
        return go(f, f->opened ? TAG : NAME, FRAMED_MORE);
    }
    c->p++;
    if (first == '/' && f->opened)
        return go(f, f->depth ? END : CLOSING, FRAMED_MORE);
    if (first == '!')
        return go(f, BANG, FRAMED_MORE);
    if (first == '?' && f->state == FIRST)
        return go(f, MARKER, FRAMED_MORE);
    return fail(f, first == '?' ? RESTRICTED : BAD);
}

/* Only "<?xml" and white space make a declaration; any other target, a processing instruction. */
static enum framed read_marker(struct framer *f, struct cursor *c)
{
    char next = *c->p++;

    if (f->match < 3 && next == "xml"[f->match]) {
        f->match++;
        return FRAMED_MORE;
    }
    if (f->match < 3 || !is(next, SPACE))
        return fail(f, RESTRICTED);
    f->match = 0;
    return go(f, DECLARATION, FRAMED_MORE);
}

static enum framed read_declaration(struct framer *f, struct cursor *c)
{
    char next = *c->p++;

    if (f->match && next == '>')
        return go(f, PROLOG, FRAMED_MORE);
    f->match = next == '?';
    return FRAMED_MORE;
}

static enum framed read_name(struct framer *f, struct cursor *c)
{
    while (c->p < c->end && !is(*c->p, NAME_STOP))
        hash(&f->name, *c->p++);
    return c->p < c->end ? go(f, TAG, FRAMED_MORE) : FRAMED_MORE;
}

static enum framed read_tag(struct framer *f, struct cursor *c)
{
    for (;;) {
        char stop;

        if (f->quote && !skip_past(c, (char)f->quote))
            return FRAMED_MORE;
        f->quote = 0;
        while (c->p < c->end && !is(*c->p, TAG_STOP))
            c->p++;
        if (c->p == c->end)
            return FRAMED_MORE;

        stop = *c->p++;
        if (stop == '\'' || stop == '"')
            f->quote = (uint8_t)stop;
        else if (stop == '/')
            return go(f, SLASH, FRAMED_MORE);
        else if (stop == '<')
            return fail(f, BAD);
        else if (f->opened)
            return go(f, TEXT, FRAMED_MORE);
        else
            break;
    }
    f->opened = 1;
    return go(f, BETWEEN, FRAMED_HEADER);
}

/* An element ended. */
static enum framed leave(struct framer *f)
{
    if (--f->depth)
        return go(f, TEXT, FRAMED_MORE);
    return go(f, BETWEEN, FRAMED_ELEMENT);
}

static enum framed read_slash(struct framer *f, struct cursor *c)
{
    if (*c->p++ != '>' || !f->opened)
        return fail(f, BAD);
    return leave(f);
}

static enum framed read_text(struct framer *f, struct cursor *c)
{
    return skip_past(c, '<') ? go(f, OPEN, FRAMED_MORE) : FRAMED_MORE;
}

static enum framed read_end(struct framer *f, struct cursor *c)
{
    return skip_past(c, '>') ? leave(f) : FRAMED_MORE;
}

static enum framed read_bang(struct framer *f, struct cursor *c)
{
    char next = *c->p++;

    if (next == '-' || next == 'D')
        return fail(f, RESTRICTED);
    if (next != '[' || !f->depth)
        return fail(f, BAD);
    f->match = 0;
    return go(f, BRACKET, FRAMED_MORE);
}

static enum framed read_bracket(struct framer *f, struct cursor *c)
{
    static const char marker[] = "CDATA[";

    if (*c->p++ != marker[f->match])
        return fail(f, BAD);
    if (marker[++f->match])
        return FRAMED_MORE;
    f->match = 0;
    return go(f, CDATA, FRAMED_MORE);
}

/* Two brackets or more, and `>`, end it. */
static enum framed read_cdata(struct framer *f, struct cursor *c)
{
    char next;

    if (!f->match) {
        f->match = skip_past(c, ']');
        return FRAMED_MORE;
    }
    next = *c->p++;
    if (next == '>' && f->match == 2)
        return go(f, TEXT, FRAMED_MORE);
    f->match = next == ']' ? 2 : 0;
    return FRAMED_MORE;
}

static enum framed read_closing(struct framer *f, struct cursor *c)
{
    if (f->state == CLOSING) {
        while (c->p < c->end && !is(*c->p, NAME_STOP))
            hash(&f->closing, *c->p++);
        return c->p < c->end ? go(f, CLOSING_SPACE, FRAMED_MORE) : FRAMED_MORE;
    }
    if (skip_space(c))
        return FRAMED_MORE;
    if (*c->p++ != '>' || f->closing != f->name)
        return fail(f, BAD);
    return go(f, OVER, FRAMED_CLOSE);
}

static enum framed read_over(struct framer *f, struct cursor *c)
{
    if (skip_space(c))
        return FRAMED_SPACE;
    c->p++;
    return fail(f, BAD);
}

static enum framed read_on(struct framer *f, struct cursor *c)
{
    switch ((enum state)f->state) {
    case TEXT:
        return read_text(f, c);
    case OPEN:
    case FIRST:
        return read_open(f, c);
    case TAG:
        return read_tag(f, c);
    case SLASH:
        return read_slash(f, c);
    case END:
        return read_end(f, c);
    case BANG:
        return read_bang(f, c);
    case BRACKET:
        return read_bracket(f, c);
    case CDATA:
        return read_cdata(f, c);
    case BETWEEN:
        return read_outside(f, c, OPEN);
    case BEFORE:
        return read_outside(f, c, FIRST);
    case MARKER:
        return read_marker(f, c);
    case DECLARATION:
        return read_declaration(f, c);
    case PROLOG:
        return read_prolog(f, c);
    case NAME:
        return read_name(f, c);
    case CLOSING:
    case CLOSING_SPACE:
        return read_closing(f, c);
    case OVER:
        return read_over(f, c);
    case RESTRICTED:
        return FRAMED_RESTRICTED;
    case BAD:
        return FRAMED_BAD;
    }
    return FRAMED_BAD; /* a state that was damaged in storage */
}

void framer_init(struct framer *f)
{
    *f = (struct framer){.name = 2166136261u, .closing = 2166136261u};
}

void framer_document(struct framer *f)
{
    *f = (struct framer){.opened = 1, .closing = 2166136261u};
}

enum framed framer_next(struct framer *f, struct span in, size_t *used)
{
    struct cursor c = {in.p, in.len ? in.p + in.len : in.p};
    enum framed found = FRAMED_MORE;

    if (f->state == RESTRICTED || f->state == BAD)
        found = read_on(f, &c);
    while (found == FRAMED_MORE && c.p < c.end)
        found = read_on(f, &c);
    *used = (size_t)(c.p - in.p);
    return found;
}

bool framer_idle(const struct framer *f)
{
    return f->state == BEFORE || f->state == BETWEEN || f->state == OVER;
}
