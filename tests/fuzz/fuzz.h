/* SPDX-License-Identifier: MIT */
/*
 * What all fuzz targets share: taking the fuzzer's bytes apart, copies behind whose
 * last byte nothing may be read, and the way in which a property that does not hold
 * ends the program.
 *
 * A target is a function of its input alone: the same bytes do the same, whatever
 * came before them. Only then does a finding repeat itself from its file.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "parser/span.h"

/* libFuzzer's entry: every *_fuzz.c defines it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true. What follows the condition says what was seen, as printf. */
#define HOLDS(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "\n%s:%d: does not hold: %s: ", __FILE__, __LINE__, #condition);       \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Cuts bytes, or the number that they make, off the front of what is left. At the end of the input
 * there is nothing but zeros. */
uint8_t fuzz_byte(struct span *in);
uint32_t fuzz_number(struct span *in);
struct span fuzz_bytes(struct span *in, size_t len);

/* Cuts off what stands in front of the next `mark`; all that is left if there is none. */
struct span fuzz_until(struct span *in, char mark);

/* A copy on the heap, exactly as long: the sanitizer sees a byte read beyond it. An absent span is
 * absent. Free it with fuzz_drop. */
[[nodiscard]] struct span fuzz_copy(struct span s);
void fuzz_drop(struct span s);
