/* SPDX-License-Identifier: MIT */
/*
 * What the value of a setting may look like. Each text is read as the table's row for
 * that setting reads it, into a value of the row's type.
 */
#include "proxy/conf_value.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/conf.h"
#include "proxy/conf_table.h"

static char why[CONF_WHY_MAX];

static bool reads(enum conf_section section, const char *key, const char *text, void *place)
{
    const struct conf_row *row = conf_row(section, key);

    assert_non_null(row);
    return row->type->read(text, &row->bounds, place, why);
}

static void must_read(enum conf_section section, const char *key, const char *text, void *place)
{
    if (!reads(section, key, text, place))
        fail_msg("%s: %s", key, why);
}

/* Refused with these words, and nothing is left in place. */
static void must_refuse(enum conf_section section, const char *key, const char *text,
                        const char *words)
{
    uint64_t place[2] = {0};

    if (reads(section, key, text, place))
        fail_msg("%s = %s was read", key, text);
    if (!strstr(why, words))
        fail_msg("%s: %s", key, why);
    assert_true(!place[0] && !place[1]);
}

static void clear(enum conf_section section, const char *key, void *place)
{
    conf_row(section, key)->type->clear(place);
}

static void times_have_units(void **)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"1500ms", 1500}, {"2s", 2000}, {"3m", 180000}, {"4h", 14400000}, {"7d", 604800000}};
    static const char *const bad[] = {"",
                                      "s",
                                      "10",
                                      "10 s",
                                      "1.5s",
                                      "-1s",
                                      "+1s",
                                      "10S",
                                      "10secs",
                                      "0x1s",
                                      "99999999999999999999s",
                                      "18446744073709551615d"};
    uint64_t ms;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        must_read(CONF_SECTION_SM, "resume_timeout", good[i].text, &ms);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(reads(CONF_SECTION_SM, "resume_timeout", bad[i], &ms) ||
                     !strstr(why, "is not a time"));
    assert_false(reads(CONF_SECTION_SM, "resume_timeout", "604800001ms", &ms));
    assert_string_equal(why, "\"604800001ms\" is not within 10ms and 7d");
    assert_false(reads(CONF_SECTION_SM, "resume_timeout", "9ms", &ms));
}

static void sizes_have_units(void **)
{
    size_t bytes;

    must_read(CONF_SECTION_LIMITS, "memory", "3M", &bytes);
    assert_int_equal(bytes, 3 << 20);
    must_read(CONF_SECTION_LIMITS, "memory", "5G", &bytes);
    assert_int_equal(bytes, 5UL << 30);
    must_read(CONF_SECTION_LIMITS, "stanza_bytes", "10000", &bytes);
    assert_int_equal(bytes, 10000);
    must_read(CONF_SECTION_SM, "queue_bytes", "1024K", &bytes);
    assert_int_equal(bytes, 1 << 20);
    must_refuse(CONF_SECTION_LIMITS, "memory", "3k", "is not a size");
    must_refuse(CONF_SECTION_LIMITS, "memory", "3MB", "is not a size");
    must_refuse(CONF_SECTION_LIMITS, "memory", "18446744073709551615G", "is not a size");
    must_refuse(CONF_SECTION_LIMITS, "stanza_bytes", "9999", "is not within 10000 and 16M");
    must_refuse(CONF_SECTION_LIMITS, "stanza_bytes", "17M", "is not within");
}

static void counts_have_bounds(void **)
{
    uint32_t n;

    must_read(CONF_SECTION_MAIN, "workers", "256", &n);
    assert_int_equal(n, 256);
    must_read(CONF_SECTION_MAIN, "workers", "auto", &n);
    assert_int_equal(n, 0);
    must_refuse(CONF_SECTION_MAIN, "workers", "257", "is not within 1 and 256");
    must_refuse(CONF_SECTION_MAIN, "workers", "0", "is not within");
    must_refuse(CONF_SECTION_MAIN, "workers", "many", "is not a number");
    must_refuse(CONF_SECTION_SM, "request_after", "4294967297", "is not within");
    must_refuse(CONF_SECTION_SM, "request_after", "5s", "is not a number");
}

