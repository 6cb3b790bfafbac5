/* SPDX-License-Identifier: MIT */
/*
 * The configuration: that etc/holdfast.ini and the table say the same, and that every kind
 * of mistake in a setting is found. Values: proxy_conf_value_test.c; lines: proxy_conf_read_test.c.
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
#include "tests/support/conf_outcome.h"

#define EXAMPLE SOURCE_DIR "/etc/holdfast.ini"
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

/* The values that are promised, whatever the table says. */
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

static void a_host_behind_ws_alone_needs_none(void **)
{
    struct conf *c =
        must_read("[listen a]\naddress = 127.0.0.1:80\ntransport = ws\n[host a.example]\n");

    assert_int_equal(c->host_count, 1);
    conf_free(c);
    must_refuse("[listen a]\naddress = 127.0.0.1:80\ntransport = ws\n[listen b]\n"
                "transport = wss\n[host a.example]\nprivate_key = b\n",
                6, "the host has no certificate");
    must_refuse("[listen a]\naddress = 127.0.0.1:80\ntransport = ws\n[host a.example]\n"
                "private_key = b\n",
                4, "the host has no certificate");
    must_refuse("[listen a]\naddress = 127.0.0.1:80\ntransport = ws\n[host a.example]\n"
                "certificate = b\n",
                4, "the host has no private_key");
}

static void proxy_protocol_needs_networks(void **)
{
    must_refuse("[listen a]\nproxy_protocol = yes\n" HOST, 2, "needs proxy_from");
}

static void web_clients_have_settings_of_their_own(void **)
{
    struct conf *c = must_read("[listen a]\naddress = [::]:443\ntransport = wss\npath = /chat\n"
                               "origins = https://a.example http://localhost\n" HOST
                               "websocket_url = wss://a.example/chat\n");

    assert_int_equal(c->listens[0].transport, CONF_WSS);
    assert_string_equal(c->listens[0].path, "/chat");
    assert_string_equal(c->listens[0].origins, "https://a.example http://localhost");
    assert_string_equal(c->hosts[0].websocket_url, "wss://a.example/chat");
    conf_free(c);
    must_refuse_value("listen x", "transport", "t", "is none of");
}

static void a_path_begins_with_a_slash(void **)
{
    must_refuse_value("listen x", "path", "chat", "path does not begin with /");
    must_refuse_value("listen x", "path", "https://a.example/chat", "path does not begin with /");
    must_refuse_value("listen x", "path", "", "must not be empty");
    conf_free(must_read_value("listen x", "path", "/"));
}

/* What it carries is in the clear. */
static void ws_needs_loopback_or_the_networks_of_proxies(void **)
{
    static const char *const far[] = {"[::]:80", "0.0.0.0:80", "192.0.2.1:80", "[2001:db8::1]:80",
                                      "127.0.0.1:80 192.0.2.1:80"};
    static const char *const near[] = {"127.0.0.1:80", "127.8.9.10:80", "[::1]:80",
                                       "127.0.0.1:80 [::1]:80"};
    char text[400];

    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        snprintf(text, sizeof text, "[listen a]\naddress = %s\ntransport = ws\n" HOST, far[i]);
        must_refuse(text, 3, "needs proxy_from");
        snprintf(text, sizeof text,
                 "[listen a]\naddress = %s\ntransport = ws\nproxy_from = 192.0.2.7/32\n" HOST,
                 far[i]);
        conf_free(must_read(text));
        snprintf(text, sizeof text, "[listen a]\naddress = %s\ntransport = wss\n" HOST, far[i]);
        conf_free(must_read(text));
    }
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        snprintf(text, sizeof text, "[listen a]\naddress = %s\ntransport = ws\n" HOST, near[i]);
        conf_free(must_read(text));
    }
    must_refuse("[listen a]\ntransport = ws\n" HOST, 2, "needs proxy_from"); /* [::]:5222 */
}

static void what_is_not_built_is_refused_unless_it_is_the_default(void **)
{
    must_refuse_value("holdfast", "log_format", "journal", "not supported yet");
    must_refuse_value("holdfast", "metrics", "127.0.0.1:9199", "not supported yet");
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

static void who_did_not_ask_for_the_spool_is_not_warned_of_it(void **)
{
    struct outcome o = outcome_of(LISTEN HOST);

    assert_int_equal(o.result, 0);
    assert_int_equal(o.conf->sm.on_expiry, CONF_EXPIRY_BOUNCE);
    assert_int_equal(o.problems.count, 0);
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
        cmocka_unit_test(a_host_behind_ws_alone_needs_none),
        cmocka_unit_test(proxy_protocol_needs_networks),
        cmocka_unit_test(web_clients_have_settings_of_their_own),
        cmocka_unit_test(a_path_begins_with_a_slash),
        cmocka_unit_test(ws_needs_loopback_or_the_networks_of_proxies),
        cmocka_unit_test(what_is_not_built_is_refused_unless_it_is_the_default),
        cmocka_unit_test(spool_is_read_as_bounce_with_a_warning),
        cmocka_unit_test(who_did_not_ask_for_the_spool_is_not_warned_of_it),
        cmocka_unit_test(a_queue_shorter_than_a_stanza_is_warned_of),
        cmocka_unit_test(a_reload_names_what_only_a_restart_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
