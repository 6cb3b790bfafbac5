/* SPDX-License-Identifier: MIT */
/*
 * What the server says until the client is bound.
 */
#pragma once

#include "proxy/link.h"

void greet_opened(struct link *l);
void greet_item(struct link *l, enum inflow_found found, struct span raw);
void greet_lost(struct link *l);   /* the link died or closed before the client was bound */
void greet_header(struct link *l); /* (again) sends the header that belongs to the client's */
