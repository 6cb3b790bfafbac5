/* SPDX-License-Identifier: MIT */
/*
 * The line protocol for client programs in C and C++; line_protocol.py says what the lines mean.
 *
 * Commands are flat JSON objects as Python prints them: ASCII, with no escapes but those of the
 * quote and the backslash.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES  (1 << 20)
#define VALUE_MAX_BYTES (1 << 17)

/* Prints text as the inside of a JSON string. */
static inline void line_put_escaped(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20)
            printf("\\u%04x", *c);
        else
            putchar(*c);
    }
}

/* An event with up to two more keys; a name that is NULL ends them. */
static inline void line_emit(const char *event, const char *name1, const char *value1,
                             const char *name2, const char *value2)
{
    printf("{\"event\": \"%s\"", event);
    if (name1) {
        printf(", \"%s\": \"", name1);
        line_put_escaped(value1 ? value1 : "");
        putchar('"');
    }
    if (name2) {
        printf(", \"%s\": \"", name2);
        line_put_escaped(value2 ? value2 : "");
        putchar('"');
    }
    puts("}");
    fflush(stdout);
}

static inline void line_emit_online(const char *jid, bool resumed)
{
    printf("{\"event\": \"online\", \"jid\": \"%s\", \"resumed\": %s}\n", jid,
           resumed ? "true" : "false");
    fflush(stdout);
}

/* The value of a command's key, a string or a number, into out, which holds VALUE_MAX_BYTES. */
static inline bool line_value(const char *line, const char *key, char *out)
{
    char quoted[64];
    size_t n = 0;

    snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    const char *at = strstr(line, quoted);
    if (!at)
        return false;
    at += strlen(quoted);
    bool is_string = *at == '"';
    at += is_string;
    while (*at && n + 1 < VALUE_MAX_BYTES) {
        if (is_string ? *at == '"' : *at == ',' || *at == '}')
            break;
        if (*at == '\\' && at[1])
            at++;
        out[n++] = *at++;
    }
    out[n] = '\0';
    return true;
}

/*
 * Reads once from the input, which may be non-blocking, and has each whole line that has come
 * carried out. False at the end of the input, or when obey says so.
 */
static inline bool line_read(bool (*obey)(void *client, const char *line), void *client)
{
    static char buffer[LINE_MAX_BYTES];
    static size_t used;
    ssize_t n = read(STDIN_FILENO, buffer + used, sizeof buffer - used);
    char *end;

    if (n == 0)
        return false;
    if (n > 0)
        used += (size_t)n;
    while ((end = (char *)memchr(buffer, '\n', used))) {
        size_t len = (size_t)(end + 1 - buffer);

        *end = '\0';
        if (!obey(client, buffer))
            return false;
        memmove(buffer, buffer + len, used - len);
        used -= len;
    }
    return true;
}