static void words_are_known_words(void **)
{
    enum conf_transport transport;
    enum conf_expiry expiry;
    enum log_level level;
    enum conf_upstream_proxy proxy;
    enum conf_upstream_tls tls;
    bool yes;

    must_read(CONF_SECTION_LISTEN, "transport", "wss", &transport);
    assert_int_equal(transport, CONF_WSS);
    must_read(CONF_SECTION_SM, "on_expiry", "drop", &expiry);
    assert_int_equal(expiry, CONF_EXPIRY_DROP);
    must_read(CONF_SECTION_MAIN, "log_level", "debug", &level);
    assert_int_equal(level, LOG_DEBUG);
    must_read(CONF_SECTION_HOST, "upstream_proxy_protocol", "v2", &proxy);
    assert_int_equal(proxy, CONF_UPSTREAM_PROXY_V2);
    must_read(CONF_SECTION_HOST, "upstream_tls", "tls", &tls);
    assert_int_equal(tls, CONF_UPSTREAM_TLS);
    must_read(CONF_SECTION_LISTEN, "proxy_protocol", "yes", &yes);
    assert_true(yes);
    must_read(CONF_SECTION_LISTEN, "proxy_protocol", "no", &yes);
    assert_false(yes);
    must_refuse(CONF_SECTION_MAIN, "log_level", "Debug", "is none of: error, warn, info, debug");
    must_refuse(CONF_SECTION_MAIN, "log_level", "", "is none of");
    must_refuse(CONF_SECTION_LISTEN, "proxy_protocol", "true", "is neither yes nor no");
}

