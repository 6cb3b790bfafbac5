/* SPDX-License-Identifier: MIT */
/*
 * A link to the stand-in, as those share it that serve it and that do it mischief.
 */
#pragma once

#include "tests/load/standin.h"

enum { USER_MAX = 128 };

enum step {
    STEP_HEADER,
    STEP_AUTH,
    STEP_RESTART,
    STEP_BIND,
    STEP_BOUND,
    STEP_CLOSED,
    STEP_ENDED, /* by mischief: what still comes is not heard */
};

enum ending { ENDING_NONE, ENDING_FINISH, ENDING_RESET };

struct link {
    struct standin *standin;
    struct link *next, **place; /* in the list of all */
    struct link *next_dirty;
    int fd;
    ev_io readable, writable;
    ev_timer lag;
    enum step step;
    enum ending ending; /* how it ends, once all is sent */
    unsigned urgent;    /* so many of the next sends are TCP's urgent data */
    bool stalled;
    bool dirty;
    bool over; /* to be freed at the end of the turn, once all is sent */
    bool dead; /* the peer takes no more */
    struct scan scan;
    struct bytes in, out;
    char user[USER_MAX];
    struct account *account; /* once bound, until another link has it */
};

/* Nobody is there any more, and its contact is told. */
void link_leave_account(struct link *l);

/* All is sent: its socket ends as was decided. It may be freed. */
void mischief_end(struct link *l);

/* It is about to be read again. */
void mischief_stalled(struct link *l);
