/* SPDX-License-Identifier: MIT */
/* JIDs are split and prepared as RFC 6122 says; the short way for ASCII agrees with libidn. */
#include "parser/jid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stringprep.h>

#include "tests/support/guard.h"

static bool splits(const char *jid, const char *local, const char *domain, const char *resource)
{
    struct span in = guard_copy(span_of(jid)), l, d, r;

    return jid_split(in, &l, &d, &r) && span_eq(l, span_of(local)) && !l.p == !local &&
           span_is(d, domain) && span_eq(r, span_of(resource)) && !r.p == !resource;
}

static bool is_no_jid(const char *jid)
{
    struct span l, d, r;

    return !jid_split(guard_copy(span_of(jid)), &l, &d, &r);
}

static struct span run(char c, size_t len)
{
    static char bytes[JID_MAX + 1];

    assert_true(len <= sizeof bytes);
    memset(bytes, c, len);
    return (struct span){bytes, len};
}

static void a_jid_is_split_at_its_first_separators(void **)
{
    assert_true(splits("a@b/c", "a", "b", "c"));
    assert_true(splits("b", NULL, "b", NULL));
    assert_true(splits("b/c", NULL, "b", "c"));
    assert_true(splits("a@b", "a", "b", NULL));
    assert_true(splits("a@b/c/d@e", "a", "b", "c/d@e"));
    assert_true(splits("b/c@d", NULL, "b", "c@d"));
}

static void an_empty_part_makes_no_jid(void **)
{
    assert_true(is_no_jid(""));
    assert_true(is_no_jid("@b"));
    assert_true(is_no_jid("a@"));
    assert_true(is_no_jid("a@b/"));
    assert_true(is_no_jid("/c"));
    assert_true(is_no_jid("a@/c"));
    assert_true(is_no_jid("@"));
    assert_true(is_no_jid("/"));

    struct span l, d, r;
    char out[JID_MAX];
    struct sink k = SINK(out);

    assert_false(jid_split(SPAN_NONE, &l, &d, &r));
    assert_false(jid_local(&k, SPAN_LIT("")));
    assert_false(jid_domain(&k, SPAN_NONE));
    assert_false(jid_resource(&k, SPAN_NONE));
    assert_false(jid_prepare(&k, SPAN_LIT("a"), SPAN_NONE, SPAN_NONE));
}

static void a_part_is_at_most_1023_bytes_long(void **)
{
    struct span l, d, r;

    assert_true(jid_split(run('a', JID_PART_MAX), &l, &d, &r));
    assert_false(jid_split(run('a', JID_PART_MAX + 1), &l, &d, &r));

    char jid[JID_MAX + 3], out[JID_MAX];
    struct sink exact = SINK(out), full = {.p = out, .max = JID_MAX - 1};

    memset(jid, 'a', sizeof jid);
    jid[1023] = '@';
    jid[2047] = '/';
    assert_true(jid_normal(&exact, (struct span){jid, JID_MAX}, false));
    assert_int_equal(exact.len, JID_MAX);
    assert_false(jid_normal(&full, (struct span){jid, JID_MAX}, false));
    assert_false(jid_split((struct span){jid, JID_MAX + 1}, &l, &d, &r));
    assert_false(jid_local(&exact, run('a', JID_PART_MAX + 1)));
    assert_false(jid_domain(&exact, run('a', JID_PART_MAX + 1)));
    assert_false(jid_resource(&exact, run('a', JID_PART_MAX + 1)));
    jid[1023] = 'a';
    jid[1024] = '@';
    assert_false(jid_split((struct span){jid, JID_MAX}, &l, &d, &r));
}

static bool normal_is(const char *jid, bool bare, const char *expected)
{
    char out[JID_MAX];
    struct sink k = SINK(out);

    if (!jid_normal(&k, guard_copy(span_of(jid)), bare))
        return !expected;
    return expected && span_is(sink_span(&k), expected);
}

