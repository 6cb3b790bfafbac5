/* SPDX-License-Identifier: MIT */
/* What is said of an item: kind, type, payload, flags, values, and the two places for edits. */
#include "parser/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/guard.h"

static struct xml *parser;

static int open_parser(void **)
{
    return xml_new(&parser);
}

static int close_parser(void **)
{
    xml_free(parser);
    return 0;
}

static struct item read_below(const char *prefixes, const char *raw)
{
    struct context above = {.prefixes = span_of(prefixes)};
    struct item item;

    assert_int_equal(xml_next(parser, &above, guard_copy(span_of(raw)), &item), XML_FINE);
    return item;
}

static struct item read(const char *raw)
{
    return read_below(NULL, raw);
}

static bool has(const char *raw, enum item_flag flag)
{
    return read(raw).flags & flag;
}

static void a_kind_is_a_name_in_its_namespace(void **)
{
    static const struct {
        const char *raw;
        enum item_kind kind;
    } rows[] = {
        {"<message/>", ITEM_MESSAGE},
        {"<presence/>", ITEM_PRESENCE},
        {"<iq/>", ITEM_IQ},
        {"<message xmlns='jabber:client'/>", ITEM_MESSAGE},
        {"<c:message xmlns:c='jabber:client'/>", ITEM_MESSAGE},
        {"<message xmlns='jabber:server'/>", ITEM_OTHER},
        {"<message xmlns=''/>", ITEM_OTHER},
        {"<messages/>", ITEM_OTHER},
        {"<Message/>", ITEM_OTHER},
        {"<enable xmlns='urn:xmpp:sm:3'/>", ITEM_SM_ENABLE},
        {"<resume xmlns='urn:xmpp:sm:3'/>", ITEM_SM_RESUME},
        {"<r xmlns='urn:xmpp:sm:3'/>", ITEM_SM_R},
        {"<a xmlns='urn:xmpp:sm:3'/>", ITEM_SM_A},
        {"<enable xmlns='urn:xmpp:sm:2'/>", ITEM_SM_ENABLE},
        {"<resume xmlns='urn:xmpp:sm:2'/>", ITEM_SM_RESUME},
        {"<r xmlns='urn:xmpp:sm:2'/>", ITEM_SM_R},
        {"<a xmlns='urn:xmpp:sm:2'/>", ITEM_SM_A},
        {"<enabled xmlns='urn:xmpp:sm:3'/>", ITEM_SM_OTHER},
        {"<x:failed xmlns:x='urn:xmpp:sm:2'/>", ITEM_SM_OTHER},
        {"<enable xmlns='http://www.xmpp.org/extensions/xep-0198.html#ns'/>", ITEM_SM_OTHER},
        {"<enable/>", ITEM_OTHER},
        {"<resume h='1' previd=''/>", ITEM_OTHER},
        {"<resume xmlns='' h='1' previd=''/>", ITEM_OTHER},
        {"<r xmlns='urn:xmpp:sm:4'/>", ITEM_OTHER},
        {"<r xmlns='urn:xmpp:sm:33'/>", ITEM_OTHER},
        {"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", ITEM_STARTTLS},
        {"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", ITEM_PROCEED},
        {"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", ITEM_TLS_FAILURE},
        {"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ITEM_AUTH},
        {"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ITEM_CHALLENGE},
        {"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ITEM_RESPONSE},
        {"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ITEM_SUCCESS},
        {"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ITEM_FAILURE},
        {"<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ITEM_ABORT},
        {"<auth/>", ITEM_OTHER},
        {"<stream:features/>", ITEM_FEATURES},
        {"<features xmlns='http://etherx.jabber.org/streams'/>", ITEM_FEATURES},
        {"<stream:error/>", ITEM_STREAM_ERROR},
        {"<stream:stream></stream:stream>", ITEM_STREAM},
        {"<stream:message/>", ITEM_OTHER},
        {"<active xmlns='urn:xmpp:csi:0'/>", ITEM_CSI_ACTIVE},
        {"<inactive xmlns='urn:xmpp:csi:0'/>", ITEM_CSI_INACTIVE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (read(rows[i].raw).kind != rows[i].kind)
            fail_msg("%s", rows[i].raw);
    assert_int_equal(read_below(" xmlns:s='urn:xmpp:sm:3'", "<s:r/>").kind, ITEM_SM_R);
}

static void a_stanza_has_a_type_or_none(void **)
{
    static const char *const words[] = {
        [TYPE_NORMAL] = "normal",     [TYPE_CHAT] = "chat",     [TYPE_GROUPCHAT] = "groupchat",
        [TYPE_HEADLINE] = "headline", [TYPE_ERROR] = "error",   [TYPE_GET] = "get",
        [TYPE_SET] = "set",           [TYPE_RESULT] = "result", [TYPE_UNAVAILABLE] = "unavailable",
        [TYPE_OTHER] = "subscribe",
    };

    for (enum item_type t = TYPE_NORMAL; t <= TYPE_OTHER; t++) {
        char raw[64];

        snprintf(raw, sizeof raw, "<presence type='%s'/>", words[t]);
        assert_int_equal(read(raw).type, t);
    }
    assert_int_equal(read("<message/>").type, TYPE_NONE);
    assert_int_equal(read("<message type=''/>").type, TYPE_OTHER);
    assert_int_equal(read("<message type='Chat'/>").type, TYPE_OTHER);
    assert_int_equal(read("<message xmlns:a='b' a:type='chat'/>").type, TYPE_NONE);
    assert_int_equal(read("<message><x type='chat'/></message>").type, TYPE_NONE);
    assert_int_equal(read("<a type='chat'/>").type, TYPE_NONE);
}

static void a_stanzas_addresses_and_id_are_read_decoded(void **)
{
    struct item item =
        read("<iq to='a&amp;b@c' id=\"&lt;1&#x27;\xC3\xA9\" from='d'><x id='2' to='3'/></iq>");

    assert_true(span_is(item.to, "a&b@c"));
    assert_true(span_is(item.id, "<1'\xC3\xA9"));
    assert_true(span_is(item.from, "d"));
}

static void what_is_absent_is_not_empty(void **)
{
    struct item item = read("<iq id=''/>");

    assert_non_null(item.id.p);
    assert_int_equal(item.id.len, 0);
    assert_null(item.to.p);
    assert_null(item.from.p);
    item = read("<iq xmlns:a='b' a:id='c' a:to='d' a:from='e'/>");
    assert_null(item.id.p);
    assert_null(item.to.p);
    assert_null(item.from.p);
    assert_null(item.h.p);
    assert_null(item.needs.p);
}

static void only_a_stanza_has_an_id_and_only_sm_has_an_h(void **)
{
    struct item item = read("<resume xmlns='urn:xmpp:sm:3' h='5' previd='a&quot;b' id='c' from='d' "
                            "max='6' resume='1'/>");

    assert_true(span_is(item.h, "5"));
    assert_true(span_is(item.previd, "a\"b"));
    assert_true(span_is(item.max, "6"));
    assert_true(span_is(item.resume, "1"));
    assert_null(item.id.p);
    assert_null(item.from.p);
    item = read("<message h='5' previd='6' max='7' resume='8'/>");
    assert_null(item.h.p);
    assert_null(item.previd.p);
    assert_null(item.max.p);
    assert_null(item.resume.p);
    assert_null(read("<resume h='5'/>").h.p);
}

static void a_value_has_a_bound(void **)
{
    for (int len = XML_VALUE_MAX; len <= XML_VALUE_MAX + 1; len++) {
        char raw[4 * XML_VALUE_MAX];
        struct item item;
        enum xml_verdict expected = len > XML_VALUE_MAX ? XML_TOO_BIG : XML_FINE;

        snprintf(raw, sizeof raw, "<iq id='%0*d' from='%0*d' to='%0*d'/>", XML_VALUE_MAX, 1,
                 XML_VALUE_MAX, 2, len, 3);
        assert_int_equal(xml_next(parser, NULL, span_of(raw), &item), expected);
        if (expected == XML_FINE) {
            assert_int_equal(item.to.len, len);
            assert_int_equal(item.to.p[len - 1], '3');
            assert_int_equal(item.id.p[XML_VALUE_MAX - 1], '1');
            assert_int_equal(xml_next(parser, NULL, span_of(raw), &item), expected);
        }
        snprintf(raw, sizeof raw, "<iq other='%0*d'/>", XML_VALUE_MAX + 1, 1);
        assert_int_equal(xml_next(parser, NULL, span_of(raw), &item), XML_FINE);
    }
}

static void only_the_start_tag_tells_of_default_namespace_and_language(void **)
{
    assert_true(has("<message xmlns='jabber:client'/>", ITEM_XMLNS));
    assert_true(has("<a xmlns=''/>", ITEM_XMLNS));
    assert_false(has("<message><body xmlns='jabber:client'/></message>", ITEM_XMLNS));
    assert_false(has("<message xmlns:a='b' a:xmlns='c'/>", ITEM_XMLNS));
    assert_true(has("<message xml:lang='en'/>", ITEM_LANG));
    assert_true(has("<message xml:lang=''/>", ITEM_LANG));
    assert_true(has("<a xmlns='b' xml:lang='en'/>", ITEM_LANG));
    assert_false(has("<message lang='en'><body xml:lang='en'/></message>", ITEM_LANG));
    assert_false(has("<message/>", ITEM_XMLNS));
}

static void sm2_is_told_from_sm3(void **)
{
    assert_true(has("<r xmlns='urn:xmpp:sm:2'/>", ITEM_SM2));
    assert_true(has("<what xmlns='urn:xmpp:sm:2'/>", ITEM_SM2));
    assert_false(has("<r xmlns='urn:xmpp:sm:3'/>", ITEM_SM2));
    assert_false(has("<message><r xmlns='urn:xmpp:sm:2'/></message>", ITEM_SM2));
}

static void a_delay_counts_as_a_direct_child_only(void **)
{
    assert_true(
        has("<message><body/><delay xmlns='urn:xmpp:delay' stamp='x'/></message>", ITEM_DELAYED));
    assert_true(has("<message xmlns:d='urn:xmpp:delay'><d:delay/><body/></message>", ITEM_DELAYED));
    assert_false(has("<message><delay/></message>", ITEM_DELAYED));
    assert_false(has("<message><x xmlns='jabber:x:delay'/></message>", ITEM_DELAYED));
    assert_false(has("<message><forwarded><delay xmlns='urn:xmpp:delay'/></forwarded></message>",
                     ITEM_DELAYED));
    assert_false(has("<delay xmlns='urn:xmpp:delay'/>", ITEM_DELAYED));
}

static void chat_states_and_the_like_are_no_content(void **)
{
    static const char *const empty[] = {
        "<message/>",
        "<message>text</message>",
        "<message><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
        "<message><request xmlns='urn:xmpp:receipts'/></message>",
        "<message><markable xmlns='urn:xmpp:chat-markers:0'/></message>",
        "<message><sent xmlns='urn:xmpp:carbons:2'><forwarded/></sent></message>",
        "<message><result xmlns='urn:xmpp:mam:2' id='1'/></message>",
        "<message><no-store xmlns='urn:xmpp:hints'/><thread>x</thread></message>",
        "<message><origin-id xmlns='urn:xmpp:sid:0'/><stanza-id xmlns='urn:xmpp:sid:0'/></message>",
        "<message><delay xmlns='urn:xmpp:delay'/></message>",
        "<message><no-copy xmlns='urn:xmpp:hints'><body xmlns='x'/></no-copy></message>",
        "<iq><body/></iq>",
        "<presence><status/></presence>",
        "<a><body/></a>",
    };
    static const char *const full[] = {
        "<message><body/></message>",
        "<message><subject/></message>",
        "<message><x xmlns='y'/></message>",
        "<message><received xmlns='urn:xmpp:receipts' id='1'/></message>",
        "<message><displayed xmlns='urn:xmpp:chat-markers:0' id='1'/></message>",
        "<message><active xmlns='http://jabber.org/protocol/chatstates'/><body/></message>",
        "<message><body/><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
        "<message><threads/></message>",
        "<message><thread xmlns='x'/></message>",
        "<message><requests xmlns='urn:xmpp:receipts'/></message>",
        "<message><composing/></message>",
        "<message><store xmlns='urn:xmpp:hints2'/></message>",
    };

    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if (has(empty[i], ITEM_CONTENT))
            fail_msg("%s", empty[i]);
    for (size_t i = 0; i < sizeof full / sizeof *full; i++)
        if (!has(full[i], ITEM_CONTENT))
            fail_msg("%s", full[i]);
}

static void an_iq_has_a_payload(void **)
{
    static const struct {
        const char *raw;
        enum item_payload payload;
    } rows[] = {
        {"<iq/>", PAYLOAD_NONE},
        {"<iq>text</iq>", PAYLOAD_NONE},
        {"<iq><ping xmlns='urn:xmpp:ping'/></iq>", PAYLOAD_PING},
        {"<iq>\n<ping xmlns='urn:xmpp:ping'></ping>\n</iq>", PAYLOAD_PING},
        {"<iq><ping/></iq>", PAYLOAD_OTHER},
        {"<iq><ping xmlns='urn:xmpp:ping'/><x/></iq>", PAYLOAD_OTHER},
        {"<iq><x/><ping xmlns='urn:xmpp:ping'/></iq>", PAYLOAD_OTHER},
        {"<iq><ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/></iq>", PAYLOAD_OTHER},
        {"<iq><ping xmlns='urn:xmpp:ping'><x/></ping></iq>", PAYLOAD_OTHER},
        {"<iq><x><ping xmlns='urn:xmpp:ping'/></x></iq>", PAYLOAD_OTHER},
        {"<iq><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>",
         PAYLOAD_BIND},
        {"<iq><unbind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", PAYLOAD_BIND},
        {"<iq><x/><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", PAYLOAD_BIND},
        {"<iq><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><x/></iq>", PAYLOAD_BIND},
        {"<iq><ping xmlns='urn:xmpp:ping'/><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
         PAYLOAD_BIND},
        {"<iq><x><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></x></iq>", PAYLOAD_OTHER},
        {"<iq><bind/></iq>", PAYLOAD_OTHER},
        {"<iq><query xmlns='jabber:iq:auth'/></iq>", PAYLOAD_AUTH},
        {"<iq><query xmlns='jabber:iq:auth'/><query xmlns='jabber:iq:register'/></iq>",
         PAYLOAD_AUTH},
        {"<iq><query xmlns='jabber:iq:register'/><query xmlns='jabber:iq:auth'/></iq>",
         PAYLOAD_AUTH},
        {"<iq><query xmlns='jabber:iq:auth'/><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
         PAYLOAD_BIND},
        {"<iq><query xmlns='jabber:iq:register'/></iq>", PAYLOAD_REGISTER},
        {"<iq><query xmlns='jabber:iq:roster'/></iq>", PAYLOAD_OTHER},
        {"<message><ping xmlns='urn:xmpp:ping'/></message>", PAYLOAD_OTHER},
        {"<message/>", PAYLOAD_OTHER},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (read(rows[i].raw).payload != rows[i].payload)
            fail_msg("%s", rows[i].raw);
}

/* The places are written into the item as | and ^. */
static void places(const char *marked)
{
    char raw[256];
    size_t len = 0, name_end = 0, content_end = 0;
    struct item item;

    for (const char *p = marked; *p; p++) {
        if (*p == '|')
            name_end = len;
        else if (*p == '^')
            content_end = len;
        else
            raw[len++] = *p;
    }
    raw[len] = 0;
    item = read(raw);
    assert_int_equal(item.name_end, name_end);
    assert_int_equal(item.content_end, content_end);
}

static void the_places_for_edits_are_found(void **)
{
    places("<a|^/>");
    places("<a| ^/>");
    places("<message|>^</message>");
    places("<message| a='b'>text^</message>");
}

static void the_places_are_found_among_signs(void **)
{
    places("<a|\tb='>'>^</a\n>");
    places("<a|\nb='&lt;/a>'><b/><![CDATA[</a>]]>^</a>");
    places("<a|\r b='c/>'^/>");
    places("<x:a| xmlns:x='y'><x:a></x:a>^</x:a >");
    places("<\xC3\xA9|>\xC3\xA9^</\xC3\xA9>");
    places("<a|>/>^</a>");
}

static void the_places_are_right_in_items_of_many_pieces(void **)
{
    static char raw[64 * 1024];

    for (int len = 1; len < 30000; len += 997) {
        size_t end = (size_t)sprintf(raw, "<message a='%0*d'><body>%0*d", len, 1, len, 2);
        struct item item;

        strcpy(raw + end, "</body></message >");
        item = read(raw);
        assert_int_equal(item.name_end, 8);
        assert_int_equal(item.content_end, end + 7);
    }
}

static void borrowed_prefixes_are_told(void **)
{
    static const char above[] = " xmlns:a='1' xmlns:ab=\"2'\" xmlns:c='x=&apos;3'";

    assert_false(read_below(above, "<message><x xmlns:a='z'><a:y/></x></message>").flags &
                 ITEM_BORROWS);
    assert_false(read_below(above, "<message/>").needs.p);
    assert_true(read_below(above, "<message><a:y/></message>").flags & ITEM_BORROWS);
    assert_true(span_is(read_below(above, "<message><a:y/></message>").needs, above));
    assert_true(span_is(read_below(above, "<message c:d='' xmlns:e='f'/>").needs, above));
}

static void what_the_start_tag_declares_is_not_borrowed(void **)
{
    static const char above[] = " xmlns:a='1' xmlns:ab=\"2'\" xmlns:c='x=&apos;3'";

    assert_true(span_is(read_below(above, "<m xmlns:a='9'><c:x/></m>").needs,
                        " xmlns:ab=\"2'\" xmlns:c='x=&apos;3'"));
    assert_true(span_is(read_below(above, "<m xmlns:ab='9'><c:x/></m>").needs,
                        " xmlns:a='1' xmlns:c='x=&apos;3'"));
    assert_true(span_is(read_below(above, "<m xmlns:c='9' xmlns:a='8'><ab:x/></m>").needs,
                        " xmlns:ab=\"2'\""));
    assert_true(
        span_is(read_below(above, "<m xmlns:d='9'><x xmlns:ab='8'/><c:x/></m>").needs, above));
}

static void a_declaration_is_known_by_its_whole_prefix(void **)
{
    assert_true(span_is(
        read_below(" xmlns:ab='1' xmlns:a='2' xmlns:c='3'", "<m xmlns:a='9'><c:x/></m>").needs,
        " xmlns:ab='1' xmlns:c='3'"));
    assert_true(span_is(read_below(" xmlns:a='2' xmlns:c='3'", "<m xmlns:ab='9'><c:x/></m>").needs,
                        " xmlns:a='2' xmlns:c='3'"));
}

static void a_borrower_is_read_as_any_other_item(void **)
{
    struct item item =
        read_below(" xmlns:a='b'", "<message xmlns='jabber:client' id='1'><a:x/></message>");

    assert_int_equal(item.kind, ITEM_MESSAGE);
    assert_int_equal(item.flags, ITEM_XMLNS | ITEM_BORROWS | ITEM_CONTENT);
    assert_true(span_is(item.id, "1"));
    assert_int_equal(item.name_end, 8);
    item = read("<message><body/></message>");
    assert_int_equal(item.flags, ITEM_CONTENT);
    assert_null(item.needs.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kind_is_a_name_in_its_namespace),
        cmocka_unit_test(a_stanza_has_a_type_or_none),
        cmocka_unit_test(a_stanzas_addresses_and_id_are_read_decoded),
        cmocka_unit_test(what_is_absent_is_not_empty),
        cmocka_unit_test(only_a_stanza_has_an_id_and_only_sm_has_an_h),
        cmocka_unit_test(a_value_has_a_bound),
        cmocka_unit_test(only_the_start_tag_tells_of_default_namespace_and_language),
        cmocka_unit_test(sm2_is_told_from_sm3),
        cmocka_unit_test(a_delay_counts_as_a_direct_child_only),
        cmocka_unit_test(chat_states_and_the_like_are_no_content),
        cmocka_unit_test(an_iq_has_a_payload),
        cmocka_unit_test(the_places_for_edits_are_found),
        cmocka_unit_test(the_places_are_found_among_signs),
        cmocka_unit_test(the_places_are_right_in_items_of_many_pieces),
        cmocka_unit_test(borrowed_prefixes_are_told),
        cmocka_unit_test(what_the_start_tag_declares_is_not_borrowed),
        cmocka_unit_test(a_declaration_is_known_by_its_whole_prefix),
        cmocka_unit_test(a_borrower_is_read_as_any_other_item),
    };

    return cmocka_run_group_tests(tests, open_parser, close_parser);
}
