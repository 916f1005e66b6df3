/*
 * trim.h: returns freed memory to the system.
 *
 * malloc keeps freed memory for later use, so that after a large load a process would stay as large as it has ever been.
 * A thread looks every TRIM_PERIOD_S seconds at how much resident memory is not allocated. When that exceeds the amount
 * which the last trim could not return by TRIM_SIZE_MIN, at two looks in a row, it trims all heaps. This is rare, and
 * spares memory that a busy process is about to use again. An idle process needs none: when the amount has been the same
 * for a minute, TRIM_CALM_MIN is enough.
 */
#ifndef RAFTKV_PROTO_TRIM_H
#define RAFTKV_PROTO_TRIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

#define TRIM_PERIOD_S	 10
#define TRIM_SIZE_MIN	 ((size_t)32 << 20) /* bytes */
#define TRIM_CALM_MIN	 ((size_t)4 << 20)
#define TRIM_CALM_LOOKS	 6u /* in a row at which the amount has changed by TRIM_CALM_CHANGE at most */
#define TRIM_CALM_CHANGE ((size_t)256 << 10)

struct trim;

/* Starts the thread. 0, or a negative status with a sentence. */
int trim_start(struct trim **trim, struct status *status);
void trim_stop(struct trim *trim); /* may be NULL */

/* One look of the thread, for a caller that has a thread of its own. A zeroed state has not looked yet. */
struct trim_state {
	size_t kept; /* bytes that are resident and not allocated, after the last trim */
	bool was_due; /* at the last look */
	size_t last; /* bytes that were resident and not allocated then */
	uint32_t calm; /* looks since they changed */
};

bool trim_look(struct trim_state *state); /* returns whether it trimmed */

#endif
