/* SPDX-License-Identifier: MIT */
/*
 * The configuration: that etc/holdfast.ini and the table say the same, and that every kind
 * of mistake is found, at its line, all in one run. Values: see proxy_conf_value_test.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/conf.h"
#include "proxy/conf_read.h"
#include "proxy/conf_table.h"

#define EXAMPLE SOURCE_DIR "/etc/holdfast.ini"
#define LISTEN  "[listen c2s]\n"
#define HOST    "[host example.org]\ncertificate = a.crt\nprivate_key = a.key\n"

struct outcome {
    int result;
    struct conf *conf;
    struct conf_problems problems;
};

static struct outcome outcome_of_bytes(const char *text, size_t len)
{
    char path[] = "/tmp/holdfast-conf-XXXXXX";
    struct outcome o = {0};
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
    o.result = conf_read(path, &o.conf, &o.problems);
    unlink(path);
    return o;
}

static struct outcome outcome_of(const char *text)
{
    return outcome_of_bytes(text, strlen(text));
}

static void outcome_clear(struct outcome *o)
{
    conf_problems_clear(&o->problems);
    conf_free(o->conf);
}

static bool reported(const struct outcome *o, unsigned line, const char *words)
{
    for (size_t i = 0; i < o->problems.count; i++)
        if (o->problems.at[i].line == line && strstr(o->problems.at[i].text, words))
            return true;
    conf_problems_print(&o->problems, stderr);
    return false;
}

static struct conf *must_read(const char *text)
{
    struct outcome o = outcome_of(text);

    if (o.result)
        conf_problems_print(&o.problems, stderr);
    assert_int_equal(o.result, 0);
    assert_int_equal(o.problems.errors, 0);
    conf_problems_clear(&o.problems);
    return o.conf;
}

/* One mistake, at that line, and no other. */
static void must_refuse(const char *text, unsigned line, const char *words)
{
    struct outcome o = outcome_of(text);

    assert_int_equal(o.result, -EINVAL);
    assert_null(o.conf);
    assert_true(reported(&o, line, words));
    assert_int_equal(o.problems.errors, 1);
    outcome_clear(&o);
}

/* A value in its section, and what is refused about it, if anything. */
static void must_refuse_value(const char *section, const char *key, const char *value,
                              const char *words)
{
    char text[4000];
    bool host = !strncmp(section, "host", 4), listen = !strncmp(section, "listen", 6);

    snprintf(text, sizeof text, "[%s]\n%s = %s\n%s%s%s", section, key, value,
             host ? "certificate = a\nprivate_key = b\n" : "", listen ? "" : LISTEN,
             host ? "" : HOST);
    must_refuse(text, 2, words);
}

static struct conf *must_read_value(const char *section, const char *key, const char *value)
{
    char text[4000];
    bool host = !strncmp(section, "host", 4), listen = !strncmp(section, "listen", 6);

    snprintf(text, sizeof text, "[%s]\n%s = %s\n%s%s%s", section, key, value,
             host ? "certificate = a\nprivate_key = b\n" : "", listen ? "" : LISTEN,
             host ? "" : HOST);
    return must_read(text);
}

static void assert_address(const struct conf_address *a, const char *host, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in *v4 = (const void *)&a->addr;
    const struct sockaddr_in6 *v6 = (const void *)&a->addr;
    bool six = a->addr.ss_family == AF_INET6;

    assert_int_equal(a->len, six ? sizeof *v6 : sizeof *v4);
    inet_ntop(a->addr.ss_family, six ? (const void *)&v6->sin6_addr : &v4->sin_addr, text,
              sizeof text);
    assert_string_equal(text, host);
    assert_int_equal(ntohs(six ? v6->sin6_port : v4->sin_port), port);
}

