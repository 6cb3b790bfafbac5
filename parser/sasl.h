/* SPDX-License-Identifier: MIT */
/*
 * Who authenticates: the account seen in a SASL exchange (RFC 6120, 6) or in
 * XEP-0078, as far as the mechanism shows it. Holdfast checks no password: the
 * server's verdict counts. Elements are written anew from what was understood.
 */
#pragma once

#include "parser/element.h"

/* A name for whose preparation there is no memory counts as one that nobody can have. */
enum sasl_seen {
    SASL_UNSEEN,    /* the mechanism does not show it (yet, or ever) */
    SASL_ACCOUNT,   /* `account` is the localpart that authenticates */
    SASL_FOREIGN,   /* an authzid that names another account: to be refused, invalid-authzid */
    SASL_MALFORMED, /* not base64, or not what the mechanism prescribes: malformed-request */
};

enum { SASL_BYTES_MAX = 16384 }; /* of one payload, decoded */

/* One exchange; plain data, no pointers. */
struct sasl {
    char mechanism[24]; /* RFC 4422: 1 to 20 of A–Z 0–9 - _ */
    uint8_t step;       /* client messages, not counting empty ones */
    uint16_t account_len;
    char account[1024]; /* prepared by nodeprep */
};

/* Reads <auth/>: begins an exchange, reads the initial response if there is one. `domain` is the
 * prepared domain of the stream's host: an authzid's domain has to be it, and a username in another
 * domain or realm is not seen. */
[[nodiscard]] enum sasl_seen sasl_auth(struct sasl *s, const struct element *auth,
                                       struct span domain);

/* Reads <response/>. After FOREIGN or MALFORMED no account is seen any more. */
[[nodiscard]] enum sasl_seen sasl_response(struct sasl *s, const struct element *response,
                                           struct span domain);

/* The account as seen so far; absent if it was not. */
[[nodiscard]] struct span sasl_account(const struct sasl *s);

/* Reads the username of a jabber:iq:auth query (XEP-0078), and the resource, undecided whether it
 * is a get or a set: each is absent if the query does not say it. False if it is malformed, which a
 * username is that nodeprep forbids. */
[[nodiscard]] bool sasl_iq_auth(struct sasl *s, const struct element *iq, struct span *resource);
