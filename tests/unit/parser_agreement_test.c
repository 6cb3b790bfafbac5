/* SPDX-License-Identifier: MIT */
/*
 * The framer finds and the parser judges: both together must find in a stream the
 * items that one expat finds which reads it as a whole, in bytes that are awkward
 * and in bytes that chance has changed.
 */
#include "parser/framer.h"
#include "parser/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <expat.h>

#include "tests/support/guard.h"

#define ROOT "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

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

/* What a reader of the whole stream thinks: where the elements end that it accepts one after
 * another. */
struct oracle {
    XML_Parser expat;
    struct span in;
    int depth;
    size_t ends[64], count;
};

static size_t oracle_at(const struct oracle *o)
{
    return (size_t)XML_GetCurrentByteIndex(o->expat) - (sizeof ROOT - 1);
}

static void oracle_start(void *user, const char *, const char **)
{
    ((struct oracle *)user)->depth++;
}

static void oracle_end(void *user, const char *)
{
    struct oracle *o = user;

    if (--o->depth == 1)
        o->ends[o->count++] = oracle_at(o) + (size_t)XML_GetCurrentByteCount(o->expat);
}

static void oracle_forbid(void *user, const char *)
{
    XML_StopParser(((struct oracle *)user)->expat, XML_FALSE);
}

static void oracle_instruction(void *user, const char *, const char *)
{
    oracle_forbid(user, NULL);
}

/* Between items only white space that is written as it is. */
static void oracle_text(void *user, const char *s, int len)
{
    struct oracle *o = user;

    for (int i = 0; i < len && o->depth == 1; i++)
        if (!memchr(" \t\r\n", s[i], 4) || o->in.p[oracle_at(o)] == '&')
            oracle_forbid(o, NULL);
}

static void oracle_cdata(void *user)
{
    if (((struct oracle *)user)->depth == 1)
        oracle_forbid(user, NULL);
}

static struct oracle ask_oracle(struct span in)
{
    struct oracle o = {.expat = XML_ParserCreateNS("UTF-8", '\x1f'), .in = in};

    assert_non_null(o.expat);
    XML_SetUserData(o.expat, &o);
    XML_SetElementHandler(o.expat, oracle_start, oracle_end);
    XML_SetCommentHandler(o.expat, oracle_forbid);
    XML_SetProcessingInstructionHandler(o.expat, oracle_instruction);
    XML_SetCharacterDataHandler(o.expat, oracle_text);
    XML_SetStartCdataSectionHandler(o.expat, oracle_cdata);
    assert_int_equal(XML_Parse(o.expat, ROOT, sizeof ROOT - 1, 0), XML_STATUS_OK);
    (void)!XML_Parse(o.expat, in.p, (int)in.len, 0);
    XML_ParserFree(o.expat);
    return o;
}

/* The same by our means: the framer gets `step` bytes at a time. */
static size_t find_items(struct span in, size_t step, size_t ends[64])
{
    struct framer f;
    size_t used, begin = 0, count = 0;

    framer_init(&f);
    assert_int_equal(framer_next(&f, SPAN_LIT(ROOT), &used), FRAMED_HEADER);
    for (size_t at = 0; at < in.len;) {
        size_t len = in.len - at < step ? in.len - at : step;
        enum framed found = framer_next(&f, guard_copy((struct span){in.p + at, len}), &used);
        struct item item;

        at += used;
        if (found == FRAMED_MORE)
            continue;
        if (found == FRAMED_ELEMENT) {
            struct span raw = guard_copy((struct span){in.p + begin, at - begin});

            if (xml_next(parser, NULL, raw, &item) != XML_FINE)
                return count;
            assert_true(item.name_end < raw.len && item.content_end < raw.len);
            assert_true(item.name_end <= item.content_end);
            ends[count++] = at;
        } else if (found != FRAMED_SPACE) {
            return count;
        }
        begin = at;
    }
    return count;
}

static void compare(struct span in, size_t step)
{
    struct oracle o = ask_oracle(in);
    size_t ends[64], count = find_items(in, step, ends);

    if (count != o.count || memcmp(ends, o.ends, count * sizeof *ends))
        fail_msg("step %zu: %zu items, not %zu: %.*s", step, count, o.count, (int)in.len, in.p);
}

