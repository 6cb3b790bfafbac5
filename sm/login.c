/* SPDX-License-Identifier: MIT */
/*
 * The table of a login. A column for each state, a row for each thing said.
 */
#include "sm/login.h"

#include <assert.h>

#define TAKE LOGIN_TAKE
#define SKIP LOGIN_IGNORE
#define FAIL LOGIN_FAILED
#define DENY LOGIN_REFUSED
#define AUTH LOGIN_NOT_AUTHORIZED
#define FORM LOGIN_BAD_FORMAT
#define TYPE LOGIN_UNSUPPORTED_STANZA_TYPE
#define PLCY LOGIN_POLICY_VIOLATION
#define ENCR LOGIN_ENCRYPTION
#define TWIC LOGIN_TWICE

/* clang-format off */
static const enum login_verdict verdicts[LOGIN_SAYS][LOGIN_STATES] = {
    /*                        CLEAR OFFERED SECURE AUTH  EXCHANGE RESTART BIND  BOUND SESSION RESUMED */
    [LOGIN_HEADER]        = { TAKE, FORM,   TAKE,  FORM, FORM,    TAKE,   FORM, FORM, FORM,   FORM },
    [LOGIN_STARTTLS]      = { FORM, TAKE,   FORM,  PLCY, PLCY,    FORM,   PLCY, PLCY, PLCY,   PLCY },
    [LOGIN_SASL_AUTH]     = { FORM, ENCR,   FORM,  TAKE, PLCY,    FORM,   PLCY, PLCY, PLCY,   PLCY },
    [LOGIN_SASL_RESPONSE] = { FORM, ENCR,   FORM,  PLCY, TAKE,    FORM,   PLCY, PLCY, PLCY,   PLCY },
    [LOGIN_SASL_ABORT]    = { FORM, ENCR,   FORM,  PLCY, TAKE,    FORM,   PLCY, PLCY, PLCY,   PLCY },
    [LOGIN_IQ_AUTH]       = { FORM, PLCY,   FORM,  TAKE, AUTH,    FORM,   DENY, DENY, DENY,   DENY },
    [LOGIN_IQ_REGISTER]   = { FORM, PLCY,   FORM,  TAKE, AUTH,    FORM,   AUTH, TAKE, TAKE,   TAKE },
    [LOGIN_IQ_BIND]       = { FORM, PLCY,   FORM,  AUTH, AUTH,    FORM,   TAKE, DENY, DENY,   DENY },
    [LOGIN_STANZA]        = { FORM, PLCY,   FORM,  AUTH, AUTH,    FORM,   AUTH, TAKE, TAKE,   TAKE },
    [LOGIN_ENABLE]        = { FORM, FAIL,   FORM,  FAIL, FAIL,    FORM,   FAIL, TAKE, TWIC,   FAIL },
    [LOGIN_RESUME]        = { FORM, FAIL,   FORM,  FAIL, FAIL,    FORM,   TAKE, FAIL, FAIL,   FAIL },
    [LOGIN_R]             = { FORM, FAIL,   FORM,  FAIL, FAIL,    FORM,   FAIL, FAIL, TAKE,   TAKE },
    [LOGIN_A]             = { FORM, SKIP,   FORM,  SKIP, SKIP,    FORM,   SKIP, SKIP, TAKE,   TAKE },
    [LOGIN_SM_OTHER]      = { FORM, SKIP,   FORM,  SKIP, SKIP,    FORM,   SKIP, SKIP, SKIP,   SKIP },
    [LOGIN_CSI]           = { FORM, SKIP,   FORM,  SKIP, SKIP,    FORM,   SKIP, TAKE, TAKE,   TAKE },
    [LOGIN_OTHER]         = { FORM, TYPE,   FORM,  TYPE, TYPE,    FORM,   TYPE, TAKE, TAKE,   TAKE },
};
/* clang-format on */

enum login_verdict login_judge(enum login_state state, enum login_says says)
{
    assert(state < LOGIN_STATES && says < LOGIN_SAYS);
    return verdicts[says][state];
}

bool login_authenticated(enum login_state state)
{
    return state >= LOGIN_RESTART;
}
