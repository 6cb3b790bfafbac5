/* SPDX-License-Identifier: MIT */
/* The test vectors of SipHash's authors, and that every bit of key and text matters. */
#include "sm/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/guard.h"

static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

/* Of the first `len` bytes of 0, 1, 2 … */
static uint64_t of_first(size_t len)
{
    char bytes[64];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)i;
    return siphash(key, guard_copy((struct span){bytes, len}).p, len);
}

static void the_values_are_those_of_its_authors(void **)
{
    assert_true(of_first(0) == 0x726fdb47dd0e0e31);
    assert_true(of_first(1) == 0x74f839c593dc67fd);
    assert_true(of_first(8) == 0x93f5f5799a932462);
    assert_true(of_first(15) == 0xa129ca6149be45e5);
    assert_true(of_first(63) == 0x958a324ceb064572);
}

static void another_key_gives_another_value(void **)
{
    uint64_t other[2] = {key[0], key[1] ^ UINT64_C(1) << 63};

    assert_true(siphash(other, "alice", 5) != siphash(key, "alice", 5));
    assert_true(siphash(key, "alice", 5) == siphash(key, "alice", 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_values_are_those_of_its_authors),
        cmocka_unit_test(another_key_gives_another_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
