/* SPDX-License-Identifier: MIT */
/* Messages come in any number of frames, and of pieces; readers go round; our headers are short. */
#include "tests/support/websocket_rig.h"

#include "tests/support/allocation.h"

/* --- messages --- */

static void a_message_in_one_frame_is_text(void **)
{
    put_text(WS_OP_TEXT, "<open/>");
    wire_says("<<open/>>");
    put_text(WS_OP_TEXT, "one");
    put_text(WS_OP_TEXT, "two");
    wire_says("<one><two>");
}

static void the_example_of_the_rfc_is_read(void **)
{
    put("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    wire_says("<Hello>");
}

static void fragments_make_a_message(void **)
{
    put_text(WS_OP_TEXT | NO_FIN, "on");
    put_text(0 | NO_FIN, "e");
    put_text(0, " message");
    put_text(WS_OP_TEXT, "two");
    wire_says("<one message><two>");
}

static void empty_frames_count_as_frames(void **)
{
    put_text(WS_OP_TEXT, "");
    wire_says("<>");
    put_text(WS_OP_TEXT | NO_FIN, "");
    put_text(0 | NO_FIN, "");
    put_text(0 | NO_FIN, "a");
    put_text(0 | NO_FIN, "");
    put_text(0, "");
    put_text(WS_OP_TEXT, "b");
    wire_says("<a><b>");
}

static void each_form_of_a_length_is_read(void **)
{
    static const size_t lens[] = {125, 126, 4095, 4096, 4097, 65535, 65536, MESSAGE_MAX};
    static char payload[MESSAGE_MAX], what[MESSAGE_MAX + 16];

    memset(payload, 'x', sizeof payload);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        put_frame(WS_OP_TEXT, (struct span){payload, lens[i]});
        put_text(WS_OP_PING, "");
        snprintf(what, sizeof what, "<%.*s>ping()", (int)lens[i], payload);
        wire_says_at_length(what);
    }
}

static void pings_come_between_fragments(void **)
{
    static char payload[WS_CONTROL_MAX + 1];
    char what[256];

    memset(payload, 'p', WS_CONTROL_MAX);
    put_text(WS_OP_PING, "first");
    put_text(WS_OP_TEXT | NO_FIN, "on");
    put_text(WS_OP_PING, payload);
    put_text(WS_OP_PONG, "");
    put_text(0, "e");
    snprintf(what, sizeof what, "ping(first)<onping(%s)pong()e>", payload);
    wire_says(what);
}

static void a_message_that_stops_is_told_as_far_as_it_came(void **)
{
    put_text(WS_OP_TEXT | NO_FIN, "on");
    wire_says("<on");
    put_text(WS_OP_TEXT, "one");
    wire.len--;
    wire_says("<on");
}

/* The sum is of one message, control frames are not in it, and the next one begins at nothing. */
static void a_message_is_as_long_as_it_may_be(void **)
{
    static char payload[MESSAGE_MAX];
    static char what[3 * MESSAGE_MAX];

    memset(payload, 'x', sizeof payload);
    put_frame(WS_OP_TEXT | NO_FIN, (struct span){payload, MESSAGE_MAX - 2});
    put_text(WS_OP_PING, "abc");
    put_text(0, "xx");
    put_frame(WS_OP_TEXT, (struct span){payload, MESSAGE_MAX});
    snprintf(what, sizeof what, "<%.*sping(abc)xx><%.*s>", MESSAGE_MAX - 2, payload, MESSAGE_MAX,
             payload);
    wire_says_at_length(what);
}

/* A limit that was lowered meanwhile is passed already. */
static void a_limit_may_shrink_inside_a_message(void **)
{
    struct ws_frames f = {0};
    struct ws_reader *spare = NULL;
    struct span in;

    put_text(WS_OP_TEXT | NO_FIN, "abc");
    put_text(0, "");
    in = (struct span){wire.bytes, wire.len};
    assert_int_equal(ws_next(&f, &spare, &in, 3).found, WS_TEXT);
    assert_int_equal(f.message, 3);
    assert_int_equal(ws_next(&f, &spare, &in, 2).code, 1009);
    ws_clear(&f);
    ws_reader_free(spare);
    clear_wire();
}

/* --- readers --- */

static void a_reader_goes_from_one_connection_to_another(void **)
{
    struct ws_frames one = {0}, other = {0};
    struct ws_reader *spare = NULL, *first;
    struct span in;

    put_text(WS_OP_TEXT | NO_FIN, "abc");
    in = (struct span){wire.bytes, wire.len - 1};
    assert_int_equal(ws_next(&one, &spare, &in, 99).found, WS_TEXT);
    assert_int_equal(ws_next(&one, &spare, &in, 99).found, WS_MORE);
    assert_non_null(one.reader); /* inside a frame it stays */
    assert_null(spare);
    first = one.reader;

    in = (struct span){wire.bytes + wire.len - 1, 1};
    assert_int_equal(ws_next(&one, &spare, &in, 99).found, WS_TEXT);
    assert_ptr_equal(one.reader, first); /* the piece lies in it */
    assert_int_equal(ws_next(&one, &spare, &in, 99).found, WS_MORE);
    assert_null(one.reader); /* inside a message, but between frames */
    assert_true(one.fragmented);
    assert_ptr_equal(spare, first);

    in = (struct span){wire.bytes, 1};
    assert_int_equal(ws_next(&other, &spare, &in, 99).found, WS_MORE);
    assert_ptr_equal(other.reader, first);
    assert_null(spare);
    clear_wire();
    put_text(0, "d");
    in = (struct span){wire.bytes, wire.len};
    assert_int_equal(ws_next(&one, &spare, &in, 99).found, WS_TEXT);
    assert_int_equal(ws_next(&one, &spare, &in, 99).found, WS_MORE);
    assert_non_null(spare);
    ws_clear(&other);
    ws_reader_free(spare);
    clear_wire();
}

