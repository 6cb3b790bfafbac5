/* SPDX-License-Identifier: MIT */
/*
 * A copy ends with a zero, for those that want one. Most are a language, or a few bytes
 * of a name, and stay with their link for as long as there is a session: those have a pool.
 */
#include "proxy/text.h"

#include <pthread.h>
#include <stdlib.h>

#include "sm/pool.h"

enum { SHORT = 32 }; /* bytes, with the zero */

static struct pool pool = POOL(SHORT);
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

static char *copy(struct span text)
{
    char *p;

    if (text.len >= SHORT)
        return strndup(text.p, text.len);
    pthread_mutex_lock(&pool_lock);
    p = pool_take(&pool);
    pthread_mutex_unlock(&pool_lock);
    if (p)
        memcpy(p, text.p, text.len);
    return p;
}

bool text_keep(struct span *owned, struct span text)
{
    char *p = NULL;

    if (text.p && !(p = copy(text))) {
        text_free(owned);
        return false;
    }
    text_free(owned);
    *owned = (struct span){p, text.len};
    return true;
}

void text_free(struct span *owned)
{
    char *p = (char *)owned->p;

    if (owned->len >= SHORT) {
        free(p);
    } else if (p) {
        pthread_mutex_lock(&pool_lock);
        pool_give(&pool, p);
        pthread_mutex_unlock(&pool_lock);
    }
    *owned = SPAN_NONE;
}
