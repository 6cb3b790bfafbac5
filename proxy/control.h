/* SPDX-License-Identifier: MIT */
/*
 * The control socket: what holdfastctl asks. A line in, lines of JSON out: first
 * {"ok":…}, then a row for each thing; the end of the connection ends the answer.
 *
 * Main's thread talks to the administrator; the workers, each on its own thread,
 * look at what is theirs.
 */
#pragma once

#include "proxy/arenas.h"

struct control;

/* Listens at runtime_dir/control.sock, 0660. 0 or -errno; a socket left by a dead process is
 * replaced. */
[[nodiscard]] int control_new(struct control **out, struct ev_loop *loop,
                              struct worker_setup *setup, const struct arenas *arenas);
void control_free(struct control *ctl); /* after the workers were joined; NULL is allowed */
