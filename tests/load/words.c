/* SPDX-License-Identifier: MIT */
/*
 * Bodies are cut from one block of noise. It is made of cells of eight bytes, each of which is
 * well-formed by itself, with references and characters beyond ASCII among them; a
 * body begins and ends between cells.
 */
#include "tests/load/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL = 8, SHORT_MAX = 240, MIDDLE_MAX = 2400 };

/* --- dice: splitmix64 --- */

uint64_t dice_roll(struct dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

struct dice dice_of(uint64_t seed, uint64_t who)
{
    struct dice d = {seed * 0xd1342543de82ef95 + who};

    d.state = dice_roll(&d);
    return d;
}

uint32_t dice_below(struct dice *d, uint32_t bound)
{
    return (uint32_t)((dice_roll(d) >> 32) * bound >> 32);
}

static double between_0_and_1(struct dice *d)
{
    return (double)(dice_roll(d) >> 11) / 9007199254740992.;
}

bool dice_share(struct dice *d, double share)
{
    return between_0_and_1(d) < share;
}

double dice_around(struct dice *d, double mean)
{
    return -mean * log(1. - between_0_and_1(d));
}

/* --- words --- */

struct words *words_new(uint64_t seed, size_t len_max)
{
    static const char odd[][CELL + 1] = {
        "&amp;, b", "&lt;a/>.", "\xc3\xa9\xc3\xa8 a b", "\xf0\x9f\x98\x80 > '", "]]&gt;\n \"",
    };
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz ,.:0123456789";
    struct words *w = malloc(sizeof *w);
    struct dice d = dice_of(seed, UINT64_MAX);

    if (!w)
        abort();
    w->seed = seed;
    w->len_max = len_max < NOISE_BYTES / 2 ? len_max : NOISE_BYTES / 2;
    for (size_t i = 0; i < NOISE_BYTES; i += CELL) {
        if (dice_share(&d, .05)) {
            memcpy(w->noise + i, odd[dice_below(&d, sizeof odd / sizeof *odd)], CELL);
            continue;
        }
        for (size_t j = i; j < i + CELL; j++)
            w->noise[j] = plain[dice_below(&d, sizeof plain - 1)];
    }
    return w;
}

void words_free(struct words *w)
{
    free(w);
}

/* Most messages are short, some are not, a few are long. */
static size_t body_len(const struct words *w, struct dice *d)
{
    bool middle = dice_share(d, .2), longest = dice_share(d, .01);
    size_t max = longest ? w->len_max : middle ? MIDDLE_MAX : SHORT_MAX;
    size_t len = dice_below(d, (uint32_t)max);

    return (len < w->len_max ? len : w->len_max) / CELL * CELL;
}

static struct text body(const struct words *w, uint32_t who, uint32_t number)
{
    struct dice d = dice_of(w->seed, (uint64_t)who << 32 | number);
    size_t len = body_len(w, &d);
    uint32_t cells = (uint32_t)((NOISE_BYTES - len) / CELL);

    return (struct text){w->noise + (size_t)dice_below(&d, cells) * CELL, len};
}

void words_message(const struct words *w, struct bytes *out, uint32_t who, uint32_t number,
                   const char *to)
{
    struct text t = body(w, who, number);

    bytes_print(out, "<message to='%s' type='chat' id='m%u'><body>", to, number);
    bytes_put(out, t.p, t.len);
    bytes_print(out, "</body></message>");
}

bool words_number(struct text item, char letter, uint32_t *out)
{
    struct text id;
    char digits[16], *end;

    if (!item_attribute(item, "id", &id) || id.len < 2 || id.len > 11 || id.p[0] != letter)
        return false;
    memcpy(digits, id.p + 1, id.len - 1);
    digits[id.len - 1] = 0;
    *out = (uint32_t)strtoul(digits, &end, 10);
    return !*end;
}

bool words_true(const struct words *w, struct text item, uint32_t who, uint32_t number)
{
    static const char begin[] = "<body>", end[] = "</body>";
    struct text t = body(w, who, number);
    const char *p = memmem(item.p, item.len, begin, sizeof begin - 1);
    size_t left;

    if (!p)
        return false;
    p += sizeof begin - 1;
    left = (size_t)(item.p + item.len - p);
    return left >= t.len + sizeof end - 1 && !memcmp(p, t.p, t.len) &&
           !memcmp(p + t.len, end, sizeof end - 1);
}
