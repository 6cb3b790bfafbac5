/* SPDX-License-Identifier: MIT */
/*
 * The crowd's command line: a row for each option.
 */
#include "tests/load/crowd.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_PORT, KIND_COUNT, KIND_NUMBER, KIND_FLAG, KIND_SEED, KIND_TROUBLE };

static const struct row {
    const char *name;
    enum kind kind;
    size_t place; /* in struct options */
    const char *meaning;
} rows[] = {
#define AT(field) offsetof(struct options, field)
    {"starttls", KIND_PORT, AT(starttls), "port for STARTTLS"},
    {"tls", KIND_PORT, AT(tls), "port for direct TLS"},
    {"ca", KIND_TEXT, AT(ca), "file of the authority's certificate"},
    {"domain", KIND_TEXT, AT(domain), "example.org"},
    {"user", KIND_TEXT, AT(user), "accounts are this with a number behind it"},
    {"clients", KIND_COUNT, AT(clients), "100"},
    {"seconds", KIND_NUMBER, AT(seconds), "of talk and trouble"},
    {"say-every", KIND_NUMBER, AT(say_every), "seconds between stanzas of one client, on average"},
    {"cut-every", KIND_NUMBER, AT(cut_every), "seconds between troubles of one client"},
    {"away", KIND_NUMBER, AT(away), "seconds until it comes back"},
    {"prompt", KIND_FLAG, AT(prompt), "nobody stays away much longer than others"},
    {"linger", KIND_NUMBER, AT(linger), "seconds that a silent socket stays open"},
    {"fuse", KIND_NUMBER, AT(fuse), "share of connections that fail at a random byte"},
    {"trouble", KIND_TROUBLE, AT(weights), "NAME=WEIGHT,...; those not named never happen"},
    {"gather", KIND_NUMBER, AT(gather), "first logins a second"},
    {"long", KIND_COUNT, AT(len_max), "bytes of the longest messages"},
    {"echo", KIND_FLAG, AT(echo), "talk to the server's echo, not to each other"},
    {"may-drop", KIND_FLAG, AT(may_drop), "the other side may drop and refuse connections"},
    {"may-end", KIND_FLAG, AT(may_end), "the server may end links, with the sessions on them"},
    {"report", KIND_NUMBER, AT(report), "seconds between lines of figures; 0: none"},
    {"patience", KIND_NUMBER, AT(patience), "seconds that count as a hang"},
    {"seed", KIND_SEED, AT(seed), "decides all that is decided by chance"},
#undef AT
};

enum { ROWS = sizeof rows / sizeof *rows };

_Noreturn static void usage(const char *wrong)
{
    fprintf(stderr, "crowd: %s\nusage: crowd --ca FILE [--tls PORT] [--starttls PORT] ...\n",
            wrong);
    for (int i = 0; i < ROWS; i++)
        fprintf(stderr, "  --%-10s %s\n", rows[i].name, rows[i].meaning);
    exit(2);
}

static void read_troubles(unsigned *weights, char *list)
{
    static const char *const names[] = {
#define X(name, weight) #name,
        TROUBLES(X)
#undef X
    };

    memset(weights, 0, TROUBLE_COUNT * sizeof *weights);
    if (!strcmp(list, "none"))
        return;
    for (char *one = strtok(list, ","); one; one = strtok(NULL, ",")) {
        char *value = strchr(one, '=');
        int i = 0;

        if (value)
            *value++ = 0;
        while (i < TROUBLE_COUNT && strcmp(one, names[i]))
            i++;
        if (i == TROUBLE_COUNT)
            usage("there is no such trouble");
        weights[i] = value ? (unsigned)atoi(value) : 1;
    }
}

static void read_one(struct options *o, const struct row *row, char *value)
{
    void *at = (char *)o + row->place;

    switch (row->kind) {
    case KIND_TEXT:
        *(const char **)at = value;
        break;
    case KIND_PORT:
        *(struct sockaddr_in *)at = (struct sockaddr_in){.sin_family = AF_INET,
                                                         .sin_port = htons((uint16_t)atoi(value)),
                                                         .sin_addr = {htonl(INADDR_LOOPBACK)}};
        break;
    case KIND_COUNT:
        *(unsigned *)at = (unsigned)atoi(value);
        break;
    case KIND_NUMBER:
        *(double *)at = atof(value);
        break;
    case KIND_FLAG:
        *(bool *)at = true;
        break;
    case KIND_SEED:
        *(uint64_t *)at = strtoull(value, NULL, 0);
        break;
    case KIND_TROUBLE:
        read_troubles(at, value);
        break;
    }
}

void options_read(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const struct row *row = rows;

        while (row < rows + ROWS && (strncmp(argv[i], "--", 2) || strcmp(argv[i] + 2, row->name)))
            row++;
        if (row == rows + ROWS)
            usage(argv[i]);
        if (row->kind != KIND_FLAG && ++i == argc)
            usage("a value is missing");
        read_one(o, row, argv[i]);
    }
    if (!o->ca || (!o->starttls.sin_port && !o->tls.sin_port) || !o->clients)
        usage("it needs --ca, --clients, and --tls or --starttls");
}
