/* SPDX-License-Identifier: MIT */
/*
 * Mutates scripts as scripts: moves are added, dropped, doubled, shifted, torn in two and given
 * other words or other movers; and now and then bytes are, as libFuzzer does it. Two scripts
 * are crossed line by line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parser/sink.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/negotiation_words.h"

enum { LINES_MAX = 96, LINE_ROOM = 400, TRIES = 4, WORD_ROOM = 40 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max, unsigned seed);

struct script {
    char lines[LINES_MAX][LINE_ROOM];
    size_t count;
};

/* Moves worth trying anywhere; %c is a client, %C a link, %d a small number, %w a word. */
static const char *const moves[] = {
    "%c open tls",
    "%c open tls 0 %d",
    "%c open starttls",
    "%c open balanced 3",
    "%c open bare",
    "%c open tls %d",
    "%c open ws",
    "%c open ws",
    "%c open ws 0 %d",
    "%c open wss",
    "%c open wsbare",
    "%c frame 81 $w",
    "%c frame 81 $wmsg(x)",
    "%c frame 1 <message xmlns='jabber:client'",
    "%c frame 0 ><a>",
    "%c frame 80 </a></message>",
    "%c frame 89 %d",
    "%c frame 8a %d",
    "%c frame 88",
    "%c frame 88 \\x03\\xe8",
    "%c frame 82 x",
    "%c bytes $upgrade($forwarded(1.2.3.%d))",
    "%c bytes $http(/.well-known/host-meta,$forwarded(1.2.3.%d))",
    "%c bytes \\x81\\xfe",
    "%c say $all(alice,phone)",
    "%c say $all(bob,phone)",
    "%c say $login(alice)$bind(phone)$enable2(%d)",
    "%c say $back(alice)",
    "%c say $back(bob,%d)",
    "%c say $login(alice)",
    "%c say $head",
    "%c say $plain(alice)",
    "%c say $scram(alice)",
    "%c say $final",
    "%c say $md5",
    "%c say $digest(alice)",
    "%c say $token(alice)",
    "%c say $legacy(alice,phone)",
    "%c say $bind(phone)",
    "%c say $bindany",
    "%c say $enable",
    "%c say $enableno",
    "%c say $resume(%d,%d)",
    "%c say $resume",
    "%c say $resume(%d,-%d)",
    "%c say $r",
    "%c say $a",
    "%c say $a(%d)",
    "%c say $a(-%d)",
    "%c say $msg(x)",
    "%c say $msg(x)$msg(y)$r",
    "%c say $pres",
    "%c say $result",
    "%c say $get(plain.example)",
    "%c say $big(%d000)",
    "%c say $inactive",
    "%c say $evil(enabled)",
    "%c say $active",
    "%c say $close",
    "%c say $w",
    "%c say $w$w",
    "%c fin",
    "%c reset",
    "%c alert",
    "%c stall",
    "%c read",
    "%c room %d",
    "%c polite",
    "%c secure",
    "%C say $answer",
    "%C say $w",
    "%C say $smsg(x)",
    "%C say $smsg(x)$smsg(y)$sget$spres",
    "%C say $sget",
    "%C say $sgroup",
    "%C say $sborrow",
    "%C say $sbig(%d000)",
    "%C say $sping",
    "%C say $pong",
    "%C say $bound",
    "%C say $boundas(eve@plain.example/x)",
    "%C say $unbound",
    "%C say $logged(result)",
    "%C say $evil(enabled)",
    "%C say $evil(r)",
    "%C say $evil(a)",
    "%C say $serror(conflict)",
    "%C say $close",
    "%C say $success",
    "%C say $failure",
    "%C say $challenge",
    "%C fin",
    "%C reset",
    "%C hold",
    "%C go",
    "%C stall",
    "%C read",
    "%C room %d",
    "* wait %d",
    "* wait %d00",
    "* wait %d000",
    "* wait %d0000",
    "* wait 700000",
    "* refuse %d",
    "* silent %d",
    "* segment %d",
    "* mute",
    "* speak",
    "* stop",
};

static uint32_t chance;

static size_t roll(size_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 17;
    chance ^= chance << 5;
    return n ? chance % n : 0;
}

/* Any word, with or without something for it to work on. */
static const char *any_word(void)
{
    static const char *const with[] = {"alice",   "bob",     "alice,phone", "phone",  "1",
                                       "-1",      "0,1",     "3000",        "r",      "a",
                                       "enabled", "resumed", "failed",      "result", "conflict"};
    static char text[WORD_ROOM];
    size_t count = 0;

    while (words_name(count))
        count++;
    if (roll(2))
        snprintf(text, sizeof text, "%s(%s)", words_name(roll(count)),
                 with[roll(sizeof with / sizeof *with)]);
    else
        snprintf(text, sizeof text, "%s", words_name(roll(count)));
    return text;
}

/* --- lines --- */

static void read_script(struct script *s, const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};

    s->count = 0;
    while (in.len && s->count < LINES_MAX) {
        struct span line = fuzz_until(&in, '\n');
        size_t len = line.len < LINE_ROOM - 1 ? line.len : LINE_ROOM - 1;

        memcpy(s->lines[s->count], line.p, len);
        for (size_t i = 0; i < len; i++) /* a line is text to us; NUL is said as \x00 */
            if (!s->lines[s->count][i])
                s->lines[s->count][i] = ' ';
        s->lines[s->count++][len] = 0;
    }
}

static size_t write_script(const struct script *s, uint8_t *data, size_t max)
{
    struct sink k = {.p = (char *)data, .max = max};

    for (size_t i = 0; i < s->count && !k.full; i++) {
        sink_puts(&k, s->lines[i]);
        sink_puts(&k, "\n");
    }
    return k.len;
}

