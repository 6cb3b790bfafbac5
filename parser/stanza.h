/* SPDX-License-Identifier: MIT */
/*
 * The few edits and answers that Holdfast makes to stanzas (sm/README.md lists
 * them all). An edit inserts bytes and leaves every other byte as it came.
 */
#pragma once

#include "parser/xml.h"

/* What an edit of stanza_carry is to add beside what the streams' difference demands. */
struct stanza_edit {
    struct span delay_from; /* a XEP-0203 <delay/> from this domain, if present and the item is a
                             * message, not an error, without one already */
    uint64_t delay_ms;      /* its stamp: milliseconds since 1970, written with milliseconds */
    bool self_contained;    /* xmlns='jabber:client' in the start tag, and the prefix `stream` where
                             * it is used (RFC 7395, 3.3) */
};

/* True if the stanza, which came below `from`, can go below `to` as the bytes that came. */
[[nodiscard]] bool stanza_passes(unsigned item_flags, const struct context *from,
                                 const struct context *to);

/* Writes the item with what it inherits from `from` and `to` does not equally give, and with `edit`
 * (may be NULL). */
void stanza_carry(struct sink *k, struct span raw, const struct item *item,
                  const struct context *from, const struct context *to,
                  const struct stanza_edit *edit);

/* True if its start tag has that attribute. */
[[nodiscard]] bool stanza_has_attribute(struct span raw, struct span name);

/* True if it may use the prefix `stream`, which every stream's header declares, and does not
 * declare it in its start tag. */
[[nodiscard]] bool stanza_borrows_stream(struct span raw);

/* The answer of type error to a stanza: its kind and id, from and to exchanged (`own` stands for an
 * absent `to`, and may be absent). `type` and `condition` are RFC 6120, 8.3.2 and 8.3.3. */
void stanza_error(struct sink *k, const struct item *item, struct span own, const char *type,
                  const char *condition);

/* The empty result of an iq request, as the answer to a ping (XEP-0199). */
void stanza_result(struct sink *k, const struct item *request, struct span own);
