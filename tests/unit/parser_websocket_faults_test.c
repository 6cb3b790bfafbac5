/* SPDX-License-Identifier: MIT */
/* What a client may not send is told by the code that RFC 6455 has for it, and nothing behind it is
 * read. */
#include "tests/support/websocket_rig.h"

/* --- faults --- */

static void a_frame_that_is_not_masked_is_bad(void **)
{
    put("\x81\x05", 2);
    wire_is_bad("", "1002:frame not masked");
    put_text(WS_OP_TEXT, "a");
    put("\x89\x00", 2);
    wire_is_bad("<a>", "1002:frame not masked");
}

static void reserved_bits_are_bad(void **)
{
    for (unsigned bit = 0x10; bit <= 0x40; bit <<= 1) {
        put_text(WS_OP_TEXT | bit, "a");
        wire_is_bad("", "1002:reserved bits are set");
        put_text(WS_OP_PING | bit, "");
        wire_is_bad("", "1002:reserved bits are set");
    }
}

static void unknown_opcodes_are_bad(void **)
{
    for (unsigned opcode = 3; opcode < 16; opcode++) {
        if (opcode >= WS_OP_CLOSE && opcode <= WS_OP_PONG)
            continue;
        put_text(opcode, "");
        wire_is_bad("", "1002:unknown opcode");
        put_text(WS_OP_TEXT | NO_FIN, "a");
        put_text(opcode, "b");
        wire_is_bad("<a", "1002:unknown opcode");
    }
}

static void binary_is_not_accepted(void **)
{
    put_text(2, "a");
    wire_is_bad("", "1003:binary message");
    put_text(2 | NO_FIN, "");
    wire_is_bad("", "1003:binary message");
}

static void a_continuation_wants_a_message(void **)
{
    put_text(0, "a");
    wire_is_bad("", "1002:continuation of no message");
    put_text(WS_OP_TEXT, "a");
    put_text(0 | NO_FIN, "b");
    wire_is_bad("<a>", "1002:continuation of no message");
    put_text(WS_OP_TEXT | NO_FIN, "a");
    put_text(0, "b");
    put_text(0, "c");
    wire_is_bad("<ab>", "1002:continuation of no message");
}

static void messages_are_not_interleaved(void **)
{
    put_text(WS_OP_TEXT | NO_FIN, "a");
    put_text(WS_OP_TEXT, "b");
    wire_is_bad("<a", "1002:new message inside a fragmented one");
    put_text(WS_OP_TEXT | NO_FIN, "");
    put_text(WS_OP_TEXT | NO_FIN, "b");
    wire_is_bad("<", "1002:new message inside a fragmented one");
    put_text(WS_OP_TEXT | NO_FIN, "a");
    put_text(2, "b");
    wire_is_bad("<a", "1002:new message inside a fragmented one");
}

#define FORM "1002:control frame long or fragmented, or length not minimal"

static void control_frames_are_short_and_whole(void **)
{
    static const unsigned opcodes[] = {WS_OP_CLOSE, WS_OP_PING, WS_OP_PONG};
    static const char payload[WS_CONTROL_MAX + 2];

    for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
        put_frame(opcodes[i], (struct span){payload, WS_CONTROL_MAX + 1});
        wire_is_bad("", FORM);
        put_text(opcodes[i] | NO_FIN, "");
        wire_is_bad("", FORM);
    }
}

