/* SPDX-License-Identifier: MIT */
/*
 * What the targets share that look at elements: trees compared, one element told from
 * anything else, and what a stream's header gives to what is below it.
 */
#pragma once

#include "parser/header.h"
#include "tests/fuzz/fuzz.h"

/* A new parser; xml_free it. Each run makes its own, so that no run depends on another. */
[[nodiscard]] struct xml *fuzz_parser(void);

/* What is different between two attribute lists, or two trees without their siblings; NULL:
 * nothing. Only what XML means counts; attributes in the order in which they stand. */
[[nodiscard]] const char *fuzz_attributes_differ(const struct attribute *a,
                                                 const struct attribute *b);
[[nodiscard]] const char *fuzz_trees_differ(const struct element *a, const struct element *b);

/* True if the framer, given the bytes below a header, cuts one element out of them that ends with
 * them. */
[[nodiscard]] bool fuzz_one_element(struct span s);

/* Reads a header and gives copies of what it gives to its stream; all absent if it is not fine.
 * Drop it with fuzz_context_drop. */
[[nodiscard]] struct context fuzz_context(struct xml *x, struct span header);
void fuzz_context_drop(struct context *c);
