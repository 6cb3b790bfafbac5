/* SPDX-License-Identifier: MIT */
/*
 * All there is in a life: the devices with their clients, the server, the sockets
 * between them and the process, the process itself, and the truth about every stanza.
 *
 *     device ── connection (kernel) ── holder ── session (sm/) ── link (kernel) ── server
 *
 * All but the holder outlives the process. Stanzas are numbered from 1 on in each
 * direction of a story, which is a login and what becomes of it.
 */
#pragma once

#include "parser/xml.h"
#include "sm/core.h"
#include "tests/sim/chance.h"
#include "tests/sim/figures.h"
#include "tests/sim/split.h"

#include <setjmp.h>

enum {
    DEVICES = 4,
    LINKS = 20,
    CONNECTIONS = 20,
    STORIES = 40,
    STANZAS = 140,       /* of a story, in each direction, at most */
    QUEUED = 1024,       /* stanzas ever in a session's queue, with those it adopted, at most */
    PIPE_SIZE = 32768,   /* bytes on their way in one direction */
    ARENA_SIZE = 344064, /* small enough to be copied often, with slots for more than all links */
    /* With so much of it in use there may be no whole block for a queue that grows: the largest are
     * 64 KiB, and need one of twice that, of which an arena so small has two. */
    ARENA_CROWDED = 65536,
    UNSURE_MAX = 512,
};

#define DOMAIN "sim.example"

/* --- the kernel's --- */

struct pipe {
    uint32_t read, arrived, end; /* read <= arrived <= end; behind arrived it is on its way */
    uint64_t passed;             /* bytes that ever arrived */
    uint64_t lost;               /* bytes that never will */
    char bytes[PIPE_SIZE];
};

struct kernel_link {
    struct pipe up, down; /* to the server, from it */
    uint64_t received;    /* by the process, since connect */
    uint64_t sent;
    uint64_t acked;            /* of sent: before the story began, and what arrived since */
    uint32_t slot, generation; /* the label under which it is parked */
    int story;
    bool used, parked;
    bool process_open, server_open;
    bool up_fin;             /* the process will send no more */
    bool down_fin, down_rst; /* the server will send no more; it was reset */
    bool lost;               /* the keeper will not give it back */
};

struct kernel_connection {
    struct pipe up, down; /* from the client, to it */
    int device;
    int story; /* that the bind on it has begun */
    bool used;
    bool process_open, client_open;
    bool up_fin, up_rst;     /* as the process sees it */
    bool down_fin, down_rst; /* as the client sees it */
    bool severed;            /* nothing arrives any more, whoever knows it */
    bool intrudes;           /* it must never get a session */
};

/* --- the server's --- */

enum server_mode {
    SERVER_PROMPT,
    SERVER_SLOW,
    SERVER_DEAF, /* handles all, but answers no ping */
    SERVER_SILENT,
};

struct server_session {
    struct split in;
    enum server_mode mode;
    bool closing;   /* the client's closing tag was read, and is not answered yet */
    bool done;      /* its own closing tag was sent */
    unsigned pings; /* sent so far */
};

/* --- the clients' --- */

enum device_phase {
    DEVICE_OFFLINE,
    DEVICE_RESUMING,
    DEVICE_BINDING,
    DEVICE_PLAIN,    /* bound, without stream management */
    DEVICE_ENABLING, /* <enable/> was said */
    DEVICE_ON,       /* <enabled/> or <resumed/> was heard */
    DEVICE_CLOSING,  /* the closing tag was said, or heard */
};

struct device {
    struct split in;
    enum device_phase phase;
    char account[32], jid[48];
    char resource[8];
    int connection; /* -1: none */
    int story;      /* of the last login; -1: none */
    bool may_resume;
    bool wants_sm;     /* this login enables stream management */
    uint32_t next;     /* the next stanza to be sent on this connection */
    unsigned asked;    /* <r/> on this connection … */
    unsigned answered; /* … and <a/> that came */
    unsigned plain;    /* stanzas still to be sent before <enable/> */
};

/* --- the truth --- */

enum fate { FATE_NONE, FATE_PLAIN, FATE_ACKED, FATE_RETURNED, FATE_DROPPED, FATE_LOST };

/* Of a stanza of the server: by x, which is story << 16 | number. */
struct truth {
    uint8_t fate;    /* enum fate */
    uint8_t queue;   /* 1 + the story in whose queue it was last */
    uint8_t bounces; /* errors for it that reached the server */
    bool sure;       /* the fate is committed */
    bool left;       /* for the next session of the full JID */
    bool relayed;    /* before there was a session */
};

#define REPLY UINT32_C(0x80000000) /* in an x: Holdfast's answer to that stanza of the client */

struct story {
    uint8_t device;
    int link;       /* -1: gone */
    uint32_t start; /* of both counters */

