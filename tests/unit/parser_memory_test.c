/* SPDX-License-Identifier: MIT */
/*
 * Memory runs out at each allocation in turn, expat's and libidn's among them. Whatever
 * the parser is asked then, it says that there was no memory, or gives what it gives
 * with memory; asked again when there is some, it gives that.
 */
#include "parser/xml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "parser/features.h"
#include "parser/header.h"
#include "parser/jid.h"
#include "parser/sasl.h"
#include "parser/stanza.h"
#include "tests/support/allocation.h"

enum { TOLD_MAX = 1 << 20, ATTRIBUTES = 80, WORDS = 300, DEPTH = 60, ALLOCATIONS_MAX = 5000 };

/* Asks for something, and tells all that it was answered. False: there was no memory. */
typedef bool question(struct xml *x, struct sink *told);

static void tell(struct sink *told, const char *name, struct span value)
{
    sink_attribute(told, name, value);
}

static void tell_number(struct sink *told, const char *name, size_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%zu", number);
    tell(told, name, span_of(text));
}

/* --- every allocation in turn --- */

static char first_memory[TOLD_MAX], memory[TOLD_MAX];

static void ask_again(question *ask, struct xml *x, struct span expected)
{
    struct sink told = SINK(memory);

    assert_true(ask(x, &told) && !told.full);
    assert_true(span_eq(sink_span(&told), expected));
}

/* False: the question was answered before the nth allocation. */
static bool fails_at(unsigned nth, enum allocation_lack lack, bool warm, question *ask,
                     struct span expected)
{
    size_t blocks = allocation_blocks();
    struct sink told = SINK(memory);
    struct xml *x;

    assert_int_equal(xml_new(&x), 0);
    if (warm)
        ask_again(ask, x, expected);

    allocation_fail(nth, lack);
    bool answered = ask(x, &told);
    bool failed = allocation_relent();

    assert_true(answered || failed);
    if (answered)
        assert_true(span_eq(sink_span(&told), expected));
    ask_again(ask, x, expected);
    xml_free(x);
    assert_int_equal(allocation_blocks(), blocks);
    return failed;
}

/* Gives how many allocations there were at first. */
static unsigned fail_each(question *ask)
{
    struct sink told = SINK(first_memory);
    struct xml *x;
    unsigned most = 0;

    assert_int_equal(xml_new(&x), 0);
    assert_true(ask(x, &told) && !told.full);
    xml_free(x);
    for (int turn = 0; turn < 4; turn++) {
        enum allocation_lack lack = turn & 1 ? ALLOCATION_REST : ALLOCATION_ONE;
        unsigned n = 1;

        for (; fails_at(n, lack, turn & 2, ask, sink_span(&told)); n += allocation_stride())
            assert_true(n < ALLOCATIONS_MAX);
        most = n - 1 > most ? n - 1 : most;
    }
    return most;
}

static void a_parser_without_memory_is_none(void **)
{
    struct xml *x = NULL;

    allocation_fail(1, ALLOCATION_ONE);
    assert_int_equal(xml_new(&x), -ENOMEM);
    assert_true(allocation_relent());
    assert_null(x);
    xml_free(x);
}

/* --- items --- */

static const struct context borrowed = {
    .lang = {"de", 2},
    .prefixes = {" xmlns:b='urn:b' xmlns:c='urn:c'", 32},
};

/* A message of many names, namespaces and levels, with a start tag longer than expat is fed at
 * once. */
static struct span large_message(void)
{
    static char text[20000];
    static struct sink k;
    char name[64];

    if (k.len)
        return sink_span(&k);
    k = SINK(text);
    sink_puts(&k, "<message id='large' to='bob@example.org'");
    for (int i = 0; i < ATTRIBUTES; i++) {
        snprintf(name, sizeof name, "attribute-number-%d", i);
        sink_attribute(&k, name, SPAN_LIT("the value of an attribute"));
    }
    sink_puts(&k, "><body>");
    for (int i = 0; i < WORDS; i++)
        sink_puts(&k, "words &amp; ");
    sink_puts(&k, "</body>");
    for (int i = 0; i < DEPTH; i++) {
        snprintf(name, sizeof name, "<p%d:e%d xmlns:p%d='urn:example:%d' p%d:a='b'>", i, i, i, i,
                 i);
        sink_puts(&k, name);
    }
    for (int i = DEPTH; i-- > 0;) {
        snprintf(name, sizeof name, "</p%d:e%d>", i, i);
        sink_puts(&k, name);
    }
    sink_puts(&k, "</message>");
    assert_false(k.full);
    return sink_span(&k);
}

