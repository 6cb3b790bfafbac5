/* SPDX-License-Identifier: MIT */
/*
 * The PROXY header, as a balancer sends it: read at every length at which it may have
 * arrived, it is not whole, until one answer is given; that answer stays the same
 * whatever comes behind it. What is written of an address reads as that address.
 *
 * Input: the bytes of a connection; for what is written, two addresses and ports.
 */
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "parser/proxy_header.h"

struct answer {
    enum proxy_header_verdict verdict;
    size_t used;
    struct sockaddr_storage source;
};

static struct answer ask(struct span in)
{
    struct span copy = fuzz_copy(in);
    struct answer a = {.used = 4711};

    a.verdict = proxy_header_read(copy, &a.used, &a.source);
    fuzz_drop(copy);
    return a;
}

static void judge(const struct answer *a, size_t len)
{
    bool whole = a->verdict == PROXY_HEADER_FINE || a->verdict == PROXY_HEADER_LOCAL;
    sa_family_t family = a->source.ss_family;

    HOLDS(a->used <= len && a->used <= PROXY_HEADER_MAX, "%zu of %zu", a->used, len);
    HOLDS(whole == (a->used > 0), "verdict %d, used %zu", a->verdict, a->used);
    HOLDS(a->verdict != PROXY_HEADER_MORE || len < PROXY_HEADER_MAX, "wants more than %zu", len);
    if (a->verdict == PROXY_HEADER_FINE)
        HOLDS(family == AF_INET || family == AF_INET6, "family %d", family);
    else
        HOLDS(!family, "an address, and verdict %d", a->verdict);
}

static void compare(const struct answer *a, const struct answer *b, size_t len)
{
    HOLDS(a->verdict == b->verdict && a->used == b->used, "%d, %zu used, at %zu; then %d, %zu used",
          a->verdict, a->used, len, b->verdict, b->used);
    HOLDS(!memcmp(&a->source, &b->source, sizeof a->source), "another address at %zu", len);
}

static void read_as_it_arrives(struct span in)
{
    struct answer whole = ask(in), last = {.verdict = PROXY_HEADER_MORE};

    judge(&whole, in.len);
    for (size_t len = 0; len <= in.len && len <= PROXY_HEADER_MAX + 1; len++) {
        struct answer now = ask((struct span){in.p, len});

        judge(&now, len);
        if (last.verdict != PROXY_HEADER_MORE)
            compare(&last, &now, len);
        last = now;
    }
    compare(&last, &whole, in.len);
}

static struct sockaddr_storage take_address(struct span *in, bool six)
{
    struct sockaddr_storage s = {0};
    struct span address = fuzz_bytes(in, six ? 16 : 4);
    in_port_t port = htons((uint16_t)fuzz_number(in));

    if (six) {
        struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = port};

        memcpy(&to.sin6_addr, address.p, address.len);
        memcpy(&s, &to, sizeof to);
    } else {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = port};

        memcpy(&to.sin_addr, address.p, address.len);
        memcpy(&s, &to, sizeof to);
    }
    return s;
}

static void write_and_read(struct span in)
{
    uint8_t how = fuzz_byte(&in);
    struct sockaddr_storage from = take_address(&in, how & 1), to = take_address(&in, how & 2);
    char bytes[PROXY_HEADER_MAX];
    struct sink k = SINK(bytes);
    struct answer a;

    proxy_header_write(&k, how & 4 ? 2 : 1, (struct sockaddr *)&from, (struct sockaddr *)&to);
    HOLDS(!k.full, "longer than %d", PROXY_HEADER_MAX);
    a = ask(sink_span(&k));
    HOLDS(a.used == k.len, "%zu of %zu", a.used, k.len);
    if (from.ss_family != to.ss_family)
        HOLDS(a.verdict == PROXY_HEADER_LOCAL, "%d", a.verdict);
    else
        HOLDS(a.verdict == PROXY_HEADER_FINE && !memcmp(&a.source, &from, sizeof from),
              "verdict %d, or another address", a.verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};

    read_as_it_arrives(in);
    write_and_read(in);
    return 0;
}
