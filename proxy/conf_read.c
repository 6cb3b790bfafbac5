/* SPDX-License-Identifier: MIT */
/*
 * The file, line by line. inih knows the grammar of a line; what it is not asked is
 * which line it is, for it would cut a long one, join an indented one to the one
 * before, cut the name of a section and pass over an empty one. So the reader below
 * it gives it only lines that it takes whole, numbers them, and sees the headings.
 */
#include "proxy/conf_read.h"

#include <errno.h>
#include <idna.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "parser/jid.h"
#include "proxy/conf_table.h"
#include "proxy/net.h"

#define BLANKS " \t\r\n"

struct reading {
    FILE *file;
    struct conf *conf;
    struct conf_problems *problems;
    unsigned line;
    unsigned unread;           /* the line given to inih that it has not yet given back, or 0 */
    enum conf_section section; /* that the lines now belong to; CONF_SECTIONS: to none */
    void *base;                /* its struct */
    bool skip;                 /* the heading was refused: its keys are passed over */
    unsigned heading[CONF_SECTIONS]; /* where the sections without a NAME begin; 0: not yet */
    bool no_memory;
};

#define ERROR(r, ...) conf_problems_add((r)->problems, (r)->line, false, __VA_ARGS__)

/* A value that stands in the table as working so far, or all do. */
static bool is_built(const struct conf_row *row, const char *text)
{
    size_t len = strlen(text);

    if (!row->built || !strcmp(row->built, text))
        return true;
    for (const char *p = row->built; len && (p = strstr(p, text)); p += len)
        if ((p == row->built || p[-1] == ' ') && (p[len] == '\0' || p[len] == ' '))
            return true;
    return false;
}

static void read_value(struct reading *r, const struct conf_row *row, const char *text)
{
    struct conf_entry *entry = (struct conf_entry *)conf_entry(r->section, r->base, row->name);
    char why[CONF_WHY_MAX];

    if (entry->line) {
        ERROR(r, "%s is already set in line %u", row->name, entry->line);
        return;
    }
    entry->line = r->line;
    entry->text = strdup(text);
    if (!entry->text)
        r->no_memory = true;
    if (!row->type->read(text, &row->bounds, (char *)r->base + row->place, why))
        ERROR(r, "%s: %s", row->name, why);
    else if (!is_built(row, text))
        ERROR(r, "%s: \"%.80s\" is not supported yet", row->name, text);
}

/* Called by inih, within its call of next_line or right after it. */
static int take_value(void *user, const char *, const char *name, const char *value)
{
    struct reading *r = user;
    const struct conf_row *row;

    r->unread = 0;
    if (!*name)
        ERROR(r, "there is no key before the =");
    else if (r->skip)
        return 1;
    else if (r->section == CONF_SECTIONS)
        ERROR(r, "%s stands before the first [section]", name);
    else if (!(row = conf_row(r->section, name)))
        ERROR(r, "[%s] has no key %s", conf_shapes[r->section].name, name);
    else
        read_value(r, row, value);
    return 1;
}

/* Room for one more zeroed struct behind an array of them; NULL, nothing changed, without memory.
 */
static void *append(void **array, size_t *count, size_t size)
{
    char *grown = reallocarray(*array, *count + 1, size);

    if (!grown)
        return NULL;
    *array = grown;
    return memset(grown + (*count)++ * size, 0, size);
}

static void begin_listen(struct reading *r, const char *name)
{
    struct conf *c = r->conf;

    for (size_t i = 0; i < c->listen_count; i++)
        if (!strcmp(c->listens[i].name, name))
            ERROR(r, "[listen %s] is already in line %u", name, c->listens[i].line);
    if (c->listen_count == CONF_LISTENS_MAX) {
        ERROR(r, "more than %d [listen] sections", CONF_LISTENS_MAX);
        r->skip = true;
        return;
    }
    struct conf_listen *listen = append((void **)&c->listens, &c->listen_count, sizeof *listen);

    if (!listen || !(listen->name = strdup(name)) ||
        !conf_section_init(CONF_SECTION_LISTEN, listen)) {
        r->no_memory = true;
        return;
    }
    listen->line = r->line;
    r->base = listen;
}

