/* SPDX-License-Identifier: MIT */
/*
 * After a start: the sessions that the arenas hold get their links back, which an earlier
 * process parked with the keeper. What of the links cannot be told from the records, the
 * kernel says.
 */
#pragma once

#include "proxy/keeper.h"
#include "proxy/worker.h"

/* All sessions of all workers, which have not been started; so before anybody is let in. Takes the
 * lots among the gifts. 0 or -ENOMEM: the sessions that are left end. */
[[nodiscard]] int recover_all(struct worker_setup *setup, struct keeper_gifts *gifts);

/* After the workers are gone. */
void recover_clear(struct worker_setup *setup);
