/* SPDX-License-Identifier: MIT */
/*
 * What Holdfast writes of XEP-0198, letter by letter.
 */
#include "sm/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define assert_text(text, out, len)                                                                \
    do {                                                                                           \
        assert_int_equal(len, strlen(text));                                                       \
        assert_memory_equal(out, text, len);                                                       \
    } while (0)

static void enabled_names_the_id_and_the_time_in_seconds(void **)
{
    char out[SM_WIRE_MAX];

    assert_text("<enabled xmlns='urn:xmpp:sm:3' id='AbC-_9' resume='true' max='600'/>", out,
                sm_wire_enabled(out, false, "AbC-_9", 600000));
}

static void a_time_below_a_second_is_said_as_one(void **)
{
    char out[SM_WIRE_MAX];

    assert_text("<enabled xmlns='urn:xmpp:sm:2' id='x' resume='true' max='1'/>", out,
                sm_wire_enabled(out, true, "x", 1));
}

static void enabled_without_resumption_has_neither_id_nor_time(void **)
{
    char out[SM_WIRE_MAX];

    assert_text("<enabled xmlns='urn:xmpp:sm:3'/>", out, sm_wire_enabled(out, false, NULL, 600000));
}

static void resumed_names_h_and_the_id(void **)
{
    char out[SM_WIRE_MAX];

    assert_text("<resumed xmlns='urn:xmpp:sm:3' h='4294967295' previd='x'/>", out,
                sm_wire_resumed(out, false, UINT32_MAX, "x"));
}

static void the_condition_is_a_direct_child_of_failed(void **)
{
    char out[SM_WIRE_MAX];
    uint32_t h = 7;

    assert_text("<failed xmlns='urn:xmpp:sm:3'><item-not-found "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
                out, sm_wire_failed(out, false, "item-not-found", NULL));
    assert_text("<failed xmlns='urn:xmpp:sm:2' h='7'><item-not-found "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
                out, sm_wire_failed(out, true, "item-not-found", &h));
}

static void acks_and_requests_are_in_the_namespace_of_the_session(void **)
{
    char out[SM_WIRE_MAX];

    assert_text("<a xmlns='urn:xmpp:sm:3' h='0'/>", out, sm_wire_a(out, false, 0));
    assert_text("<a xmlns='urn:xmpp:sm:2' h='10'/>", out, sm_wire_a(out, true, 10));
    assert_text("<r xmlns='urn:xmpp:sm:3'/>", out, sm_wire_r(out, false));
    assert_text("<r xmlns='urn:xmpp:sm:2'/>", out, sm_wire_r(out, true));
}

static void too_high_a_count_is_answered_with_both_counts(void **)
{
    char out[SM_WIRE_MAX];

    assert_text("<stream:error>"
                "<undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='10' send-count='8'/>"
                "</stream:error>",
                out, sm_wire_too_high(out, false, 10, 8));
}

static void a_probe_is_a_ping_to_the_domain_with_sixteen_digits(void **)
{
    char out[SM_WIRE_PROBE];
    struct sm_text domain = {"a&b'<", 5};

    assert_text("<iq type='get' id='hf-00000000000000ff' to='a&amp;b&apos;&lt;'>"
                "<ping xmlns='urn:xmpp:ping'/></iq>",
                out, sm_wire_probe(out, domain, 255));
}

static void the_longest_domain_fits_even_if_all_of_it_is_escaped(void **)
{
    static char name[SM_WIRE_DOMAIN];
    static char out[SM_WIRE_PROBE];
    size_t len;

    memset(name, '\'', sizeof name);
    len = sm_wire_probe(out, (struct sm_text){name, sizeof name}, 1);
    assert_true(len > 6 * sizeof name && len < sizeof out);
}

static bool reads(uint64_t *id, const char *text)
{
    return sm_wire_probe_id(id, (struct sm_text){text, strlen(text)});
}

static void the_id_of_a_probe_is_read_back_and_no_other(void **)
{
    uint64_t id = 42;

    assert_false(reads(&id, ""));
    assert_false(reads(&id, "hf-00000000000000f"));
    assert_false(reads(&id, "hf-00000000000000ff0"));
    assert_false(reads(&id, "hf-00000000000000fF"));
    assert_false(reads(&id, "hg-00000000000000ff"));
    assert_false(reads(&id, "hf-0000000000000 ff"));
    assert_int_equal(id, 42);
    assert_true(reads(&id, "hf-fedcba9876543210"));
    assert_true(id == 0xfedcba9876543210u);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(enabled_names_the_id_and_the_time_in_seconds),
        cmocka_unit_test(a_time_below_a_second_is_said_as_one),
        cmocka_unit_test(enabled_without_resumption_has_neither_id_nor_time),
        cmocka_unit_test(resumed_names_h_and_the_id),
        cmocka_unit_test(the_condition_is_a_direct_child_of_failed),
        cmocka_unit_test(acks_and_requests_are_in_the_namespace_of_the_session),
        cmocka_unit_test(too_high_a_count_is_answered_with_both_counts),
        cmocka_unit_test(a_probe_is_a_ping_to_the_domain_with_sixteen_digits),
        cmocka_unit_test(the_longest_domain_fits_even_if_all_of_it_is_escaped),
        cmocka_unit_test(the_id_of_a_probe_is_read_back_and_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