/* The domain as it is compared, and as DNS has it. False if it is no domain. */
static bool prepare_domain(struct conf_host *host, const char *domain)
{
    char prepared[JID_PART_MAX + 1];
    struct sink k = {.p = prepared, .max = JID_PART_MAX};

    if (!jid_prepare(&k, SPAN_NONE, span_of(domain), SPAN_NONE))
        return false;
    prepared[k.len] = '\0';
    return idna_to_ascii_8z(prepared, &host->ascii, 0) == IDNA_SUCCESS &&
           (host->domain = strdup(prepared)) != NULL;
}

static void begin_host(struct reading *r, const char *name)
{
    struct conf *c = r->conf;

    if (c->host_count == CONF_HOSTS_MAX) {
        ERROR(r, "more than %d [host] sections", CONF_HOSTS_MAX);
        r->skip = true;
        return;
    }
    struct conf_host *host = append((void **)&c->hosts, &c->host_count, sizeof *host);

    if (!host || !conf_section_init(CONF_SECTION_HOST, host)) {
        r->no_memory = true;
        return;
    }
    host->line = r->line;
    r->base = host;
    if (!prepare_domain(host, name)) {
        ERROR(r, "\"%.80s\" is not a domain", name);
        return;
    }
    for (size_t i = 0; i + 1 < c->host_count; i++)
        if (c->hosts[i].domain && !strcmp(c->hosts[i].domain, host->domain))
            ERROR(r, "[host %s] is already in line %u", name, c->hosts[i].line);
}

static void begin_named(struct reading *r, const char *name)
{
    if (!*name) {
        ERROR(r, "[%s] needs a name, as [%s NAME]", conf_shapes[r->section].name,
              conf_shapes[r->section].name);
        r->skip = true;
    } else if (r->section == CONF_SECTION_LISTEN) {
        begin_listen(r, name);
    } else {
        begin_host(r, name);
    }
    r->skip = r->skip || r->no_memory;
}

static void begin_single(struct reading *r, const char *name)
{
    const struct conf_shape *shape = &conf_shapes[r->section];
    unsigned *heading = &r->heading[r->section];

    if (*name)
        ERROR(r, "[%s] takes no name", shape->name);
    else if (*heading)
        ERROR(r, "[%s] is already in line %u", shape->name, *heading);
    else
        *heading = r->line;
    r->base = (char *)r->conf + shape->place;
}

/* What stands between the brackets. */
static void begin_section(struct reading *r, char *heading)
{
    char *name = NULL;
    char *kind = strtok_r(heading, BLANKS, &name);

    r->skip = false;
    r->section = 0;
    while (kind && r->section < CONF_SECTIONS && strcmp(conf_shapes[r->section].name, kind))
        r->section++;
    if (!kind || r->section == CONF_SECTIONS) {
        ERROR(r, "there is no section [%s]", kind ? kind : "");
        r->skip = true;
        return;
    }
    name += strspn(name, BLANKS);
    for (size_t len = strlen(name); len && strchr(BLANKS, name[len - 1]); len--)
        name[len - 1] = '\0';
    if (conf_shapes[r->section].named)
        begin_named(r, name);
    else
        begin_single(r, name);
}

/* A line that begins with a bracket. */
static void take_heading(struct reading *r, char *line)
{
    char *end = strchr(line, ']');
    const char *behind = end ? end + 1 + strspn(end + 1, BLANKS) : "?";

    if (*behind && *behind != ';' && *behind != '#') {
        ERROR(r, "a [section] ends with ] and nothing behind it");
        r->skip = true;
        return;
    }
    *end = '\0';
    begin_section(r, line + 1);
}

