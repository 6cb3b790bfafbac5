/* SPDX-License-Identifier: MIT */
/*
 * XEP-0198 as a client keeps it: what was said and not acknowledged, what came, and whether the
 * other side's counts can be true. Nothing here touches the world.
 *
 * The counts are modulo 2^32.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum said { SAID_PRESENCE, SAID_GREETING, SAID_MESSAGE, SAID_PING };

struct stanza {
    uint64_t end;    /* place of its last byte on the present connection */
    uint32_t number; /* of its kind */
    uint8_t said;
};

enum { SESSION_ID_MAX = 512 };

struct session {
    char id[SESSION_ID_MAX];
    bool enabled;
    uint32_t handled;    /* stanzas that came */
    uint32_t acked;      /* the other side's last h */
    uint32_t could;      /* the highest h that what it was sent whole allows */
    struct stanza *ring; /* said and not acknowledged, oldest at `first` */
    size_t first, count, cap;
    size_t written; /* of them, on the present connection */
};

enum session_ack { ACK_FINE, ACK_LOWER, ACK_HIGHER };

/* A new session: counts from 0, and keeps nothing of what was before. */
void session_begin(struct session *s);

/* It was closed in order: all that was said has been taken. */
void session_close(struct session *s);

/* One more stanza is said. It is not written yet. */
void session_say(struct session *s, enum said said, uint32_t number);

/* The next stanza that the present connection has to be given; NULL: none. Once it is
 * given, its end is set and it counts as written. */
struct stanza *session_unwritten(struct session *s);
void session_wrote(struct session *s, uint64_t end);

/* The other side says h; `sent` bytes of the present connection have been given to the kernel. */
enum session_ack session_ack(struct session *s, uint32_t h, uint64_t sent);

/* The present connection is over, `sent` as above. All that is left is to be written again. */
void session_cut(struct session *s, uint64_t sent);
void session_free(struct session *s);
