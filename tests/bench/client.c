/* SPDX-License-Identifier: MIT */
/*
 * What a live client says, hears, counts and acknowledges. All that one reading causes is
 * flushed once.
 */
#include "tests/bench/swarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SM "urn:xmpp:sm:3"

/* --- saying --- */

/* Whom the client's message of this number is for. */
static uint32_t addressee(const struct client *c, uint32_t number)
{
    return c->swarm->fans ? 1 + number % (c->swarm->count - 1) : c->number ^ 1;
}

static void put_message(struct client *c, uint32_t number)
{
    struct bytes *page = &c->swarm->page, *out = &c->channel.out;
    char *p = bytes_room(out, page->end + 128);
    int len = sprintf(p, "<message to='u%u@%s/bench' type='chat' id='%08x-%016llx'><body>",
                      addressee(c, number), c->swarm->domain, number, (unsigned long long)now_us());
    static const char end[] = "</body></message>";
    size_t fill = c->swarm->length - (size_t)len - (sizeof end - 1);

    memcpy(p + len, bytes_front(page), fill);
    memcpy(p + len + fill, end, sizeof end - 1);
    bytes_filled(out, c->swarm->length);
}

void client_say(struct client *c, unsigned count)
{
    struct swarm *s = c->swarm;

    while (count-- > 0) {
        uint32_t number = c->said++;

        s->counts.said++;
        if (c->login != LOGIN_LIVE)
            continue; /* it is said after the resumption */
        put_message(c, number);
        if (s->managed && s->ask_every && c->said - c->asked >= s->ask_every) {
            bytes_put(&c->channel.out, "<r xmlns='" SM "'/>", sizeof "<r xmlns='" SM "'/>" - 1);
            c->asked = c->said;
        }
    }
}

/* --- hearing --- */

static void talk_on(struct client *c)
{
    struct swarm *s = c->swarm;
    struct client *next = &s->clients[(c->number + 1) % s->count];

    if (s->talk == TALK_BACK) {
        client_say(c, 1);
    } else if (s->talk == TALK_NEXT) {
        client_say(next, 1);
        channel_flush(&next->channel);
    } else if (s->talk == TALK_ALL && s->counts.heard == s->counts.said) {
        client_say(&s->clients[0], s->count - 1);
        channel_flush(&s->clients[0].channel);
    }
}

static void hear_message(struct client *c, struct text item)
{
    struct swarm *s = c->swarm;
    const char *id = memmem(item.p, item.len, " id=", 4);
    uint32_t step = s->fans ? s->count - 1 : 1, number;
    uint64_t stamp;

    if (!id || id + 31 > item.p + item.len)
        return;
    number = (uint32_t)strtoul(id + 5, NULL, 16);
    stamp = strtoull(id + 14, NULL, 16);
    if ((int32_t)(number - c->due) < 0) {
        s->counts.doubled++;
        return;
    }
    s->counts.lost += (number - c->due) / step;
    s->counts.heard++;
    c->due = number + step;
    c->heard++;
    s->waits_us[s->waits++ % WAITS_MAX] = (uint32_t)(now_us() - stamp);
    talk_on(c);
}

static void hear(struct client *c, struct text item, bool *asked)
{
    uint32_t h;

    if (item.len > 8 && !memcmp(item.p, "<message", 8)) {
        c->handled++;
        hear_message(c, item);
    } else if (item_is(item, "presence") || item_is(item, "iq")) {
        c->handled++;
    } else if (item_is(item, "r")) {
        *asked = true;
    } else if (item_is(item, "a") && item_number(item, "h", &h)) {
        c->acked = h;
    }
}

static void read_items(struct client *c)
{
    enum scan_found found;
    bool asked = false;
    struct text item;

    while ((found = channel_next(&c->channel, &item)) != SCAN_MORE) {
        if (found == SCAN_BROKEN || (c->login == LOGIN_LIVE && found == SCAN_CLOSING) ||
            (c->login == LOGIN_LIVE && item_is(item, "error"))) {
            char why[300];

            snprintf(why, sizeof why, "%.*s", found == SCAN_BROKEN ? 0 : (int)item.len, item.p);
            swarm_lost(c->swarm, c, why);
            return;
        }
        if (c->login == LOGIN_LIVE)
            hear(c, item, &asked);
        else
            login_item(c, found, item);
    }
    if (asked)
        bytes_print(&c->channel.out, "<a xmlns='" SM "' h='%u'/>", c->handled);
    channel_flush(&c->channel);
}

/* --- life --- */

static void told(struct channel *channel, enum channel_told what)
{
    struct client *c = channel->owner;

    switch (what) {
    case CHANNEL_OPEN:
        login_open(c);
        break;
    case CHANNEL_SECURE:
        login_secure(c);
        break;
    case CHANNEL_BYTES:
        read_items(c);
        break;
    case CHANNEL_ENDED:
        swarm_lost(c->swarm, c, "the connection ended");
        break;
    }
}

void client_init(struct client *c, struct swarm *s, uint32_t number)
{
    c->swarm = s;
    c->number = number;
    c->channel.fd = -1;
    c->channel.owner = c;
    c->channel.tell = told;
    c->due = s->fans && number ? number - 1 : 0;
}

void client_live(struct client *c)
{
    c->login = LOGIN_LIVE;
    if (c->swarm->fans && c->number)
        c->due = c->number - 1;
    swarm_came(c->swarm, c);
}

void client_resumed(struct client *c, struct text item)
{
    uint32_t h;

    if (!item_number(item, "h", &h) || (int32_t)(h - c->acked) < 0 || (int32_t)(c->said - h) < 0) {
        swarm_lost(c->swarm, c, "a wrong h in <resumed/>");
        return;
    }
    c->acked = h;
    c->login = LOGIN_LIVE;
    c->swarm->counts.resumed++;
    c->swarm->counts.again += c->said - h;
    for (uint32_t n = h; n != c->said; n++)
        put_message(c, n);
    swarm_came(c->swarm, c);
}
