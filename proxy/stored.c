/* SPDX-License-Identifier: MIT */
/*
 * As systemd.service(5) and sd_notify(3) say it, as far as Holdfast uses it.
 */
#include "proxy/stored.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char default_name[] = "stored";

/* What systemd allows: no control bytes, no colon (it separates names). */
static bool take_name(char *to, const char *from, size_t len)
{
    if (!len || len >= STORED_NAME)
        return false;
    for (size_t i = 0; i < len; i++)
        if (from[i] <= ' ' || from[i] > '~' || from[i] == ':')
            return false;
    memcpy(to, from, len);
    to[len] = 0;
    return true;
}

static bool is(const char *line, size_t len, const char *text)
{
    return len == strlen(text) && !memcmp(line, text, len);
}

static bool read_line(struct stored_word *out, const char *line, size_t len)
{
    static const char name[] = "FDNAME=";
    const size_t prefix = sizeof name - 1;

    if (len >= prefix && !memcmp(line, name, prefix))
        return take_name(out->name, line + prefix, len - prefix);
    out->ready |= is(line, len, "READY=1");
    out->stopping |= is(line, len, "STOPPING=1");
    out->store |= is(line, len, "FDSTORE=1");
    out->remove |= is(line, len, "FDSTOREREMOVE=1");
    out->barrier |= is(line, len, "BARRIER=1");
    return true;
}

bool stored_read(struct stored_word *out, const char *text, size_t len)
{
    *out = (struct stored_word){0};
    memcpy(out->name, default_name, sizeof default_name);
    if (len > STORED_WORD || memchr(text, 0, len))
        return false;
    while (len) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : len;

        if (!read_line(out, text, line))
            return false;
        text += line + (end != NULL);
        len -= line + (end != NULL);
    }
    return true;
}

static bool add(struct stored *s, const char *name, int fd)
{
    if (s->count == s->most)
        return false;
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 64;
        struct stored_one *at = realloc(s->at, room * sizeof *at);

        if (!at)
            return false;
        s->at = at;
        s->room = room;
    }
    s->at[s->count].fd = fd;
    memcpy(s->at[s->count++].name, name, STORED_NAME);
    return true;
}

static void remove_named(struct stored *s, const char *name)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->at[i].name, name) != 0)
            s->at[kept++] = s->at[i];
        else
            close(s->at[i].fd);
    }
    s->count = kept;
}

size_t stored_obey(struct stored *s, const struct stored_word *word, const int *fds, size_t count)
{
    size_t refused = 0;

    if (word->remove)
        remove_named(s, word->name);
    for (size_t i = 0; i < count; i++) {
        bool wanted = word->store && !word->barrier;

        if (wanted && add(s, word->name, fds[i]))
            continue;
        refused += wanted;
        close(fds[i]);
    }
    return refused;
}

char *stored_names(const struct stored *s)
{
    size_t len = 1;

    for (size_t i = 0; i < s->count; i++)
        len += strlen(s->at[i].name) + 1;

    char *names = malloc(len);
    char *to = names;

    if (!names)
        return NULL;
    for (size_t i = 0; i < s->count; i++) {
        size_t n = strlen(s->at[i].name);

        if (i)
            *to++ = ':';
        memcpy(to, s->at[i].name, n);
        to += n;
    }
    *to = 0;
    return names;
}

void stored_clear(struct stored *s)
{
    for (size_t i = 0; i < s->count; i++)
        close(s->at[i].fd);
    free(s->at);
    *s = (struct stored){0};
}
