/* SPDX-License-Identifier: MIT */
/*
 * What must be true of numbered stanzas that go one way: each comes exactly once, in order.
 *
 * Only a hearer that logs out may miss some: those come back to their speaker as errors, each once,
 * and none that was heard. (What a hearer gets behind its own closing tag may also come
 * back; and what came back to a speaker that has itself logged out meanwhile is not asked for.)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numbers {
    uint32_t *at;
    size_t count, cap;
};

struct way {
    uint32_t said;           /* the next number to be said */
    uint32_t due;            /* the next number to be heard */
    bool may_skip;           /* the hearer has logged out since it heard the last one */
    uint32_t spoke_before;   /* numbers below this were said before the speaker's last logout */
    struct numbers missing;  /* below `due`, neither heard nor returned */
    struct numbers returned; /* not below `due` */
    struct numbers late;     /* heard behind the hearer's closing tag */
};

/* What is wrong, or NULL. */
[[nodiscard]] const char *way_heard(struct way *w, uint32_t number, bool late);
[[nodiscard]] const char *way_returned(struct way *w, uint32_t number);

void way_hearer_left(struct way *w);
void way_speaker_left(struct way *w);

/* Everything said was heard, or came back. */
bool way_settled(const struct way *w);
void way_free(struct way *w);