static const char *const corpus[] = {
    "<message from='a@b/c' to=\"d@e/f\" id='1' type='chat'><body>Hi &lt;there&gt; "
    "&#x1F600;</body></message>",
    "<iq type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq> <presence/>\n<r "
    "xmlns='urn:xmpp:sm:3'/>",
    "<a b='/>' c=\"</a>\">> ]] ></a><d/><e></e >",
    "<a><![CDATA[</a> ]] ]>]]]]></a><![CDATA[x]]>",
    "<a><![CDATA[<!--]]><b c='<'/></a>",
    "<x:y xmlns:x='z' x:q='1'><x:w/></x:y><x:y/>",
    "<a>b</a>c<d/>",
    "<a/>&#32;<b/>",
    "<a/><!-- c --><b/>",
    "<a><!-- </a> --></a>",
    "<a><?p </a> ?></a>",
    "<a b='c\"d' e=\"f'g\"/><h i = 'j'\n/>",
    "<a b=\"c>d\"e='f'/>",
    "<a></stream:stream>",
    "</stream:stream><a/>",
    "<a/></a>",
    "<a / >",
    "<a/ >",
    "<a b'c>d'/>",
    "<a></a b='>'>",
    "<a b='c'/d/>",
    "<a b=c/>",
    "<a>\xC3\xA9<\xC3\xA9/></a>",
    "<a>\xC3</a>",
    "<a/>\xEF\xBB\xBF<b/>",
    "<a>]]></a>",
    "<a b=']]>'/>",
    "<a xmlns='b'><c xmlns=''/></a><stream:features><d/></stream:features>",
    "<a/><![CDATA[ ]]><b/>",
    "<a/><stream:stream>",
    "<a><b><c/></b></a></stream:stream>",
    "<a><![CDATA[x]]</a>]]></a>",
    "<a\t/><b\r></b\r>",
};

static void framer_and_parser_find_what_one_reader_finds(void **)
{
    for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++)
        for (size_t step = 1; step < 200; step = step < 5 ? step + 1 : step * 3)
            compare(span_of(corpus[i]), step);
}

static uint64_t seed;

static size_t random_below(size_t n)
{
    seed ^= seed << 13; /* xorshift64 */
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed >> 11) % n;
}

/* Puts in, takes out, or copies a few bytes. */
static void mutate(char *bytes, size_t *len)
{
    static const char *const bits[] = {
        "<",  ">",      "/",         "'",  "\"",   "=",   "!",         "[",    "]",   "-",    "?",
        "&",  " ",      ":",         ";",  "<!--", "-->", "<![CDATA[", "]]>",  "<a",  "</a>", "/>",
        "='", " b='c'", "xmlns:x='", "x:", "&lt;", "<?",  "\xC3",      "\xFF", "<!D",
    };
    size_t at = random_below(*len + 1), gone = random_below(3) ? 0 : random_below(6);
    const char *bit = bits[random_below(sizeof bits / sizeof *bits)];
    size_t bit_len = strlen(bit);

    if (gone > *len - at)
        gone = *len - at;
    memmove(bytes + at + bit_len, bytes + at + gone, *len - at - gone);
    memcpy(bytes + at, bit, bit_len);
    *len = *len - gone + bit_len;
}

static void so_they_do_in_bytes_that_chance_has_changed(void **)
{
    seed = 0x9E3779B97F4A7C15;
    for (int i = 0; i < 20000; i++) {
        const char *one = corpus[random_below(sizeof corpus / sizeof *corpus)];
        const char *two = corpus[random_below(sizeof corpus / sizeof *corpus)];
        char bytes[512];
        size_t len = (size_t)sprintf(bytes, "%s%s", one, two);

        for (size_t n = 1 + random_below(4); n; n--)
            mutate(bytes, &len);
        compare((struct span){bytes, len}, i % 2 ? sizeof bytes : 1 + random_below(16));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framer_and_parser_find_what_one_reader_finds),
        cmocka_unit_test(so_they_do_in_bytes_that_chance_has_changed),
    };

    return cmocka_run_group_tests(tests, open_parser, close_parser);
}
