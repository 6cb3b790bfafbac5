/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log: their two forms, that no value can break out of its line, that each
 * line is bounded; and that the program and the table of events name the same events.
 */
#include "proxy/log.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/log_events.h"

static const uint64_t WALL_MS = 1700000000042; /* 2023-11-14T22:13:20.042Z */

static char line[LOG_LINE_MAX + 1];

#define LINE(format, ...) line_of(format, (const struct field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

static const char *line_of(enum log_format format, const struct field *fields)
{
    memset(line, 'X', sizeof line);
    size_t len = log_line(line, format, LOG_INFO, "resumed", fields, WALL_MS);

    assert_true(len <= LOG_LINE_MAX);
    assert_int_equal(line[len], 'X');
    assert_int_equal(line[len - 1], '\n');
    line[len] = '\0';
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    return line;
}

/* What stands behind the event in a line with one field. */
static const char *logfmt(struct field f)
{
    const char *head = "time=2023-11-14T22:13:20.042Z level=info event=resumed";
    char *text = (char *)LINE(LOG_LOGFMT, f);

    assert_memory_equal(text, head, strlen(head));
    text[strlen(text) - 1] = '\0';
    return text + strlen(head);
}

static const char *json(struct field f)
{
    const char *head =
        "{\"time\":\"2023-11-14T22:13:20.042Z\",\"level\":\"info\",\"event\":\"resumed\"";
    char *text = (char *)LINE(LOG_JSON, f);

    assert_memory_equal(text, head, strlen(head));
    assert_string_equal(text + strlen(text) - 2, "}\n");
    text[strlen(text) - 2] = '\0';
    return text + strlen(head);
}

static void a_line_has_its_time_level_event_and_fields(void **)
{
    assert_string_equal(
        LINE(LOG_LOGFMT, f_str("sid", "abc"), f_u32("h", 7), f_ms("held", 1500)),
        "time=2023-11-14T22:13:20.042Z level=info event=resumed sid=abc h=7 held_ms=1500\n");
    assert_string_equal(
        LINE(LOG_JSON, f_str("sid", "abc"), f_u32("h", 7), f_ms("held", 1500)),
        "{\"time\":\"2023-11-14T22:13:20.042Z\",\"level\":\"info\",\"event\":\"resumed\","
        "\"sid\":\"abc\",\"h\":7,\"held_ms\":1500}\n");
    assert_string_equal(LINE(LOG_LOGFMT),
                        "time=2023-11-14T22:13:20.042Z level=info event=resumed\n");
}

static void numbers_are_whole(void **)
{
    assert_string_equal(logfmt(f_u64("n", UINT64_MAX)), " n=18446744073709551615");
    assert_string_equal(logfmt(f_i64("n", INT64_MIN)), " n=-9223372036854775808");
    assert_string_equal(json(f_size("n", 0)), ",\"n\":0");
    assert_string_equal(json(f_bool("n", true)), ",\"n\":true");
    assert_string_equal(logfmt(f_bool("n", false)), " n=false");
}

static void an_absent_value_is_left_out(void **)
{
    assert_string_equal(logfmt(f_str("a", NULL)), "");
    assert_string_equal(logfmt(f_span("a", SPAN_NONE)), "");
    assert_string_equal(logfmt(f_addr("a", NULL)), "");
    assert_string_equal(logfmt(f_err("a", 0)), "");
    assert_string_equal(json(f_str("a", NULL)), "");
    assert_string_equal(logfmt(f_str("a", "")), " a=\"\"");
    assert_string_equal(json(f_str("a", "")), ",\"a\":\"\"");
}

static void an_error_is_said_in_words(void **)
{
    assert_string_equal(logfmt(f_err("error", ECONNREFUSED)), " error=\"Connection refused\"");
    assert_string_equal(logfmt(f_err("error", -ECONNREFUSED)), " error=\"Connection refused\"");
    assert_string_equal(json(f_err("error", 4321)), ",\"error\":\"error 4321\"");
}

