/* SPDX-License-Identifier: MIT */
/*
 * An edit is at most two insertions: one behind the element's name in its start tag,
 * one in front of its end tag. The item's own bytes are copied between them.
 */
#include "parser/stanza.h"

#include <assert.h>

/* A language that is empty is none (XML 1.0, 2.12), so absent and empty are the same here. */
static bool lang_differs(unsigned item_flags, const struct context *from, const struct context *to)
{
    return !(item_flags & ITEM_LANG) && !span_eq(from->lang, to->lang);
}

static bool prefixes_differ(unsigned item_flags, const struct context *from,
                            const struct context *to)
{
    return (item_flags & ITEM_BORROWS) && !span_eq(from->prefixes, to->prefixes);
}

bool stanza_passes(unsigned item_flags, const struct context *from, const struct context *to)
{
    return !lang_differs(item_flags, from, to) && !prefixes_differ(item_flags, from, to);
}

/* The last `count` decimal digits of `value`. */
static void put_digits(struct sink *k, uint64_t value, size_t count)
{
    char digits[4];

    assert(count <= sizeof digits);
    for (size_t i = count; i > 0; i--) {
        digits[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    sink_put(k, (struct span){digits, count});
}

/* The date of a day counted from 1970-01-01, by the Gregorian calendar. It counts in eras of 400
 * years, which all have 146097 days, and in years that begin on 1 March, so that a leap day is a
 * year's last. */
static void put_date(struct sink *k, uint64_t day)
{
    uint64_t from_march = day + 719468; /* since 0000-03-01 */
    uint64_t of_era = from_march % 146097;
    uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month_from_march = (5 * of_year + 2) / 153;
    uint64_t day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    uint64_t year = from_march / 146097 * 400 + year_of_era + (month <= 2);

    put_digits(k, year, 4);
    sink_puts(k, "-");
    put_digits(k, month, 2);
    sink_puts(k, "-");
    put_digits(k, day_of_month, 2);
}

/* As XEP-0082 writes it. */
static void put_stamp(struct sink *k, uint64_t ms)
{
    put_date(k, ms / 86400000);
    sink_puts(k, "T");
    put_digits(k, ms / 3600000 % 24, 2);
    sink_puts(k, ":");
    put_digits(k, ms / 60000 % 60, 2);
    sink_puts(k, ":");
    put_digits(k, ms / 1000 % 60, 2);
    sink_puts(k, ".");
    put_digits(k, ms % 1000, 3);
    sink_puts(k, "Z");
}

static void put_delay(struct sink *k, const struct stanza_edit *edit)
{
    sink_puts(k, "<delay xmlns='" NS_DELAY "'");
    sink_attribute(k, "from", edit->delay_from);
    sink_puts(k, " stamp='");
    put_stamp(k, edit->delay_ms);
    sink_puts(k, "'/>");
}

/* From the content's end on, with a delay as the last child. An element that was empty needs an end
 * tag then, of the very name that its start tag has. */
static void put_delayed_end(struct sink *k, struct span raw, const struct item *item,
                            const struct stanza_edit *edit)
{
    struct span rest = {raw.p + item->content_end, raw.len - item->content_end};

    if (rest.len && rest.p[0] == '<') {
        put_delay(k, edit);
        sink_put(k, rest);
        return;
    }
    sink_puts(k, ">");
    put_delay(k, edit);
    sink_puts(k, "</");
    sink_put(k, (struct span){raw.p + 1, item->name_end - 1});
    sink_puts(k, ">");
}

static bool wants_delay(const struct item *item, const struct stanza_edit *edit)
{
    return edit && edit->delay_from.p && item->kind == ITEM_MESSAGE && item->type != TYPE_ERROR &&
           !(item->flags & ITEM_DELAYED);
}

void stanza_carry(struct sink *k, struct span raw, const struct item *item,
                  const struct context *from, const struct context *to,
                  const struct stanza_edit *edit)
{
    assert(item->name_end > 0 && item->name_end <= item->content_end &&
           item->content_end <= raw.len);

    sink_put(k, (struct span){raw.p, item->name_end});
    if (edit && edit->self_contained && !(item->flags & ITEM_XMLNS))
        sink_puts(k, " xmlns='" NS_CLIENT "'");
    if (edit && edit->self_contained && stanza_borrows_stream(raw))
        sink_puts(k, " xmlns:stream='" NS_STREAMS "'");
    if (lang_differs(item->flags, from, to))
        sink_attribute(k, "xml:lang", from->lang.p ? from->lang : SPAN_LIT(""));
    if (prefixes_differ(item->flags, from, to))
        sink_put(k, item->needs);
    if (!wants_delay(item, edit)) {
        sink_put(k, (struct span){raw.p + item->name_end, raw.len - item->name_end});
        return;
    }
    sink_put(k, (struct span){raw.p + item->name_end, item->content_end - item->name_end});
    put_delayed_end(k, raw, item, edit);
}

bool stanza_has_attribute(struct span raw, struct span name)
{
    char quote = 0;

    for (size_t i = xml_name_end(raw); i < raw.len; i++) {
        char c = raw.p[i];

        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '\'' || c == '"')
            quote = c;
        else if (c == '>')
            break;
        else if (memchr(" \t\r\n", c, 4) && raw.len - i > name.len + 1 &&
                 !memcmp(raw.p + i + 1, name.p, name.len) &&
                 memchr("= \t\r\n", raw.p[i + 1 + name.len], 5))
            return true;
    }
    return false;
}

bool stanza_borrows_stream(struct span raw)
{
    struct span prefix = SPAN_LIT("stream"), rest = raw;
    const char *colon;

    while ((colon = memchr(rest.p, ':', rest.len))) {
        if ((size_t)(colon - raw.p) > prefix.len &&
            !memcmp(colon - prefix.len, prefix.p, prefix.len))
            return !stanza_has_attribute(raw, SPAN_LIT("xmlns:stream"));
        rest = (struct span){colon + 1, rest.len - (size_t)(colon + 1 - rest.p)};
    }
    return false;
}

static const char *kind_name(enum item_kind kind)
{
    assert(kind == ITEM_MESSAGE || kind == ITEM_PRESENCE || kind == ITEM_IQ);
    return kind == ITEM_MESSAGE ? "message" : kind == ITEM_PRESENCE ? "presence" : "iq";
}

/* The start tag of an answer, without its ">". */
static void put_answer(struct sink *k, const struct item *item, struct span own, const char *type)
{
    sink_puts(k, "<");
    sink_puts(k, kind_name(item->kind));
    sink_attribute(k, "type", span_of(type));
    sink_attribute(k, "id", item->id);
    sink_attribute(k, "from", item->to.p ? item->to : own);
    sink_attribute(k, "to", item->from);
}

void stanza_error(struct sink *k, const struct item *item, struct span own, const char *type,
                  const char *condition)
{
    put_answer(k, item, own, "error");
    sink_puts(k, "><error");
    sink_attribute(k, "type", span_of(type));
    sink_puts(k, "><");
    sink_puts(k, condition);
    sink_puts(k, " xmlns='" NS_STANZAS "'/></error></");
    sink_puts(k, kind_name(item->kind));
    sink_puts(k, ">");
}

void stanza_result(struct sink *k, const struct item *request, struct span own)
{
    put_answer(k, request, own, "result");
    sink_puts(k, "/>");
}
