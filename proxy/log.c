/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log, as logfmt or as JSON. Both escape in the same way, inside double
 * quotes as JSON does, so a value from outside can neither end its line nor drive the
 * terminal that shows it: control characters and those that reorder text are written
 * as \uXXXX, and what is not UTF-8 as U+FFFD.
 */
#include "proxy/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proxy/log_events.h"

enum {
    VALUE_MAX = 512, /* bytes of one value in the line, so that one field leaves room for others */
    TAIL = 2,        /* the brace and the newline that end a line always fit */
};

static const char ELLIPSIS[] = "…";

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static const char *const event_names[] = {
#define X(name, meaning) name,
    LOG_EVENTS(X)
#undef X
};

_Atomic int log_threshold = LOG_INFO;
static _Atomic int log_form = LOG_LOGFMT;

struct line {
    char *p;
    size_t len;
    size_t max; /* what may be used now; below the real end by what must follow */
    bool json;
};

void log_init(enum log_level level, enum log_format format)
{
    atomic_store(&log_threshold, (int)level);
    atomic_store(&log_form, (int)format);
}

bool log_event_known(const char *event)
{
    for (size_t i = 0; i < sizeof event_names / sizeof *event_names; i++)
        if (!strcmp(event_names[i], event))
            return true;
    return false;
}

/* All or nothing. */
static bool put(struct line *l, const char *bytes, size_t len)
{
    if (len > l->max - l->len)
        return false;
    memcpy(l->p + l->len, bytes, len);
    l->len += len;
    return true;
}

static bool puts_(struct line *l, const char *text)
{
    return put(l, text, strlen(text));
}

/* The length of the well-formed UTF-8 sequence that s begins with, and its code point; 0 if it
 * begins with none. */
