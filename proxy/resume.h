/* SPDX-License-Identifier: MIT */
/*
 * <resume/>, and a new login on a session's resource.
 */
#pragma once

#include "parser/xml.h"
#include "proxy/client.h"

void resume_begin(struct client *c, const struct item *item);
void resume_take_up(struct client *c); /* on the right worker */
void resume_proved(struct client *c,
                   struct span jid);     /* the throw-away bind's answer; absent: refused */
void resume_hand_over(struct client *c); /* messages that an ended session left behind */
