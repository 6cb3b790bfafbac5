/* SPDX-License-Identifier: MIT */
/*
 * The settings as a table: one row for each, in the order in which an administrator
 * reads them. Everything that treats all settings alike goes through these rows.
 */
#pragma once

#include "proxy/conf.h"
#include "proxy/conf_value.h"

enum conf_section {
    CONF_SECTION_MAIN,
    CONF_SECTION_LISTEN,
    CONF_SECTION_HOST,
    CONF_SECTION_SM,
    CONF_SECTION_LIMITS,
    CONF_SECTIONS
};

struct conf_row {
    const char *name;
    const struct conf_type *type;
    size_t place;         /* of the field in the section's struct */
    const char *standard; /* the default, as it would be written; NULL: none, see conf_read.c */
    struct conf_bounds bounds;
    bool may_reload;     /* SIGHUP changes it; otherwise a restart does */
    const char *built;   /* the values that work so far, separated by blanks; NULL: all */
    const char *meaning; /* for an administrator; a line break in it is one in holdfast.ini */
};

struct conf_shape {
    const char *name; /* of the heading, without what is NAME in [listen NAME] */
    bool named;       /* any number, each with a NAME of its own */
    size_t place;     /* in struct conf: of the section, or of the pointer to the named ones */
    size_t entries;   /* offset of its struct conf_entry * */
    const struct conf_row *rows;
    size_t row_count;
};

extern const struct conf_shape conf_shapes[CONF_SECTIONS];

/* The row of a key, or NULL. */
const struct conf_row *conf_row(enum conf_section section, const char *name);

/* Where the key's value stands in the file; the key must be one of the section's. */
const struct conf_entry *conf_entry(enum conf_section section, const void *base, const char *name);

/* Gives each field of a zeroed section its default. False if memory is out; the section is then to
 * be cleared all the same. */
[[nodiscard]] bool conf_section_init(enum conf_section section, void *base);
void conf_section_clear(enum conf_section section, void *base);
