/* SPDX-License-Identifier: MIT */
/*
 * What is done with a configuration once it is read: look up, compare, free; and the
 * list of problems that reading and checking fill.
 */
#include "proxy/conf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/conf_table.h"

const struct conf_host *conf_host(const struct conf *conf, struct span domain)
{
    for (size_t i = 0; i < conf->host_count; i++)
        if (span_is(domain, conf->hosts[i].domain))
            return &conf->hosts[i];
    return NULL;
}

const struct conf_host *conf_host_by_sni(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->host_count; i++)
        if (!strcasecmp(name, conf->hosts[i].ascii))
            return &conf->hosts[i];
    return NULL;
}

static bool network_holds(const struct conf_network *network, sa_family_t family,
                          const uint8_t *bytes)
{
    unsigned whole = network->prefix / 8;
    unsigned rest = network->prefix % 8;

    if (network->family != family || memcmp(network->bytes, bytes, whole))
        return false;
    return !rest || !((network->bytes[whole] ^ bytes[whole]) >> (8 - rest));
}

bool conf_networks_hold(const struct conf_networks *networks, const struct sockaddr *addr)
{
    sa_family_t family = addr->sa_family;
    uint8_t bytes[16] = {0};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (family == AF_INET) {
        memcpy(&v4, addr, sizeof v4);
        memcpy(bytes, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (family == AF_INET6) {
        memcpy(&v6, addr, sizeof v6);
        memcpy(bytes, &v6.sin6_addr, sizeof bytes);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
            family = AF_INET;
            memmove(bytes, bytes + 12, 4);
        }
    } else {
        return false;
    }
    for (size_t i = 0; i < networks->count; i++)
        if (network_holds(&networks->at[i], family, bytes))
            return true;
    return false;
}

/* The text that counts for a row, whether it was written or not. */
static const char *text_of(const struct conf_row *row, const struct conf_entry *entry)
{
    return entry->text ? entry->text : row->standard ? row->standard : "";
}

static void compare_sections(enum conf_section section, const void *now, const void *next,
                             struct conf_problems *problems)
{
    const struct conf_shape *shape = &conf_shapes[section];

    for (size_t i = 0; i < shape->row_count; i++) {
        const struct conf_row *row = &shape->rows[i];
        const struct conf_entry *a = conf_entry(section, now, row->name);
        const struct conf_entry *b = conf_entry(section, next, row->name);

        if (!row->may_reload && strcmp(text_of(row, a), text_of(row, b)))
            conf_problems_add(problems, b->line, true,
                              "%s: a change takes effect at the next start", row->name);
    }
}

/* Named sections are compared by their names; a new order changes nothing. */
static void compare_hosts(const struct conf *now, const struct conf *next,
                          struct conf_problems *problems)
{
    for (size_t i = 0; i < next->host_count; i++) {
        const struct conf_host *host = conf_host(now, span_of(next->hosts[i].domain));

        if (host)
            compare_sections(CONF_SECTION_HOST, host, &next->hosts[i], problems);
        else
            conf_problems_add(problems, next->hosts[i].line, true,
                              "[host %s] takes effect at the next start", next->hosts[i].domain);
    }
    for (size_t i = 0; i < now->host_count; i++)
        if (!conf_host(next, span_of(now->hosts[i].domain)))
            conf_problems_add(problems, 0, true, "[host %s] is served until the next start",
                              now->hosts[i].domain);
}

static const struct conf_listen *listen_named(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->listen_count; i++)
        if (!strcmp(conf->listens[i].name, name))
            return &conf->listens[i];
    return NULL;
}

static void compare_listens(const struct conf *now, const struct conf *next,
                            struct conf_problems *problems)
{
    for (size_t i = 0; i < next->listen_count; i++) {
        const struct conf_listen *listen = listen_named(now, next->listens[i].name);

        if (listen)
            compare_sections(CONF_SECTION_LISTEN, listen, &next->listens[i], problems);
        else
            conf_problems_add(problems, next->listens[i].line, true,
                              "[listen %s] takes effect at the next start", next->listens[i].name);
    }
    for (size_t i = 0; i < now->listen_count; i++)
        if (!listen_named(next, now->listens[i].name))
            conf_problems_add(problems, 0, true, "[listen %s] is open until the next start",
                              now->listens[i].name);
}

void conf_compare(const struct conf *now, const struct conf *next, struct conf_problems *problems)
{
    compare_sections(CONF_SECTION_MAIN, &now->main, &next->main, problems);
    compare_listens(now, next, problems);
    compare_hosts(now, next, problems);
    compare_sections(CONF_SECTION_SM, &now->sm, &next->sm, problems);
    compare_sections(CONF_SECTION_LIMITS, &now->limits, &next->limits, problems);
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    for (size_t i = 0; i < conf->listen_count; i++) {
        conf_section_clear(CONF_SECTION_LISTEN, &conf->listens[i]);
        free(conf->listens[i].name);
    }
    for (size_t i = 0; i < conf->host_count; i++) {
        conf_section_clear(CONF_SECTION_HOST, &conf->hosts[i]);
        free(conf->hosts[i].domain);
        free(conf->hosts[i].ascii);
    }
    conf_section_clear(CONF_SECTION_MAIN, &conf->main);
    conf_section_clear(CONF_SECTION_SM, &conf->sm);
    conf_section_clear(CONF_SECTION_LIMITS, &conf->limits);
    free(conf->listens);
    free(conf->hosts);
    free(conf->path);
    free(conf);
}

void conf_problems_add(struct conf_problems *problems, unsigned line, bool warning,
                       const char *format, ...)
{
    char *text;
    va_list args;

    if (!warning)
        problems->errors++;
    if (!problems->at)
        problems->at = calloc(CONF_PROBLEMS_MAX, sizeof *problems->at);
    if (!problems->at || problems->count == CONF_PROBLEMS_MAX) {
        problems->left_off++;
        return;
    }
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        problems->left_off++;
        return;
    }
    problems->at[problems->count++] =
        (struct conf_problem){.line = line, .warning = warning, .text = text};
}

/* By line, problems of the whole file last; of one line in the order found. */
static int by_line(const void *a, const void *b)
{
    const struct conf_problem *const *x = a, *const *y = b;
    unsigned p = (*x)->line - 1, q = (*y)->line - 1; /* 0 becomes the greatest */

    if (p != q)
        return p < q ? -1 : 1;
    return *x < *y ? -1 : *x > *y;
}

void conf_problems_print(const struct conf_problems *problems, FILE *out)
{
    const struct conf_problem *sorted[CONF_PROBLEMS_MAX];
    const char *path = problems->path ? problems->path : "configuration";

    for (size_t i = 0; i < problems->count; i++)
        sorted[i] = &problems->at[i];
    qsort(sorted, problems->count, sizeof *sorted, by_line);
    for (size_t i = 0; i < problems->count; i++) {
        const char *kind = sorted[i]->warning ? "warning: " : "";

        if (sorted[i]->line)
            fprintf(out, "%s:%u: %s%s\n", path, sorted[i]->line, kind, sorted[i]->text);
        else
            fprintf(out, "%s: %s%s\n", path, kind, sorted[i]->text);
    }
    if (problems->left_off)
        fprintf(out, "%s: and %zu more\n", path, problems->left_off);
}

void conf_problems_clear(struct conf_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        free(problems->at[i].text);
    free(problems->at);
    free(problems->path);
    *problems = (struct conf_problems){0};
}
