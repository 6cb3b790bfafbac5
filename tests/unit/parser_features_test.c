/* SPDX-License-Identifier: MIT */
/* Of the features of real servers, the client is shown what works through Holdfast, and no more. */
#include "parser/features.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "parser/xml.h"
#include "tests/support/guard.h"

#define SM "<sm xmlns='urn:xmpp:sm:3'/><sm xmlns='urn:xmpp:sm:2'/>"
#define MECHANISMS(list)                                                                           \
    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" list "</mechanisms>"
#define MECHANISM(name) "<mechanism>" name "</mechanism>"

/* jabberd2 declares the prefix on the element itself; the others inherit it. */
#define FEATURES(list) "<stream:features>" list "</stream:features>"
#define JABBERD2(list)                                                                             \
    "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>" list "</stream:features>"

static struct xml *x;
static struct context above;

static int set_up(void **)
{
    return xml_new(&x);
}

static int tear_down(void **)
{
    xml_free(x);
    return 0;
}

static const struct element *tree(const char *text)
{
    const struct element *e;

    assert_int_equal(xml_tree(x, &above, guard_copy(span_of(text)), &e), XML_FINE);
    return e;
}

/* The text written for a client, which has to be features again. */
static bool shown(void (*write)(struct sink *, const struct element *), const char *features,
                  const char *expected)
{
    char out[4096];
    struct sink k = SINK(out);
    const struct element *back;

    write(&k, tree(features));
    assert_false(k.full);
    assert_int_equal(xml_tree(x, &above, guard_copy(sink_span(&k)), &back), XML_FINE);
    assert_true(element_is(back, NS_STREAMS, "features"));
    if (!span_is(sink_span(&k), expected))
        print_message("%.*s\n", (int)k.len, k.p);
    return span_is(sink_span(&k), expected);
}

static bool before_sasl(const char *features, const char *expected)
{
    return shown(features_write_before_sasl, features, expected);
}

static bool after_sasl(const char *features, const char *expected)
{
    return shown(features_write_after_sasl, features, expected);
}

static void what_a_server_offers_is_read(void **)
{
    struct features f = features_read(
        tree(FEATURES("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>")));
    assert_true(f.starttls && f.starttls_required);
    assert_false(f.mechanisms || f.bind || f.iq_auth || f.iq_register || f.channel_binding);

    f = features_read(tree(FEATURES(
        "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" MECHANISMS(MECHANISM("PLAIN")))));
    assert_true(f.starttls && f.mechanisms);
    assert_false(f.starttls_required || f.channel_binding);

    f = features_read(tree(JABBERD2("<auth xmlns='http://jabber.org/features/iq-auth'/>"
                                    "<register xmlns='http://jabber.org/features/iq-register'/>")));
    assert_true(f.iq_auth && f.iq_register);
    assert_false(f.starttls || f.mechanisms);

    f = features_read(
        tree(FEATURES("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind>")));
    assert_true(f.bind);
    assert_false(f.starttls || f.starttls_required);

    f = features_read(tree(FEATURES("")));
    assert_false(f.starttls || f.mechanisms || f.bind || f.iq_auth || f.iq_register);
    f = features_read(tree(FEATURES(MECHANISMS("") "<bind xmlns='x'/><auth/>")));
    assert_false(f.mechanisms || f.bind || f.iq_auth);
}

static void channel_binding_is_found(void **)
{
    assert_true(
        features_read(tree(FEATURES(MECHANISMS(MECHANISM("PLAIN") MECHANISM("SCRAM-SHA-1-PLUS")))))
            .channel_binding);
    assert_false(features_read(tree(FEATURES(MECHANISMS(MECHANISM("SCRAM-SHA-1") MECHANISM("-PLUS")
                                                            MECHANISM("X-PLUSH")))))
                     .channel_binding);
}

