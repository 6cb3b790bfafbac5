/* SPDX-License-Identifier: MIT */
/*
 * What befalls clients that are there. What befalls connections at a random byte, at any time from
 * the handshake on, is the fuse's.
 */
#include "tests/load/stream.h"

static void cut(struct stream *s, enum wire_end how)
{
    struct client *c = s->client;

    c->crowd->counts.cuts++;
    stream_end(s, how);
    client_lost(c, s);
}

static void silence(struct stream *s)
{
    struct client *c = s->client;

    c->crowd->counts.cuts++;
    s->excused = true;
    client_lost(c, s);
    stream_retire(s, true);
}

void trouble_after(struct stream *s)
{
    uint32_t roll = dice_below(&s->client->dice, 3);

    if (s->step == STEP_FORMER)
        stream_end(s, WIRE_RESET);
    else if (roll == 0)
        silence(s);
    else
        cut(s, roll == 1 ? WIRE_RESET : WIRE_FINISH);
}

/* A part of the next message goes out; the message is not said. */
static void half(struct client *c)
{
    struct bytes *page = &c->crowd->page;
    struct stream *s = c->live;

    words_message(c->crowd->words, page, c->number, c->way.said, c->peer);
    wire_put(&s->wire, bytes_front(page), 1 + dice_below(&c->dice, (uint32_t)bytes_len(page) - 1));
    bytes_clear(page);
    wire_flush(&s->wire);
    trouble_after(s);
}

/* A message is said, but the record that it is in goes out in part. */
static void record(struct client *c)
{
    struct wire *w = &c->live->wire;
    uint64_t before = w->put;

    client_say(c, SAID_MESSAGE);
    if (w->put > before + 1)
        w->fuse_up = before + 1 + dice_below(&c->dice, (uint32_t)(w->put - before - 1));
    wire_flush(w);
}

static enum trouble choose(struct client *c)
{
    const unsigned *weights = c->crowd->options.weights;
    unsigned sum = 0;
    int which = 0;
    uint32_t roll;

    for (int i = 0; i < TROUBLE_COUNT; i++)
        sum += weights[i];
    if (!sum)
        return TROUBLE_COUNT;
    roll = dice_below(&c->dice, sum);
    while (roll >= weights[which])
        roll -= weights[which++];
    return (enum trouble)which;
}

void trouble(struct client *c)
{
    enum trouble which = choose(c);
    struct stream *s = c->live;

    if (which == TROUBLE_COUNT)
        return;
    c->crowd->counts.troubles[which]++;
    switch (which) {
    case TROUBLE_reset:
        cut(s, WIRE_RESET);
        break;
    case TROUBLE_finish:
        cut(s, WIRE_FINISH);
        break;
    case TROUBLE_notify:
        cut(s, WIRE_NOTIFY);
        break;
    case TROUBLE_silence:
        silence(s);
        break;
    case TROUBLE_half:
        half(c);
        break;
    case TROUBLE_record:
        record(c);
        break;
    case TROUBLE_takeover:
        client_come(c);
        break;
    case TROUBLE_logout:
        client_log_out(c);
        break;
    case TROUBLE_COUNT:
        break;
    }
}
