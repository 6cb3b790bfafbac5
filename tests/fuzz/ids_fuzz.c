/* SPDX-License-Identifier: MIT */
/*
 * The text of an SM-ID, which a client brings with <resume/>: each id has one text,
 * each text that is read is the one that would be written, and nothing outside of an
 * arena's number comes out.
 *
 * Input: a text, and the fields of an id taken from the same bytes.
 */
#include "tests/fuzz/fuzz.h"

#include "sm/ids.h"
#include "sm/limits.h"

static void read_text(struct span in)
{
    struct span text = fuzz_copy(in);
    struct sm_id id = {.slot = 4711};
    char again[SM_ID_TEXT];

    if (sm_id_read(&id, text.p, text.len)) {
        sm_id_write(&id, again);
        HOLDS(span_is(text, again), "%.*s is %s", (int)text.len, text.p, again);
        HOLDS(id.arena < SM_ARENAS, "%u", id.arena);
        HOLDS(sm_id_same(&id, &id), "not the same as itself");
    } else {
        HOLDS(id.slot == 4711, "changed by what is no id");
    }
    fuzz_drop(text);
}

static struct sm_id take_id(struct span *in)
{
    struct sm_id id = {
        .node = fuzz_byte(in),
        .arena = fuzz_byte(in) % SM_ARENAS,
        .slot = fuzz_number(in),
        .generation = fuzz_number(in),
    };
    struct span random = fuzz_bytes(in, sizeof id.random);

    memcpy(id.random, random.p, random.len);
    return id;
}

/* Two ids that differ in one bit are not the same, and nor are their texts. */
static void write_id(struct span in)
{
    struct sm_id id = take_id(&in), other = id, read;
    char text[SM_ID_TEXT], others[SM_ID_TEXT];
    uint8_t bit = fuzz_byte(&in);

    sm_id_write(&id, text);
    HOLDS(strlen(text) < SM_ID_TEXT, "%zu letters", strlen(text));
    HOLDS(sm_id_read(&read, text, strlen(text)), "%s is not read", text);
    HOLDS(sm_id_same(&id, &read), "%s is another", text);
    other.random[bit / 8 % 16] ^= (uint8_t)(1 << bit % 8);
    HOLDS(!sm_id_same(&id, &other), "%s: bit %u is not looked at", text, bit);
    sm_id_write(&other, others);
    HOLDS(strcmp(text, others), "%s twice", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = fuzz_copy((struct span){(const char *)data, size});

    read_text(in);
    write_id(in);
    HOLDS(sm_id_arena(in.p, in.len) < SM_ARENAS, "%u", sm_id_arena(in.p, in.len));
    fuzz_drop(in);
    return 0;
}
