/* SPDX-License-Identifier: MIT */
/*
 * The birth of a session.
 */
#pragma once

#include "parser/xml.h"
#include "proxy/client.h"

/* <enable/> of a bound client: a session, or <failed/>. */
void enable_session(struct client *c, const struct item *item);
