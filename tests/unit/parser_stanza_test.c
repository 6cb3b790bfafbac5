/* SPDX-License-Identifier: MIT */
/* A stanza is edited by insertions alone, and means below the new header what it meant below its
 * own. */
#include "parser/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/guard.h"

static struct xml *x;
static const struct context plain;

static int set_up(void **)
{
    return xml_new(&x);
}

static int tear_down(void **)
{
    xml_free(x);
    return 0;
}

static struct context below(const char *lang, const char *prefixes)
{
    return (struct context){span_of(lang), span_of(prefixes)};
}

static struct item item_of(struct span raw, const struct context *from)
{
    struct item item;

    assert_int_equal(xml_next(x, from, raw, &item), XML_FINE);
    return item;
}

/* What becomes of the stanza; valid until the next call. It has to be well-formed where it goes. */
static const char *carried(const char *stanza, const struct context *from, const struct context *to,
                           const struct stanza_edit *edit)
{
    static char out[4096];
    struct sink k = {.p = out, .max = sizeof out - 1};
    struct span raw = guard_copy(span_of(stanza));
    struct item item = item_of(raw, from);

    stanza_carry(&k, raw, &item, from, to, edit);
    assert_false(k.full);
    out[k.len] = '\0';
    assert_int_equal(item_of(guard_copy(sink_span(&k)), to).kind, item_of(raw, from).kind);
    return out;
}

static const struct stanza_edit delayed = {.delay_from = {"example.org", 11},
                                           .delay_ms = 1767323045678};
#define DELAY "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2026-01-02T03:04:05.678Z'/>"

#define CARRIED(stanza, from, to, edit, expected)                                                  \
    assert_string_equal(carried(stanza, from, to, edit), expected)

static void nothing_is_added_where_nothing_differs(void **)
{
    static const char *const stanzas[] = {
        "<message/>",
        "<presence  from=\"a@b\"\n />",
        "<iq type='get' id='1'><q xmlns='x'>&#13;</q></iq >",
        "<message xmlns='jabber:client' xml:lang='de'><body><![CDATA[<]]></body></message>",
    };
    struct context en = below("en", " xmlns:ack='urn:ack'"),
                   same = below("en", " xmlns:ack='urn:ack'");
    struct stanza_edit none = {0};

    for (size_t i = 0; i < 4; i++) {
        CARRIED(stanzas[i], &plain, &plain, NULL, stanzas[i]);
        CARRIED(stanzas[i], &en, &same, &none, stanzas[i]);
        assert_true(stanza_passes(item_of(span_of(stanzas[i]), &en).flags, &en, &same));
    }
}

static void an_inherited_language_is_written_out(void **)
{
    struct context en = below("en", NULL), de = below("de", NULL), empty = below("", NULL);
    struct context odd = below("e'n", NULL);

    assert_false(stanza_passes(0, &en, &plain));
    assert_false(stanza_passes(0, &plain, &en));
    assert_false(stanza_passes(0, &en, &de));
    assert_true(stanza_passes(0, &empty, &plain));
    assert_true(stanza_passes(ITEM_LANG, &en, &de));
    CARRIED("<message to='a'/>", &en, &plain, NULL, "<message xml:lang='en' to='a'/>");
    CARRIED("<message to='a'/>", &en, &de, NULL, "<message xml:lang='en' to='a'/>");
    CARRIED("<message/>", &plain, &de, NULL, "<message xml:lang=''/>");
    CARRIED("<message>x</message>", &empty, &de, NULL, "<message xml:lang=''>x</message>");
    CARRIED("<message/>", &odd, &plain, NULL, "<message xml:lang='e&apos;n'/>");
    CARRIED("<message xml:lang='fr'/>", &en, &de, NULL, "<message xml:lang='fr'/>");
    CARRIED("<message><body xml:lang='fr'/></message>", &en, &plain, NULL,
            "<message xml:lang='en'><body xml:lang='fr'/></message>");
}

static void a_borrowed_prefix_is_declared(void **)
{
    struct context has = below(NULL, " xmlns:ack='urn:ack'");
    struct context other = below(NULL, " xmlns:ack='urn:other'");

    CARRIED("<message><ack:x/></message>", &has, &plain, NULL,
            "<message xmlns:ack='urn:ack'><ack:x/></message>");
    CARRIED("<message><ack:x/></message>", &has, &other, NULL,
            "<message xmlns:ack='urn:ack'><ack:x/></message>");
    CARRIED("<message><ack:x/></message>", &has, &has, NULL, "<message><ack:x/></message>");
    CARRIED("<message><x xmlns='urn:ack'/></message>", &has, &plain, NULL,
            "<message><x xmlns='urn:ack'/></message>");
    CARRIED("<message ack:id='1'/>", &has, &plain, NULL,
            "<message xmlns:ack='urn:ack' ack:id='1'/>");
    CARRIED("<message ack:id='1' xmlns:ack='urn:own'/>", &has, &other, NULL,
            "<message ack:id='1' xmlns:ack='urn:own'/>");
    assert_false(stanza_passes(ITEM_BORROWS, &has, &plain));
    assert_false(stanza_passes(ITEM_BORROWS, &has, &other));
    assert_true(stanza_passes(ITEM_BORROWS, &has, &has));
    assert_true(stanza_passes(0, &has, &other));
}

