/* SPDX-License-Identifier: MIT */
/*
 * What `holdfast --check` says: the mistakes in the configuration, and beyond its
 * text the certificates and keys that it names, and whether there is as much memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proxy/allowance.h"
#include "proxy/conf.h"

/* Writes all that is wrong, FILE:LINE: message, one a line. 0 if Holdfast could run with it,
 * warnings or not; otherwise 1: an exit status. */
[[nodiscard]] int check_run(const char *path, const struct allowance *allowed, FILE *out);

/* Adds what is wrong with the certificates and keys of each host; they must be valid at `now_s`, in
 * seconds since 1970. */
void check_hosts(const struct conf *conf, int64_t now_s, struct conf_problems *problems);

/* True if all sessions together may take nearly all that is allowed, or more. */
[[nodiscard]] bool check_memory_is_short(const struct conf *conf, const struct allowance *allowed);