static void an_address_has_its_port(void **)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(5222)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(5222)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
    inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
    assert_string_equal(logfmt(f_addr("peer", (struct sockaddr *)&v4)), " peer=192.0.2.1:5222");
    assert_string_equal(logfmt(f_addr("peer", (struct sockaddr *)&v6)), " peer=[2001:db8::1]:5222");
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr);
    assert_string_equal(json(f_addr("peer", (struct sockaddr *)&v6)),
                        ",\"peer\":\"192.0.2.1:5222\"");
    assert_string_equal(logfmt(f_addr("peer", (struct sockaddr *)&un)), " peer=unix");
}

static void a_value_cannot_leave_its_quotes(void **)
{
    assert_string_equal(logfmt(f_str("a", "x y")), " a=\"x y\"");
    assert_string_equal(logfmt(f_str("a", "x=y")), " a=\"x=y\"");
    assert_string_equal(logfmt(f_str("a", "x\"y")), " a=\"x\\\"y\"");
    assert_string_equal(logfmt(f_str("a", "x\\")), " a=\"x\\\\\"");
    assert_string_equal(logfmt(f_str("a", "x\nevent=y")), " a=\"x\\nevent=y\"");
    assert_string_equal(json(f_str("a", "x\"},\n")), ",\"a\":\"x\\\"},\\n\"");
    assert_string_equal(json(f_str("a", "x\\")), ",\"a\":\"x\\\\\"");
}

static void control_characters_are_harmless(void **)
{
    assert_string_equal(logfmt(f_str("a", "\x1b[31m")), " a=\"\\u001b[31m\"");
    assert_string_equal(json(f_str("a", "\r\t\x7f")), ",\"a\":\"\\u000d\\u0009\\u007f\"");
    assert_string_equal(logfmt(f_span("a", SPAN_LIT("a\0b"))), " a=\"a\\u0000b\"");
    assert_string_equal(logfmt(f_str("a", "\xc2\x9b"
                                          "1m")),
                        " a=\"\\u009b1m\"");
    assert_string_equal(logfmt(f_str("a", "\xe2\x80\xae")), " a=\"\\u202e\"");
    assert_string_equal(json(f_str("a", "\xe2\x80\xa8")), ",\"a\":\"\\u2028\"");
}

/* The first and the last of each range of harmful characters, and what stands beside them. */
static void ranges_of_characters_have_exact_ends(void **)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"\x1f", "\\u001f"},          {"~", "~"},
        {"\x7f", "\\u007f"},          {"\xc2\x9f", "\\u009f"},
        {"\u00a0", "\u00a0"},         {"\u200d", "\u200d"},
        {"\u200e", "\\u200e"},        {"\u200f", "\\u200f"},
        {"\u2010", "\u2010"},         {"\u2027", "\u2027"},
        {"\u2028", "\\u2028"},        {"\u202e", "\\u202e"},
        {"\u202f", "\u202f"},         {"\u2065", "\u2065"},
        {"\u2066", "\\u2066"},        {"\u2069", "\\u2069"},
        {"\u206a", "\u206a"},         {"\ufeff", "\\ufeff"},
        {"\ud7ff", "\ud7ff"},         {"\ue000", "\ue000"},
        {"\U0010ffff", "\U0010ffff"}, {"\xed\xbf\xbf", "\ufffd\ufffd\ufffd"},
    };
    char want[64];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(want, sizeof want, ",\"a\":\"%s\"", cases[i].shown);
        assert_string_equal(json(f_str("a", cases[i].text)), want);
    }
}

