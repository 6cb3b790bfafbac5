/* SPDX-License-Identifier: MIT */
/* Where connections come in, for all that stand in for a server. */
#pragma once

/* A non-blocking socket that listens on the loopback address, with room for a storm. Without one
 * the program, which is called `name`, says why and ends with status 2. */
[[nodiscard]] int listen_on_loopback(const char *name, int port);