/* The start tag must not declare a prefix twice: carried() finds that it is well-formed. */
static void what_the_stanza_declares_itself_is_not_declared_again(void **)
{
    struct context two = below(NULL, " xmlns:a='urn:a' xmlns:b='urn:b'");
    struct stanza_edit self = {.self_contained = true};

    CARRIED("<message xmlns:a='urn:own'><a:x/><b:x/></message>", &two, &plain, NULL,
            "<message xmlns:b='urn:b' xmlns:a='urn:own'><a:x/><b:x/></message>");
    CARRIED("<message><b:x xmlns:b='urn:own'/></message>", &two, &plain, &self,
            "<message xmlns='jabber:client'><b:x xmlns:b='urn:own'/></message>");
}

static void a_self_contained_stanza_says_its_namespace(void **)
{
    struct stanza_edit self = {.self_contained = true};
    struct context en = below("en", NULL);

    CARRIED("<message>x</message>", &plain, &plain, &self,
            "<message xmlns='jabber:client'>x</message>");
    CARRIED("<iq id='1' type='get'/>", &en, &plain, &self,
            "<iq xmlns='jabber:client' xml:lang='en' id='1' type='get'/>");
    CARRIED("<iq id='1' xmlns='jabber:client'/>", &plain, &plain, &self,
            "<iq id='1' xmlns='jabber:client'/>");
    CARRIED("<message><stream:x/></message>", &plain, &plain, &self,
            "<message xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
            "<stream:x/></message>");
    CARRIED("<message id=' xmlns:stream=' xmlns:stream='urn:own'><stream:x/></message>", &plain,
            &plain, &self,
            "<message xmlns='jabber:client' id=' xmlns:stream=' xmlns:stream='urn:own'>"
            "<stream:x/></message>");
}

static void a_delay_is_the_last_child(void **)
{
    CARRIED("<message><body>x</body></message>", &plain, &plain, &delayed,
            "<message><body>x</body>" DELAY "</message>");
    CARRIED("<message to='a'></message\n>", &plain, &plain, &delayed,
            "<message to='a'>" DELAY "</message\n>");
    CARRIED("<message type='groupchat'>x</message>", &plain, &plain, &delayed,
            "<message type='groupchat'>x" DELAY "</message>");
}

static void an_empty_message_is_opened_for_its_delay(void **)
{
    struct context en = below("en", NULL);

    CARRIED("<message/>", &plain, &plain, &delayed, "<message>" DELAY "</message>");
    CARRIED("<message to='a/>' />", &plain, &plain, &delayed,
            "<message to='a/>' >" DELAY "</message>");
    CARRIED("<message to='a'/>", &en, &plain, &delayed,
            "<message xml:lang='en' to='a'>" DELAY "</message>");
    CARRIED("<c:message xmlns:c='jabber:client' to='a'/>", &plain, &plain, &delayed,
            "<c:message xmlns:c='jabber:client' to='a'>" DELAY "</c:message>");
}

static void only_messages_that_have_none_get_a_delay(void **)
{
    static const char *const stanzas[] = {
        "<presence/>",
        "<iq type='get' id='1'/>",
        "<message type='error'><body/></message>",
        "<message><delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/></message>",
    };
    struct stanza_edit none = {.delay_ms = 1};

    for (size_t i = 0; i < 4; i++)
        CARRIED(stanzas[i], &plain, &plain, &delayed, stanzas[i]);
    CARRIED("<message/>", &plain, &plain, &none, "<message/>");
    CARRIED("<message><x xmlns='y'><delay xmlns='urn:xmpp:delay'/></x></message>", &plain, &plain,
            &delayed,
            "<message><x xmlns='y'><delay xmlns='urn:xmpp:delay'/></x>" DELAY "</message>");
}

static void a_carried_delay_is_seen_as_one(void **)
{
    const char *out = carried("<message><body/></message>", &plain, &plain, &delayed);
    char once[512];

    assert_true(item_of(span_of(out), &plain).flags & ITEM_DELAYED);
    snprintf(once, sizeof once, "%s", out);
    CARRIED(once, &plain, &plain, &delayed, once);
}

static bool stamp_is(uint64_t ms, const char *expected)
{
    struct stanza_edit edit = {.delay_from = SPAN_LIT("x"), .delay_ms = ms};
    const char *out = carried("<message/>", &plain, &plain, &edit);

    return !strncmp(strstr(out, "stamp='") + 7, expected, strlen(expected));
}

