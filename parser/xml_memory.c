/* SPDX-License-Identifier: MIT */
/*
 * Expat's memory: wiped when expat lets go of it, for passwords go through expat as
 * everything does. In front of each block stands its size.
 */
#include <stdlib.h>
#include <string.h>

#include "parser/xml_priv.h"

union front {
    size_t size; /* bytes of the block, without this */
    max_align_t aligned;
};

static void *get(size_t size)
{
    union front *f = size <= SIZE_MAX - sizeof *f ? malloc(sizeof *f + size) : NULL;

    if (!f)
        return NULL;
    f->size = size;
    return f + 1;
}

static void wipe_and_free(void *block)
{
    union front *f = block;

    if (!f)
        return;
    f--;
    explicit_bzero(f + 1, f->size);
    free(f);
}

static void *get_other(void *block, size_t size)
{
    void *other = get(size);
    size_t old = block ? ((union front *)block - 1)->size : 0;

    if (!other)
        return NULL;
    if (block)
        memcpy(other, block, old < size ? old : size);
    wipe_and_free(block);
    return other;
}

const XML_Memory_Handling_Suite xml_memory = {get, get_other, wipe_and_free};
