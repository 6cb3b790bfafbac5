/* SPDX-License-Identifier: MIT */
/*
 * The table of ends.h as arrays.
 */
#include "proxy/ends.h"

#include <stddef.h>

static const struct {
    const char *word;
    const char *error;
    enum ends_session session;
} rows[END_COUNT] = {
#define X(name, word, error, session) [name] = {word, error, session},
    ENDS(X)
#undef X
};

const char *end_word(enum end end)
{
    return rows[end].word;
}

const char *end_stream_error(enum end end)
{
    return rows[end].error;
}

enum ends_session end_session(enum end end)
{
    return rows[end].session;
}