static void starttls_stands_alone(void **)
{
    char out[256];
    struct sink k = SINK(out);

    features_write_starttls(&k);
    assert_true(span_is(
        sink_span(&k),
        FEATURES("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>")));
}

static void prosody_before_sasl(void **)
{
    assert_true(before_sasl(
        FEATURES("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                 "<mechanisms "
                 "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1</mechanism>"
                 "<mechanism>PLAIN</mechanism></mechanisms>"
                 "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>"),
        FEATURES(MECHANISMS(MECHANISM("SCRAM-SHA-1") MECHANISM("PLAIN")))));
}

static void ejabberd_before_sasl(void **)
{
    assert_true(before_sasl(
        FEATURES(
            "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>DIGEST-MD5</mechanism>"
            "<mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-512-PLUS</mechanism>"
            "<mechanism>SCRAM-SHA-512</mechanism><mechanism>EXTERNAL</mechanism>"
            "<mechanism>X-OAUTH2</mechanism></mechanisms>"
            "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding "
            "type='tls-exporter'/>"
            "</sasl-channel-binding><authentication xmlns='urn:xmpp:sasl:2'>"
            "<mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'/></inline>"
            "</authentication><register xmlns='http://jabber.org/features/iq-register'/>"),
        FEATURES(MECHANISMS(
            MECHANISM("DIGEST-MD5") MECHANISM("PLAIN") MECHANISM("SCRAM-SHA-512") MECHANISM(
                "X-OAUTH2")) "<register xmlns='http://jabber.org/features/iq-register'/>")));
}

static void jabberd2_before_sasl(void **)
{
    assert_true(before_sasl(
        JABBERD2("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'></starttls>"
                 "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>"
                 "<mechanism>DIGEST-MD5</mechanism></mechanisms>"
                 "<auth xmlns='http://jabber.org/features/iq-auth'></auth>"
                 "<register xmlns='http://jabber.org/features/iq-register'></register>"
                 "<compression "
                 "xmlns='http://jabber.org/features/compress'><method>zlib</method></compression>"
                 "<ack:ack xmlns:ack='http://www.xmpp.org/extensions/xep-0198.html#ns'/>"),
        FEATURES(MECHANISMS(MECHANISM("PLAIN") MECHANISM(
            "DIGEST-MD5")) "<auth xmlns='http://jabber.org/features/iq-auth'/>"
                           "<register xmlns='http://jabber.org/features/iq-register'/>")));
}

static void what_is_not_offered_does_not_work(void **)
{
    assert_true(features_mechanism_works(SPAN_LIT("PLAIN")));
    assert_true(features_mechanism_works(SPAN_LIT("SCRAM-SHA-1")));
    assert_true(features_mechanism_works(SPAN_NONE));
    assert_false(features_mechanism_works(SPAN_LIT("EXTERNAL")));
    assert_false(features_mechanism_works(SPAN_LIT("SCRAM-SHA-1-PLUS")));
}

static void a_list_without_mechanisms_is_left_out(void **)
{
    assert_true(before_sasl(
        FEATURES(MECHANISMS(MECHANISM("EXTERNAL") MECHANISM("SCRAM-SHA-1-PLUS"))), FEATURES("")));
    assert_true(before_sasl(FEATURES(MECHANISMS("")), FEATURES("")));
}

static void what_belongs_to_the_mechanisms_stays_with_them(void **)
{
    assert_true(before_sasl(
        FEATURES(MECHANISMS(MECHANISM(
            "GSSAPI") "<hostname xmlns='urn:xmpp:domain-based-name:1'>auth.example.org</hostname>"
                      "<channel-binding xmlns='urn:xmpp:sasl-cb:0'/>")),
        FEATURES(MECHANISMS(MECHANISM(
            "GSSAPI") "<hostname "
                      "xmlns='urn:xmpp:domain-based-name:1'>auth.example.org</hostname>"))));
}

