/* SPDX-License-Identifier: MIT */
/*
 * Addresses: a JID that was prepared is prepared: it splits into the parts that it was
 * put together from, and preparing it again changes nothing. On that rests that an
 * account seen in SASL and the one that the server names are compared as text.
 *
 * Input: two JIDs with a line feed between them.
 */
#include "tests/fuzz/fuzz.h"

#include "parser/jid.h"

struct normal {
    char bytes[JID_MAX];
    struct sink k;
    bool fine;
};

static void prepare(struct normal *n, struct span jid, bool bare)
{
    n->k = SINK(n->bytes);
    n->fine = jid_normal(&n->k, jid, bare);
    HOLDS(!n->fine || (!n->k.full && n->k.len), "%zu bytes", n->k.len);
}

static void check_split(struct span jid)
{
    struct span l, d, r;
    size_t len;

    if (!jid_split(jid, &l, &d, &r))
        return;
    len = d.len + (l.p ? l.len + 1 : 0) + (r.p ? r.len + 1 : 0);
    HOLDS(len == jid.len, "parts of %zu bytes, of %zu", len, jid.len);
    HOLDS(d.len && d.len <= JID_PART_MAX && l.len <= JID_PART_MAX && r.len <= JID_PART_MAX,
          "%zu, %zu, %zu", l.len, d.len, r.len);
    HOLDS((!l.p || l.len) && (!r.p || r.len), "an empty part");
}

/* Alone, each part is what it is in the whole. */
static void check_parts(const struct normal *n)
{
    struct span l, d, r;
    char bytes[JID_MAX];
    struct sink k = SINK(bytes);

    HOLDS(jid_split(sink_span(&n->k), &l, &d, &r), "%.*s", (int)n->k.len, n->k.p);
    HOLDS(!l.p || (jid_local(&k, l) && span_eq(sink_span(&k), l)), "%.*s", (int)l.len, l.p);
    k.len = 0;
    HOLDS(jid_domain(&k, d) && span_eq(sink_span(&k), d), "%.*s", (int)d.len, d.p);
    k.len = 0;
    HOLDS(!r.p || (jid_resource(&k, r) && span_eq(sink_span(&k), r)), "%.*s", (int)r.len, r.p);
}

static void check_again(const struct normal *n, struct span jid, bool bare)
{
    struct normal again;

    prepare(&again, sink_span(&n->k), bare);
    HOLDS(again.fine && span_eq(sink_span(&n->k), sink_span(&again.k)), "%.*s", (int)n->k.len,
          n->k.p);
    HOLDS(jid_same(jid, sink_span(&n->k), bare), "%.*s", (int)n->k.len, n->k.p);
}

/* A sink of one byte less is full, and one that is just enough is not. */
static void check_room(const struct normal *n, struct span jid)
{
    char bytes[JID_MAX];
    struct sink enough = {.p = bytes, .max = n->k.len}, less = {.p = bytes, .max = n->k.len - 1};

    HOLDS(jid_normal(&enough, jid, false), "%zu bytes are not enough", n->k.len);
    HOLDS(!jid_normal(&less, jid, false), "%zu bytes are enough", n->k.len - 1);
}

static void check_one(struct span jid)
{
    struct normal full, bare;

    check_split(jid);
    prepare(&full, jid, false);
    prepare(&bare, jid, true);
    if (full.fine) {
        HOLDS(bare.fine, "fine, and not without its resource");
        HOLDS(full.k.len >= bare.k.len && !memcmp(full.bytes, bare.bytes, bare.k.len),
              "another without its resource");
        check_parts(&full);
        check_again(&full, jid, false);
        check_room(&full, jid);
    }
    if (bare.fine)
        check_again(&bare, jid, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};
    struct span one = fuzz_copy(fuzz_until(&in, '\n')), other = fuzz_copy(in);
    struct normal a, b;

    check_one(one);
    check_one(other);
    prepare(&a, one, true);
    prepare(&b, other, true);
    HOLDS(jid_same(one, other, true) ==
              (a.fine && b.fine && span_eq(sink_span(&a.k), sink_span(&b.k))),
          "the same, or not");
    HOLDS(jid_same(one, other, true) == jid_same(other, one, true), "one way only");
    fuzz_drop(one);
    fuzz_drop(other);
    return 0;
}
