/* SPDX-License-Identifier: MIT */
/*
 * 27 bytes, numbers with the highest byte first, are 36 letters of base64url
 * (RFC 4648, 5) without padding and without unused bits: each id has one spelling.
 */
#include "sm/ids.h"

#include "sm/limits.h"
#include "sm/registry.h"

#include <assert.h>
#include <string.h>

enum { VERSION = 1, BYTES = 27, LETTERS = 36 };

static_assert(LETTERS < (int)SM_ID_TEXT, "the text and its zero fit");

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put_number(uint8_t *to, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(n >> (24 - 8 * i));
}

static uint32_t get_number(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void pack(uint8_t out[BYTES], const struct sm_id *id)
{
    out[0] = VERSION;
    out[1] = id->node;
    out[2] = id->arena;
    put_number(out + 3, id->slot);
    put_number(out + 7, id->generation);
    memcpy(out + 11, id->random, sizeof id->random);
}

void sm_id_write(const struct sm_id *id, char out[SM_ID_TEXT])
{
    uint8_t bytes[BYTES];

    pack(bytes, id);
    for (int i = 0; i < BYTES / 3; i++) {
        uint32_t n =
            (uint32_t)bytes[3 * i] << 16 | (uint32_t)bytes[3 * i + 1] << 8 | bytes[3 * i + 2];

        for (int j = 0; j < 4; j++)
            out[4 * i + j] = alphabet[n >> (18 - 6 * j) & 63];
    }
    out[LETTERS] = 0;
}

bool sm_id_read(struct sm_id *id, const char *text, size_t len)
{
    uint8_t bytes[BYTES];

    if (len != LETTERS)
        return false;
    for (int i = 0; i < LETTERS / 4; i++) {
        uint32_t n = 0;

        for (int j = 0; j < 4; j++) {
            char c = text[4 * i + j];
            const char *letter = c ? strchr(alphabet, c) : NULL;

            if (!letter)
                return false;
            n = n << 6 | (uint32_t)(letter - alphabet);
        }
        bytes[3 * i] = (uint8_t)(n >> 16);
        bytes[3 * i + 1] = (uint8_t)(n >> 8);
        bytes[3 * i + 2] = (uint8_t)n;
    }
    if (bytes[0] != VERSION || bytes[2] >= SM_ARENAS)
        return false;
    *id = (struct sm_id){
        .node = bytes[1],
        .arena = bytes[2],
        .slot = get_number(bytes + 3),
        .generation = get_number(bytes + 7),
    };
    memcpy(id->random, bytes + 11, sizeof id->random);
    return true;
}

bool sm_id_same(const struct sm_id *a, const struct sm_id *b)
{
    uint8_t one[BYTES], two[BYTES];
    volatile uint8_t different = 0;

    pack(one, a);
    pack(two, b);
    for (int i = 0; i < BYTES; i++)
        different = (uint8_t)(different | (one[i] ^ two[i]));
    return !different;
}

unsigned sm_id_arena(const char *account, size_t len)
{
    uint64_t hash = registry_hash(account, len);

    return (unsigned)((hash ^ hash >> 32) % SM_ARENAS);
}
