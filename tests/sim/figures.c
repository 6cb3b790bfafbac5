/* SPDX-License-Identifier: MIT */
/*
 * The table of figures.h, added up and printed.
 */
#include "tests/sim/figures.h"

#include <inttypes.h>
#include <stdio.h>

enum necessity { MAY, MUST };

static const struct {
    enum necessity necessity;
    const char *text;
} rows[FIG_COUNT] = {
#define X(name, must, text) {must, text},
    FIGURES(X)
#undef X
};

static const char *const ends[SM_END_COUNT] = {
    [SM_END_CLIENT] = "by the client",
    [SM_END_EXPIRED] = "expired",
    [SM_END_GONE] = "not resumable",
    [SM_END_SERVER] = "by the server",
    [SM_END_LINK] = "link lost",
    [SM_END_PROBE] = "server silent",
    [SM_END_REPLACED] = "replaced",
    [SM_END_CONFLICT] = "conflict",
    [SM_END_ERROR] = "stream error",
    [SM_END_ACK] = "acknowledged too much",
    [SM_END_QUEUE] = "queue full",
    [SM_END_MEMORY] = "memory short",
    [SM_END_CROWDED] = "too many of an account",
    [SM_END_ORDERED] = "by the administrator",
};

void figures_add(struct figures *to, const struct figures *from)
{
    for (int i = 0; i < FIG_COUNT; i++)
        to->count[i] += from->count[i];
    for (int i = 0; i < SM_END_COUNT; i++)
        to->ended[i] += from->ended[i];
}

unsigned figures_print(const struct figures *f)
{
    unsigned missing = 0;

    for (int i = 0; i < FIG_COUNT; i++) {
        bool never = rows[i].necessity == MUST && !f->count[i];

        printf("%14" PRIu64 "  %s%s\n", f->count[i], rows[i].text, never ? " (NEVER)" : "");
        missing += never;
    }
    for (int i = SM_END_NONE + 1; i < SM_END_COUNT; i++) {
        printf("%14" PRIu64 "  ends: %s%s\n", f->ended[i], ends[i], f->ended[i] ? "" : " (NEVER)");
        missing += !f->ended[i];
    }
    return missing;
}
