/* SPDX-License-Identifier: MIT */
/*
 * Frames to items, and back. However the frames come, and whether they are taken at once
 * or kept and taken up again after each item, the items are the same.
 */
#include "proxy/websocket.h"

#include <errno.h>

#include "tests/support/allocation.h"
#include "tests/support/websocket_rig.h"

enum { ITEM_MAX = 1000 };

/* A connection, and what the wire said to it, as a text. */
struct rig {
    struct websocket *w;
    struct inflow in;
    struct ws_reader *spare;
    char text[4096];
    bool over;
};

static void note(struct rig *r, const char *what, struct span item)
{
    size_t len = strlen(r->text);

    assert_true(len + item.len + 40 < sizeof r->text);
    snprintf(r->text + len, sizeof r->text - len, "%s%.*s|", what, (int)item.len,
             item.p ? item.p : "");
}

/* When a ping is answered is the caller's affair: here it is behind all that came. */
static void note_pong(struct rig *r)
{
    if (r->w->pong_due)
        note(r, "pong:", (struct span){r->w->pong, r->w->pong_len});
}

static void note_found(struct rig *r, enum inflow_found found, struct span item)
{
    char end[100];

    switch (found) {
    case INFLOW_ELEMENT:
        note(r, "", item);
        return;
    case INFLOW_SKIPPED:
        note(r, "skipped:", (struct span){item.p, 9});
        return;
    case INFLOW_ENDED:
        snprintf(end, sizeof end, "%s:%u", end_word(r->w->end), r->w->code);
        note(r, end, SPAN_NONE);
        break;
    case INFLOW_RESTRICTED:
        note(r, "restricted", SPAN_NONE);
        break;
    case INFLOW_BAD:
        note(r, "bad", SPAN_NONE);
        break;
    case INFLOW_NO_MEMORY:
        note(r, "no memory", SPAN_NONE);
        break;
    case INFLOW_TOO_LONG:
        note(r, "too long", SPAN_NONE);
        break;
    case INFLOW_MORE:
    case INFLOW_HEADER:
    case INFLOW_CLOSE:
        fail();
    }
    r->over = true;
}

static void begin(struct rig *r)
{
    *r = (struct rig){.w = NULL};
    assert_int_equal(websocket_new(&r->w), 0);
    websocket_request_done(r->w);
    inflow_init(&r->in, ITEM_MAX);
}

static void end(struct rig *r)
{
    websocket_free(r->w);
    inflow_clear(&r->in);
    ws_reader_free(r->spare);
}

/* Waiting: after each item the rest is kept, as it is while the server's answer is awaited. */
static void feed(struct rig *r, struct span fresh, bool waiting)
{
    enum inflow_found found = INFLOW_ELEMENT;

    while (found != INFLOW_MORE && !r->over) {
        struct span item = SPAN_NONE;

        found = websocket_next(r->w, &r->in, &r->spare, &fresh, &item);
        if (found != INFLOW_MORE)
            note_found(r, found, item);
        if (waiting && found == INFLOW_ELEMENT) {
            assert_true(websocket_hold(r->w, &r->in, fresh));
            fresh = SPAN_NONE;
        }
    }
    if (!r->over)
        assert_true(websocket_hold(r->w, &r->in, fresh));
}

static void assert_read(const char *expected, size_t first, size_t then, bool waiting)
{
    struct rig r;
    size_t len = first;

    begin(&r);
    for (size_t at = 0; at < wire.len && !r.over; at += len, len = then) {
        if (len > wire.len - at)
            len = wire.len - at;
        feed(&r, guard_copy((struct span){wire.bytes + at, len}), waiting);
    }
    note_pong(&r);
    if (!r.over)
        assert_int_equal(buffer_len(&r.w->held), 0);
    if (strcmp(r.text, expected))
        fail_msg("first %zu, then %zu, waiting %d:\n%s\nand not\n%s", first, then, waiting, r.text,
                 expected);
    end(&r);
}

