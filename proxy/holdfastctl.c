/* SPDX-License-Identifier: MIT */
/*
 * holdfastctl: asks a running Holdfast over its control socket. One line goes out, the
 * command and its argument; JSON comes back, an object a line: the first says whether
 * the command was done, the others are the answer. People get it as a table, programs
 * as it came. Nothing of Holdfast is linked in: the socket is the whole interface.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { PATIENCE_S = 10 }; /* a daemon that says nothing for so long is stuck */
enum { COLUMNS_MAX = 64 };

static const char default_socket[] = "/run/holdfast/control.sock";

/* How an answer is shown to people. */
enum form { FORM_NONE, FORM_LIST, FORM_TABLE };

static const struct command {
    const char *name;
    const char *argument; /* its name in the usage; NULL: takes none */
    enum form form;
    const char *meaning;
} commands[] = {
    {"status", NULL, FORM_LIST, "counts, counters and limits"},
    {"sessions", NULL, FORM_TABLE, "all sessions, attached and detached"},
    {"session", "ID", FORM_LIST, "one session in full"},
    {"connections", NULL, FORM_TABLE, "the clients' connections"},
    {"detach", "ID", FORM_NONE, "cut a session's connection; its client may resume"},
    {"end", "ID", FORM_NONE, "end a session as if its client had stayed away"},
};

struct options {
    const char *socket;
    bool json;
    const struct command *command;
    const char *argument; /* NULL if the command takes none */
};

struct objects {
    json_t **at;
    size_t count;
};

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "holdfastctl: %s: %s\n", what, why);
    return EXIT_FAILED;
}

static void usage(FILE *out)
{
    fprintf(out,
            "usage: holdfastctl [-s SOCKET] [--json] COMMAND [ID]\n\n"
            "  -s, --socket SOCKET  Holdfast's control socket, if not %s\n"
            "  -j, --json           the answer as JSON, an object a line\n"
            "  -h, --help           this text\n\n",
            default_socket);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct command *c = &commands[i];
        const char *argument = c->argument ? c->argument : "";

        fprintf(out, "  %s %-*s  %s\n", c->name, 19 - (int)strlen(c->name) - 1, argument,
                c->meaning);
    }
}

/* An argument becomes part of the line that is sent: one word, without control characters. */
static bool is_word(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return false;
    return *text;
}