/* One line of the file, without its end, cut at max - 1 bytes. False at the end of the file. */
static bool get_line(struct reading *r, char *line, size_t max, bool *too_long, bool *zero)
{
    size_t len = 0;
    int c = getc(r->file);

    *too_long = *zero = false;
    if (c == EOF)
        return false;
    for (; c != EOF && c != '\n'; c = getc(r->file)) {
        *zero = *zero || c == '\0';
        if (len < max - 1)
            line[len++] = (char)c;
        else
            *too_long = true;
    }
    if (len && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    r->line++;
    return true;
}

static bool is_comment(const char *line)
{
    const char *p = line + strspn(line, BLANKS);

    return !*p || *p == ';' || *p == '#';
}

/* Decides what a line is, and leaves in it what inih shall see. */
static void take_line(struct reading *r, char *line, size_t max, bool too_long, bool zero)
{
    static const char mark[] = "\xef\xbb\xbf"; /* of byte order, which some editors write */

    if (r->line == 1 && !strncmp(line, mark, 3))
        memmove(line, line + 3, strlen(line) - 2);

    bool comment = is_comment(line);

    if (zero)
        ERROR(r, "the line holds a zero byte");
    else if (too_long && !comment)
        ERROR(r, "the line is longer than %zu bytes", max - 1);
    else if (!comment && strchr(" \t", *line))
        ERROR(r, "the line is indented");
    else if (*line == '[')
        take_heading(r, line);
    else if (!comment) {
        r->unread = r->line;
        return;
    }
    *line = '\0';
}

static void note_unread(struct reading *r)
{
    if (r->unread)
        conf_problems_add(r->problems, r->unread, false, "neither [section] nor key = value");
    r->unread = 0;
}

/* What inih reads lines with. It has given back the line before, if it ever will, and takes one
 * that leaves room for the line's end and a zero. */
static char *next_line(char *line, int max, void *user)
{
    struct reading *r = user;
    bool too_long, zero;

    note_unread(r);
    if (r->no_memory || !get_line(r, line, (size_t)max - 2, &too_long, &zero))
        return NULL;
    take_line(r, line, (size_t)max - 2, too_long, zero);
    return strcat(line, "\n");
}

/* An address that two listeners have is refused by the system only at the start, and SO_REUSEPORT
 * even lets it pass. */
static void judge_addresses(struct reading *r, const struct conf_listen *listen)
{
    unsigned line = conf_entry(CONF_SECTION_LISTEN, listen, "address")->line;

    for (const struct conf_listen *other = r->conf->listens; other < listen; other++)
        for (size_t i = 0; i < listen->addresses.count; i++)
            for (size_t j = 0; j < other->addresses.count; j++)
                if (!memcmp(&listen->addresses.at[i], &other->addresses.at[j],
                            sizeof *listen->addresses.at))
                    conf_problems_add(r->problems, line ? line : listen->line, false,
                                      "[listen %s] already has that address", other->name);
}

/* What web clients are served. */
static void judge_web(struct reading *r, const struct conf_listen *l)
{
    if (l->path && *l->path != '/') /* NULL where it was refused */
        conf_problems_add(r->problems, conf_entry(CONF_SECTION_LISTEN, l, "path")->line, false,
                          "path does not begin with /");
    for (size_t i = 0; l->transport == CONF_WS && !l->proxy_from.count && i < l->addresses.count;
         i++)
        if (!net_is_loopback((const struct sockaddr *)&l->addresses.at[i].addr)) {
            conf_problems_add(r->problems, conf_entry(CONF_SECTION_LISTEN, l, "transport")->line,
                              false,
                              "ws on an address that is not loopback needs proxy_from: passwords "
                              "would pass in the clear");
            return;
        }
}

static void judge_listens(struct reading *r)
{
    const struct conf *c = r->conf;
    bool activated = getenv("LISTEN_FDS");

    if (!c->listen_count && !activated)
        conf_problems_add(r->problems, 0, false, "there is no [listen NAME]");
    for (const struct conf_listen *l = c->listens; l < c->listens + c->listen_count; l++) {
        const struct conf_entry *address = conf_entry(CONF_SECTION_LISTEN, l, "address");
        const struct conf_entry *from = conf_entry(CONF_SECTION_LISTEN, l, "proxy_from");

        if (address->text && !*address->text && !activated)
            conf_problems_add(r->problems, address->line, false,
                              "address is empty, and no socket activation is there");
        if (l->proxy_protocol && (!from->text || !*from->text))
            conf_problems_add(r->problems,
                              conf_entry(CONF_SECTION_LISTEN, l, "proxy_protocol")->line, false,
                              "proxy_protocol needs proxy_from");
        judge_addresses(r, l);
        judge_web(r, l);
    }
}

/* Every transport but ws, whose TLS is at a web server in front, needs certificates. */
static bool needs_certificates(const struct conf *c)
{
    bool needed = !c->listen_count;

    for (size_t i = 0; i < c->listen_count; i++)
        needed = needed || c->listens[i].transport != CONF_WS;
    return needed;
}

static void judge_hosts(struct reading *r)
{
    const struct conf *c = r->conf;
    bool needed = needs_certificates(c);

    if (!c->host_count)
        conf_problems_add(r->problems, 0, false, "there is no [host DOMAIN]");
    for (const struct conf_host *h = c->hosts; h < c->hosts + c->host_count; h++) {
        bool certificate = conf_entry(CONF_SECTION_HOST, h, "certificate")->line;
        bool private_key = conf_entry(CONF_SECTION_HOST, h, "private_key")->line;

        if (!certificate && (needed || private_key))
            conf_problems_add(r->problems, h->line, false, "the host has no certificate");
        if (!private_key && (needed || certificate))
            conf_problems_add(r->problems, h->line, false, "the host has no private_key");
    }
}

static void judge(struct reading *r)
{
    struct conf *c = r->conf;

    judge_listens(r);
    judge_hosts(r);
    if (c->sm.queue_bytes < c->limits.stanza_bytes)
        conf_problems_add(r->problems, conf_entry(CONF_SECTION_SM, &c->sm, "queue_bytes")->line,
                          true,
                          "queue_bytes is less than stanza_bytes: one long stanza ends a session");
    if (c->sm.on_expiry == CONF_EXPIRY_SPOOL) {
        unsigned line = conf_entry(CONF_SECTION_SM, &c->sm, "on_expiry")->line;

        if (line) /* who did not ask for it need not be told at each start */
            conf_problems_add(r->problems, line, true,
                              "on_expiry: spool is not supported yet and behaves as bounce");
        c->sm.on_expiry = CONF_EXPIRY_BOUNCE;
    }
}

static int read_stream(struct reading *r, const char *path)
{
    struct conf *c = r->conf;

    if (!(c->path = strdup(path)) || !conf_section_init(CONF_SECTION_MAIN, &c->main) ||
        !conf_section_init(CONF_SECTION_SM, &c->sm) ||
        !conf_section_init(CONF_SECTION_LIMITS, &c->limits))
        return -ENOMEM;
    /* inih's own verdict adds nothing: a line that it does not give back is known by that. */
    (void)ini_parse_stream(next_line, r, take_value, r);
    note_unread(r);
    if (r->no_memory)
        return -ENOMEM;
    if (ferror(r->file))
        return -EIO;
    judge(r);
    return 0;
}

int conf_read_all(const char *path, struct conf **out, struct conf_problems *problems)
{
    struct reading r = {.problems = problems, .section = CONF_SECTIONS};
    int result = -ENOMEM;

    if (!problems->path)
        problems->path = strdup(path);
    r.conf = calloc(1, sizeof *r.conf);
    r.file = fopen(path, "re");
    if (!r.file)
        result = -errno;
    if (r.conf && r.file)
        result = read_stream(&r, path);
    if (r.file)
        fclose(r.file);
    if (result < 0) {
        conf_problems_add(problems, 0, false, "%s", strerrordesc_np(-result));
        conf_free(r.conf);
        return result;
    }
    *out = r.conf;
    return 0;
}

int conf_read(const char *path, struct conf **out, struct conf_problems *problems)
{
    struct conf *conf;
    int result = conf_read_all(path, &conf, problems);

    if (result < 0)
        return result;
    if (problems->errors) {
        conf_free(conf);
        return -EINVAL;
    }
    *out = conf;
    return 0;
}