static void prosody_after_sasl(void **)
{
    assert_true(after_sasl(
        FEATURES("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                 "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind>"
                 "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>"
                 "<ver xmlns='urn:xmpp:features:rosterver'/><sub "
                 "xmlns='urn:xmpp:features:pre-approval'/>"
                 "<csi xmlns='urn:xmpp:csi:0'/><sm xmlns='urn:xmpp:sm:2'><optional/></sm>"
                 "<sm xmlns='urn:xmpp:sm:3'><optional/></sm>"
                 "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://prosody.im' "
                 "ver='qKrQH+mQIzzGPt3E60EOPzRKOVs='/>"),
        FEATURES("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind>"
                 "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>"
                 "<ver xmlns='urn:xmpp:features:rosterver'/><sub "
                 "xmlns='urn:xmpp:features:pre-approval'/>"
                 "<csi xmlns='urn:xmpp:csi:0'/>"
                 "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://prosody.im' "
                 "ver='qKrQH+mQIzzGPt3E60EOPzRKOVs='/>" SM)));
}

static void jabberd2_after_sasl(void **)
{
    above.prefixes = SPAN_LIT(" xmlns:ack='http://www.xmpp.org/extensions/xep-0198.html#ns'");
    assert_true(after_sasl(
        JABBERD2("<ack:ack/><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind>"
                 "<unbind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
                 "<ver xmlns='urn:xmpp:features:rosterver'><optional/></ver>"),
        FEATURES("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind>"
                 "<unbind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
                 "<ver xmlns='urn:xmpp:features:rosterver'><optional/></ver>" SM)));
    above.prefixes = SPAN_NONE;
}

static void what_would_go_round_holdfast_is_withheld(void **)
{
    static const char *const withheld[] = {
        "<compression "
        "xmlns='http://jabber.org/features/compress'><method>zlib</method></compression>",
        "<sm xmlns='urn:xmpp:sm:4'/>",
        "<sm xmlns='urn:xmpp:sm:'/>",
        "<dialback xmlns='urn:xmpp:features:dialback'/>",
        "<mechanisms "
        "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>",
        "<authentication xmlns='urn:xmpp:sasl:2'/>",
        "<authentication xmlns='urn:xmpp:sasl:1'/>",
        "<bind xmlns='urn:xmpp:bind:0'/>",
        "<bind xmlns='urn:xmpp:bind2:1'/>",
        "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'/>",
        "<isr xmlns='https://xmpp.org/extensions/isr/0'/>",
        "<auth xmlns='http://jabber.org/features/iq-auth'/>",
        "<register xmlns='http://jabber.org/features/iq-register'/>",
    };
    char features[512];

    for (size_t i = 0; i < sizeof withheld / sizeof *withheld; i++) {
        strcpy(features, "<stream:features>");
        strcat(strcat(features, withheld[i]), "</stream:features>");
        assert_true(after_sasl(features, FEATURES(SM)));
    }
    assert_true(after_sasl(FEATURES("<x xmlns='urn:xmpp:smx'/><y xmlns='urn:xmpp:sm'/>"),
                           FEATURES("<x xmlns='urn:xmpp:smx'/><y xmlns='urn:xmpp:sm'/>" SM)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_server_offers_is_read),
        cmocka_unit_test(channel_binding_is_found),
        cmocka_unit_test(starttls_stands_alone),
        cmocka_unit_test(prosody_before_sasl),
        cmocka_unit_test(ejabberd_before_sasl),
        cmocka_unit_test(jabberd2_before_sasl),
        cmocka_unit_test(what_is_not_offered_does_not_work),
        cmocka_unit_test(a_list_without_mechanisms_is_left_out),
        cmocka_unit_test(what_belongs_to_the_mechanisms_stays_with_them),
        cmocka_unit_test(prosody_after_sasl),
        cmocka_unit_test(jabberd2_after_sasl),
        cmocka_unit_test(what_would_go_round_holdfast_is_withheld),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