static const struct command *command_named(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

/* False if the words are no command with its argument. */
static bool read_command(struct options *o, int count, char **words)
{
    if (count < 1 || !(o->command = command_named(words[0])))
        return false;
    if (count != (o->command->argument ? 2 : 1))
        return false;
    o->argument = o->command->argument ? words[1] : NULL;
    return !o->argument || is_word(o->argument);
}

/* A connected socket, or -1 after a complaint. */
static int reach(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd;

    if (strlen(path) >= sizeof address.sun_path) {
        complain(path, strerror(ENAMETOOLONG));
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience)) {
        complain(path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static bool send_request(int fd, const struct options *o)
{
    char *line;
    int len = asprintf(&line, "%s%s%s\n", o->command->name, o->argument ? " " : "",
                       o->argument ? o->argument : "");

    if (len < 0)
        return false;
    bool sent = send(fd, line, (size_t)len, MSG_NOSIGNAL) == len;

    free(line);
    return sent;
}

/* One whole line as an object; NULL at the end, and *broken if that is not where an end belongs. */
static json_t *next_object(FILE *in, char **line, size_t *size, bool *broken)
{
    ssize_t len = getline(line, size, in);
    json_t *object = NULL;

    if (len < 0) {
        *broken = ferror(in);
        return NULL;
    }
    if ((*line)[len - 1] == '\n')
        object = json_loadb(*line, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
    *broken = !json_is_object(object);
    if (*broken) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* A character of UTF-8 that reorders or breaks a line, as in log.c. */
static bool reorders(const unsigned char *p)
{
    return (p[0] == 0xe2 && p[1] == 0x80 &&
            (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
           (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9) ||
           (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf);
}

/* What came from clients may stand in an answer: no terminal is driven by it. */
static void make_harmless(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < ' ' || *p == 0x7f)
            *p = '?';
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
            p[0] = p[1] = '?';
        if (reorders(p))
            memset(p, '?', 3);
    }
}

/* A value for people, to be freed; NULL without memory. */
static char *value_text(const json_t *value)
{
    char *text;

    if (!value || json_is_null(value))
        text = strdup("-");
    else if (json_is_string(value))
        text = strdup(*json_string_value(value) ? json_string_value(value) : "-");
    else if (json_is_boolean(value))
        text = strdup(json_is_true(value) ? "yes" : "no");
    else
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text)
        make_harmless(text);
    return text;
}

/* Characters, which is how wide a terminal shows most of them. */
static int width_of(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* Numbers stand to the right, all else to the left; nothing is padded at a line's end. */
static void show_cell(const char *text, int width, bool right, bool last)
{
    int pad = width - width_of(text);

    printf("%*s%s%*s", right && pad > 0 ? pad : 0, "", text, right || last || pad <= 0 ? 0 : pad,
           "");
    fputs(last ? "\n" : "  ", stdout);
}

struct column {
    const char *key; /* of the first object */
    int width;
    bool right;
};

static void show_row(const struct column *columns, size_t count, const json_t *object)
{
    for (size_t i = 0; i < count; i++) {
        char *text =
            object ? value_text(json_object_get(object, columns[i].key)) : strdup(columns[i].key);

        show_cell(text ? text : "?", columns[i].width, columns[i].right, i + 1 == count);
        free(text);
    }
}

static void widen(struct column *column, const struct objects *rows)
{
    column->width = width_of(column->key);
    column->right = true;
    for (size_t i = 0; i < rows->count; i++) {
        const json_t *value = json_object_get(rows->at[i], column->key);
        char *text = value_text(value);
        int width = text ? width_of(text) : 0;

        column->width = width > column->width ? width : column->width;
        column->right = column->right && (!value || json_is_null(value) || json_is_number(value));
        free(text);
    }
}

/* The keys of the first object are the columns of all. */
static void show_table(const struct objects *rows)
{
    struct column columns[COLUMNS_MAX];
    size_t count = 0;

    if (!rows->count)
        return;
    for (void *i = json_object_iter(rows->at[0]); i && count < COLUMNS_MAX;
         i = json_object_iter_next(rows->at[0], i)) {
        columns[count].key = json_object_iter_key(i);
        widen(&columns[count++], rows);
    }
    show_row(columns, count, NULL);
    for (size_t i = 0; i < rows->count; i++)
        show_row(columns, count, rows->at[i]);
}

/* "name value" lines, with an empty line between objects. */
static void show_list(const struct objects *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        int width = 0;
        const char *key;
        json_t *value;

        json_object_foreach(rows->at[i], key, value) width =
            width_of(key) > width ? width_of(key) : width;
        if (i)
            puts("");
        json_object_foreach(rows->at[i], key, value)
        {
            char *text = value_text(value);

            show_cell(key, width, false, false);
            show_cell(text ? text : "?", 0, false, true);
            free(text);
        }
    }
}

static bool append(struct objects *o, json_t *object)
{
    bool full = !(o->count & (o->count - 1)); /* there is room for a power of two */
    json_t **grown = full ? reallocarray(o->at, o->count ? o->count * 2 : 1, sizeof *o->at) : o->at;

    if (!grown)
        return false;
    o->at = grown;
    o->at[o->count++] = object;
    return true;
}

/* All that comes behind the first line: shown at once for programs, collected for people. */
static bool read_answer(FILE *in, bool json, struct objects *rows)
{
    char *line = NULL;
    size_t size = 0;
    bool broken = false;

    for (json_t *object; (object = next_object(in, &line, &size, &broken));) {
        if (json)
            fputs(line, stdout);
        broken = !json && !append(rows, object);
        if (json || broken)
            json_decref(object);
        if (broken)
            break;
    }
    free(line);
    return !broken;
}

/* The first line: whether Holdfast did what was asked. */
static int read_verdict(FILE *in, const struct options *o)
{
    char *line = NULL;
    size_t size = 0;
    bool broken = false;
    json_t *verdict = next_object(in, &line, &size, &broken);
    const char *error = json_string_value(json_object_get(verdict, "error"));
    bool ok = json_is_true(json_object_get(verdict, "ok"));
    char *words = strdup(error ? error : "no answer that can be understood");

    if (words)
        make_harmless(words);
    if (!ok)
        complain(verdict ? o->command->name : o->socket, words ? words : strerror(ENOMEM));
    free(words);
    free(line);
    json_decref(verdict);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

static int converse(FILE *in, const struct options *o)
{
    struct objects rows = {0};
    int status = read_verdict(in, o);

    if (status != EXIT_DONE)
        return status;
    if (!read_answer(in, o->json, &rows))
        status = complain(o->socket, "the answer is cut off or cannot be understood");
    else if (!o->json && o->command->form == FORM_TABLE)
        show_table(&rows);
    else if (!o->json && o->command->form == FORM_LIST)
        show_list(&rows);
    for (size_t i = 0; i < rows.count; i++)
        json_decref(rows.at[i]);
    free(rows.at);
    if (fflush(stdout) || ferror(stdout))
        status = complain("output", strerror(errno));
    return status;
}

static int run(const struct options *o)
{
    int fd = reach(o->socket);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    int status = EXIT_FAILED;

    if (in && send_request(fd, o))
        status = converse(in, o);
    else if (fd >= 0)
        complain(o->socket, strerror(errno));
    if (in)
        fclose(in);
    else if (fd >= 0)
        close(fd);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"socket", required_argument, NULL, 's'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {0}};
    struct options o = {.socket = default_socket};

    for (int c; (c = getopt_long(argc, argv, "s:jh", longs, NULL)) >= 0;) {
        if (c == 'h') {
            usage(stdout);
            return EXIT_DONE;
        }
        if (c == 'V') {
            puts("holdfastctl " HOLDFAST_VERSION);
            return EXIT_DONE;
        }
        if (c == 's')
            o.socket = optarg;
        else if (c == 'j')
            o.json = true;
        else
            return EXIT_USAGE;
    }
    if (!read_command(&o, argc - optind, argv + optind)) {
        usage(stderr);
        return EXIT_USAGE;
    }
    return run(&o);
}
