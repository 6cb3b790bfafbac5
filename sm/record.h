/* SPDX-License-Identifier: MIT */
/*
 * What is kept of a session: a slot in the arena with a part that never changes, two
 * copies of what does, and the selector, which alone says which copy is valid.
 *
 * The working copy is in the heap (struct sm_session). A commit writes it over the
 * copy that is not valid, and flips the selector.
 */
#pragma once

#include "sm/ids.h"
#include "sm/queue.h"
#include "sm/session.h"

enum record_flag {
    RECORD_RESUMABLE = 1 << 0,
    RECORD_NS2 = 1 << 1,          /* enabled in urn:xmpp:sm:2 */
    RECORD_PROBE_OUT = 1 << 2,    /* a probe was queued and is not answered */
    RECORD_CSI_INACTIVE = 1 << 3, /* the last CSI state that passed upstream */
};

/* Fixed width, no holes (a checksum is taken over it), no pointers. The rules may add fields behind
 * `scan`. */
struct sm_record {
    uint64_t commit; /* the selector that names this copy */
    uint64_t check;  /* of all behind it, and of the slot's generation */

    struct sm_queue down; /* server to client */
    struct sm_queue up;   /* client to server */

    uint8_t state; /* enum sm_state */
    uint8_t end;   /* enum sm_end */
    uint16_t flags;
    uint32_t acked;     /* the last h of the client; the oldest in down is number acked + 1 */
    uint32_t taken;     /* client to server, mod 2^32 */
    uint32_t confirmed; /* the oldest counted in up is number confirmed + 1 */
    uint32_t said;      /* the highest h said */
    uint32_t written;   /* high water: stanzas of down that ever reached a connection, mod 2^32 */
    uint32_t returned;  /* ending: so many of the oldest in down were dealt with */
    uint32_t probe_covers; /* what an answer to the probe confirms */

    uint64_t link_received; /* bytes since connect */
    uint64_t link_sent;
    uint64_t probe_id;
    uint64_t probe_sent_ms;
    uint64_t since_ms;   /* in this state since */
    uint64_t expires_ms; /* HELD, LEFT: when */
    uint64_t max_ms;     /* the client's wish for the resume time; 0 = none */

    /* The session that is SM_LEFT in that slot was taken over by this commit: it is no more. */
    uint32_t adopted_slot;
    uint32_t adopted_generation; /* 0: none */

    uint8_t scan[16]; /* the caller's scanner, for the tail of down */

    uint64_t probe_seed;   /* what the ids of all its probes are made of */
    uint32_t probe_number; /* probes made so far */
    uint32_t looked; /* ending: so many of the oldest in down were dealt with, or are to stay */
    uint64_t serial; /* LEFT: the order in which such sessions became so */
};

struct record_slot {   /* in the arena */
    uint64_t selector; /* 0: vacant; otherwise the number of the last commit: copy[selector & 1] */
    struct sm_id id;
    uint32_t identity_len;
    uint64_t identity; /* extent: lengths and bytes of struct sm_identity */
    uint64_t check;    /* of id and identity */
    struct sm_record copy[2];
};

/* A hint: *r will be committed to that slot. */
void record_fetch(const struct arena *a, uint32_t slot, const struct sm_record *r);

/* A vacant slot gets id (slot and generation in it are filled in) and a copy of the identity. Not
 * valid before the first commit. -ENOMEM: nothing changed. */
[[nodiscard]] int record_new(struct arena *a, struct sm_id *id, const struct sm_identity *identity);

/* Makes *r, whose commit number it raises, the record of that slot, and `posted` no session's. */
void record_commit(struct arena *a, uint32_t slot, struct sm_record *r);

/* The slot becomes vacant and its identity is freed; the queues' extents are the caller's to free,
 * after it. */
void record_drop(struct arena *a, uint32_t slot);

/* Loans from the arena, until the slot is dropped. */
const struct record_slot *record_slot(const struct arena *a, uint32_t slot);
struct sm_identity record_identity(const struct arena *a, uint32_t slot);
/* The valid copy, until the next commit of that slot; NULL: vacant. */
const struct sm_record *record_read(const struct arena *a, uint32_t slot);
/* For a recovery: the checksums are right, and all offsets lie in the arena. */
[[nodiscard]] bool record_valid(const struct arena *a, uint32_t slot);
/* Takes the slot and the extents that its record, which is valid, names. False, and nothing taken:
 * one of them is somebody else's. */
[[nodiscard]] bool record_claim(struct arena *a, uint32_t slot);
/* Takes the posted word back, if it names this slot's session. */
void record_unpost(struct arena *a, uint32_t slot);
/* The slot, which nobody has taken, becomes vacant; what it names is not touched. */
void record_discard(struct arena *a, uint32_t slot);

/* A checksum of whole words. */
uint64_t record_mix(const void *bytes, size_t len, uint64_t seed);