/* The wire is empty then. */
static void items_are(const char *expected)
{
    for (int waiting = 0; waiting < 2; waiting++) {
        assert_read(expected, 1, 1, waiting);
        for (size_t first = 1; first <= wire.len; first++)
            assert_read(expected, first, wire.len, waiting);
    }
    clear_wire();
}

static void a_message_is_an_item(void **)
{
    put_text(WS_OP_TEXT, "<open xmlns='urn:x'/>");
    put_text(WS_OP_TEXT, "<a><b>1</b></a>");
    put_text(WS_OP_TEXT, "<stream:stream/>");
    items_are("<open xmlns='urn:x'/>|<a><b>1</b></a>|<stream:stream/>|");
}

static void fragments_are_one_item_and_pings_may_come_between(void **)
{
    put_text(WS_OP_TEXT | NO_FIN, "<a><");
    put_text(WS_OP_PING, "p");
    put_text(NO_FIN, "");
    put_text(NO_FIN, "b/></");
    put_text(WS_OP_PING, "q");
    put_text(WS_OP_PONG, "");
    put_text(0, "a>");
    put_text(WS_OP_TEXT, "<c/>");
    items_are("<a><b/></a>|<c/>|pong:q|");
}

static void a_declaration_and_white_space_are_no_part_of_the_item(void **)
{
    put_text(WS_OP_TEXT, "<?xml version='1.0'?><a x='>'/>");
    put_text(WS_OP_TEXT, "<?xml version='1.0'?>\n <a></a>\n");
    put_text(WS_OP_TEXT, "");
    put_text(WS_OP_TEXT, " \r\n\t");
    put_text(WS_OP_TEXT, "  <b/>  ");
    items_are("<a x='>'/>|<a></a>|<b/>|");
}

static void a_message_has_no_second_element(void **)
{
    put_text(WS_OP_TEXT, "<a/><b/>");
    items_are("<a/>|bad-format:0|");
    put_text(WS_OP_TEXT | NO_FIN, "<a/>");
    put_text(WS_OP_PING, "p");
    put_text(0, " <b/>");
    items_are("<a/>|bad-format:0|pong:p|");
}

static void an_element_ends_with_its_message(void **)
{
    put_text(WS_OP_TEXT, "<a/>");
    put_text(WS_OP_TEXT, "<a><b/>");
    put_text(WS_OP_TEXT, "</a>");
    items_are("<a/>|bad-format:0|");
    put_text(WS_OP_TEXT, "<");
    put_text(WS_OP_TEXT, "a/>");
    items_are("bad-format:0|");
    put_text(WS_OP_TEXT, "<?xml version='1.0'?>");
    put_text(WS_OP_TEXT, "<a/>");
    items_are("bad-format:0|");
    put_text(WS_OP_TEXT, "<stream:stream>");
    put_text(WS_OP_TEXT, "</stream:stream>");
    items_are("bad-format:0|");
}

static void what_no_element_begins_with_is_bad(void **)
{
    put_text(WS_OP_TEXT, "<a/>");
    put_text(WS_OP_TEXT, "</a>");
    items_are("<a/>|bad|");
    put_text(WS_OP_TEXT, "text");
    items_are("bad|");
    put_text(WS_OP_TEXT, "<!-- -->");
    items_are("restricted|");
}

static void a_close_is_an_end_with_its_code(void **)
{
    put_text(WS_OP_TEXT | NO_FIN, "<a>");
    put_frame(WS_OP_CLOSE, (struct span){"\x03\xe9", 2});
    put_text(WS_OP_TEXT, "<never/>");
    items_are("websocket-closed:1001|");
    put_text(WS_OP_TEXT, "<a/>");
    put_text(WS_OP_CLOSE, "");
    items_are("<a/>|websocket-closed:1005|");
}

static void a_fault_is_an_end_with_what_to_close_with(void **)
{
    put_text(WS_OP_TEXT, "<a/>");
    put_text(2, "<b/>");
    items_are("<a/>|websocket-fault:1003|");
    put_text(0, "<b/>");
    items_are("websocket-fault:1002|");
}

