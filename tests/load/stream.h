/* SPDX-License-Identifier: MIT */
/*
 * A client's streams: how they begin, what is read from them, how they end; and the login, step by
 * step.
 */
#pragma once

#include "tests/load/client.h"

/* A new one towards the server; NULL if there is no socket for it. It resumes the session, or
 * begins one. `fused`: it may go dead at some byte. */
struct stream *stream_new(struct client *c, bool resumes, bool fused);

/* Ends it; it is freed at the end of the turn. */
void stream_end(struct stream *s, enum wire_end how);

/* It carries the session no more, and is left open: deaf, or read until it is ended by the
 * other side. */
void stream_retire(struct stream *s, bool deaf);
void streams_free_dead(struct crowd *crowd);

void login_connected(struct stream *s);
void login_secure(struct stream *s);
void login_item(struct stream *s, bool header, struct text item);

/* Something happens to a client. */
void trouble(struct client *c);

/* A connection that went dead at its fuse, or inside something, is left in this way. */
void trouble_after(struct stream *s);
