/* SPDX-License-Identifier: MIT */
/*
 * The part of the kernel that Holdfast talks to, played in memory: sockets, epoll, clocks,
 * randomness. The system's functions are replaced by the linker, so the program's own files
 * are compiled as they are, and libev as it is installed.
 *
 * Each socket of Holdfast's is a plug; its other end is the test's. Nothing happens
 * by itself: time stands still, and bytes lie where they are, until the test moves them. So
 * one input always does the same.
 */
#pragma once

#include "proxy/buffer.h"

enum {
    PLUGS_MAX = 56,       /* beyond them there are no descriptors left */
    PLUGS_FD = 600,       /* the first of their numbers; true descriptors stay below */
    PLUGS_BASE_S = 86400, /* what the clocks show at the beginning */
    PLUGS_WATCHES = 3,
    PLUGS_LINE = 16, /* connections that wait to be accepted */
};

enum plug_state {
    PLUG_FREE,
    PLUG_FRESH,   /* socket() */
    PLUG_DIALING, /* connect(), not answered yet */
    PLUG_UP,
    PLUG_REFUSED,
    PLUG_LISTENS,
};

/* An epoll instance that watches a plug: libev leaves a descriptor in the one of the loop that it
 * has left. */
struct watch {
    int epoll; /* -1: none */
    uint32_t wants;
    uint64_t data;
};

struct plug {
    enum plug_state state;
    int fd;                        /* Holdfast's number for it; -1: not accepted yet, or closed */
    uint16_t port;                 /* that it was connected to, or listens on; 0: a client's */
    struct buffer in;              /* on its way to Holdfast */
    struct buffer out;             /* written by Holdfast, not read by the other end */
    size_t room;                   /* bytes that `out` may hold before Holdfast has to wait */
    uint64_t written;              /* bytes that Holdfast ever wrote */
    bool in_over;                  /* the other end will send no more */
    bool reset;                    /* the other end is gone */
    bool shut;                     /* Holdfast will send no more */
    bool closed;                   /* … and has closed it */
    uint32_t address;              /* of the client */
    struct plug *line[PLUGS_LINE]; /* of a listener: they wait */
    unsigned line_count;
    struct watch watches[PLUGS_WATCHES];
};

enum plugs_dial { PLUGS_ANSWERS, PLUGS_REFUSES, PLUGS_IS_SILENT };

struct plugs {
    struct plug at[PLUGS_MAX];
    bool on;              /* the functions are played; otherwise they are the system's */
    uint64_t now_ms;      /* since the program's start: never goes back */
    uint64_t random;      /* the state of what stands for randomness */
    size_t segment;       /* the most bytes that Holdfast gets at once; 0: all */
    unsigned spent;       /* the next this many dials … */
    enum plugs_dial dial; /* … come to this */
    uint64_t events;      /* handed out by epoll_wait, ever */
};

extern struct plugs plugs;

/* Before and after an input. `end` frees all plugs but the listeners. */
void plugs_begin(void);
void plugs_end(void);

/* A client's connection to the n-th listener of that port, which may or may not accept it; NULL if
 * there are too many. */
struct plug *plugs_connect(uint16_t port, unsigned n, uint32_t address);

/* The other end reads all that was written, or closes. */
void plugs_drain(struct plug *p);
void plugs_close(struct plug *p, bool reset);

/* Nobody needs it any more; its memory is freed when Holdfast, too, has closed it. */
void plugs_forget(struct plug *p);

/* True if an epoll_wait would find something. */
bool plugs_has_events(void);

/* Descriptors that Holdfast has open, without its listeners. */
unsigned plugs_open(void);
