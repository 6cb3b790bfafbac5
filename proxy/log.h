/* SPDX-License-Identifier: MIT */
/*
 * The log: events with typed fields, one line each, to standard error.
 *
 *     log_at(LOG_INFO, "resumed", f_str("sid", id), f_u32("h", h), f_ms("held", ms));
 *
 * The event is a row of proxy/log_events.h. A line is put together on the stack
 * and leaves in one write, so threads need no lock. Escaping is done here and
 * nowhere else; a field without a value (NULL, an absent span) is left out.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "parser/span.h"

enum {
    LOG_LINE_MAX = 2048, /* bytes of a line, its newline included */
    LOG_ADDRESS_MAX = 80,
};

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum field_kind {
    FIELD_END,
    FIELD_TEXT,
    FIELD_UNSIGNED,
    FIELD_SIGNED,
    FIELD_BOOL,
    FIELD_MS,
    FIELD_ADDRESS,
    FIELD_ERRNO,
};

/* All pointers are loans until log_at returns. */
struct field {
    const char *name; /* lower case letters, digits and _ */
    enum field_kind kind;
    union {
        struct span text;
        uint64_t u;
        int64_t i;
        bool truth;
        int error;
        const struct sockaddr *address;
    };
};

static inline struct field f_span(const char *name, struct span value)
{
    return (struct field){.name = name, .kind = FIELD_TEXT, .text = value};
}

static inline struct field f_str(const char *name, const char *value)
{
    return f_span(name, span_of(value));
}

static inline struct field f_u64(const char *name, uint64_t value)
{
    return (struct field){.name = name, .kind = FIELD_UNSIGNED, .u = value};
}

static inline struct field f_u32(const char *name, uint32_t value)
{
    return f_u64(name, value);
}

static inline struct field f_size(const char *name, size_t value)
{
    return f_u64(name, value);
}

static inline struct field f_i64(const char *name, int64_t value)
{
    return (struct field){.name = name, .kind = FIELD_SIGNED, .i = value};
}

static inline struct field f_bool(const char *name, bool value)
{
    return (struct field){.name = name, .kind = FIELD_BOOL, .truth = value};
}

/* Milliseconds; the key gets the unit, so f_ms("held", 5) is held_ms=5. */
static inline struct field f_ms(const char *name, uint64_t value)
{
    return (struct field){.name = name, .kind = FIELD_MS, .u = value};
}

/* 192.0.2.1:5222, [2001:db8::1]:5222, or unix. */
static inline struct field f_addr(const char *name, const struct sockaddr *value)
{
    return (struct field){.name = name, .kind = FIELD_ADDRESS, .address = value};
}

/* An errno value or its negative, as the system's words for it; left out if 0. */
static inline struct field f_err(const char *name, int error)
{
    return (struct field){.name = name, .kind = FIELD_ERRNO, .error = error};
}

/* Before the first call: LOG_INFO, LOG_LOGFMT. May be called again, by any thread. */
void log_init(enum log_level level, enum log_format format);

/* The one piece of global state: lines above this level are not written. */
extern _Atomic int log_threshold;

static inline bool log_wanted(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_threshold, memory_order_relaxed);
}

/* The arguments of an unwanted line are not evaluated. */
#define log_at(level, event, ...)                                                                  \
    (log_wanted(level)                                                                             \
         ? log_write((level), (event), (const struct field[]){__VA_ARGS__ __VA_OPT__(, ){0}})      \
         : (void)0)

/* What log_at calls. The fields end with FIELD_END. A line that cannot be written is dropped. */
void log_write(enum log_level level, const char *event, const struct field *fields);

/* The line as it would be written at `wall_ms` since 1970, newline included; its length. Fields
 * that do not fit are cut and end in "…". */
size_t log_line(char line[LOG_LINE_MAX], enum log_format format, enum log_level level,
                const char *event, const struct field *fields, uint64_t wall_ms);

/* An address as the log writes it, in `text`. */
void log_address(char text[LOG_ADDRESS_MAX], const struct sockaddr *address);

/* True if the event has a row in proxy/log_events.h. */
[[nodiscard]] bool log_event_known(const char *event);