static bool judge_one(struct xml *x, struct span raw, struct sink *told)
{
    struct item item;
    enum xml_verdict v = xml_next(x, &borrowed, raw, &item);

    if (v == XML_NO_MEMORY)
        return false;
    assert_int_equal(v, XML_FINE);
    tell_number(told, "kind", item.kind);
    tell_number(told, "type", item.type);
    tell_number(told, "payload", item.payload);
    tell_number(told, "flags", item.flags);
    tell_number(told, "name", item.name_end);
    tell_number(told, "content", item.content_end);
    tell(told, "id", item.id);
    tell(told, "from", item.from);
    tell(told, "to", item.to);
    tell(told, "h", item.h);
    tell(told, "needs", item.needs);
    stanza_carry(told, raw, &item, &borrowed, &(struct context){0}, NULL);
    return true;
}

static const char *const small_items[] = {
    "<message id='1' to='b@c' from='d@e/f'><body/><delay xmlns='urn:xmpp:delay'/></message>",
    "<presence><show>away</show><priority>5</priority></presence>",
    "<iq type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq type='set' id='3'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    "<r xmlns='urn:xmpp:sm:3'/>",
    "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>",
    "<resume xmlns='urn:xmpp:sm:2' h='7' previd='some-id'/>",
    "<inactive xmlns='urn:xmpp:csi:0'/>",
    "<x:other xmlns:x='urn:other' x:y='z'/>",
};

static bool ask_small_items(struct xml *x, struct sink *told)
{
    for (size_t i = 0; i < sizeof small_items / sizeof *small_items; i++)
        if (!judge_one(x, span_of(small_items[i]), told))
            return false;
    return true;
}

static bool ask_large_item(struct xml *x, struct sink *told)
{
    return judge_one(x, large_message(), told) && judge_one(x, SPAN_LIT("<presence/>"), told);
}

/* It is judged twice, each time by an expat of its own. */
static bool ask_borrower(struct xml *x, struct sink *told)
{
    return judge_one(x, SPAN_LIT("<message><b:x c:y='z'/><body>hello</body></message>"), told) &&
           judge_one(x, SPAN_LIT("<presence/>"), told);
}

static void items_are_judged_or_there_is_no_memory(void **)
{
    assert_true(fail_each(ask_small_items) > 10);
    assert_true(fail_each(ask_large_item) > 50);
    assert_true(fail_each(ask_borrower) > 20);
}

static void a_parser_that_knows_the_names_allocates_nothing_for_a_stanza(void **)
{
    struct sink told = SINK(memory);
    struct xml *x;

    assert_int_equal(xml_new(&x), 0);
    assert_true(ask_small_items(x, &told));
    allocation_fail(1, ALLOCATION_REST);
    for (int i = 0; i < 20; i++) {
        told.len = 0;
        assert_true(ask_small_items(x, &told));
    }
    assert_false(allocation_relent());
    xml_free(x);
}

/* What is to be refused is refused, if for nothing else, then for want of memory. */
static bool ask_forbidden(struct xml *x, struct sink *)
{
    static const struct {
        const char *raw;
        enum xml_verdict verdict;
    } rows[] = {
        {"<message><!-- --></message>", XML_RESTRICTED},
        {"<message><?a b?></message>", XML_RESTRICTED},
        {"<message>&entity;</message>", XML_RESTRICTED},
        {"<message><d:e/></message>", XML_BAD_PREFIX},
        {"<message><a></b></message>", XML_NOT_WELL_FORMED},
        {"<message a='1' a='2'/>", XML_NOT_WELL_FORMED},
        {"<message/><message/>", XML_NOT_WELL_FORMED},
    };
    struct item item;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum xml_verdict v = xml_next(x, &borrowed, span_of(rows[i].raw), &item);

        if (v == XML_NO_MEMORY)
            return false;
        assert_int_equal(v, rows[i].verdict);
    }
    return true;
}

static void nothing_is_fine_because_memory_is_short(void **)
{
    assert_true(fail_each(ask_forbidden) > 20);
}

/* --- trees and headers --- */

static bool ask_tree(struct xml *x, struct sink *told)
{
    static const char raw[] =
        "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
        "<mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism></mechanisms>"
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><other xmlns='urn:other' b:c='d'/>"
        "<register xmlns='http://jabber.org/features/iq-register'/></stream:features>";
    const struct element *e;
    enum xml_verdict v = xml_tree(x, &borrowed, SPAN_LIT(raw), &e);

    if (v == XML_NO_MEMORY)
        return false;
    assert_int_equal(v, XML_FINE);

    struct features f = features_read(e);

    assert_true(f.mechanisms && f.channel_binding && f.bind && f.iq_register);
    element_write(told, e, SPAN_LIT(NS_CLIENT));
    features_write_before_sasl(told, e);
    features_write_after_sasl(told, e);
    return true;
}

static bool ask_large_tree(struct xml *x, struct sink *told)
{
    const struct element *e;
    enum xml_verdict v = xml_tree(x, NULL, large_message(), &e);

    if (v == XML_NO_MEMORY)
        return false;
    assert_int_equal(v, XML_FINE);
    element_write(told, e, SPAN_NONE);
    return true;
}