static size_t utf8_next(struct span s, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *b = (const unsigned char *)s.p;
    size_t len = b[0] < 0x80       ? 1
                 : b[0] >> 5 == 6  ? 2
                 : b[0] >> 4 == 14 ? 3
                 : b[0] >> 3 == 30 ? 4
                                   : 0;

    if (!len || len > s.len)
        return 0;
    *code = len == 1 ? b[0] : b[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if (b[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (b[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < least[len] || *code > 0x10ffff || surrogate ? 0 : len;
}

/* Control characters of ASCII and Latin-1, and what turns or breaks lines of text (Unicode bidi
 * controls, line and paragraph separators, the byte order mark). */
static bool harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* One character of s, escaped; *used becomes its length in s. */
static bool put_character(struct line *l, struct span s, size_t *used)
{
    uint32_t c = 0;
    char escape[8];

    *used = utf8_next(s, &c);
    if (!*used) {
        *used = 1;
        return puts_(l, "\ufffd");
    }
    if (c == '"' || c == '\\')
        return put(l, (char[]){'\\', (char)c}, 2);
    if (c == '\n')
        return puts_(l, "\\n");
    if (harmful(c)) {
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
        return puts_(l, escape);
    }
    return put(l, s.p, *used);
}

/* As much of s as fits below l->max, whole characters only, and then … if that was not all. */
static void put_escaped(struct line *l, struct span s)
{
    size_t fits = l->len; /* the last end from which … still fits */
    size_t mark = sizeof ELLIPSIS - 1;

    for (size_t used = 0; s.len; s.p += used, s.len -= used) {
        if (l->max - l->len >= mark)
            fits = l->len;
        if (!put_character(l, s, &used)) {
            l->len = fits;
            puts_(l, ELLIPSIS);
            return;
        }
    }
}

/* True if logfmt can show the value without quotes. */
static bool plain(struct span s)
{
    uint32_t c = 0;

    for (size_t used; s.len; s.p += used, s.len -= used) {
        used = utf8_next(s, &c);
        if (!used || c <= ' ' || c == '"' || c == '=' || c == '\\' || harmful(c))
            return false;
    }
    return true;
}

static void put_text(struct line *l, struct span s)
{
    size_t max = l->max;
    bool quoted = l->json || !s.len || !plain(s);

    if (quoted)
        puts_(l, "\"");
    l->max = max - l->len > VALUE_MAX ? l->len + VALUE_MAX : max - 1; /* the closing quote fits */
    put_escaped(l, s);
    l->max = max;
    if (quoted)
        puts_(l, "\"");
}

static struct span address_text(const struct sockaddr *address, char *text, size_t max)
{
    char host[INET6_ADDRSTRLEN + 16], port[8];
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    socklen_t len = sizeof(struct sockaddr_in6);

    if (address->sa_family == AF_UNIX)
        return SPAN_LIT("unix");
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;

        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            v4.sin_port = v6->sin6_port;
            memcpy(&v4.sin_addr, v6->sin6_addr.s6_addr + 12, 4);
            address = (const struct sockaddr *)&v4;
        }
    }
    if (address->sa_family == AF_INET)
        len = sizeof v4;
    if (getnameinfo(address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return SPAN_LIT("unknown");
    snprintf(text, max, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return span_of(text);
}

void log_address(char text[LOG_ADDRESS_MAX], const struct sockaddr *address)
{
    char scratch[LOG_ADDRESS_MAX];
    struct span s = address_text(address, scratch, sizeof scratch);

    snprintf(text, LOG_ADDRESS_MAX, "%.*s", (int)s.len, s.p);
}

static struct span error_text(int error, char *text, size_t max)
{
    const char *words = strerrordesc_np(error < 0 ? -error : error);

    if (words)
        return span_of(words);
    snprintf(text, max, "error %d", error);
    return span_of(text);
}

static void put_value(struct line *l, const struct field *f)
{
    char text[128];

    switch (f->kind) {
    case FIELD_END:
        return;
    case FIELD_TEXT:
        put_text(l, f->text);
        return;
    case FIELD_UNSIGNED:
    case FIELD_MS:
        snprintf(text, sizeof text, "%" PRIu64, f->u);
        puts_(l, text);
        return;
    case FIELD_SIGNED:
        snprintf(text, sizeof text, "%" PRId64, f->i);
        puts_(l, text);
        return;
    case FIELD_BOOL:
        puts_(l, f->truth ? "true" : "false");
        return;
    case FIELD_ADDRESS:
        put_text(l, address_text(f->address, text, sizeof text));
        return;
    case FIELD_ERRNO:
        put_text(l, error_text(f->error, text, sizeof text));
        return;
    }
}

static bool absent(const struct field *f)
{
    return (f->kind == FIELD_TEXT && !f->text.p) || (f->kind == FIELD_ADDRESS && !f->address) ||
           (f->kind == FIELD_ERRNO && !f->error);
}

/* A field for which not even a number would fit is left out. */
static void put_field(struct line *l, const struct field *f)
{
    const char *unit = f->kind == FIELD_MS ? "_ms" : "";

    if (absent(f) || l->max - l->len < strlen(f->name) + 32)
        return;
    puts_(l, l->json ? (l->len ? ",\"" : "{\"") : (l->len ? " " : ""));
    puts_(l, f->name);
    puts_(l, unit);
    puts_(l, l->json ? "\":" : "=");
    put_value(l, f);
}

static void time_text(char *text, size_t max, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm = {0};
    char day[32];

    gmtime_r(&seconds, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, max, "%s.%03uZ", day, (unsigned)(wall_ms % 1000));
}

size_t log_line(char line[LOG_LINE_MAX], enum log_format format, enum log_level level,
                const char *event, const struct field *fields, uint64_t wall_ms)
{
    struct line l = {.p = line, .max = LOG_LINE_MAX - TAIL, .json = format == LOG_JSON};
    char when[48];

    time_text(when, sizeof when, wall_ms);
    struct field head[] = {f_str("time", when), f_str("level", level_names[level]),
                           f_str("event", event)};

    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        put_field(&l, &head[i]);
    for (const struct field *f = fields; f->kind != FIELD_END; f++)
        put_field(&l, f);
    l.max = LOG_LINE_MAX;
    puts_(&l, l.json ? "}\n" : "\n");
    return l.len;
}

void log_write(enum log_level level, const char *event, const struct field *fields)
{
    int saved = errno;
    char line[LOG_LINE_MAX];
    struct timespec now;

    assert(log_event_known(event));
    clock_gettime(CLOCK_REALTIME, &now);
    size_t len = log_line(line, (enum log_format)atomic_load(&log_form), level, event, fields,
                          (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);

    /* A log that cannot be written has nowhere to say so. */
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
    errno = saved;
}
