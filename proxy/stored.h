/* SPDX-License-Identifier: MIT */
/*
 * The descriptors that `holdfast --keep` holds for the daemon, by name, and the word by
 * which they come and go (sd_notify's).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STORED_NAME = 64,  /* bytes, with its zero */
    STORED_WORD = 256, /* bytes of a message */
    STORED_FDS = 16,   /* descriptors in a message */
};

struct stored_one {
    int fd;
    char name[STORED_NAME];
};

struct stored { /* in the order in which they came */
    struct stored_one *at;
    size_t count, room;
    size_t most; /* more are refused in silence, as systemd does */
};

struct stored_word { /* what the daemon says in one message */
    bool ready, stopping, store, remove, barrier;
    char name[STORED_NAME];
};

/* Lines of NAME=VALUE, any number of them of no interest. False: not fit to be read. */
[[nodiscard]] bool stored_read(struct stored_word *out, const char *text, size_t len);

/* Takes the descriptors that came with it, whatever it says: they are kept or closed. Gives how
 * many there was no room for. */
size_t stored_obey(struct stored *s, const struct stored_word *word, const int *fds, size_t count);

/* LISTEN_FDNAMES for all of them. Owned by the caller; NULL: no memory. */
[[nodiscard]] char *stored_names(const struct stored *s);

void stored_clear(struct stored *s); /* closes all */