static void what_is_not_utf8_is_replaced(void **)
{
    static const char *const bad[] = {"\xff",
                                      "\x80",
                                      "\xc0\xaf",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xed\xa0\x80",
                                      "\xe0\x80\xaf",
                                      "\xf4\x90\x80\x80",
                                      "\xf0\x80\x80\xaf",
                                      "\xf8\x88\x80\x80\x80"};

    assert_string_equal(logfmt(f_str("a", "\xff")), " a=\"\ufffd\"");
    assert_string_equal(json(f_str("a", "a\xc3(")), ",\"a\":\"a\ufffd(\"");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *copy =
            malloc(strlen(bad[i])); /* not terminated: a byte more is an error of its own */

        memcpy(copy, bad[i], strlen(bad[i]));
        const char *text = json(f_span("a", (struct span){copy, strlen(bad[i])}));

        assert_memory_equal(text, ",\"a\":\"", 6);
        text += 6;
        for (size_t bytes = strlen(bad[i]); bytes; bytes--, text += 3)
            assert_memory_equal(text, "\ufffd", 3); /* one for each byte */
        assert_string_equal(text, "\"");
        free(copy);
    }
    assert_string_equal(logfmt(f_str("a", "b\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80")),
                        " a=b\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void a_long_value_is_cut_between_characters(void **)
{
    char value[2000];

    for (size_t shift = 0; shift < 4; shift++)
        for (int form = LOG_LOGFMT; form <= LOG_JSON; form++) {
            memset(value, 'a', shift);
            for (size_t i = shift; i + 4 < sizeof value; i += 4)
                memcpy(value + i, "\xf0\x9f\x98\x80", 5);
            const char *text = (form == LOG_JSON ? json : logfmt)(f_str("v", value));
            const char *mark = strstr(text, "…");

            assert_non_null(mark);
            assert_string_equal(mark, form == LOG_JSON ? "…\"" : "…");
            assert_true(strlen(text) > 500 && strlen(text) < 530);
            assert_memory_equal(mark - 4, "\xf0\x9f\x98\x80", 4);
        }
}

static void a_value_of_just_the_most_is_not_cut(void **)
{
    char value[513];

    memset(value, 'a', sizeof value);
    value[512] = '\0';
    assert_null(strstr(logfmt(f_str("v", value)), "…"));
    value[511] = '\n'; /* two bytes in the line */
    assert_non_null(strstr(logfmt(f_str("v", value)), "…"));
}

static void a_line_is_bounded_whatever_its_fields(void **)
{
    char value[600];

    for (size_t len = 0; len < sizeof value; len++)
        for (int form = LOG_LOGFMT; form <= LOG_JSON; form++) {
            memset(value, len % 3 ? 'a' : '"', len);
            value[len] = '\0';
            struct field f = f_str("a_field_with_a_name", value), n = f_u64("number", UINT64_MAX);

            LINE((enum log_format)form, f, n, f, n, f, n, f, n, f, n, f, n, f, n, f, n);
            if (form == LOG_JSON)
                assert_non_null(strstr(line, "}\n"));
        }
}

/* What log_at puts on standard error. */
static size_t caught(char *text, size_t max, void (*act)(void))
{
    int ends[2], saved = dup(STDERR_FILENO);

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    act();
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t len = read(ends[0], text, max - 1);

    close(ends[0]);
    assert_true(len >= 0);
    text[len] = '\0';
    return (size_t)len;
}

static int evaluated;

static uint32_t evaluate(void)
{
    return (uint32_t)++evaluated;
}

static void log_each_level(void)
{
    errno = EXFULL;
    log_at(LOG_ERROR, "start", f_u32("n", evaluate()));
    log_at(LOG_WARN, "start", f_u32("n", evaluate()));
    log_at(LOG_INFO, "start");
    log_at(LOG_DEBUG, "start", f_u32("n", evaluate()));
    assert_int_equal(errno, EXFULL);
}

static void only_wanted_levels_are_written(void **)
{
    char text[1000];

    log_init(LOG_WARN, LOG_JSON);
    evaluated = 0;
    caught(text, sizeof text, log_each_level);
    assert_int_equal(evaluated, 2);
    assert_non_null(strstr(text, "\"level\":\"error\",\"event\":\"start\",\"n\":1}\n"));
    assert_non_null(strstr(text, "\"level\":\"warn\",\"event\":\"start\",\"n\":2}\n"));
    assert_null(strstr(text, "info"));
    log_init(LOG_DEBUG, LOG_LOGFMT);
    caught(text, sizeof text, log_each_level);
    assert_non_null(strstr(text, "level=info event=start\n"));
    assert_non_null(strstr(text, "level=debug event=start n=5\n"));
    log_init(LOG_INFO, LOG_LOGFMT);
}

static void log_into_nothing(void)
{
    int saved = dup(STDERR_FILENO);

    close(STDERR_FILENO);
    log_at(LOG_INFO, "start");
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static void a_log_that_cannot_be_written_harms_nobody(void **)
{
    log_into_nothing();
}

static void an_event_is_known_by_its_whole_name(void **)
{
    assert_true(log_event_known("resumed"));
    assert_false(log_event_known("resume"));
    assert_false(log_event_known(""));
}

static char *contents(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);

    assert_non_null(f);
    assert_true(fread(text, 1, (1 << 20) - 1, f) < (1 << 20) - 1);
    fclose(f);
    return text;
}

static const char *const rows[] = {
#define X(name, meaning) name,
    LOG_EVENTS(X)
#undef X
};

enum { ROWS = sizeof rows / sizeof *rows };

/* The names in the second argument of a call, "a" or x ? "a" : "b", from one to the next: the first
 * that begins at or behind *p, with *p moved behind it. False at the argument's end. */
static bool next_event(const char **p, char *event, size_t max)
{
    const char *begin = *p + strcspn(*p, ",\"");

    if (*begin != '"')
        return false;
    begin++;
    snprintf(event, max, "%.*s", (int)strcspn(begin, "\""), begin);
    *p = begin + strcspn(begin, "\"") + 1;
    return true;
}

struct names {
    char text[2000];
};

__attribute__((format(printf, 2, 3))) static void names_add(struct names *n, const char *format,
                                                            ...)
{
    size_t len = strlen(n->text);
    va_list args;

    va_start(args, format);
    vsnprintf(n->text + len, sizeof n->text - len, format, args);
    va_end(args);
}

static void mark_call(const char *path, const char *call, bool used[ROWS], struct names *wrong)
{
    const char *p = call + strcspn(call, ",") + 1;
    char event[100];
    size_t count = 0;

    for (; next_event(&p, event, sizeof event); count++) {
        if (!log_event_known(event))
            names_add(wrong, "\n%s: not in proxy/log_events.h: %s", path, event);
        for (size_t i = 0; i < ROWS; i++)
            used[i] = used[i] || !strcmp(rows[i], event);
    }
    if (!count)
        names_add(wrong, "\n%s: names no event: %.40s", path, call);
}

static void mark_events(const char *path, bool used[ROWS], struct names *wrong)
{
    char *text = contents(path);

    for (const char *p = text; (p = strstr(p, "log_at(")); p++)
        if (p == text || !(isalnum((unsigned char)p[-1]) || p[-1] == '_'))
            mark_call(path, p, used, wrong);
    free(text);
}

static void the_program_and_the_table_name_the_same_events(void **)
{
    bool used[ROWS] = {0};
    struct names wrong = {0};
    glob_t files;

    assert_int_equal(glob(SOURCE_DIR "/proxy/*.c", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++)
        mark_events(files.gl_pathv[i], used, &wrong);
    globfree(&files);
    for (size_t i = 0; i < ROWS; i++)
        if (!used[i])
            names_add(&wrong, "\nproxy/log_events.h: nothing logs %s", rows[i]);
    if (*wrong.text)
        fail_msg("%s", wrong.text);
}

static void no_event_stands_in_the_table_twice(void **)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(rows[i], rows[j]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_time_level_event_and_fields),
        cmocka_unit_test(numbers_are_whole),
        cmocka_unit_test(an_absent_value_is_left_out),
        cmocka_unit_test(an_error_is_said_in_words),
        cmocka_unit_test(an_address_has_its_port),
        cmocka_unit_test(a_value_cannot_leave_its_quotes),
        cmocka_unit_test(control_characters_are_harmless),
        cmocka_unit_test(ranges_of_characters_have_exact_ends),
        cmocka_unit_test(what_is_not_utf8_is_replaced),
        cmocka_unit_test(a_long_value_is_cut_between_characters),
        cmocka_unit_test(a_value_of_just_the_most_is_not_cut),
        cmocka_unit_test(a_line_is_bounded_whatever_its_fields),
        cmocka_unit_test(only_wanted_levels_are_written),
        cmocka_unit_test(a_log_that_cannot_be_written_harms_nobody),
        cmocka_unit_test(an_event_is_known_by_its_whole_name),
        cmocka_unit_test(the_program_and_the_table_name_the_same_events),
        cmocka_unit_test(no_event_stands_in_the_table_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
