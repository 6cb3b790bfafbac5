/* SPDX-License-Identifier: MIT */
/*
 * Whom the stand-in knows: an account is a full JID that somebody bound or wrote to. It stays
 * while links come and go, and keeps what was heard from its client and what waits for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/load/bytes.h"
#include "tests/load/scan.h"

struct link;

struct account {
    struct account *next; /* in the same bucket */
    char *jid;
    struct link *link;      /* NULL: nobody is there */
    bool available;         /* its client said initial presence on that link */
    struct bytes waiting;   /* messages that came while nobody was there */
    struct account *friend; /* has its directed presence; NULL: nobody */
    uint32_t messages;      /* numbered ones heard from it: the next one's number */
    uint32_t pings;
    bool may_skip, pings_may_skip; /* its link was ended: what was on its way may be missing */
};

struct accounts; /* all of them */

struct accounts *accounts_new(void);

/* The account of this JID, which is made if it was not known. */
struct account *accounts_find(struct accounts *all, struct text jid);
void accounts_free(struct accounts *all);
