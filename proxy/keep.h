/* SPDX-License-Identifier: MIT */
/*
 * `holdfast --keep`: a parent that holds what must outlive the daemon, and starts it
 * again when it ends. It speaks the same protocol as systemd's descriptor store.
 *
 * SIGHUP ends the daemon and starts the program anew from its file, so that a newer one
 * takes over the sessions. SIGTERM and SIGINT end both.
 */
#pragma once

/* Runs `program` with these arguments (NULL-terminated, [0] its name) until a signal ends it; the
 * socket for the daemon's word lies in folder, which exists. Gives an exit status. */
[[nodiscard]] int keep_run(const char *program, char *const *arguments, const char *folder);