static void a_stamp_is_what_the_calendar_says(void **)
{
    char expected[32];

    assert_true(stamp_is(0, "1970-01-01T00:00:00.000Z'"));
    assert_true(stamp_is(951782400000, "2000-02-29T00:00:00.000Z'"));
    assert_true(stamp_is(951868799999, "2000-02-29T23:59:59.999Z'"));
    assert_true(stamp_is(4107542400000, "2100-03-01T00:00:00.000Z'"));
    assert_true(stamp_is(253402300799999, "9999-12-31T23:59:59.999Z'"));
    srand(1);
    for (int i = 0; i < 3000; i++) {
        time_t s = (time_t)(((uint64_t)rand() << 31 | (uint64_t)rand()) % 253402300800);
        struct tm tm;

        assert_true(
            strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.007Z'", gmtime_r(&s, &tm)));
        assert_true(stamp_is((uint64_t)s * 1000 + 7, expected));
    }
}

static void a_full_sink_is_known(void **)
{
    struct span raw = SPAN_LIT("<message><body>x</body></message>");
    struct item item = item_of(raw, &plain);
    char out[256];

    for (size_t max = 0; max < raw.len + strlen(DELAY); max++) {
        struct sink k = {.p = out, .max = max};

        stanza_carry(&k, raw, &item, &plain, &plain, &delayed);
        assert_true(k.full);
        assert_true(k.len <= max);
    }
}

static bool error_is(const char *stanza, struct span own, const char *expected)
{
    struct item item = item_of(guard_copy(span_of(stanza)), &plain);
    char out[1024];
    struct sink k = SINK(out);

    stanza_error(&k, &item, own, "cancel", "service-unavailable");
    return span_is(sink_span(&k), expected) && item_of(sink_span(&k), &plain).type == TYPE_ERROR;
}

#define UNAVAILABLE                                                                                \
    "<error type='cancel'><service-unavailable "                                                   \
    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

static void an_error_goes_back_where_its_stanza_came_from(void **)
{
    assert_true(
        error_is("<message id='1' from='a@x/r' to='b@x'><body/></message>", SPAN_LIT("me@x"),
                 "<message type='error' id='1' from='b@x' to='a@x/r'>" UNAVAILABLE "</message>"));
    assert_true(error_is("<iq type='get' id='&apos;&lt;' from='a'/>", SPAN_LIT("me@x"),
                         "<iq type='error' id='&apos;&lt;' from='me@x' to='a'>" UNAVAILABLE
                         "</iq>"));
    assert_true(
        error_is("<presence/>", SPAN_NONE, "<presence type='error'>" UNAVAILABLE "</presence>"));
}

static void a_name_ends_where_its_tag_goes_on(void **)
{
    static const struct {
        const char *text;
        size_t end;
    } tags[] = {{"<a/>", 2},
                {"<a>", 2},
                {"<message to='x'/>", 8},
                {"<message\nto=''>", 8},
                {"<c:iq\tid=''/>", 5},
                {"<presence\r/>", 9},
                {"<b", 2}};

    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        assert_int_equal(xml_name_end(guard_copy(span_of(tags[i].text))), tags[i].end);
}

static void a_result_answers_a_ping(void **)
{
    struct item item = item_of(SPAN_LIT("<iq type='get' id='p&amp;1' from='x' to='me@x/r'>"
                                        "<ping xmlns='urn:xmpp:ping'/></iq>"),
                               &plain);
    char out[256];
    struct sink k = SINK(out);

    stanza_result(&k, &item, SPAN_LIT("other"));
    assert_true(span_is(sink_span(&k), "<iq type='result' id='p&amp;1' from='me@x/r' to='x'/>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_added_where_nothing_differs),
        cmocka_unit_test(an_inherited_language_is_written_out),
        cmocka_unit_test(a_borrowed_prefix_is_declared),
        cmocka_unit_test(what_the_stanza_declares_itself_is_not_declared_again),
        cmocka_unit_test(a_self_contained_stanza_says_its_namespace),
        cmocka_unit_test(a_delay_is_the_last_child),
        cmocka_unit_test(an_empty_message_is_opened_for_its_delay),
        cmocka_unit_test(only_messages_that_have_none_get_a_delay),
        cmocka_unit_test(a_carried_delay_is_seen_as_one),
        cmocka_unit_test(a_stamp_is_what_the_calendar_says),
        cmocka_unit_test(a_full_sink_is_known),
        cmocka_unit_test(an_error_goes_back_where_its_stanza_came_from),
        cmocka_unit_test(a_result_answers_a_ping),
        cmocka_unit_test(a_name_ends_where_its_tag_goes_on),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