/* The values that DESIGN promises, whatever the table says. */
static void assert_defaults(const struct conf *c)
{
    const struct conf_listen *l = &c->listens[0];
    const struct conf_host *h = &c->hosts[0];

    assert_int_equal(c->main.workers, 0);
    assert_string_equal(c->main.runtime_dir, "/run/holdfast");
    assert_string_equal(c->main.state_dir, "/var/lib/holdfast");
    assert_int_equal(c->main.log_level, LOG_INFO);
    assert_int_equal(c->main.log_format, LOG_LOGFMT);
    assert_int_equal(c->main.metrics.count, 1);
    assert_address(&c->main.metrics.at[0], "127.0.0.1", 9198);

    assert_int_equal(c->listen_count, 1);
    assert_string_equal(l->name, "c2s");
    assert_int_equal(l->addresses.count, 1);
    assert_address(&l->addresses.at[0], "::", 5222);
    assert_int_equal(l->transport, CONF_STARTTLS);
    assert_false(l->proxy_protocol);
    assert_int_equal(l->proxy_from.count, 0);
    assert_string_equal(l->path, "/xmpp-websocket");
    assert_string_equal(l->origins, "");

    assert_int_equal(c->host_count, 1);
    assert_string_equal(h->domain, "example.org");
    assert_string_equal(h->ascii, "example.org");
    assert_int_equal(h->upstreams.count, 1);
    assert_string_equal(h->upstreams.at[0].host, "127.0.0.1");
    assert_int_equal(h->upstreams.at[0].port, 5322);
    assert_int_equal(h->upstream_tls, CONF_UPSTREAM_PLAIN);
    assert_string_equal(h->upstream_ca, "");
    assert_int_equal(h->upstream_proxy_protocol, CONF_UPSTREAM_PROXY_NO);
    assert_int_equal(h->upstream_logins, 200);
    assert_int_equal(h->upstream_sources.count, 0);
    assert_string_equal(h->websocket_url, "");

    assert_int_equal(c->sm.resume_timeout_ms, 600000);
    assert_int_equal(c->sm.ack, CONF_ACK_CONFIRMED);
    assert_int_equal(c->sm.request_after, 5);
    assert_int_equal(c->sm.request_idle_ms, 1000);
    assert_int_equal(c->sm.request_every_ms, 60000);
    assert_int_equal(c->sm.ack_timeout_ms, 60000);
    assert_int_equal(c->sm.idle_check_ms, 300000);
    assert_int_equal(c->sm.queue_stanzas, 10000);
    assert_int_equal(c->sm.queue_bytes, 4 << 20);
    assert_int_equal(c->sm.sessions_per_account, 20);
    assert_int_equal(c->sm.on_expiry, CONF_EXPIRY_BOUNCE);

    assert_int_equal(c->limits.memory, 2UL << 30);
    assert_int_equal(c->limits.connections_per_ip, 100);
    assert_int_equal(c->limits.connection_rate_per_ip, 20);
    assert_int_equal(c->limits.unauthenticated_timeout_ms, 30000);
    assert_int_equal(c->limits.stanza_bytes, 512 << 10);
    assert_int_equal(c->limits.stanza_bytes_unauthenticated, 16 << 10);
}

static void what_is_left_out_stands_at_its_default(void **)
{
    struct conf *c = must_read(LISTEN HOST);

    assert_defaults(c);
    conf_free(c);
}

static void the_example_gives_exactly_the_defaults(void **)
{
    struct conf_problems problems = {0};
    struct conf *c;

    assert_int_equal(conf_read(EXAMPLE, &c, &problems), 0);
    assert_defaults(c);
    assert_string_equal(c->hosts[0].certificate, "/etc/holdfast/example.org.crt");
    assert_string_equal(c->hosts[0].private_key, "/etc/holdfast/example.org.key");
    conf_free(c);
    conf_problems_clear(&problems);
}

/* "; meaning", each of its lines with a semicolon, and "key = default" right below. */
static void example_of_row(const struct conf_row *row, char *text, size_t max)
{
    const char *standard = row->standard ? row->standard : "/etc/holdfast/example.org.";
    FILE *f = fmemopen(text, max, "w");

    fputs("\n; ", f);
    for (const char *p = row->meaning; *p; p++)
        fputs(*p == '\n' ? "\n; " : (char[]){*p, '\0'}, f);
    fprintf(f, "\n%s =%s%s%s", row->name, *standard ? " " : "", standard,
            row->standard ? "\n" : "");
    fclose(f);
}

static void the_example_explains_every_setting_in_the_words_of_the_table(void **)
{
    static char file[20000];
    char want[1000];
    FILE *f = fopen(EXAMPLE, "r");

    assert_non_null(f);
    file[fread(file, 1, sizeof file - 1, f)] = '\0';
    fclose(f);
    for (int s = 0; s < CONF_SECTIONS; s++)
        for (size_t i = 0; i < conf_shapes[s].row_count; i++) {
            example_of_row(&conf_shapes[s].rows[i], want, sizeof want);
            if (!strstr(file, want))
                fail_msg("etc/holdfast.ini lacks:%s", want);
        }
}

