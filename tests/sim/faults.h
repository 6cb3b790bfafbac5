/* SPDX-License-Identifier: MIT */
/*
 * What goes wrong, and how time goes by.
 */
#pragma once

#include "tests/sim/world.h"

/* One fault, perhaps to that device or on that link. */
void faults_strike(struct world *w, int device, int link);
/* TCP tells the process of all connections that broke in silence. */
void faults_notice_all(struct world *w);
/* Mostly a little, sometimes much, rarely days. */
void faults_time(struct world *w);
/* True while messages wait that an ended session left. */
bool faults_left(const struct world *w);
