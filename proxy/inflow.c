/* SPDX-License-Identifier: MIT */
/*
 * Cutting into items, in two places: in the bytes just read, where a copy is
 * not needed, and in what is kept.
 */
#include "proxy/inflow.h"

#include <stdlib.h>

void inflow_init(struct inflow *f, size_t item_max)
{
    *f = (struct inflow){.item_max = item_max};
    framer_init(&f->framer);
}

void inflow_clear(struct inflow *f)
{
    buffer_clear(&f->kept);
    f->scanned = f->given = f->skipped = 0;
}

void inflow_restart(struct inflow *f)
{
    framer_init(&f->framer);
}

static void drop_given(struct inflow *f)
{
    if (!f->given)
        return;
    f->scanned -= f->given;
    buffer_take(&f->kept, f->given);
    f->given = 0;
}

struct span inflow_start_tag(struct span element, char tag[INFLOW_TAG_MAX])
{
    char quote = 0;

    for (size_t i = 0; i < element.len && i < INFLOW_TAG_MAX - 2; i++) {
        char c = tag[i] = element.p[i];

        if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '>') {
            size_t len = i && element.p[i - 1] == '/' ? i - 1 : i;

            memcpy(tag + len, "/>", 2);
            return (struct span){tag, len + 2};
        }
    }
    return SPAN_NONE;
}

/* What a whole item is called; MORE for white space, which is swallowed. */
static enum inflow_found named(enum framed framed)
{
    switch (framed) {
    case FRAMED_MORE:
    case FRAMED_SPACE:
        return INFLOW_MORE;
    case FRAMED_HEADER:
        return INFLOW_HEADER;
    case FRAMED_ELEMENT:
        return INFLOW_ELEMENT;
    case FRAMED_CLOSE:
        return INFLOW_CLOSE;
    case FRAMED_RESTRICTED:
        return INFLOW_RESTRICTED;
    case FRAMED_BAD:
        return INFLOW_BAD;
    }
    abort();
}

/* What a whole item of that length is. However it came, it is the same. */
static enum inflow_found bounded(const struct inflow *f, enum inflow_found found, size_t len)
{
    if (len <= f->item_max ||
        (found != INFLOW_HEADER && found != INFLOW_ELEMENT && found != INFLOW_CLOSE))
        return found;
    return found == INFLOW_ELEMENT && len / 16 <= f->item_max ? INFLOW_SKIPPED : INFLOW_TOO_LONG;
}

/* The item has outgrown its bound: its start is kept, no more is. */
static enum inflow_found outgrown(struct inflow *f)
{
    if (!f->framer.depth) /* a header, a closing tag: nothing that could be answered */
        return INFLOW_TOO_LONG;
    f->skipped = f->scanned;
    if (f->kept.end - f->kept.start > INFLOW_TAG_MAX)
        f->kept.end = f->kept.start + INFLOW_TAG_MAX;
    f->scanned = buffer_len(&f->kept);
    return f->skipped / 16 > f->item_max ? INFLOW_TOO_LONG : INFLOW_MORE;
}

/* Scans on in *fresh, for an item whose beginning is kept or skipped. */
static enum inflow_found go_on(struct inflow *f, struct span *fresh, struct span *item)
{
    size_t used;
    enum inflow_found found = named(framer_next(&f->framer, *fresh, &used));
    struct span part = {fresh->p, used};

    *fresh = (struct span){fresh->p + used, fresh->len - used};
    if (f->skipped) {
        f->skipped += used;
        if (f->skipped / 16 > f->item_max)
            return INFLOW_TOO_LONG;
        if (found != INFLOW_ELEMENT)
            return found;
        f->skipped = 0;
        f->given = f->scanned;
        *item = buffer_span(&f->kept);
        return INFLOW_SKIPPED;
    }
    if (!buffer_put(&f->kept, part))
        return INFLOW_NO_MEMORY;
    f->scanned += used;
    *item = (struct span){f->kept.p + f->kept.start, f->scanned};
    if (found == INFLOW_MORE)
        return f->scanned > f->item_max ? outgrown(f) : found;
    f->given = f->scanned;
    return bounded(f, found, f->scanned);
}

