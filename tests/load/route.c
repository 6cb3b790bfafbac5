/* SPDX-License-Identifier: MIT */
/*
 * Stanzas of bound clients: to whom they go, and what is answered. A stanza is passed on as
 * it came, with the sender's JID written into its start tag.
 *
 * Numbered stanzas have ids as m17 (messages) and p17 (pings): of each client they must come
 * once, in order, without a gap, however often its connection was cut.
 */
#include "tests/load/standin.h"

#include <stdio.h>
#include <string.h>

/* The whole attribute around a value: ` name='value'`. */
static struct text around(struct text value, const char *name)
{
    size_t before = strlen(name) + 3;

    return (struct text){value.p - before, value.len + before + 1};
}

/* Writes the item with another sender, and with another addressee if `to` is given. */
static void readdress(struct bytes *out, struct text item, const char *from, const char *to)
{
    const char *names[] = {"from", to ? "to" : NULL};
    const char *rest = item.p + 1 + strcspn(item.p + 1, " />"), *end = item.p + item.len;
    struct text value, cut[2] = {{rest, 0}, {rest, 0}};

    for (int i = 0; i < 2; i++)
        if (names[i] && item_attribute(item, names[i], &value))
            cut[i] = around(value, names[i]);
    if (cut[0].p > cut[1].p) {
        struct text first = cut[1];

        cut[1] = cut[0];
        cut[0] = first;
    }
    bytes_put(out, item.p, (size_t)(rest - item.p));
    bytes_print(out, " from='%s'", from);
    if (to)
        bytes_print(out, " to='%s'", to);
    bytes_put(out, rest, (size_t)(cut[0].p - rest));
    rest = cut[0].p + cut[0].len;
    bytes_put(out, rest, (size_t)(cut[1].p - rest));
    rest = cut[1].p + cut[1].len;
    bytes_put(out, rest, (size_t)(end - rest));
}

/* One more of this kind: it has to be the next. False: it has no number. */
static bool expect(struct standin *s, const struct account *from, struct text item, char letter,
                   uint32_t *next, bool *may_skip)
{
    uint32_t number;

    if (!words_number(item, letter, &number))
        return false;
    if (*may_skip ? number < *next : number != *next)
        standin_fault(s, from->jid, "%c%u came, but %c%u was due", letter, number, letter, *next);
    *next = number + 1;
    *may_skip = false;
    return true;
}

static void deliver(struct account *to, const struct bytes *stanza)
{
    link_put(to->link, bytes_front(stanza), bytes_len(stanza));
}

static void message(struct standin *s, struct account *from, struct text item)
{
    struct bytes out = {0};
    struct account *addressee;
    struct text to, type;
    bool error = item_attribute(item, "type", &type) && text_is(type, "error");

    if (error)
        s->counts.errors++;
    else
        s->counts.messages++;
    if (!error)
        (void)expect(s, from, item, 'm', &from->messages, &from->may_skip);
    if (!item_attribute(item, "to", &to))
        return;
    if (to.len > 5 && !memcmp(to.p, "echo@", 5)) {
        char echo[256];

        snprintf(echo, sizeof echo, "%.*s", (int)to.len, to.p);
        readdress(&out, item, echo, from->jid);
        deliver(from, &out);
        s->counts.echoed++;
    } else {
        addressee = accounts_find(s->accounts, to);
        readdress(&out, item, from->jid, NULL);
        if (addressee->link && addressee->available) {
            deliver(addressee, &out);
            s->counts.passed++;
        } else {
            bytes_put(&addressee->waiting, bytes_front(&out), bytes_len(&out));
            s->counts.kept++;
        }
    }
    bytes_clear(&out);
}

static void directed_presence(struct account *from, struct account *to, struct text item)
{
    struct bytes out = {0};

    from->friend = to;
    if (to->link) {
        readdress(&out, item, from->jid, NULL);
        deliver(to, &out);
    }
    bytes_clear(&out);
}

void route_gone(struct account *from)
{
    struct account *to = from->friend;
    struct bytes out = {0};

    from->available = false;
    from->friend = NULL;
    if (!to || !to->link)
        return;
    bytes_print(&out, "<presence from='%s' to='%s' type='unavailable'/>", from->jid, to->jid);
    deliver(to, &out);
    bytes_clear(&out);
}

static void presence(struct standin *s, struct account *from, struct text item)
{
    struct text to, type;
    bool typed = item_attribute(item, "type", &type);

    if (item_attribute(item, "to", &to)) {
        directed_presence(from, accounts_find(s->accounts, to), item);
    } else if (typed && text_is(type, "unavailable")) {
        s->counts.unavailable++;
        route_gone(from);
    } else if (!typed && !from->available) {
        from->available = true;
        if (bytes_len(&from->waiting))
            deliver(from, &from->waiting);
        bytes_clear(&from->waiting);
    }
}

static void query(struct standin *s, struct account *from, struct text item)
{
    struct bytes out = {0};
    struct text id = {"", 0}, to, type;
    bool elsewhere = item_attribute(item, "to", &to) && !text_is(to, s->domain);
    bool ping = !elsewhere && item_has(item, "urn:xmpp:ping");

    if (!item_attribute(item, "type", &type) || text_is(type, "result") || text_is(type, "error"))
        return;
    (void)item_attribute(item, "id", &id);
    if (ping) {
        if (expect(s, from, item, 'p', &from->pings, &from->pings_may_skip))
            s->counts.pings++;
        else
            s->counts.probes++;
    }
    bytes_print(&out, "<iq from='%s' to='%s' id='%.*s' type='%s'", s->domain, from->jid,
                (int)id.len, id.p, ping ? "result" : "error");
    if (ping)
        bytes_print(&out, "/>");
    else
        bytes_print(&out, "><error type='cancel'><service-unavailable "
                          "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    deliver(from, &out);
    bytes_clear(&out);
}

void route(struct standin *s, struct account *from, struct text item)
{
    if (item_is(item, "message"))
        message(s, from, item);
    else if (item_is(item, "presence"))
        presence(s, from, item);
    else if (item_is(item, "iq"))
        query(s, from, item);
    else
        standin_fault(s, from->jid, "sent what is no stanza: %.*s",
                      (int)(item.len < 200 ? item.len : 200), item.p);
}