/* Room for one more at `at`. */
static char *insert(struct script *s, size_t at)
{
    if (s->count == LINES_MAX)
        s->count--;
    if (at > s->count)
        at = s->count;
    memmove(s->lines[at + 1 < LINES_MAX ? at + 1 : at], s->lines[at],
            (s->count - at < LINES_MAX - 1 - at ? s->count - at : LINES_MAX - 1 - at) * LINE_ROOM);
    s->count++;
    return s->lines[at];
}

static void drop(struct script *s, size_t at)
{
    memmove(s->lines[at], s->lines[at + 1], (s->count - at - 1) * LINE_ROOM);
    s->count--;
}

static void write_move(char line[LINE_ROOM])
{
    const char *move = moves[roll(sizeof moves / sizeof *moves)];
    struct sink k = {.p = line, .max = LINE_ROOM - 1};
    char text[8];

    for (; *move; move++) {
        if (*move == '$' && move[1] == 'w') {
            sink_puts(&k, "$");
            sink_puts(&k, any_word());
            move++;
            continue;
        }
        if (*move != '%') {
            sink_put(&k, (struct span){move, 1});
            continue;
        }
        move++;
        snprintf(text, sizeof text, "%c",
                 (int)(*move == 'd'   ? '0' + roll(10)
                       : *move == 'c' ? '0' + roll(3)
                                      : 'A' + roll(3)));
        sink_puts(&k, text);
    }
    line[k.len] = 0;
}

/* --- one change --- */

/* A script is said in other pieces: what one line says, two do. */
static void tear(struct script *s, size_t at)
{
    char *says = strstr(s->lines[at], " say "), *behind;
    size_t begin, cut;

    if (!says || !says[5])
        return;
    begin = (size_t)(says + 5 - s->lines[at]);
    cut = begin + roll(strlen(says + 5));
    behind = insert(s, at + 1);
    snprintf(behind, LINE_ROOM, "%.*s%s", (int)begin, s->lines[at], s->lines[at] + cut);
    s->lines[at][cut] = 0;
}

/* Two lines in one. */
static void join(struct script *s, size_t at)
{
    const char *says = at + 1 < s->count ? strstr(s->lines[at + 1], " say ") : NULL;
    size_t len = strlen(s->lines[at]);

    if (!says || !strstr(s->lines[at], " say "))
        return;
    snprintf(s->lines[at] + len, LINE_ROOM - len, "%s", says + 5);
    drop(s, at + 1);
}

/* One word becomes another, or is put in. */
static void reword(char line[LINE_ROOM])
{
    char copy[LINE_ROOM], *at = strchr(line, '$'), *next;
    size_t end = 1;

    if (!at)
        return;
    while (roll(2) && (next = strchr(at + 1, '$')))
        at = next;
    if (roll(3))
        while ((at[end] >= 'a' && at[end] <= 'z') || (at[end] >= '0' && at[end] <= '9'))
            end++;
    else
        end = 0;
    snprintf(copy, sizeof copy, "%s", at + end);
    snprintf(at, LINE_ROOM - (size_t)(at - line), "$%s%s", any_word(), copy);
}

/* A number becomes another one. */
static void renumber(char line[LINE_ROOM])
{
    size_t len = strlen(line), at = len ? roll(len) : 0;

    for (size_t i = 0; i < len; i++, at = (at + 1) % len) {
        if (line[at] < '0' || line[at] > '9')
            continue;
        line[at] = (char)('0' + roll(10));
        return;
    }
}

static void change_bytes(char line[LINE_ROOM])
{
    size_t len = LLVMFuzzerMutate((uint8_t *)line, strlen(line), LINE_ROOM - 1);

    for (size_t i = 0; i < len; i++)
        if (!line[i] || line[i] == '\n')
            line[i] = ' ';
    line[len] = 0;
}

static void change(struct script *s)
{
    size_t at = roll(s->count), to = roll(s->count + 1);
    char copy[LINE_ROOM];

    switch (s->count ? roll(12) : 0) {
    case 0:
    case 1:
    case 2:
        write_move(insert(s, to));
        break;
    case 3:
        drop(s, at);
        break;
    case 4:
        memcpy(copy, s->lines[at], LINE_ROOM);
        memcpy(insert(s, to), copy, LINE_ROOM);
        break;
    case 5:
        memcpy(copy, s->lines[at], LINE_ROOM);
        drop(s, at);
        memcpy(insert(s, roll(s->count + 1)), copy, LINE_ROOM);
        break;
    case 6:
        tear(s, at);
        break;
    case 7:
        join(s, at);
        break;
    case 8:
        reword(s->lines[at]);
        break;
    case 9:
        renumber(s->lines[at]);
        break;
    case 10:
        change_bytes(s->lines[at]);
        break;
    default:
        write_move(s->lines[at]);
        break;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    static struct script script;

    chance = seed * 2654435761u | 1;
    read_script(&script, data, size);
    for (size_t i = 1 + roll(TRIES); i; i--)
        change(&script);
    return write_script(&script, data, max);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max, unsigned seed)
{
    static struct script first, second;
    size_t from, len, at;

    chance = seed * 2654435761u | 1;
    read_script(&first, a, a_size);
    read_script(&second, b, b_size);
    from = roll(second.count);
    len = second.count ? 1 + roll(second.count - from) : 0;
    at = roll(first.count + 1);
    for (size_t i = 0; i < len; i++)
        memcpy(insert(&first, at + i), second.lines[from + i], LINE_ROOM);
    return write_script(&first, out, max);
}