static void an_over_long_item_is_skipped_and_a_message_is_bounded(void **)
{
    static char long_body[20 * ITEM_MAX];
    char text[2 * ITEM_MAX + 100];

    memset(long_body, 'x', sizeof long_body);
    snprintf(text, sizeof text, "<message>%.*s</message>", 2 * ITEM_MAX, long_body);
    put_text(WS_OP_TEXT, text);
    put_text(WS_OP_TEXT, "<a/>");
    assert_read("skipped:<message>|<a/>|", wire.len, 1, false);
    assert_read("skipped:<message>|<a/>|", 1, 1, true);
    clear_wire();
    put_frame(WS_OP_TEXT, (struct span){long_body, 16 * ITEM_MAX + 1});
    assert_read("websocket-fault:1009|", wire.len, 1, false);
    assert_read("websocket-fault:1009|", 1, 1, true);
    clear_wire();
}

/* While there may be a password in it, nothing of it stays where the next connection's bytes come.
 */
static void a_secret_does_not_stay_in_the_reader(void **)
{
    struct rig r;
    struct span item, fresh;
    const char *lent;

    for (int secret = 0; secret < 2; secret++) {
        begin(&r);
        r.w->secret = secret;
        put_text(WS_OP_TEXT, "<auth>sesame</auth>");
        fresh = (struct span){wire.bytes, wire.len};
        assert_int_equal(websocket_next(r.w, &r.in, &r.spare, &fresh, &item), INFLOW_ELEMENT);
        assert_true(span_is(item, "<auth>sesame</auth>"));
        lent = item.p;
        assert_int_equal(websocket_next(r.w, &r.in, &r.spare, &fresh, &item), INFLOW_MORE);
        assert_int_equal(!memcmp(lent + 6, "sesame", 6), !secret);
        clear_wire();
        end(&r);
    }
}

/* The nth allocation fails. True if it did; what was read before is read all the same. */
static bool reading_fails_at(unsigned nth)
{
    struct rig r = {.over = false};
    size_t blocks = allocation_blocks();
    struct span fresh = {wire.bytes, wire.len}, item;
    enum inflow_found found = INFLOW_MORE;
    bool held = true;

    allocation_fail(nth, ALLOCATION_REST);
    int made = websocket_new(&r.w);

    inflow_init(&r.in, ITEM_MAX);
    if (!made) {
        found = websocket_next(r.w, &r.in, &r.spare, &fresh, &item);
        held = websocket_hold(r.w, &r.in, fresh);
        fresh = SPAN_NONE;
        while (held && (found == INFLOW_ELEMENT || found == INFLOW_SKIPPED))
            found = websocket_next(r.w, &r.in, &r.spare, &fresh, &item);
    }
    bool failed = allocation_relent();

    assert_true(failed ? made == -ENOMEM || !held || found == INFLOW_NO_MEMORY
                       : found == INFLOW_MORE);
    end(&r);
    assert_int_equal(allocation_blocks(), blocks);
    return failed;
}

static void without_memory_nothing_is_made_up(void **)
{
    unsigned nth = 1;

    put_text(WS_OP_TEXT, "<a/>");
    put_text(WS_OP_TEXT | NO_FIN, "<b><c>");
    put_text(0, "</c></b>");
    while (reading_fails_at(nth))
        nth++;
    assert_true(nth > 4);
    clear_wire();
}

/* --- texts to frames --- */

/* What was written, each frame's opcode and payload; nothing is masked. */
static void assert_written(struct buffer *b, const char *expected)
{
    struct span s = buffer_span(b);
    char text[4096] = "";
    size_t len = 0;

    while (s.len) {
        size_t payload = (unsigned char)s.p[1], head = 2;

        assert_true(((unsigned char)s.p[0] & 0xf0) == 0x80 && s.len >= 2 && payload < 127);
        if (payload == 126) {
            payload = (size_t)(unsigned char)s.p[2] << 8 | (unsigned char)s.p[3];
            head = 4;
        }
        assert_true(s.len >= head + payload && len + payload + 8 < sizeof text);
        len += (size_t)snprintf(text + len, sizeof text - len, "%d:%.*s|", s.p[0] & 15,
                                (int)payload, s.p + head);
        s = (struct span){s.p + head + payload, s.len - head - payload};
    }
    assert_string_equal(text, expected);
    buffer_clear(b);
}