static void the_profiles_fold_and_forbid(void **)
{
    assert_true(normal_is("Alice@Example.ORG/Home", false, "alice@example.org/Home"));
    assert_true(normal_is("Alice@Example.ORG/Home", true, "alice@example.org"));
    assert_true(normal_is("\xC3\x84rzte@M\xC3\x9CNCHEN.de/\xC3\x84", false,
                          "\xC3\xA4rzte@m\xC3\xBCnchen.de/\xC3\x84"));
    assert_true(normal_is("stra\xC3\x9F"
                          "e@x",
                          false, "strasse@x"));
    assert_true(normal_is("\xEF\xBC\xA1@x", false, "a@x")); /* full-width A */
    assert_true(normal_is("a\xC2\xAD"
                          "b@x",
                          false, "ab@x"));             /* soft hyphen: mapped to nothing */
    assert_true(normal_is("\xC2\xAD@x", false, NULL)); /* … which leaves nothing */
    assert_true(normal_is("a b@x", false, NULL));
    assert_true(normal_is("a'b@x", false, NULL));
    assert_true(normal_is("a\"b@x", false, NULL));
    assert_true(normal_is("a&b@x", false, NULL));
    assert_true(normal_is("a:b@x", false, NULL));
    assert_true(normal_is("a<b>@x", false, NULL));
    assert_true(normal_is("a\x7F@x", false, NULL));
    assert_true(normal_is("d\\27artagnan@x", false, "d\\27artagnan@x"));
    assert_true(normal_is("a@x/a b", false, "a@x/a b"));
    assert_true(normal_is("a@x/a\tb", false, NULL));
    assert_true(normal_is("a@x/\xC2\xA0", false, "a@x/ ")); /* NFKC makes a space of it */
    assert_true(normal_is("\xD7\x90"
                          "a@x",
                          false, NULL)); /* right to left and left to right */
}

static void a_forbidden_resource_does_not_matter_to_the_bare_jid(void **)
{
    assert_true(normal_is("a@x/\t", false, NULL));
    assert_true(normal_is("a@x/\t", true, "a@x"));
}

static void a_domain_is_one_that_a_host_can_have(void **)
{
    assert_true(normal_is("a@x.", false, "a@x"));
    assert_true(normal_is("[::1]", false, "[::1]"));
    assert_true(normal_is("_a-1.xz09", false, "_a-1.xz09"));
    assert_true(normal_is(".", false, NULL));
    assert_true(normal_is("a@x..", false, NULL)); /* it would be prepared to what is not */
    assert_true(normal_is("a@b@c", false, NULL));
    assert_true(normal_is("b c", false, NULL));
    assert_true(normal_is("a'b", false, NULL));
    assert_true(normal_is("a\x01"
                          "b",
                          false, NULL));
    assert_true(normal_is("a@b\xEF\xBC\xA0"
                          "c",
                          false, NULL)); /* full-width @ */
    assert_true(normal_is("b\xEF\xBC\x8F"
                          "c",
                          false, NULL)); /* full-width / */
}

static void what_is_not_utf8_never_reaches_libidn(void **)
{
    static const char *const bad[] = {
        "\x80",
        "\xC2",
        "\xC0\x80",
        "\xC1\xBF",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xFF",
        "\xE2\x82",
        "\xF0\x9F\x98",
        "\xC3(",
        "\xE2\x28\xA1",
        "\xE2\x82\x28",
        "a\xC3",
    };
    char out[JID_MAX];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sink k = SINK(out);

        assert_false(jid_local(&k, guard_copy(span_of(bad[i]))));
        assert_false(jid_domain(&k, guard_copy(span_of(bad[i]))));
        assert_false(jid_resource(&k, guard_copy(span_of(bad[i]))));
        assert_false(jid_prepare(&k, SPAN_NONE, SPAN_LIT("x"), guard_copy(span_of(bad[i]))));
    }
    assert_true(normal_is("\xC2\xA2\xE0\xA0\x80\xED\x9F\xBF@x", false,
                          "\xC2\xA2\xE0\xA0\x80\xED\x9F\xBF@x"));
    assert_true(normal_is("\xF0\x9F\x98\x80@x", false, "\xF0\x9F\x98\x80@x"));
    assert_true(normal_is("\xF0\x90\x80\x80@x", false, "\xF0\x90\x80\x80@x"));
}

static void a_zero_ends_nothing(void **)
{
    char out[JID_MAX];
    struct sink k = SINK(out);

    assert_false(jid_local(&k, guard_copy(SPAN_LIT("alice\0mallory"))));
    assert_false(jid_local(&k, guard_copy(SPAN_LIT("\xC3\xA4\0mallory"))));
    assert_false(jid_resource(&k, guard_copy(SPAN_LIT("\0"))));
    assert_false(jid_same(SPAN_LIT("a@x"), SPAN_LIT("a@x\0"), false));
}