static void every_standard_is_a_value_that_works(void **)
{
    char why[CONF_WHY_MAX];

    for (int s = 0; s < CONF_SECTIONS; s++)
        for (size_t i = 0; i < conf_shapes[s].row_count; i++) {
            const struct conf_row *row = &conf_shapes[s].rows[i];
            uint64_t place[2] = {0};

            if (!row->standard)
                continue;
            assert_true(row->type->read(row->standard, &row->bounds, place, why));
            row->type->clear(place);
        }
}

static void a_domain_is_prepared(void **)
{
    struct conf *c = must_read(LISTEN "[host B\xc3\x9c"
                                      "cher.Example]\ncertificate = a\nprivate_key = b\n");

    assert_string_equal(c->hosts[0].domain, "b\xc3\xbc"
                                            "cher.example");
    assert_string_equal(c->hosts[0].ascii, "xn--bcher-kva.example");
    assert_ptr_equal(conf_host(c, SPAN_LIT("b\xc3\xbc"
                                           "cher.example")),
                     &c->hosts[0]);
    assert_ptr_equal(conf_host_by_sni(c, "XN--bcher-kva.example"), &c->hosts[0]);
    assert_null(conf_host(c, SPAN_LIT("example")));
    assert_null(conf_host(c, SPAN_LIT("")));
    assert_null(conf_host(c, SPAN_NONE));
    assert_null(conf_host_by_sni(c, "cher.example"));
    conf_free(c);
    must_refuse(LISTEN "[host exa mple]\ncertificate = a\nprivate_key = b\n", 2, "is not a domain");
    must_refuse(LISTEN "[host \xff]\ncertificate = a\nprivate_key = b\n", 2, "is not a domain");
}

/* inih itself keeps 49 bytes of a section's name. */
static void a_domain_may_be_long(void **)
{
    const char *domain = "a-very-long-name-for-a-department.of-a-large-organisation.example.org";
    char text[300];

    snprintf(text, sizeof text, LISTEN "[host %s]\ncertificate = a\nprivate_key = b\n", domain);
    struct conf *c = must_read(text);

    assert_string_equal(c->hosts[0].domain, domain);
    conf_free(c);
}

static void two_hosts_cannot_have_one_domain(void **)
{
    must_refuse(LISTEN HOST "[host Example.ORG]\ncertificate = a\nprivate_key = b\n", 5,
                "[host Example.ORG] is already in line 2");
}

static void two_listeners_cannot_have_one_name_or_address(void **)
{
    must_refuse(LISTEN LISTEN "address = [::]:1\n" HOST, 2, "[listen c2s] is already in line 1");
    must_refuse("[listen a]\naddress = [::]:1 127.0.0.1:7\n[listen b]\naddress = [::1]:1 "
                "127.0.0.1:7\n" HOST,
                4, "[listen a] already has that address");
    must_refuse("[listen a]\n[listen b]\n" HOST, 2, "[listen a] already has that address");
}

static void sections_are_bounded(void **)
{
    char text[8000] = HOST;

    for (int i = 0; i <= CONF_LISTENS_MAX; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "[listen n%d]\naddress = [::]:%d\n", i, i + 1);
    must_refuse(text, 4 + 2 * CONF_LISTENS_MAX, "more than 64 [listen] sections");
}

static void something_must_listen_for_some_host(void **)
{
    must_refuse(HOST, 0, "there is no [listen NAME]");
    must_refuse(LISTEN, 0, "there is no [host DOMAIN]");
    must_refuse("[listen a]\naddress =\n" HOST, 2, "address is empty");

    setenv("LISTEN_FDS", "1", 1);
    struct conf *c = must_read(HOST);

    assert_int_equal(c->listen_count, 0);
    conf_free(c);
    c = must_read("[listen a]\naddress =\n" HOST);
    assert_int_equal(c->listens[0].addresses.count, 0);
    conf_free(c);
    unsetenv("LISTEN_FDS");
}

