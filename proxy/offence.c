/* SPDX-License-Identifier: MIT */
/*
 * Names of elements come from outside; the log escapes them. Nothing else of an
 * offence is written down.
 */
#include "proxy/offence.h"

#include "parser/stanza.h"

enum { TOLD_MAX = 16 };

enum log_level offence_level(uint8_t *so_far)
{
    if (*so_far == TOLD_MAX)
        return LOG_DEBUG;
    ++*so_far;
    return LOG_INFO;
}

static struct span name_of(const struct item *item, struct span raw)
{
    return (struct span){raw.p + 1, item->name_end - 1};
}

void offence_misplaced(struct client *c, const struct item *item, struct span raw,
                       const char *answer)
{
    c->tools->counters.misplaced++;
    enum log_level level = offence_level(&c->offences);
    log_at(level, "misplaced", f_u64("conn", c->id), f_span("element", name_of(item, raw)),
           f_str("answer", answer));
}

void offence_dropped(struct link *l, const struct item *item, struct span raw)
{
    l->tools->counters.ignored++;
    enum log_level level = offence_level(&l->offences);
    log_at(level, "misplaced", f_u64("link", l->id), f_str("host", l->host->domain),
           f_span("element", name_of(item, raw)));
}

/* Of the start tag alone it is not known what a message has in it. */
static bool expects_answer(const struct item *item)
{
    if (item->kind == ITEM_MESSAGE)
        return item->from.p && item->type != TYPE_ERROR && item->type != TYPE_GROUPCHAT;
    return item->kind == ITEM_IQ && (item->type == TYPE_GET || item->type == TYPE_SET);
}

void offence_skip(struct link *l, struct span raw)
{
    char tag[INFLOW_TAG_MAX];
    struct span start = inflow_start_tag(raw, tag);
    struct context gives = relay_link_gives(l);
    struct sink k = relay_sink(l->tools);
    struct item item;

    l->tools->counters.stanzas_skipped++;
    enum log_level level = offence_level(&l->offences);
    log_at(level, "stanza_skipped", f_u64("link", l->id), f_str("host", l->host->domain));
    if (!start.p || xml_next(l->tools->xml, &gives, start, &item) != XML_FINE ||
        !expects_answer(&item) || !relay_has_room(l))
        return;
    stanza_error(&k, &item, SPAN_NONE, "modify", "policy-violation");
    if (!k.full)
        relay_pass(l, sink_span(&k));
}
