/* SPDX-License-Identifier: MIT */
/*
 * The sets of numbers are small: they fill only around a logout.
 */
#include "tests/load/oracle.h"

#include <stdlib.h>

static void add(struct numbers *n, uint32_t number)
{
    if (n->count == n->cap) {
        n->cap = n->cap ? 2 * n->cap : 8;
        if (!(n->at = realloc(n->at, n->cap * sizeof *n->at)))
            abort();
    }
    n->at[n->count++] = number;
}

static bool drop(struct numbers *n, uint32_t number)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->at[i] == number) {
            n->at[i] = n->at[--n->count];
            return true;
        }
    return false;
}

static bool has(const struct numbers *n, uint32_t number)
{
    for (size_t i = n->count; i--;)
        if (n->at[i] == number)
            return true;
    return false;
}

static const char *skip_to(struct way *w, uint32_t number)
{
    bool allowed = w->may_skip;

    if (!allowed && has(&w->begins, number)) {
        w->due = number;
        return NULL;
    }
    for (; w->due < number; w->due++)
        if (!drop(&w->returned, w->due))
            add(&w->missing, w->due);
    return allowed ? NULL : "one before it is missing";
}

const char *way_heard(struct way *w, uint32_t number, bool late)
{
    const char *wrong = NULL;

    if (number >= w->said)
        return "it was never said";
    if (w->anew && number < w->due && number >= w->since)
        w->due = number;
    if (number < w->due)
        return drop(&w->missing, number) ? "it is out of order" : "it came before";
    if (w->anew)
        w->since = number;
    w->anew = false;
    if (drop(&w->returned, number)) {
        if (!late)
            return "it was returned before";
    } else if (late) {
        add(&w->late, number);
    }
    if (number > w->due)
        wrong = skip_to(w, number);
    w->due = number + 1;
    if (!late)
        w->may_skip = false;
    return wrong;
}

const char *way_returned(struct way *w, uint32_t number)
{
    if (number >= w->said)
        return "it was never said";
    if (number < w->due)
        return drop(&w->missing, number) || drop(&w->late, number) ? NULL
                                                                   : "it was heard, or came before";
    for (size_t i = 0; i < w->returned.count; i++)
        if (w->returned.at[i] == number)
            return "it came before";
    add(&w->returned, number);
    return w->may_skip ? NULL : "nobody had logged out";
}

void way_hearer_left(struct way *w)
{
    w->may_skip = true;
}

void way_speaker_left(struct way *w)
{
    w->spoke_before = w->said;
}

void way_speaker_cut(struct way *w)
{
    if (!has(&w->begins, w->said))
        add(&w->begins, w->said);
    w->spoke_before = w->said;
}

void way_hearer_cut(struct way *w)
{
    w->anew = true;
}

const char *way_doubted(const struct way *w, uint32_t number)
{
    return number < w->said ? NULL : "it was never said";
}

bool way_settled(const struct way *w)
{
    if (w->due != w->said)
        return false;
    for (size_t i = 0; i < w->missing.count; i++)
        if (w->missing.at[i] >= w->spoke_before)
            return false;
    return true;
}

void way_free(struct way *w)
{
    free(w->missing.at);
    free(w->returned.at);
    free(w->late.at);
    free(w->begins.at);
    *w = (struct way){0};
}