static void a_host_needs_its_certificate_and_key(void **)
{
    must_refuse(LISTEN "[host a.example]\nprivate_key = b\n", 2, "the host has no certificate");
    must_refuse(LISTEN "[host a.example]\ncertificate = b\n", 2, "the host has no private_key");
    must_refuse(LISTEN "[host a.example]\ncertificate =\nprivate_key = b\n", 3,
                "must not be empty");
}

static void proxy_protocol_needs_networks(void **)
{
    must_refuse("[listen a]\nproxy_protocol = yes\n" HOST, 2, "needs proxy_from");
}

static void what_is_not_built_is_refused_unless_it_is_the_default(void **)
{
    must_refuse_value("listen x", "transport", "ws", "not supported yet");
    must_refuse_value("listen x", "transport", "wss", "not supported yet");
    must_refuse_value("listen x", "transport", "t", "is none of");
    must_refuse_value("listen x", "path", "/ws", "not supported yet");
    must_refuse_value("listen x", "origins", "*", "not supported yet");
    must_refuse_value("host a.example", "websocket_url", "wss://a.example/", "not supported yet");
    must_refuse_value("holdfast", "log_format", "journal", "not supported yet");
    must_refuse_value("holdfast", "metrics", "127.0.0.1:9199", "not supported yet");
    conf_free(must_read_value("listen x", "path", "/xmpp-websocket"));
    conf_free(must_read_value("holdfast", "log_format", "json"));

    struct conf *c = must_read_value("holdfast", "metrics", "none");

    assert_int_equal(c->main.metrics.count, 0);
    conf_free(c);
}

static void spool_is_read_as_bounce_with_a_warning(void **)
{
    struct outcome o = outcome_of(LISTEN HOST "[stream-management]\non_expiry = spool\n");

    assert_int_equal(o.result, 0);
    assert_int_equal(o.conf->sm.on_expiry, CONF_EXPIRY_BOUNCE);
    assert_int_equal(o.problems.count, 1);
    assert_true(o.problems.at[0].warning);
    assert_true(reported(&o, 6, "behaves as bounce"));
    outcome_clear(&o);
}

static void a_queue_shorter_than_a_stanza_is_warned_of(void **)
{
    struct outcome o =
        outcome_of(LISTEN HOST "[stream-management]\nqueue_bytes = 64K\non_expiry = drop\n");

    assert_int_equal(o.result, 0);
    assert_int_equal(o.problems.count, 1);
    assert_true(reported(&o, 6, "queue_bytes is less than stanza_bytes"));
    outcome_clear(&o);
}

static void unknown_and_repeated_names_are_mistakes(void **)
{
    must_refuse(LISTEN HOST "[limit]\nmemory = 1\n", 5, "there is no section [limit]");
    must_refuse(LISTEN HOST "[]\n", 5, "there is no section []");
    must_refuse(LISTEN HOST "[limits]\n[holdfast]\n[limits]\n", 7, "[limits] is already in line 5");
    must_refuse(LISTEN HOST "[limits x]\n", 5, "[limits] takes no name");
    must_refuse(LISTEN HOST "[listen]\naddress = x\n", 5, "[listen] needs a name");
    must_refuse(LISTEN HOST "memroy = 1G\n", 5, "[host] has no key memroy");
    must_refuse(LISTEN "memory = 1G\n" HOST, 2, "[listen] has no key memory");
    must_refuse(LISTEN HOST "[limits]\nmemory = 1G\nmemory = 1G\n", 7,
                "memory is already set in line 6");
    must_refuse("workers = 1\n" LISTEN HOST, 1, "workers stands before the first [section]");
}

static void a_line_has_one_of_three_forms(void **)
{
    must_refuse(LISTEN HOST "[limits]\nmemory\n", 6, "neither [section] nor key = value");
    must_refuse(LISTEN HOST "[limits]\nmemory", 6, "neither [section] nor key = value");
    must_refuse(LISTEN HOST "[limits]\n= 5\n", 6, "no key before the =");
    must_refuse(LISTEN HOST "[limits\nmemory = 1G\n", 5, "ends with ]");
    must_refuse(LISTEN HOST "[limits] x\nmemory = 1G\n", 5, "ends with ]");
    must_refuse(LISTEN HOST "[limits]\nmemory = 1G\n  2G\n", 7, "the line is indented");
    must_refuse(LISTEN HOST "[limits]\n\tmemory = 1G\n", 6, "the line is indented");
    must_refuse(LISTEN HOST " [limits]\n", 5, "the line is indented");
}

