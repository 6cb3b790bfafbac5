/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer's bytes are taken from the front, so that what it appends to an input
 * changes only what comes last.
 */
#include "tests/fuzz/fuzz.h"

struct span fuzz_bytes(struct span *in, size_t len)
{
    struct span head = {in->p, len < in->len ? len : in->len};

    *in = (struct span){in->p + head.len, in->len - head.len};
    return head;
}

uint8_t fuzz_byte(struct span *in)
{
    struct span one = fuzz_bytes(in, 1);

    return one.len ? (uint8_t)one.p[0] : 0;
}

uint32_t fuzz_number(struct span *in)
{
    uint32_t n = 0;

    for (int i = 0; i < 4; i++)
        n = n << 8 | fuzz_byte(in);
    return n;
}

struct span fuzz_until(struct span *in, char mark)
{
    const char *at = in->len ? memchr(in->p, mark, in->len) : NULL;
    struct span head = fuzz_bytes(in, at ? (size_t)(at - in->p) : in->len);

    (void)fuzz_bytes(in, 1);
    return head;
}

struct span fuzz_copy(struct span s)
{
    char *p;

    if (!s.p)
        return s;
    p = malloc(s.len ? s.len : 1);
    HOLDS(p, "no memory for %zu bytes", s.len);
    if (!s.len) /* nothing of it may be read: it begins at its allocation's end */
        return (struct span){p + 1, 0};
    memcpy(p, s.p, s.len);
    return (struct span){p, s.len};
}

void fuzz_drop(struct span s)
{
    free(s.len || !s.p ? (char *)s.p : (char *)s.p - 1);
}
