/* SPDX-License-Identifier: MIT */
/*
 * Counts and truths as XEP-0198 writes them, against a reading that shares no code
 * with span.c: the only texts of a number are the one that is printed of it and that
 * with zeros in front, up to ten digits.
 *
 * Input: the text. As a number, its first four bytes are one to be printed and read.
 */
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>

static bool printed_with_zeros(struct span s, uint32_t value)
{
    char text[16];
    int len = (int)s.len;

    return len >= 1 && len <= 10 && snprintf(text, sizeof text, "%0*" PRIu32, len, value) == len &&
           !memcmp(text, s.p, s.len);
}

static void read_count(struct span s)
{
    uint32_t value = 4711;

    if (span_uint32(s, &value)) {
        HOLDS(printed_with_zeros(s, value), "%.*s read as %" PRIu32, (int)s.len, s.p, value);
        return;
    }
    HOLDS(value == 4711, "changed by what is no count");
    if (s.len && s.len < sizeof "4294967295") {
        char text[16] = {0}, *end;
        uintmax_t other;

        memcpy(text, s.p, s.len);
        other = strtoumax(text, &end, 10);
        HOLDS(other > UINT32_MAX || !printed_with_zeros(s, (uint32_t)other), "%s refused", text);
    }
}

static void print_and_read(uint32_t value)
{
    char text[16];
    uint32_t again = ~value;
    int len = snprintf(text, sizeof text, "%" PRIu32, value);
    struct span copy = fuzz_copy((struct span){text, (size_t)len});

    HOLDS(span_uint32(copy, &again) && again == value, "%s", text);
    fuzz_drop(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size}, copy = fuzz_copy(in);
    static const char *const truths[] = {"true", "1"};
    bool is = false;

    read_count(copy);
    for (size_t i = 0; i < 2; i++)
        is = is || (size == strlen(truths[i]) && !memcmp(data, truths[i], size));
    HOLDS(span_boolean(copy) == is, "%.*s", (int)size, in.p);
    fuzz_drop(copy);
    print_and_read(fuzz_number(&in));
    return 0;
}
