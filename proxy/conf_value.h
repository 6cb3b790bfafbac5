/* SPDX-License-Identifier: MIT */
/*
 * How the text of a setting becomes a value: a type for each kind of value. A type
 * reads into a field of struct conf and empties that field again; which field, and
 * within which bounds, is said by the setting's row in conf_table.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CONF_WHY_MAX = 300 }; /* bytes for why a text is no value, the final zero included */

struct conf_bounds {
    uint64_t least, most;     /* of a number, in its unit; of a text or list, its length */
    const char *const *words; /* of an enum, in the order of its values, ended by NULL */
};

/* Says why; false, so that a reader can return it. */
__attribute__((format(printf, 2, 3))) bool conf_refuse(char why[CONF_WHY_MAX], const char *format,
                                                       ...);

struct conf_type {
    /* `place` is zero or a value. False if the text is no value: `why` says why not, and `place` is
     * as it was, or zero. */
    bool (*read)(const char *text, const struct conf_bounds *bounds, void *place,
                 char why[CONF_WHY_MAX]);
    void (*clear)(void *place); /* frees what the value owns, and leaves zero */
};

extern const struct conf_type conf_type_text;      /* char * */
extern const struct conf_type conf_type_count;     /* uint32_t */
extern const struct conf_type conf_type_workers;   /* uint32_t; auto is 0 */
extern const struct conf_type conf_type_duration;  /* uint64_t, milliseconds */
extern const struct conf_type conf_type_size;      /* size_t, bytes */
extern const struct conf_type conf_type_yes_no;    /* bool */
extern const struct conf_type conf_type_word;      /* an enum */
extern const struct conf_type conf_type_endpoints; /* struct conf_addresses, each with a port */
extern const struct conf_type conf_type_endpoint;  /* the same, at most one; none is none */
extern const struct conf_type conf_type_sources;   /* struct conf_addresses, each without a port */
extern const struct conf_type conf_type_network_list; /* struct conf_networks */
extern const struct conf_type conf_type_target_list;  /* struct conf_targets */
