/* SPDX-License-Identifier: MIT */
/* PROXY headers of both versions are read from any number of bytes; what is written reads back. */
#include "parser/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/guard.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static enum proxy_header_verdict read_it(struct span in, size_t *used,
                                         struct sockaddr_storage *from)
{
    return proxy_header_read(guard_copy(in), used, from);
}

/* The verdict for the header with "<x/>" behind it. All that is shorter has to be MORE. */
static enum proxy_header_verdict verdict_of(struct span header, struct sockaddr_storage *from)
{
    char bytes[1024];
    size_t used = 99;
    enum proxy_header_verdict verdict;

    for (size_t len = 0; len < header.len; len++) {
        assert_int_equal(read_it((struct span){header.p, len}, &used, from), PROXY_HEADER_MORE);
        assert_int_equal(used, 0);
    }
    verdict = read_it(header, &used, from);
    assert_int_equal(used, header.len);

    assert_true(header.len + 4 <= sizeof bytes);
    memcpy(bytes, header.p, header.len);
    memcpy(bytes + header.len, "<x/>", 4);
    assert_int_equal(read_it((struct span){bytes, header.len + 4}, &used, from), verdict);
    assert_int_equal(used, header.len);
    return verdict;
}

static bool is_bad(struct span header)
{
    struct sockaddr_storage from;
    size_t used = 99;

    return read_it(header, &used, &from) == PROXY_HEADER_BAD && !used;
}

#define BAD(literal) assert_true(is_bad(SPAN_LIT(literal)))

static bool is_from(const struct sockaddr_storage *s, const char *address, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in *in = (const void *)s;
    const struct sockaddr_in6 *in6 = (const void *)s;

    if (s->ss_family == AF_INET)
        return inet_ntop(AF_INET, &in->sin_addr, text, sizeof text) && !strcmp(text, address) &&
               ntohs(in->sin_port) == port;
    return s->ss_family == AF_INET6 && inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text) &&
           !strcmp(text, address) && ntohs(in6->sin6_port) == port;
}

static struct sockaddr_storage addr(const char *address, uint16_t port)
{
    struct sockaddr_storage s = {0};
    struct sockaddr_in *in = (void *)&s;
    struct sockaddr_in6 *in6 = (void *)&s;

    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
    } else {
        memset(&s, 0, sizeof s);
        assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
    }
    return s;
}

