/* SPDX-License-Identifier: MIT */
/*
 * What must be true of numbered stanzas that go one way: each comes exactly once, in order.
 *
 * Where the server may end links, with sessions on them: what a speaker said in a session that
 * ended may be missing from some number on, up to the first of its next session; and what a hearer
 * heard in one may come again in the next, from some number on.
 *
 * But for that, only a hearer that logs out may miss some: those come back to their speaker as
 * errors, each once, and none that was heard. (What a hearer gets behind its own closing tag may
 * also come back; and what came back to a speaker that has itself logged out meanwhile is not asked
 * for.)
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
    struct numbers begins;   /* the first of speaker's sessions that followed one that ended */
    uint32_t since;          /* the first number heard in the hearer's session */
    bool anew;               /* the hearer has another session, and has heard nothing in it */
};

/* What is wrong, or NULL. */
[[nodiscard]] const char *way_heard(struct way *w, uint32_t number, bool late);
[[nodiscard]] const char *way_returned(struct way *w, uint32_t number);

void way_hearer_left(struct way *w);
void way_speaker_left(struct way *w);

/* The session ended with its link, on that side. */
void way_speaker_cut(struct way *w);
void way_hearer_cut(struct way *w);

/* It came back because nobody knows whether it was heard. */
[[nodiscard]] const char *way_doubted(const struct way *w, uint32_t number);

/* Everything said was heard, or came back. */
bool way_settled(const struct way *w);
void way_free(struct way *w);
