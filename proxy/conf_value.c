/* SPDX-License-Identifier: MIT */
/*
 * Numbers with units, words and texts. Addresses and lists are in conf_address.c.
 */
#include "proxy/conf_value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit no_units[] = {{"", 1}, {0}};
static const struct unit size_units[] = {
    {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {0}};
static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {0}};

bool conf_refuse(char why[CONF_WHY_MAX], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, CONF_WHY_MAX, format, args);
    va_end(args);
    return false;
}

static void clear_number(void *)
{
    /* Owns nothing; what stands there is overwritten or never read. */
}

/* A number as people write it: in the largest unit that leaves no rest. */
static void show(char *text, size_t max, uint64_t n, const struct unit *units)
{
    const struct unit *best = units;

    for (const struct unit *u = units; u->name; u++)
        if (n % u->factor == 0 && n >= u->factor)
            best = u;
    snprintf(text, max, "%" PRIu64 "%s", n / best->factor, best->name);
}

/* Digits and a unit's name, nothing else. False if it is that not, or beyond 64 bits. */
static bool number(const char *text, const struct unit *units, uint64_t *out)
{
    uint64_t n = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n, 10U, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return false;
    if (p == text)
        return false;
    for (const struct unit *u = units; u->name; u++)
        if (!strcmp(p, u->name))
            return !__builtin_mul_overflow(n, u->factor, out);
    return false;
}

static bool number_within(const char *text, const struct unit *units,
                          const struct conf_bounds *bounds, uint64_t *out, const char *kind,
                          char why[CONF_WHY_MAX])
{
    char least[32], most[32];

    if (!number(text, units, out))
        return conf_refuse(why, "\"%.40s\" is not %s", text, kind);
    if (*out >= bounds->least && *out <= bounds->most)
        return true;
    show(least, sizeof least, bounds->least, units);
    show(most, sizeof most, bounds->most, units);
    return conf_refuse(why, "\"%.40s\" is not within %s and %s", text, least, most);
}

static bool read_count(const char *text, const struct conf_bounds *bounds, void *place,
                       char why[CONF_WHY_MAX])
{
    uint64_t n;

    if (!number_within(text, no_units, bounds, &n, "a number", why))
        return false;
    *(uint32_t *)place = (uint32_t)n;
    return true;
}

static bool read_workers(const char *text, const struct conf_bounds *bounds, void *place,
                         char why[CONF_WHY_MAX])
{
    if (strcmp(text, "auto"))
        return read_count(text, bounds, place, why);
    *(uint32_t *)place = 0;
    return true;
}

static bool read_duration(const char *text, const struct conf_bounds *bounds, void *place,
                          char why[CONF_WHY_MAX])
{
    return number_within(text, duration_units, bounds, place, "a time (as 500ms, 30s, 10m, 2h, 1d)",
                         why);
}

static bool read_size(const char *text, const struct conf_bounds *bounds, void *place,
                      char why[CONF_WHY_MAX])
{
    uint64_t n;

    if (!number_within(text, size_units, bounds, &n, "a size (as 1000, 16K, 4M, 2G)", why))
        return false;
    *(size_t *)place = n;
    return true;
}

static bool read_yes_no(const char *text, const struct conf_bounds *, void *place,
                        char why[CONF_WHY_MAX])
{
    bool yes = !strcmp(text, "yes");

    if (!yes && strcmp(text, "no"))
        return conf_refuse(why, "\"%.40s\" is neither yes nor no", text);
    *(bool *)place = yes;
    return true;
}

static bool read_word(const char *text, const struct conf_bounds *bounds, void *place,
                      char why[CONF_WHY_MAX])
{
    size_t len = 0;

    for (unsigned i = 0; bounds->words[i]; i++)
        if (!strcmp(text, bounds->words[i])) {
            memcpy(place, &i, sizeof i); /* an enum is as wide as unsigned */
            return true;
        }
    conf_refuse(why, "\"%.40s\" is none of:", text);
    for (unsigned i = 0; bounds->words[i]; i++) {
        len = strlen(why);
        snprintf(why + len, CONF_WHY_MAX - len, "%s %s", i ? "," : "", bounds->words[i]);
    }
    return false;
}

static void clear_text(void *place)
{
    char **text = place;

    free(*text);
    *text = NULL;
}

static bool read_text(const char *text, const struct conf_bounds *bounds, void *place,
                      char why[CONF_WHY_MAX])
{
    char **out = place;

    clear_text(out);
    if (!*text && bounds->least)
        return conf_refuse(why, "must not be empty");
    if (strlen(text) > bounds->most)
        return conf_refuse(why, "is longer than %" PRIu64 " bytes", bounds->most);
    if (!(*out = strdup(text)))
        return conf_refuse(why, "out of memory");
    return true;
}

const struct conf_type conf_type_text = {read_text, clear_text};
const struct conf_type conf_type_count = {read_count, clear_number};
const struct conf_type conf_type_workers = {read_workers, clear_number};
const struct conf_type conf_type_duration = {read_duration, clear_number};
const struct conf_type conf_type_size = {read_size, clear_number};
const struct conf_type conf_type_yes_no = {read_yes_no, clear_number};
const struct conf_type conf_type_word = {read_word, clear_number};