static void a_reader_too_many_is_freed(void **)
{
    size_t blocks = allocation_blocks();
    struct ws_frames f[2] = {0};
    struct ws_reader *spare = NULL;
    struct span in;

    put_text(WS_OP_PING, "abc");
    for (int i = 0; i < 2; i++) {
        in = (struct span){wire.bytes, 3};
        assert_int_equal(ws_next(&f[i], &spare, &in, 99).found, WS_MORE);
    }
    for (int i = 0; i < 2; i++) {
        in = (struct span){wire.bytes + 3, wire.len - 3};
        assert_int_equal(ws_next(&f[i], &spare, &in, 99).found, WS_PING);
        assert_int_equal(ws_next(&f[i], &spare, &in, 99).found, WS_MORE);
        assert_null(f[i].reader);
        assert_non_null(spare);
    }
    ws_reader_free(spare);
    assert_int_equal(allocation_blocks(), blocks);
    clear_wire();
}

static void nothing_is_lost_where_memory_lacks(void **)
{
    size_t blocks = allocation_blocks();

    put_text(WS_OP_PING, "abc");
    for (unsigned nth = 1; nth <= 3; nth++) {
        struct ws_frames f = {0};
        struct ws_reader *spare = NULL;
        struct span in = {wire.bytes, wire.len};
        enum ws_found found;
        bool failed;

        allocation_fail(nth, ALLOCATION_ONE);
        found = ws_next(&f, &spare, &in, 99).found;
        failed = allocation_relent();
        assert_int_equal(failed, nth < 3);
        assert_int_equal(found, failed ? WS_NO_MEMORY : WS_PING);
        if (failed) {
            assert_int_equal(in.len, wire.len);
            assert_int_equal(ws_next(&f, &spare, &in, 99).found, WS_PING);
        }
        ws_clear(&f);
        ws_reader_free(spare);
        assert_int_equal(allocation_blocks(), blocks);
    }
    clear_wire();
}

static void nothing_needs_nothing(void **)
{
    size_t blocks = allocation_blocks();
    struct ws_frames f = {0};
    struct ws_reader *spare = NULL;
    struct span in = SPAN_NONE;

    assert_int_equal(ws_next(&f, &spare, &in, 99).found, WS_MORE);
    assert_int_equal(allocation_blocks(), blocks);
    ws_clear(&f);
    ws_clear(&f);
    ws_reader_free(NULL);
}

/* --- ours --- */

static void our_headers_are_as_short_as_can_be(void **)
{
    static const struct {
        uint64_t payload;
        struct span header;
    } rows[] = {
        {0, SPAN_LIT("\x81\x00")},
        {125, SPAN_LIT("\x81\x7d")},
        {126, SPAN_LIT("\x81\x7e\x00\x7e")},
        {65535, SPAN_LIT("\x81\x7e\xff\xff")},
        {65536, SPAN_LIT("\x81\x7f\0\0\0\0\0\x01\0\0")},
        {0x0102030405060708, SPAN_LIT("\x81\x7f\x01\x02\x03\x04\x05\x06\x07\x08")},
    };
    char out[WS_HEADER_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = ws_header(out, WS_OP_TEXT, rows[i].payload);

        assert_true(span_eq((struct span){out, len}, rows[i].header));
    }
    assert_int_equal(ws_header(out, WS_OP_CLOSE, 2), 2);
    assert_memory_equal(out, "\x88\x02", 2);
    assert_int_equal(ws_header(out, WS_OP_PING, 0), 2);
    assert_memory_equal(out, "\x89\x00", 2);
    assert_int_equal(ws_header(out, WS_OP_PONG, 125), 2);
    assert_memory_equal(out, "\x8a\x7d", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_in_one_frame_is_text),
        cmocka_unit_test(the_example_of_the_rfc_is_read),
        cmocka_unit_test(fragments_make_a_message),
        cmocka_unit_test(empty_frames_count_as_frames),
        cmocka_unit_test(each_form_of_a_length_is_read),
        cmocka_unit_test(pings_come_between_fragments),
        cmocka_unit_test(a_message_that_stops_is_told_as_far_as_it_came),
        cmocka_unit_test(a_message_is_as_long_as_it_may_be),
        cmocka_unit_test(a_limit_may_shrink_inside_a_message),
        cmocka_unit_test(a_reader_goes_from_one_connection_to_another),
        cmocka_unit_test(a_reader_too_many_is_freed),
        cmocka_unit_test(nothing_is_lost_where_memory_lacks),
        cmocka_unit_test(nothing_needs_nothing),
        cmocka_unit_test(our_headers_are_as_short_as_can_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
