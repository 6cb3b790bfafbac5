/* SPDX-License-Identifier: MIT */
/*
 * How connections and sessions end.
 */
#pragma once

#include "proxy/client.h"
#include "proxy/link.h"

/* The word for the log. */
const char *sm_end_word(enum sm_end end);

/* The one way in which a connection ends: log, counter, stream error, session. `text` is written in
 * place of the table's stream error if it is present. */
void farewell_client(struct client *c, enum end end, struct span text);
/* The client's closing tag. */
void farewell_close(struct client *c);
/* The session ended: the attached client learns why. */
void farewell_attached(struct link *l, enum sm_end end);
void farewell_return(struct link *l);
void farewell_unconfirmed(struct link *l);
void farewell_over(struct link *l);
/* An <r/> went unanswered: the session is detached already. */
void farewell_detach(struct client *c, enum end end);
/* The server ended an established link: its stream error or closing tag, or something that is no
 * XML. */
void farewell_server(struct link *l, struct span error, enum sm_end end);