#define IN_STREAMS " xmlns:stream='http://etherx.jabber.org/streams'"

static void each_element_that_is_said_gets_its_namespaces(void **)
{
    struct buffer b = {0};

    assert_true(websocket_say(
        &b, SPAN_LIT("<stream:features><a/></stream:features><iq type='result'/>"
                     "<r xmlns='urn:xmpp:sm:3'/><message><body xmlns='urn:x'/></message><a/>")));
    assert_written(&b, "1:<stream:features" IN_STREAMS "><a/></stream:features>|"
                       "1:<iq xmlns='jabber:client' type='result'/>|"
                       "1:<r xmlns='urn:xmpp:sm:3'/>|"
                       "1:<message xmlns='jabber:client'><body xmlns='urn:x'/></message>|"
                       "1:<a xmlns='jabber:client'/>|");
    assert_true(websocket_say(&b, SPAN_LIT("<iq id=\" xmlns='x'\" to='a> xmlns='/>")));
    assert_written(&b, "1:<iq xmlns='jabber:client' id=\" xmlns='x'\" to='a> xmlns='/>|");
    assert_true(websocket_say(&b, SPAN_LIT("<iq\tid='1' xmlns=\"jabber:client\" />")));
    assert_written(&b, "1:<iq\tid='1' xmlns=\"jabber:client\" />|");
    assert_true(websocket_say(&b, SPAN_NONE));
    assert_written(&b, "");
}

static void a_frame_is_whole_and_a_close_has_its_code_or_none(void **)
{
    struct buffer b = {0};
    char text[300];

    assert_true(websocket_frame(&b, WS_OP_PONG, SPAN_LIT("p")));
    assert_true(websocket_frame(&b, WS_OP_TEXT, SPAN_NONE));
    assert_written(&b, "10:p|1:|");
    memset(text, 'x', sizeof text);
    assert_true(websocket_frame(&b, WS_OP_TEXT, (struct span){text, sizeof text}));
    assert_int_equal(buffer_len(&b), 4 + sizeof text);
    buffer_clear(&b);
    assert_true(websocket_close(&b, 1001));
    assert_memory_equal(buffer_span(&b).p, "\x88\x02\x03\xe9", 4);
    buffer_clear(&b);
    assert_true(websocket_close(&b, WEBSOCKET_NO_CODE));
    assert_int_equal(buffer_len(&b), 2);
    assert_memory_equal(buffer_span(&b).p, "\x88\x00", 2);
    buffer_clear(&b);
}

static void without_memory_nothing_is_said(void **)
{
    struct buffer b = {0};
    bool said;

    allocation_fail(1, ALLOCATION_REST);
    said = websocket_say(&b, SPAN_LIT("<a/>")) || websocket_close(&b, 1000);
    allocation_relent();
    assert_false(said);
    assert_int_equal(buffer_len(&b), 0);
    buffer_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_an_item),
        cmocka_unit_test(fragments_are_one_item_and_pings_may_come_between),
        cmocka_unit_test(a_declaration_and_white_space_are_no_part_of_the_item),
        cmocka_unit_test(a_message_has_no_second_element),
        cmocka_unit_test(an_element_ends_with_its_message),
        cmocka_unit_test(what_no_element_begins_with_is_bad),
        cmocka_unit_test(a_close_is_an_end_with_its_code),
        cmocka_unit_test(a_fault_is_an_end_with_what_to_close_with),
        cmocka_unit_test(an_over_long_item_is_skipped_and_a_message_is_bounded),
        cmocka_unit_test(a_secret_does_not_stay_in_the_reader),
        cmocka_unit_test(without_memory_nothing_is_made_up),
        cmocka_unit_test(each_element_that_is_said_gets_its_namespaces),
        cmocka_unit_test(a_frame_is_whole_and_a_close_has_its_code_or_none),
        cmocka_unit_test(without_memory_nothing_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