static void comments_and_blank_lines_may_stand_anywhere(void **)
{
    struct conf *c =
        must_read("\xef\xbb\xbf; top\r\n\r\n" LISTEN " \t\n   ; indented\n# hash\n" HOST
                  "[ limits ] ; behind\nmemory=1G ; behind\r\n[stream-management]\n"
                  "queue_bytes\t=\t1M");

    assert_int_equal(c->limits.memory, 1 << 30);
    assert_int_equal(c->sm.queue_bytes, 1 << 20);
    conf_free(c);
}

static void a_long_line_is_refused_and_not_cut(void **)
{
    char text[1000], path[600];

    for (size_t len = 196; len <= 198; len++) {
        memset(path, 'x', sizeof path);
        path[len - strlen("state_dir = ")] = '\0';
        snprintf(text, sizeof text, LISTEN HOST "[holdfast]\nstate_dir = %s\nworkers = 7\n", path);
        if (len <= 197) {
            struct conf *c = must_read(text);

            assert_string_equal(c->main.state_dir, path);
            assert_int_equal(c->main.workers, 7);
            conf_free(c);
        } else {
            must_refuse(text, 6, "the line is longer than 197 bytes");
        }
    }
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    snprintf(text, sizeof text, LISTEN HOST "; %s\n[holdfast]\n", path);
    conf_free(must_read(text));
}

static void a_zero_byte_is_refused(void **)
{
    static const char text[] = LISTEN HOST "[limits]\nmemory = 1\0G\n";
    struct outcome o = outcome_of_bytes(text, sizeof text - 1);

    assert_int_equal(o.result, -EINVAL);
    assert_true(reported(&o, 6, "zero byte"));
    assert_int_equal(o.problems.errors, 1);
    outcome_clear(&o);
}

static void all_mistakes_are_found_in_one_run(void **)
{
    struct outcome o = outcome_of("[holdfast]\n"
                                  "workers = some\n"
                                  "  log_level = info\n"
                                  "nonsense\n"
                                  "[listen a]\n"
                                  "address = 127.0.0.1\n"
                                  "transport = ws\n"
                                  "[sream-management]\n"
                                  "ack = x\n"
                                  "[host a.example]\n"
                                  "upstream = 127.0.0.1\n"
                                  "upstream = 127.0.0.1:5222\n"
                                  "certificate = a\n"
                                  "private_key = b\n"
                                  "[host A.example]\n"
                                  "colour = red\n");

    assert_int_equal(o.result, -EINVAL);
    assert_true(reported(&o, 2, "workers: \"some\" is not a number"));
    assert_true(reported(&o, 3, "indented"));
    assert_true(reported(&o, 4, "neither"));
    assert_true(reported(&o, 6, "address: \"127.0.0.1\" is not"));
    assert_true(reported(&o, 7, "transport: \"ws\" is not supported yet"));
    assert_true(reported(&o, 8, "there is no section [sream-management]"));
    assert_true(reported(&o, 11, "upstream: \"127.0.0.1\" is not a server"));
    assert_true(reported(&o, 12, "upstream is already set in line 11"));
    assert_true(reported(&o, 15, "already in line 10"));
    assert_true(reported(&o, 16, "no key colour"));
    assert_int_equal(o.problems.errors, 10);
    outcome_clear(&o);
}

static void problems_are_printed_in_the_order_of_lines(void **)
{
    struct conf_problems p = {.path = strdup("x.ini")};
    char text[200] = "";
    FILE *f = fmemopen(text, sizeof text, "w");

    conf_problems_add(&p, 0, false, "whole");
    conf_problems_add(&p, 9, false, "nine");
    conf_problems_add(&p, 2, true, "two");
    conf_problems_add(&p, 9, false, "nine %s", "again");
    assert_int_equal(p.errors, 3);
    conf_problems_print(&p, f);
    fclose(f);
    assert_string_equal(
        text, "x.ini:2: warning: two\nx.ini:9: nine\nx.ini:9: nine again\nx.ini: whole\n");
    conf_problems_clear(&p);
    assert_int_equal(p.errors, 0);
}