static void a_line_is_read(void **)
{
    struct sockaddr_storage from;

    assert_int_equal(
        verdict_of(SPAN_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 56324 5222\r\n"), &from),
        PROXY_HEADER_FINE);
    assert_true(is_from(&from, "192.0.2.1", 56324));
    assert_int_equal(verdict_of(SPAN_LIT("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), &from),
                     PROXY_HEADER_FINE);
    assert_true(is_from(&from, "2001:db8::1", 0));
    assert_int_equal(verdict_of(SPAN_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 9 1\r\n"), &from),
                     PROXY_HEADER_FINE);
    assert_true(is_from(&from, "192.0.2.1", 9));
}

static void the_longest_line_is_read(void **)
{
    struct sockaddr_storage from;
    struct span line = SPAN_LIT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");

    assert_int_equal(line.len, 104);
    assert_int_equal(verdict_of(line, &from), PROXY_HEADER_FINE);
    assert_int_equal(verdict_of(SPAN_LIT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                                         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
                                &from),
                     PROXY_HEADER_LOCAL);
}

static void a_line_without_end_is_refused_in_time(void **)
{
    char line[200];
    struct sockaddr_storage from;
    size_t used;

    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    assert_int_equal(read_it((struct span){line, 105}, &used, &from), PROXY_HEADER_MORE);
    assert_int_equal(read_it((struct span){line, 106}, &used, &from), PROXY_HEADER_BAD);
    memcpy(line + 105, "x\r\n", 3);
    assert_int_equal(read_it((struct span){line, 108}, &used, &from), PROXY_HEADER_BAD);
    line[105] = '\r';
    assert_int_equal(read_it((struct span){line, 106}, &used, &from), PROXY_HEADER_MORE);
    line[106] = '\n';
    assert_int_equal(read_it((struct span){line, 200}, &used, &from), PROXY_HEADER_LOCAL);
    assert_int_equal(used, 107);
}

static void an_unknown_line_has_no_address(void **)
{
    struct sockaddr_storage from;

    assert_int_equal(verdict_of(SPAN_LIT("PROXY UNKNOWN\r\n"), &from), PROXY_HEADER_LOCAL);
    assert_int_equal(verdict_of(SPAN_LIT("PROXY UNKNOWN ~what ever\r\n"), &from),
                     PROXY_HEADER_LOCAL);
}

static void a_wrong_line_is_bad(void **)
{
    BAD("<?xml version='1.0'?>");
    BAD("proxy TCP4");
    BAD("PROXYTCP4");
    BAD("\x16\x03\x01");
    BAD("PROXY \r\n");
    BAD("PROXY TCP\r\n");
    BAD("PROXY TCP4\r\n");
    BAD("PROXY UNKNOWNS\r\n");
    BAD("PROXY TCP4 192.0.2.1\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n");
    BAD("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 99999 1\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 01 1\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 -1 1\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1: 1\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 /1\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 4294967297\r\n");
    BAD("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2 1 2\r\n");
    BAD("PROXY TCP4 ::1 ::1 1 2\r\n");
    BAD("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n");
    BAD("PROXY TCP6 0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0: ::1 1 2\r\n");
    BAD("PROXY TCP6 0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0 ::1 1 2\r\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n");
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r<");
    BAD("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n");
    BAD("PROXY UNKNOWN\0\r\n");
    BAD("PROXY UNKNOWN \xC3\xA4\r\n");
}

static void a_block_is_read(void **)
{
    struct sockaddr_storage from;

    assert_int_equal(verdict_of(SPAN_LIT(SIGNATURE "\x21\x11\0\x0C\xC0\0\x02\x01\xC6\x33\x64\x02"
                                                   "\xDC\x04\x14\x66"),
                                &from),
                     PROXY_HEADER_FINE);
    assert_true(is_from(&from, "192.0.2.1", 56324));

    assert_int_equal(
        verdict_of(SPAN_LIT(SIGNATURE "\x21\x21\0\x24\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01"
                                      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xDC\x04\x14\x66"),
                   &from),
        PROXY_HEADER_FINE);
    assert_true(is_from(&from, "2001:db8::1", 56324));
}

static void tlvs_are_skipped(void **)
{
    struct sockaddr_storage from;

    assert_int_equal(verdict_of(SPAN_LIT(SIGNATURE "\x21\x11\0\x11\xC0\0\x02\x01\xC6\x33\x64\x02"
                                                   "\xDC\x04\x14\x66\x04\0\x02\0\0"),
                                &from),
                     PROXY_HEADER_FINE);
    assert_true(is_from(&from, "192.0.2.1", 56324));
}

static void a_block_may_have_no_address(void **)
{
    struct sockaddr_storage from;

    assert_int_equal(verdict_of(SPAN_LIT(SIGNATURE "\x20\0\0\0"), &from), PROXY_HEADER_LOCAL);
    assert_int_equal(verdict_of(SPAN_LIT(SIGNATURE "\x20\x11\0\x03xyz"), &from),
                     PROXY_HEADER_LOCAL);
    assert_int_equal(verdict_of(SPAN_LIT(SIGNATURE "\x21\0\0\0"), &from), PROXY_HEADER_LOCAL);
    assert_int_equal(verdict_of(SPAN_LIT(SIGNATURE "\x21\x31\0\x02xy"), &from), PROXY_HEADER_LOCAL);
}

static void a_block_of_the_greatest_length_is_read(void **)
{
    char block[PROXY_HEADER_MAX] = SIGNATURE "\x21\x11\x02\x08";
    struct sockaddr_storage from;

    assert_int_equal(verdict_of((struct span){block, sizeof block}, &from), PROXY_HEADER_FINE);
    block[15]++;
    assert_true(is_bad((struct span){block, 16}));
}

static void a_wrong_block_is_bad(void **)
{
    BAD("\r\n\r\n\r");
    BAD("\r\n\r\n\0\r\nQUIT\r");
    BAD(SIGNATURE "\x11\x11\0\x0C"); /* version 1 */
    BAD(SIGNATURE "\x31\x11\0\x0C");
    BAD(SIGNATURE "\x22\x11\0\x0C"); /* a command that is none */
    BAD(SIGNATURE "\x21\x12\0\x0C"); /* UDP */
    BAD(SIGNATURE "\x21\x41\0\x0C");
    BAD(SIGNATURE "\x21\x11\0\x0B"); /* too short for its addresses */
    BAD(SIGNATURE "\x21\x21\0\x23");
    BAD(SIGNATURE "\x21\x11\xFF\xFF");
    BAD(SIGNATURE "\x20\0\xFF\xFF");
}

static void what_is_written_reads_back(void **)
{
    static const char *const pairs[][2] = {
        {"192.0.2.1", "198.51.100.2"}, {"2001:db8::1", "::1"}, {"::ffff:192.0.2.1", "::"}};
    char bytes[PROXY_HEADER_MAX];

    for (size_t i = 0; i < 3; i++) {
        for (int version = 1; version <= 2; version++) {
            struct sockaddr_storage from = addr(pairs[i][0], 65535), to = addr(pairs[i][1], 0),
                                    back;
            struct sink k = SINK(bytes);

            proxy_header_write(&k, version, (void *)&from, (void *)&to);
            assert_false(k.full);
            assert_int_equal(verdict_of(sink_span(&k), &back), PROXY_HEADER_FINE);
            assert_memory_equal(&back, &from, sizeof back);
        }
    }
}

static void the_bytes_written_are_these(void **)
{
    struct sockaddr_storage from = addr("192.0.2.1", 56324), to = addr("198.51.100.2", 5222);
    char bytes[PROXY_HEADER_MAX];
    struct sink line = SINK(bytes), block;

    proxy_header_write(&line, 1, (void *)&from, (void *)&to);
    assert_true(span_is(sink_span(&line), "PROXY TCP4 192.0.2.1 198.51.100.2 56324 5222\r\n"));

    block = SINK(bytes);
    proxy_header_write(&block, 2, (void *)&from, (void *)&to);
    assert_true(
        span_eq(sink_span(&block), SPAN_LIT(SIGNATURE "\x21\x11\0\x0C\xC0\0\x02\x01\xC6\x33\x64\x02"
                                                      "\xDC\x04\x14\x66")));
}

static void what_has_no_address_is_written_without(void **)
{
    struct sockaddr_storage ip4 = addr("192.0.2.1", 1), ip6 = addr("::1", 2);
    struct sockaddr other = {.sa_family = AF_UNIX};
    const struct sockaddr *ends[][2] = {{(void *)&ip4, (void *)&ip6},
                                        {&other, (void *)&ip6},
                                        {(void *)&ip4, &other},
                                        {NULL, (void *)&ip4}};
    char bytes[PROXY_HEADER_MAX];

    for (size_t i = 0; i < 4; i++) {
        struct sink line = SINK(bytes), block;

        proxy_header_write(&line, 1, ends[i][0], ends[i][1]);
        assert_true(span_is(sink_span(&line), "PROXY UNKNOWN\r\n"));
        block = SINK(bytes);
        proxy_header_write(&block, 2, ends[i][0], ends[i][1]);
        assert_true(span_eq(sink_span(&block), SPAN_LIT(SIGNATURE "\x20\0\0\0")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_read),
        cmocka_unit_test(the_longest_line_is_read),
        cmocka_unit_test(a_line_without_end_is_refused_in_time),
        cmocka_unit_test(an_unknown_line_has_no_address),
        cmocka_unit_test(a_wrong_line_is_bad),
        cmocka_unit_test(a_block_is_read),
        cmocka_unit_test(tlvs_are_skipped),
        cmocka_unit_test(a_block_may_have_no_address),
        cmocka_unit_test(a_block_of_the_greatest_length_is_read),
        cmocka_unit_test(a_wrong_block_is_bad),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(the_bytes_written_are_these),
        cmocka_unit_test(what_has_no_address_is_written_without),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