static bool ask_header(struct xml *x, struct sink *told)
{
    static const char raw[] =
        "<?xml version='1.0' encoding='utf-8'?><stream:stream xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams' xmlns:b='urn:b' xmlns:c='urn:c&amp;' "
        "to='example.org' from='alice@example.org' xml:lang='de' version='1.0'>";
    struct header header;
    enum xml_verdict v = header_read(x, SPAN_LIT(raw), &header);

    if (v == XML_NO_MEMORY)
        return false;
    assert_int_equal(v, XML_FINE);
    header_write(told, &header);
    return judge_one(x, SPAN_LIT("<presence/>"), told);
}

static void trees_and_headers_are_read_or_there_is_no_memory(void **)
{
    assert_true(fail_each(ask_tree) > 10);
    assert_true(fail_each(ask_large_tree) > 10);
    assert_true(fail_each(ask_header) > 10);
}

/* --- names, which libidn prepares --- */

static bool ask_jid(struct xml *, struct sink *told)
{
    static const char *const jids[] = {
        "\u00c0lice@b\u00fccher.example/R\u00e9ssource",
        "\u212bngstr\u00f6m@\u00e9xample.org",
        "plain@example.org/desk",
    };

    for (size_t i = 0; i < sizeof jids / sizeof *jids; i++) {
        if (!jid_normal(told, span_of(jids[i]), false) ||
            !jid_same(span_of(jids[i]), span_of(jids[i]), true))
            return false;
    }
    return true;
}

static void a_jid_is_prepared_or_not_at_all(void **)
{
    assert_true(fail_each(ask_jid) > 10);
}

struct exchange {
    const char *mechanism;
    struct span message; /* base64 */
};

/* Who authenticates is the same one as with memory, or nobody. */
static bool ask_sasl(struct xml *, struct sink *told)
{
    static const struct span domain = {"b\u00fccher.example", 15};
    static const struct exchange rows[] = {
        /* àlice NUL Àlice NUL secret */
        {"PLAIN", SPAN_LIT("w6BsaWNlAMOAbGljZQBzZWNyZXQ=")},
        /* n,a=àlice,n=Àlice,r=nonce */
        {"SCRAM-SHA-1", SPAN_LIT("bixhPcOgbGljZSxuPcOAbGljZSxyPW5vbmNl")},
        /* charset=utf-8,username="Àlice",realm="Bücher.example",nonce="n" */
        {"DIGEST-MD5", SPAN_LIT("Y2hhcnNldD11dGYtOCx1c2VybmFtZT0iw4BsaWNlIixyZWFsbT0iQsO8Y2hlci5"
                                "leGFtcGxlIixub25jZT0ibiI=")},
    };
    bool all = true;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct attribute a = {.name = SPAN_LIT("mechanism"), .value = span_of(rows[i].mechanism)};
        struct element e = {.name = SPAN_LIT("auth"), .attributes = &a, .text = rows[i].message};
        struct sasl s;
        enum sasl_seen seen = sasl_auth(&s, &e, domain);

        all = all && seen == SASL_ACCOUNT;
        assert_int_equal(seen == SASL_ACCOUNT, sasl_account(&s).len > 0);
        assert_true(seen != SASL_ACCOUNT || span_is(sasl_account(&s), "\u00e0lice"));
        tell(told, "account", sasl_account(&s));
    }
    return all;
}

/* XEP-0078. */
static bool ask_iq_auth(struct xml *x, struct sink *told)
{
    static const char raw[] = "<iq type='set'><query xmlns='jabber:iq:auth'>"
                              "<username>\u00c0lice</username><resource>desk</resource>"
                              "</query></iq>";
    const struct element *e;
    struct span resource;
    struct sasl s;
    enum xml_verdict v = xml_tree(x, NULL, SPAN_LIT(raw), &e);

    if (v == XML_NO_MEMORY)
        return false;
    assert_int_equal(v, XML_FINE);
    if (!sasl_iq_auth(&s, e, &resource))
        return false;
    assert_true(span_is(resource, "desk"));
    tell(told, "account", sasl_account(&s));
    return true;
}

static void an_account_is_seen_or_it_is_not(void **)
{
    assert_true(fail_each(ask_sasl) > 10);
    assert_true(fail_each(ask_iq_auth) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parser_without_memory_is_none),
        cmocka_unit_test(items_are_judged_or_there_is_no_memory),
        cmocka_unit_test(a_parser_that_knows_the_names_allocates_nothing_for_a_stanza),
        cmocka_unit_test(nothing_is_fine_because_memory_is_short),
        cmocka_unit_test(trees_and_headers_are_read_or_there_is_no_memory),
        cmocka_unit_test(a_jid_is_prepared_or_not_at_all),
        cmocka_unit_test(an_account_is_seen_or_it_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
