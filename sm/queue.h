/* SPDX-License-Identifier: MIT */
/*
 * Stanzas that wait for an acknowledgement, oldest first, in one extent of the arena:
 *
 *     | popped | stanza | stanza | … | tail |  free  | … | entry | entry | popped |
 *              start    cursor       end                       first+1  first
 *
 * The bytes grow from the front, an index of fixed entries from the back. Nothing
 * that a commit made valid is overwritten: when the two meet, or a committed tail was
 * dropped, what lives moves to another extent, and the old one is freed after the
 * next commit. All here changes the working copy and the arena's free places only.
 */
#pragma once

#include "sm/arena.h"
#include "sm/event.h"

enum queue_mark {
    QUEUE_COUNTED = 1 << 0,  /* XEP-0198 counts it */
    QUEUE_LATE = 1 << 1,     /* it waited in another session */
    QUEUE_ANSWERED = 1 << 2, /* the client answered this request */
};

struct queue_entry { /* in the arena */
    uint32_t at;     /* of its first byte, in the extent */
    uint32_t len;    /* may be 0: a stanza that was answered here has only its place */
    uint64_t stamp_ms;
    uint32_t request;
    uint16_t flags; /* the caller's own */
    uint8_t fate;
    uint8_t marks; /* enum queue_mark */
};

struct sm_queue {     /* in the record; all zero is an empty queue without an extent */
    uint64_t extent;  /* offset in the arena; 0: none */
    uint32_t size;    /* of the extent */
    uint32_t start;   /* the oldest stanza's first byte */
    uint32_t end;     /* behind the last whole stanza */
    uint32_t tail;    /* bytes behind end, of a stanza that is not whole yet */
    uint32_t first;   /* the oldest stanza's number in the index */
    uint32_t count;   /* stanzas held */
    uint32_t counted; /* of them, those that XEP-0198 counts */
    uint32_t cursor;  /* the next byte to be written or sent: start <= cursor <= end */
    uint32_t passed;  /* stanzas held that end at or before the cursor */
    uint32_t late;    /* so many of the oldest were sent before, or waited for a resumption */
    uint32_t marked;  /* stanzas held with QUEUE_LATE */
    uint32_t reserved;
};

struct queue { /* in the heap: the working copy, and what the last commit holds */
    struct arena *arena;
    struct sm_queue *q;
    uint64_t committed; /* the extent of the last commit; 0: none */
    uint32_t committed_size;
    uint32_t committed_end; /* behind its last byte that is valid, the tail with it */
};

/* For a new record (q zeroed), or one that was read back: what q holds counts as committed. */
void queue_init(struct queue *h, struct arena *arena, struct sm_queue *q);
/* Frees all extents, also the committed one: after the record is gone. */
void queue_clear(struct queue *h);

/* Around a commit of the record. Before: a queue without bytes and stanzas lets its extent go.
 * After: the extent of the commit before is freed. */
void queue_settle(struct queue *h);
void queue_committed(struct queue *h);

/* True if there is memory for so many bytes more, entries included. */
[[nodiscard]] bool queue_affords(const struct queue *h, size_t bytes);
/* Room for stanzas that cost so much together, as queue_cost counts: what is pushed into it until
 * the next commit does not fail. False, and nothing changed, if there is no memory. */
[[nodiscard]] bool queue_reserve(struct queue *h, size_t cost);

/* A hint: a stanza of so many bytes will be pushed. */
void queue_fetch(const struct queue *h, size_t len);

/* --- at the young end --- */

/* Copies the stanza (s->late becomes a mark; answered is not looked at), before the tail if there
 * is one. xml NULL: all of the tail is it. False, and nothing changed, if there is no memory. */
[[nodiscard]] bool queue_push(struct queue *h, const struct sm_stanza *s, bool counted);
[[nodiscard]] bool queue_tail_add(struct queue *h, const char *bytes, size_t len);
void queue_tail_drop(struct queue *h);
struct sm_text queue_tail(const struct queue *h);

/* --- at the old end --- */

/* Lets go of the n oldest counted stanzas, and of the uncounted ones before the last of them. */
void queue_pop(struct queue *h, uint32_t n);
/* Lets go of the oldest stanza, counted or not. */
void queue_pop_one(struct queue *h);
/* Lets go of uncounted stanzas at the old end that lie before the cursor. */
void queue_shed(struct queue *h);
/* Lets go of everything, the tail with it. */
void queue_empty(struct queue *h);

/* --- looking --- */

static inline size_t queue_bytes(const struct queue *h)
{
    return h->q->end - h->q->start;
}
/* The same, with what the index takes. */
static inline size_t queue_cost(const struct queue *h)
{
    return queue_bytes(h) + (size_t)h->q->count * sizeof(struct queue_entry);
}

/* The nth stanza held, 0 the oldest. s->late: by its mark or by q->late. False: there is none. */
[[nodiscard]] bool queue_nth(const struct queue *h, uint32_t n, struct sm_stanza *s);
[[nodiscard]] bool queue_nth_counted(const struct queue *h, uint32_t n); /* n < count */
/* Among the `most` oldest: the last of that request that is not marked as answered. Of a client's
 * answers most are to what it read last; and not all of a long queue is searched for each of them,
 * since a client can send many to what nobody asked. */
enum { QUEUE_REQUESTS_LOOKED = 512 };
[[nodiscard]] bool queue_find_request(const struct queue *h, uint32_t most, uint32_t request,
                                      uint32_t *n);
/* Marks the nth as answered: one store, true at once and for good, whatever is committed. */
void queue_mark_answered(struct queue *h, uint32_t n);
/* All that are held now are late from now on. */
void queue_mark_late(struct queue *h);

/* --- the cursor --- */

/* All bytes from the cursor to the end; false: none. */
[[nodiscard]] bool queue_ahead(const struct queue *h, struct sm_text *run);
/* From the cursor to the end, or to the first late stanza behind the one that the cursor stands in.
 * A stanza that begins at the cursor and is late: false, and *late is true. */
[[nodiscard]] bool queue_fresh(const struct queue *h, struct sm_text *run, bool *late);
/* True if the cursor stands inside a stanza. */
[[nodiscard]] bool queue_within(const struct queue *h);
/* Moves the cursor over so many bytes (not beyond the end); gives how many stanzas it has passed by
 * that, those without bytes among them. */
uint32_t queue_advance(struct queue *h, size_t bytes);
/* Back to the oldest stanza held. */
void queue_rewind(struct queue *h);

/* --- recovery --- */

/* True if everything in q lies where it may: a bug elsewhere must not become a wild read. */
[[nodiscard]] bool queue_valid(const struct sm_queue *q, const struct arena *arena);