    /* The session, as the holder has it. */
    bool born;    /* its first commit is done */
    bool freeing; /* its end is under way */
    bool over;
    bool resumable;
    bool held;                    /* detached, as the last commit says */
    bool ending;                  /* a commit says so */
    bool left;                    /* its messages, for the next session of its full JID */
    bool forgiven;                /* its record was damaged: nothing is promised any more */
    bool doomed;                  /* it may have been set aside */
    bool unlinked;                /* its socket did not come back, or its counts were not true */
    bool loose;                   /* TCP's word counted as the server's */
    bool squeezed;                /* it ended while there was little room: what came then is lost */
    bool clean;                   /* the server's end of the stream was read */
    bool replaced, ordered, mute; /* by a login; by the administrator; the server was silent */
    bool jumped; /* so much time went by at once that nothing could be read in it */
    uint32_t slot, generation;
    uint64_t max_ms, detached_ms, over_ms;
    uint32_t said, resumed;     /* the highest h to the client, from 0 on; of <resumed/> */
    uint32_t acked;             /* let go of by the client's word */
    uint32_t last_own;          /* the last of its own server's stanzas that was queued; 0: none */
    uint32_t pushed;            /* stanzas ever queued and committed … */
    uint32_t queue[QUEUED + 1]; /* … which are these, by their number */

    /* The client. */
    char id[SM_ID_TEXT];
    bool enabled;               /* it heard <enabled/> */
    bool closed, lied, garbled; /* it said its closing tag; acknowledged too much; sent nonsense */
    uint32_t made, told, got, claimed; /* made; known as handled; received; the highest h it said */
    uint32_t answers[STANZAS + 1];     /* the request that its stanza answers, or 0 */
    uint32_t presence;                 /* its stanza that is its first presence; 0: none of those */
    bool ns2;

    /* The server. */
    uint32_t sent, handled;
    uint32_t results[STANZAS + 1]; /* the client's request that its stanza answers, or 0 */
    bool available;
    bool gone;  /* contacts saw it go */
    bool heard; /* it read Holdfast's closing tag, and all before that */
    unsigned unavailable;
    struct truth truth[STANZAS + 1];
    bool given_back[STANZAS + 1]; /* the client's stanzas that a dead link had not confirmed */
};

/* --- the life --- */

struct settings {
    struct sm_limits limits;
    size_t memory;
    uint32_t devices, accounts;
    uint32_t steps;
    uint32_t room;   /* bytes that a socket holds */
    uint32_t piece;  /* bytes that the holder writes at once */
    uint32_t lag;    /* of so many writes, one arrives later */
    uint32_t fault;  /* of so many faults, one strikes */
    uint32_t pace;   /* of so many steps, in one somebody begins something new */
    uint32_t deaths; /* of the process, at most */
    uint32_t fuse;   /* stores and calls until one, about */
    bool short_memory;
    bool expat; /* every item is judged by expat, too */
    bool parks_early, parks_simple;
    bool large;   /* stanzas are */
    bool bounces; /* undelivered messages go back; otherwise they are dropped */
};

struct holder;

struct world {
    uint64_t seed;
    struct chance chance;
    struct settings set;
    struct figures *figures;
    struct xml *xml;
    jmp_buf failed;
    bool tracing;
    uint32_t step;
    uint64_t now; /* CLOCK_BOOTTIME, ms */

    struct kernel_link links[LINKS];
    struct kernel_connection connections[CONNECTIONS];
    struct server_session servers[LINKS]; /* by link */
    struct device devices[DEVICES];
    int intruder; /* a connection that must never get a session; -1: none */
    struct story stories[STORIES];
    uint32_t story_count;

    /* The process. */
    char *memory, *copy; /* its arena; and the arena as it was when it died */
    struct holder *holder;
    bool dead; /* what it does now, it does not do: no system call of it has any effect */
    bool recovering, opening;
    bool shrunk;   /* the memory allowed is less than it was when the process began */
    bool calm;     /* nothing goes wrong any more */
    int poison;    /* the story that each process dies of, until it is set aside; -1: none */
    int mismatch;  /* the story whose counts are not true at the next recovery; -1: none */
    uint32_t fuse; /* stores and calls until it dies; 0: it does not */
    uint32_t deaths;
    uint32_t unsure[UNSURE_MAX], unsure_count; /* fates that the commit in hand holds */
};

static inline uint32_t below(struct world *w, uint32_t limit)
{
    return chance_below(&w->chance, limit);
}

static inline uint32_t between(struct world *w, uint32_t least, uint32_t most)
{
    return least + below(w, most - least + 1);
}

static inline bool one_in(struct world *w, uint32_t n)
{
    return below(w, n) == 0;
}

static inline void happened(struct world *w, enum figure figure)
{
    w->figures->count[figure]++;
}

/* The story's number: what messages and ids name it by. */
static inline int story_number(const struct world *w, const struct story *s)
{
    return (int)(s - w->stories);
}

/* Says what is violated and ends the life. */
void world_fail(struct world *w, const struct story *s, const char *file, int line,
                const char *format, ...) __attribute__((noreturn, format(printf, 5, 6)));

/* What must be true; otherwise the text says what was expected and what was seen. */
#define fact(w, s, truth, ...)                                                                     \
    do {                                                                                           \
        if (__builtin_expect(!(truth), 0))                                                         \
            world_fail(w, s, __FILE_NAME__, __LINE__, __VA_ARGS__);                                \
    } while (0)

void world_trace(const struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define trace(w, ...)                                                                              \
    do {                                                                                           \
        if (__builtin_expect((w)->tracing, 0))                                                     \
            world_trace(w, __VA_ARGS__);                                                           \
    } while (0)
