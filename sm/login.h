/* SPDX-License-Identifier: MIT */
/*
 * What a client may say, and when, until its stream has a session: the table of
 * "Negotiation" (RFC 6120, 4 to 7; XEP-0198, 3 and 5). A connection has a login; a
 * user has a session. While the server's answer to something is awaited, nothing
 * further is taken from the client: what it pipelined is held.
 */
#pragma once

#include <stdbool.h>

enum login_state {
    LOGIN_CLEAR,    /* STARTTLS port, the first header is awaited */
    LOGIN_OFFERED,  /* the features with STARTTLS alone were shown */
    LOGIN_SECURE,   /* TLS is up, the header is awaited */
    LOGIN_AUTH,     /* mechanisms were shown */
    LOGIN_EXCHANGE, /* a challenge was shown; the response is awaited */
    LOGIN_RESTART,  /* authenticated, the header is awaited (RFC 6120, 6.4.6) */
    LOGIN_BIND,     /* the features after SASL were shown */
    LOGIN_BOUND,    /* bound: relayed, without stream management */
    LOGIN_SESSION,  /* bound and enabled on this stream */
    LOGIN_RESUMED,  /* has a session by resumption */
    LOGIN_STATES,
};

enum login_says { /* what came from the client, as far as it matters here */
                  LOGIN_HEADER,
                  LOGIN_STARTTLS,
                  LOGIN_SASL_AUTH,
                  LOGIN_SASL_RESPONSE,
                  LOGIN_SASL_ABORT,
                  LOGIN_IQ_AUTH,     /* XEP-0078 */
                  LOGIN_IQ_REGISTER, /* XEP-0077 */
                  LOGIN_IQ_BIND,     /* anything in the namespace of bind */
                  LOGIN_STANZA,
                  LOGIN_ENABLE,
                  LOGIN_RESUME,
                  LOGIN_R,
                  LOGIN_A,
                  LOGIN_SM_OTHER,
                  LOGIN_CSI,
                  LOGIN_OTHER,
                  LOGIN_SAYS,
};

enum login_verdict {
    LOGIN_TAKE,   /* as it should be */
    LOGIN_IGNORE, /* no harm in it: counted and dropped */
    LOGIN_FAILED, /* <failed><unexpected-request/></failed>, and the stream goes on */
    LOGIN_TWICE,  /* a second <enable/>: the stream error of XEP-0198, 3; the session is detached */
    LOGIN_REFUSED,    /* an iq that is answered with not-allowed, and never reaches the server */
    LOGIN_ENCRYPTION, /* SASL before TLS: <failure><encryption-required/></failure> */
    LOGIN_BAD_FORMAT, /* stream errors, by their names in RFC 6120, 4.9.3 */
    LOGIN_NOT_AUTHORIZED,
    LOGIN_POLICY_VIOLATION,
    LOGIN_UNSUPPORTED_STANZA_TYPE,
};

[[nodiscard]] enum login_verdict login_judge(enum login_state state, enum login_says says);

/* True where SASL or XEP-0078 has succeeded. */
[[nodiscard]] bool login_authenticated(enum login_state state);
