/* SPDX-License-Identifier: MIT */
/*
 * Reading the file. A file with mistakes is read on to its end, so that all of them
 * are found in one run; what was understood of it is of use only to --check.
 */
#pragma once

#include "proxy/conf.h"

/*
 * As conf_read, but *out is set whatever the mistakes, so that what it names can be checked as
 * well; `problems->errors` says whether there are any. A text or list whose value was refused is
 * empty or NULL in it. Negative, *out untouched and the reason in `problems`, if the file cannot be
 * read at all.
 */
[[nodiscard]] int conf_read_all(const char *path, struct conf **out,
                                struct conf_problems *problems);