/* Scans fresh bytes with nothing kept: an item that is whole is given where it lies. */
static enum inflow_found in_place(struct inflow *f, struct span *fresh, struct span *item)
{
    size_t used;
    enum framed framed = framer_next(&f->framer, *fresh, &used);
    enum inflow_found found = named(framed);

    *item = (struct span){fresh->p, used};
    *fresh = (struct span){fresh->p + used, fresh->len - used};
    if (framed == FRAMED_SPACE)
        return INFLOW_MORE;
    if (found == INFLOW_MORE && used) {
        if (!buffer_put(&f->kept, *item))
            return INFLOW_NO_MEMORY;
        f->scanned = used;
        if (used > f->item_max)
            return outgrown(f);
    }
    return bounded(f, found, used);
}

/* The same, while an over-long item is skipped of which nothing but the start is kept. */
static enum inflow_found skip_in_kept(struct inflow *f, size_t used, enum framed framed,
                                      struct span *item)
{
    char *at = f->kept.p + f->kept.start + f->scanned;

    memmove(at, at + used, buffer_len(&f->kept) - f->scanned - used);
    f->kept.end -= used;
    f->skipped += used;
    if (f->skipped / 16 > f->item_max)
        return INFLOW_TOO_LONG;
    if (framed != FRAMED_ELEMENT)
        return named(framed);
    f->skipped = 0;
    f->given = f->scanned;
    *item = (struct span){f->kept.p + f->kept.start, f->scanned};
    return INFLOW_SKIPPED;
}

/* Scans what is kept and not yet seen; an item begins where the last one ended. */
static enum inflow_found in_kept(struct inflow *f, struct span *item)
{
    struct span unseen = buffer_span(&f->kept);
    size_t used;
    enum framed framed;

    unseen = (struct span){unseen.p + f->scanned, unseen.len - f->scanned};
    framed = framer_next(&f->framer, unseen, &used);
    if (f->skipped)
        return skip_in_kept(f, used, framed, item);
    f->scanned += used;
    if (framed == FRAMED_SPACE) {
        f->given = f->scanned;
        return INFLOW_MORE;
    }
    *item = (struct span){f->kept.p + f->kept.start, f->scanned};
    if (framed == FRAMED_MORE)
        return f->scanned > f->item_max ? outgrown(f) : INFLOW_MORE;
    f->given = f->scanned;
    return bounded(f, named(framed), f->scanned);
}

enum inflow_found inflow_next(struct inflow *f, struct span *fresh, struct span *item)
{
    for (;;) {
        enum inflow_found found;

        drop_given(f);
        if (inflow_waits(f))
            found = in_kept(f, item);
        else if (!fresh->len)
            return INFLOW_MORE;
        else if (f->skipped || buffer_len(&f->kept))
            found = go_on(f, fresh, item);
        else
            found = in_place(f, fresh, item);
        if (found != INFLOW_MORE)
            return found;
    }
}

bool inflow_hold(struct inflow *f, struct span fresh)
{
    drop_given(f);
    return buffer_put(&f->kept, fresh);
}

bool inflow_waits(const struct inflow *f)
{
    return buffer_len(&f->kept) > f->scanned;
}

bool inflow_opens_stream(struct span start)
{
    struct span usual = SPAN_LIT("<stream:stream");

    return start.len > usual.len && !memcmp(start.p, usual.p, usual.len) &&
           memchr(" \t\r\n>", start.p[usual.len], 5);
}

bool inflow_opens_again(const struct inflow *f)
{
    struct span kept = buffer_span(&f->kept);

    return f->framer.opened && inflow_opens_stream((struct span){kept.p, f->scanned});
}
