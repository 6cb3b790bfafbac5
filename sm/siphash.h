/* SPDX-License-Identifier: MIT */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a hash under a key. Who does not know
 * the key cannot choose texts that meet in one chain of a hash table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The same for the same key and bytes, for as long as the process lives. */
uint64_t siphash(const uint64_t key[2], const void *bytes, size_t len);
