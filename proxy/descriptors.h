/* SPDX-License-Identifier: MIT */
/*
 * The process's descriptors, as far as clients and links may take them. A client is
 * let in only while there is one for itself and one for the link that its login will
 * need: so who is in is served to the end, and who is not waits in the kernel's line.
 *
 * The lots in which links' sockets are parked are counted with them, as they come. What
 * is open at the start, and some to spare for the administrator, are not. One count serves all
 * workers, without a lock.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { DESCRIPTORS_SPARE = 32 }; /* for control connections, name servers, certificates */

struct descriptors {
    uint32_t most;                /* for clients, links and their lots */
    _Atomic uint32_t used;        /* of them: taken or promised */
    _Atomic uint64_t quiet_to_ms; /* until then nothing more is logged about a want of them */
    _Atomic bool told;            /* … and that there was one has been */
};

/* Raises the process's limit as far as it goes. */
void descriptors_raise(void);

/* What is open now and was not taken is the process's own; the rest may be taken. */
void descriptors_count(struct descriptors *d);

[[nodiscard]] bool descriptors_left(const struct descriptors *d, uint32_t count);

/* Taking never fails: who is in gets what was promised, and the system has the last word. */
void descriptors_take(struct descriptors *d, uint32_t count);
void descriptors_give(struct descriptors *d, uint32_t count);

/* True if it is to be logged that accepting stopped; that it goes on again. */
[[nodiscard]] bool descriptors_tell_want(struct descriptors *d, uint64_t now_ms);
[[nodiscard]] bool descriptors_tell_end(struct descriptors *d);