static void texts_have_a_length(void **)
{
    char *text = NULL;
    char folder[92];

    memset(folder, 'x', sizeof folder);
    folder[91] = '\0';
    must_refuse(CONF_SECTION_MAIN, "runtime_dir", folder, "is longer than 90 bytes");
    must_refuse(CONF_SECTION_MAIN, "runtime_dir", "", "must not be empty");
    folder[90] = '\0';
    must_read(CONF_SECTION_MAIN, "runtime_dir", "/first", &text);
    must_read(CONF_SECTION_MAIN, "runtime_dir", folder, &text); /* in place of the first */
    assert_string_equal(text, folder);
    clear(CONF_SECTION_MAIN, "runtime_dir", &text);
    assert_null(text);
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

static void addresses_have_ports(void **)
{
    static const char *const bad[] = {
        "5222",
        "127.0.0.1",
        ":5222",
        "[::]",
        "[::]:",
        "[::]:0",
        "::1:5222",
        "[127.0.0.1]:5222",
        "127.0.0.300:1",
        "localhost:5222",
        "[::1:5222",
        "[::]:65536",
        "::1]:5222",
        "127.0.0.1:5222,",
        "[::]:+1",
        "[]:1",
        "127.1:5222",
        "[::]:4294967297",
        "[::]x:1",
        "127.0.0.1:1:1",
        "127.0.0.1 :5222",
    };
    struct conf_addresses list = {0};

    must_read(CONF_SECTION_LISTEN, "address", " 127.0.0.2:1 \t[2001:db8::1]:65535", &list);
    assert_int_equal(list.count, 2);
    assert_address(&list.at[0], "127.0.0.2", 1);
    assert_address(&list.at[1], "2001:db8::1", 65535);
    must_read(CONF_SECTION_LISTEN, "address", "", &list);
    assert_int_equal(list.count, 0);
    assert_null(list.at);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        must_refuse(CONF_SECTION_LISTEN, "address", bad[i], "is not an address with a port");
}

static void metrics_have_one_address_or_none(void **)
{
    struct conf_addresses list = {0};

    must_read(CONF_SECTION_MAIN, "metrics", "[::1]:9198", &list);
    assert_int_equal(list.count, 1);
    must_read(CONF_SECTION_MAIN, "metrics", "none", &list);
    assert_int_equal(list.count, 0);
    must_refuse(CONF_SECTION_MAIN, "metrics", "", "must not be empty");
    must_refuse(CONF_SECTION_MAIN, "metrics", "[::1]:1 [::1]:2", "takes at most 1");
}

static void sources_have_no_ports(void **)
{
    struct conf_addresses list = {0};

    must_read(CONF_SECTION_HOST, "upstream_source", "127.0.0.2 2001:db8::1", &list);
    assert_int_equal(list.count, 2);
    assert_address(&list.at[0], "127.0.0.2", 0);
    assert_address(&list.at[1], "2001:db8::1", 0);
    clear(CONF_SECTION_HOST, "upstream_source", &list);
    must_refuse(CONF_SECTION_HOST, "upstream_source", "127.0.0.2:80", "is not an IP address");
    must_refuse(CONF_SECTION_HOST, "upstream_source", "localhost", "is not an IP address");
    must_refuse(CONF_SECTION_HOST, "upstream_source", "127.0.0.2 x", "is not an IP address");
}

static void servers_are_addresses_or_names(void **)
{
    static const char *const bad[] = {
        "localhost", "127.0.0.300:5322", "::1:5322", "a :5322",  "a_b!:1",
        "-a:5222",   ".:5222",           "a:0",      "[a]:5222", "a/b:1"};
    struct conf_targets list = {0};

    must_read(CONF_SECTION_HOST, "upstream",
              "xmpp.example.org:5322 [::1]:5323 192.0.2.1:1 localhost:2", &list);
    assert_int_equal(list.count, 4);
    assert_string_equal(list.at[0].host, "xmpp.example.org");
    assert_int_equal(list.at[0].port, 5322);
    assert_string_equal(list.at[1].host, "::1");
    assert_int_equal(list.at[1].port, 5323);
    assert_string_equal(list.at[2].host, "192.0.2.1");
    assert_string_equal(list.at[3].host, "localhost");
    clear(CONF_SECTION_HOST, "upstream", &list);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        must_refuse(CONF_SECTION_HOST, "upstream", bad[i], "is not a server with a port");
    must_refuse(CONF_SECTION_HOST, "upstream", "", "must not be empty");
    must_refuse(CONF_SECTION_HOST, "upstream", "unix:/run/x", "not supported yet");
    must_refuse(CONF_SECTION_HOST, "upstream", "a:1 /run/x", "not supported yet"); /* a is freed */
}

static struct sockaddr_storage ip(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (void *)&storage;
    struct sockaddr_in6 *v6 = (void *)&storage;

    storage.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    void *bytes = strchr(text, ':') ? (void *)&v6->sin6_addr : &v4->sin_addr;

    assert_int_equal(inet_pton(storage.ss_family, text, bytes), 1);
    return storage;
}

static bool holds(const struct conf_networks *list, const char *text)
{
    struct sockaddr_storage a = ip(text);

    return conf_networks_hold(list, (const struct sockaddr *)&a);
}

static void networks_hold_their_addresses(void **)
{
    struct conf_networks list = {0};

    must_read(CONF_SECTION_LISTEN, "proxy_from", "10.16.0.0/12 192.0.2.7 2001:db8::/33 ::1", &list);
    assert_true(holds(&list, "10.16.0.0"));
    assert_true(holds(&list, "10.31.255.255"));
    assert_true(holds(&list, "::ffff:10.31.255.255"));
    assert_false(holds(&list, "10.32.0.0"));
    assert_false(holds(&list, "11.16.0.0"));
    assert_true(holds(&list, "192.0.2.7"));
    assert_false(holds(&list, "192.0.2.6"));
    assert_true(holds(&list, "2001:db8:7fff::1"));
    assert_false(holds(&list, "2001:db8:8000::1"));
    assert_true(holds(&list, "::1"));
    assert_false(holds(&list, "::2"));
    assert_false(holds(&list, "a10::"));
    assert_false(conf_networks_hold(&list, &(struct sockaddr){.sa_family = AF_UNIX}));
    must_read(CONF_SECTION_LISTEN, "proxy_from", "0.0.0.0/0", &list);
    assert_true(holds(&list, "203.0.113.9"));
    assert_false(holds(&list, "::1"));
    must_read(CONF_SECTION_LISTEN, "proxy_from", "", &list);
    assert_false(holds(&list, "203.0.113.9"));
}

static void networks_are_well_formed(void **)
{
    static const char *const bad[] = {"10.0.0.0/33", "::/129",       "10.0.0.0/",
                                      "10.0.0/8",    "10.0.0.0/-1",  "x/8",
                                      "10.0.0.0:80", "10.0.0.0/8/8", "[::]/0"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        must_refuse(CONF_SECTION_LISTEN, "proxy_from", bad[i], "is not a network");
    must_refuse(CONF_SECTION_LISTEN, "proxy_from", "10.0.0.1/8", "has bits set behind its prefix");
    must_refuse(CONF_SECTION_LISTEN, "proxy_from", "2001:db8::1/64",
                "has bits set behind its prefix");
}

static void a_list_has_a_most(void **)
{
    struct conf_networks list = {0};
    char text[CONF_LIST_MAX * 3 + 3] = "";

    for (int i = 0; i < CONF_LIST_MAX; i++)
        strcat(text, ":: ");
    must_read(CONF_SECTION_LISTEN, "proxy_from", text, &list);
    assert_int_equal(list.count, CONF_LIST_MAX);
    clear(CONF_SECTION_LISTEN, "proxy_from", &list);
    strcat(text, "::");
    must_refuse(CONF_SECTION_LISTEN, "proxy_from", text, "takes at most 64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_units),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(counts_have_bounds),
        cmocka_unit_test(words_are_known_words),
        cmocka_unit_test(texts_have_a_length),
        cmocka_unit_test(addresses_have_ports),
        cmocka_unit_test(metrics_have_one_address_or_none),
        cmocka_unit_test(sources_have_no_ports),
        cmocka_unit_test(servers_are_addresses_or_names),
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(networks_are_well_formed),
        cmocka_unit_test(a_list_has_a_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
