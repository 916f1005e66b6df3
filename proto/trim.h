/*
 * trim.h: gives memory that a process has freed back to the system.
 *
 * malloc keeps what was freed for what comes next, so that after a load that took much a process would stay as large as
 * it has ever been. A thread looks every TRIM_PERIOD_S seconds at how much of what is resident is not allocated. When that
 * is TRIM_SIZE_MIN more than the last trim could not give back, at two looks in a row, it trims all heaps: seldom, and not
 * what a busy process is about to use again.
 */
#ifndef RAFTKV_PROTO_TRIM_H
#define RAFTKV_PROTO_TRIM_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/status.h"

#define TRIM_PERIOD_S 10
#define TRIM_SIZE_MIN ((size_t)32 << 20) /* bytes */

struct trim;

int trim_start(struct trim **trim, struct status *status);
void trim_stop(struct trim *trim); /* may be NULL */

/* What the thread does, for those who have one already. Zero is a state before the first look. */
struct trim_state {
	size_t kept; /* bytes that are resident and not allocated, after the last trim */
	bool was_due; /* at the last look */
};

bool trim_look(struct trim_state *state); /* whether it trimmed */

#endif