static void problems_are_bounded(void **)
{
    struct conf_problems p = {0};
    static char text[20000];
    FILE *f = fmemopen(text, sizeof text, "w");

    for (unsigned i = 0; i < CONF_PROBLEMS_MAX + 3; i++)
        conf_problems_add(&p, i + 1, false, "x");
    assert_int_equal(p.count, CONF_PROBLEMS_MAX);
    assert_int_equal(p.errors, CONF_PROBLEMS_MAX + 3);
    conf_problems_print(&p, f);
    fclose(f);
    assert_non_null(strstr(text, "configuration: and 3 more\n"));
    conf_problems_clear(&p);
}

static void a_file_that_cannot_be_read_is_a_problem(void **)
{
    struct outcome o = {0};

    o.result = conf_read("/nonexistent/holdfast.ini", &o.conf, &o.problems);
    assert_int_equal(o.result, -ENOENT);
    assert_null(o.conf);
    assert_int_equal(o.problems.errors, 1);
    assert_true(reported(&o, 0, "No such file"));
    outcome_clear(&o);
    assert_true(conf_read("/tmp", &o.conf, &o.problems) < 0);
    assert_null(o.conf);
    outcome_clear(&o);
}

static void a_reload_names_what_only_a_restart_changes(void **)
{
    struct conf *now = must_read(LISTEN "[listen b]\naddress = [::]:1\n" HOST "[host b.example]\n"
                                        "certificate = c\nprivate_key = d\n");
    struct conf *next =
        must_read("[listen c]\naddress = [::]:1\n" LISTEN "transport = tls\n"
                  "[host example.org]\ncertificate = new.crt\nprivate_key = new.key\n"
                  "upstream_logins = 200\n[limits]\nmemory = 1G\n");
    struct outcome o = {0};

    conf_compare(now, next, &o.problems);
    assert_int_equal(o.problems.errors, 0);
    assert_true(reported(&o, 1, "[listen c] takes effect"));
    assert_true(reported(&o, 4, "transport: a change"));
    assert_true(reported(&o, 10, "memory: a change"));
    assert_true(reported(&o, 0, "[listen b] is open"));
    assert_true(reported(&o, 0, "[host b.example] is served"));
    assert_int_equal(o.problems.count, 5);
    conf_problems_clear(&o.problems);
    conf_compare(next, now, &o.problems);
    assert_int_equal(o.problems.count, 5);
    conf_problems_clear(&o.problems);
    conf_compare(now, now, &o.problems);
    assert_int_equal(o.problems.count, 0);
    conf_free(now);
    conf_free(next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_stands_at_its_default),
        cmocka_unit_test(the_example_gives_exactly_the_defaults),
        cmocka_unit_test(the_example_explains_every_setting_in_the_words_of_the_table),
        cmocka_unit_test(every_standard_is_a_value_that_works),
        cmocka_unit_test(a_domain_is_prepared),
        cmocka_unit_test(a_domain_may_be_long),
        cmocka_unit_test(two_hosts_cannot_have_one_domain),
        cmocka_unit_test(two_listeners_cannot_have_one_name_or_address),
        cmocka_unit_test(sections_are_bounded),
        cmocka_unit_test(something_must_listen_for_some_host),
        cmocka_unit_test(a_host_needs_its_certificate_and_key),
        cmocka_unit_test(proxy_protocol_needs_networks),
        cmocka_unit_test(what_is_not_built_is_refused_unless_it_is_the_default),
        cmocka_unit_test(spool_is_read_as_bounce_with_a_warning),
        cmocka_unit_test(a_queue_shorter_than_a_stanza_is_warned_of),
        cmocka_unit_test(unknown_and_repeated_names_are_mistakes),
        cmocka_unit_test(a_line_has_one_of_three_forms),
        cmocka_unit_test(comments_and_blank_lines_may_stand_anywhere),
        cmocka_unit_test(a_long_line_is_refused_and_not_cut),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(all_mistakes_are_found_in_one_run),
        cmocka_unit_test(problems_are_printed_in_the_order_of_lines),
        cmocka_unit_test(problems_are_bounded),
        cmocka_unit_test(a_file_that_cannot_be_read_is_a_problem),
        cmocka_unit_test(a_reload_names_what_only_a_restart_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
