/* SPDX-License-Identifier: MIT */
/*
 * A copy ends with a zero, for those that want one.
 */
#include "proxy/text.h"

#include <stdlib.h>

bool text_keep(struct span *owned, struct span text)
{
    char *p = NULL;

    if (text.p && !(p = strndup(text.p, text.len))) {
        text_free(owned);
        return false;
    }
    text_free(owned);
    *owned = (struct span){p, text.len};
    return true;
}

void text_free(struct span *owned)
{
    free((char *)owned->p);
    *owned = SPAN_NONE;
}