static void lengths_are_written_as_short_as_can_be(void **)
{
    static const char payload[65536];

    put_frame_of(0x81, 2, (struct span){payload, 125});
    wire_is_bad("", FORM);
    put_frame_of(0x81, 2, (struct span){payload, 0});
    wire_is_bad("", FORM);
    put_frame_of(0x89, 2, (struct span){payload, 1});
    wire_is_bad("", FORM);
    put_frame_of(0x81, 8, (struct span){payload, 126});
    wire_is_bad("", FORM);
    put("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14);
    wire_is_bad("", FORM);
    put("\x81\xff\x80\0\0\0\0\x01\0\0\0\0\0\0", 14); /* the highest bit is set */
    wire_is_bad("", FORM);
}

static void a_message_too_long_is_bad_when_its_length_is_announced(void **)
{
    static const char payload[MESSAGE_MAX];

    put("\x81\xff\0\0\0\0\0\x01\x86\xa1\0\0\0\0", 14); /* MESSAGE_MAX + 1, and nothing of it */
    wire_is_bad("", "1009:message too long");
    put("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14);
    wire_is_bad("", "1009:message too long");
    put_text(WS_OP_TEXT | NO_FIN, "");
    put_text(0 | NO_FIN, "abc");
    put("\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14);
    wire_is_bad("<abc", "1009:message too long");

    put_frame(WS_OP_TEXT | NO_FIN, (struct span){payload, MESSAGE_MAX});
    put_text(0 | NO_FIN, "");
    put_text(0, "x");
    (void)read_cut(wire.len, 1);
    assert_int_equal(told.len, 1 + MESSAGE_MAX + strlen("bad(1009:message too long)"));
    assert_string_equal(told.text + 1 + MESSAGE_MAX, "bad(1009:message too long)");
    clear_wire();
}

/* --- closing --- */

static void put_close(unsigned code, const char *reason)
{
    char payload[128];

    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    memcpy(payload + 2, reason, strlen(reason));
    put_frame(WS_OP_CLOSE, (struct span){payload, 2 + strlen(reason)});
}

static void a_close_has_a_code_and_a_reason_or_not(void **)
{
    put_close(1000, "");
    wire_says("close(1000:)");
    put_close(1001, "going away \xe2\x82\xac");
    wire_says("close(1001:going away \xe2\x82\xac)");
    put_text(WS_OP_CLOSE, "");
    wire_says("close(1005:)");
    put_text(WS_OP_TEXT | NO_FIN, "a");
    put_close(1001, "");
    wire_says("<aclose(1001:)");
}

static void behind_a_close_nothing_is_said(void **)
{
    put_close(1000, "");
    put_text(WS_OP_TEXT, "a");
    put_text(3, "a");
    wire_says("close(1000:)");
}

static void codes_that_are_never_sent_are_bad(void **)
{
    for (unsigned code = 0; code < 65536; code++) {
        bool good = (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) ||
                    (code >= 3000 && code < 5000);
        char what[64];

        put_close(code, "");
        snprintf(what, sizeof what, "close(%u:)", code);
        assert_string_equal(read_cut(wire.len, 1),
                            good ? what : "bad(1002:Close with a code that may not be sent)");
        clear_wire();
    }
    put_close(1004, "");
    wire_is_bad("", "1002:Close with a code that may not be sent");
}

static void half_a_code_is_bad(void **)
{
    put_text(WS_OP_CLOSE, "\x03");
    wire_is_bad("", "1002:Close with half a code");
}

static void a_reason_is_utf8(void **)
{
    put_close(1000, "\xc3");
    wire_is_bad("", "1007:reason of a Close is not UTF-8");
    put_close(1000, "a\xed\xa0\x80");
    wire_is_bad("", "1007:reason of a Close is not UTF-8");
    put_close(1005, "\xc3"); /* the code is looked at first */
    wire_is_bad("", "1002:Close with a code that may not be sent");
}

/* Whether text is UTF-8 is for the one to say who reads the XML. */
static void text_is_passed_as_it_is(void **)
{
    put_text(WS_OP_TEXT, "\xc3\xff");
    wire_says("<\xc3\xff>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_that_is_not_masked_is_bad),
        cmocka_unit_test(reserved_bits_are_bad),
        cmocka_unit_test(unknown_opcodes_are_bad),
        cmocka_unit_test(binary_is_not_accepted),
        cmocka_unit_test(a_continuation_wants_a_message),
        cmocka_unit_test(messages_are_not_interleaved),
        cmocka_unit_test(control_frames_are_short_and_whole),
        cmocka_unit_test(lengths_are_written_as_short_as_can_be),
        cmocka_unit_test(a_message_too_long_is_bad_when_its_length_is_announced),
        cmocka_unit_test(a_close_has_a_code_and_a_reason_or_not),
        cmocka_unit_test(behind_a_close_nothing_is_said),
        cmocka_unit_test(codes_that_are_never_sent_are_bad),
        cmocka_unit_test(half_a_code_is_bad),
        cmocka_unit_test(a_reason_is_utf8),
        cmocka_unit_test(text_is_passed_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
