/* SPDX-License-Identifier: MIT */
/*
 * The commands of the control socket, as a table: what each worker says to it, and
 * how that becomes one answer.
 */
#pragma once

#include <jansson.h>

#include "proxy/arenas.h"

struct control_command {
    const char *name;
    bool takes_id;
    /* A new array, on the worker's thread; `id` is the argument. */
    json_t *(*rows)(struct tools *tools, const char *id);
    /* All workers' rows as one row, on main's thread; NULL: they are the answer. */
    json_t *(*whole)(const json_t *rows, const struct conf *conf, const struct arenas *arenas);
};

/* NULL: there is none of that name. */
const struct control_command *control_command(const char *name);