static void what_grows_beyond_the_bound_is_refused(void **)
{
    char local[JID_PART_MAX], out[JID_MAX];
    struct sink k = SINK(out);

    /* U+FDFA, 3 bytes, becomes 18 characters by NFKC. */
    for (size_t i = 0; i < sizeof local; i += 3)
        memcpy(local + i, "\xEF\xB7\xBA", 3);
    assert_false(jid_resource(&k, (struct span){local, sizeof local}));
    assert_true(jid_resource(&k, (struct span){local, 3}));
}

static void the_same_jid_is_known_in_any_spelling(void **)
{
    assert_true(jid_same(SPAN_LIT("A@x/R"), SPAN_LIT("a@X/R"), false));
    assert_false(jid_same(SPAN_LIT("A@x/R"), SPAN_LIT("a@X/r"), false));
    assert_true(jid_same(SPAN_LIT("A@x/R"), SPAN_LIT("a@X/r"), true));
    assert_true(jid_same(SPAN_LIT("a@x"), SPAN_LIT("a@x/r"), true));
    assert_false(jid_same(SPAN_LIT("a@x"), SPAN_LIT("a@x/r"), false));
    assert_false(jid_same(SPAN_LIT("a@x"), SPAN_LIT("b@x"), true));
    assert_false(jid_same(SPAN_LIT("a@"), SPAN_LIT("a@"), true));
    assert_false(jid_same(SPAN_NONE, SPAN_NONE, true));
}

/* What libidn alone would say. */
static bool by_libidn(char *bytes, size_t size, const Stringprep_profile *profile)
{
    return stringprep(bytes, size, 0, profile) == STRINGPREP_OK && bytes[0];
}

static void ascii_is_prepared_as_libidn_does_it(void **)
{
    char bytes[13], out[JID_PART_MAX];

    srand(1);
    for (int round = 0; round < 30000; round++) {
        size_t len = 1 + (size_t)rand() % 12;
        struct sink local = SINK(out), resource;

        for (size_t i = 0; i < len; i++) /* mostly letters, so that not everything is refused */
            bytes[i] = (char)(rand() % 8 ? "abcXYZ-._0"[rand() % 10] : 1 + rand() % 127);
        bytes[len] = '\0';

        bool taken = jid_local(&local, (struct span){bytes, len});
        char node[sizeof bytes], same[sizeof bytes];
        memcpy(node, bytes, sizeof bytes);
        memcpy(same, bytes, sizeof bytes);
        assert_int_equal(taken, by_libidn(node, sizeof node, stringprep_xmpp_nodeprep));
        if (taken)
            assert_true(span_is(sink_span(&local), node));

        resource = SINK(out);
        taken = jid_resource(&resource, (struct span){bytes, len});
        assert_int_equal(taken, by_libidn(same, sizeof same, stringprep_xmpp_resourceprep));
        if (taken)
            assert_true(span_is(sink_span(&resource), same));
    }
}

static void an_ascii_domain_is_folded_as_libidn_does_it(void **)
{
    char bytes[13], out[JID_PART_MAX];

    srand(2);
    for (int round = 0; round < 10000; round++) {
        size_t len = 1 + (size_t)rand() % 12;
        struct sink k = SINK(out);

        for (size_t i = 0; i < len; i++)
            bytes[i] = "abcXYZ-_0["[rand() % 10];
        bytes[len] = '\0';
        assert_true(jid_domain(&k, (struct span){bytes, len}));
        assert_true(by_libidn(bytes, sizeof bytes, stringprep_nameprep));
        assert_true(span_is(sink_span(&k), bytes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jid_is_split_at_its_first_separators),
        cmocka_unit_test(an_empty_part_makes_no_jid),
        cmocka_unit_test(a_part_is_at_most_1023_bytes_long),
        cmocka_unit_test(the_profiles_fold_and_forbid),
        cmocka_unit_test(a_forbidden_resource_does_not_matter_to_the_bare_jid),
        cmocka_unit_test(a_domain_is_one_that_a_host_can_have),
        cmocka_unit_test(what_is_not_utf8_never_reaches_libidn),
        cmocka_unit_test(a_zero_ends_nothing),
        cmocka_unit_test(what_grows_beyond_the_bound_is_refused),
        cmocka_unit_test(the_same_jid_is_known_in_any_spelling),
        cmocka_unit_test(ascii_is_prepared_as_libidn_does_it),
        cmocka_unit_test(an_ascii_domain_is_folded_as_libidn_does_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
