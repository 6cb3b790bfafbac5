/* SPDX-License-Identifier: MIT */
/*
 * Detaching and resuming (XEP-0198, 5): the session stays as it is on the link, and
 * what the client lacks is written again, before all that is newer.
 */
#pragma once

#include "sm/rules.h"

sm_deed sm_resume_hold;   /* the connection is gone; false: it was not resumable */
sm_deed sm_resume_detach; /* the same, and it is Holdfast that drops it */
sm_deed sm_resume_begin;  /* SM_RESUME; false: <resumed/> waits for the server */
sm_deed sm_resume_probed; /* SM_PROBE_ANSWER; false: it still waits */
sm_deed sm_resume_tcp;    /* SM_TCP_ACKED; the same */
sm_deed sm_resume_sent;   /* SM_LINK_SENT; the same */
sm_deed sm_resume_waited; /* SM_DUE_RESUMED */
