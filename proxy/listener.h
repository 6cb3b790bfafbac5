/* SPDX-License-Identifier: MIT */
/*
 * A worker's listening sockets: one of its own for each address, and the ones that
 * systemd handed over, which all workers share.
 */
#pragma once

#include "proxy/tools.h"

struct listener;

struct listeners {
    struct listener *at;
    size_t count;
    size_t resting; /* that do not accept for now */
    struct tools *tools;
};

/* Opens them all, not accepting yet. 0 or -errno, logged; then none is open. */
[[nodiscard]] int listeners_open(struct listeners *set, struct tools *tools);
void listeners_start(struct listeners *set);
/* Takes up again what stopped for want of descriptors, if there are some. */
void listeners_go_on(struct listeners *set);
/* The same where the system had refused: only now and then, for it may refuse again. */
void listeners_retry(struct listeners *set);
void listeners_close(struct listeners *set);
