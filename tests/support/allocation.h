/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out when a test says so. malloc and its like come here first, from
 * the whole program, from expat and libidn too, and go on to the sanitizer's or to
 * libc's. For one thread. An assertion that fails meanwhile ends its test without a
 * word, since cmocka's words need memory, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum allocation_lack {
    ALLOCATION_ONE,  /* the nth fails, and there is memory again */
    ALLOCATION_REST, /* the nth fails, and all behind it */
};

/* From now on the nth allocation fails; 1 is the next one. */
void allocation_fail(unsigned nth, enum allocation_lack lack);
/* Nothing fails any more. True if anything did. */
bool allocation_relent(void);

/* From one allocation that fails to the next one that is tried: 1, but more under valgrind, where
 * all takes its time. */
unsigned allocation_stride(void);

/* Blocks that are not freed yet. */
size_t allocation_blocks(void);
