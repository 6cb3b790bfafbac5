/* SPDX-License-Identifier: MIT */
/*
 * The program's own definitions take the place of all others, wherever they are called
 * from. A sanitizer offers its own under a second name, and so does libc.
 */
#include "tests/support/allocation.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

enum { STRIDE = 17 };

[[gnu::weak]] void *__interceptor_malloc(size_t size);
[[gnu::weak]] void *__interceptor_calloc(size_t count, size_t size);
[[gnu::weak]] void *__interceptor_realloc(void *p, size_t size);
[[gnu::weak]] void __interceptor_free(void *p);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static unsigned countdown; /* the allocation that brings it to 0 fails; 0: none does */
static enum allocation_lack then;
static bool failed;
static _Atomic size_t blocks;

void allocation_fail(unsigned nth, enum allocation_lack lack)
{
    countdown = nth;
    then = lack;
    failed = false;
}

bool allocation_relent(void)
{
    countdown = 0;
    return failed;
}

unsigned allocation_stride(void)
{
    return RUNNING_ON_VALGRIND ? STRIDE : 1;
}

size_t allocation_blocks(void)
{
    return blocks;
}

static bool refused(void)
{
    if (!countdown || --countdown)
        return false;
    countdown = then == ALLOCATION_REST ? 1 : 0;
    failed = true;
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    blocks += p ? 1 : 0;
    return p;
}

void *malloc(size_t size)
{
    if (refused())
        return NULL;
    return counted(__interceptor_malloc ? __interceptor_malloc(size) : __libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    if (refused())
        return NULL;
    return counted(__interceptor_calloc ? __interceptor_calloc(count, size)
                                        : __libc_calloc(count, size));
}

void *realloc(void *p, size_t size)
{
    if (!p)
        return malloc(size);
    if (!size) {
        free(p);
        return NULL;
    }
    if (refused())
        return NULL;
    return __interceptor_realloc ? __interceptor_realloc(p, size) : __libc_realloc(p, size);
}

void free(void *p)
{
    blocks -= p ? 1 : 0;
    if (__interceptor_free)
        __interceptor_free(p);
    else
        __libc_free(p);
}

/* --- what a sanitizer has for itself, and would not send here --- */

void *reallocarray(void *p, size_t count, size_t size)
{
    size_t sum;

    if (__builtin_mul_overflow(count, size, &sum)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(p, sum);
}

static char *copy_of(const char *s, size_t len)
{
    char *copy = malloc(len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = 0;
    return copy;
}

char *strndup(const char *s, size_t max)
{
    return copy_of(s, strnlen(s, max));
}

char *strdup(const char *s)
{
    return copy_of(s, strlen(s));
}
