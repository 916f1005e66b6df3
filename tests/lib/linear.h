/*
 * linear.h: whether a history is linearizable, by the algorithm of Wing and Gong ("Testing and Verifying Concurrent
 * Objects", 1993) with the cache of configurations that Lowe added ("Testing for Linearizability", 2017).
 *
 * It looks for an order of all answered operations, and of any of the open ones, in which each operation gives its recorded
 * answer and none comes before one that was answered before it was asked.
 */
#ifndef RAFTKV_TESTS_LIB_LINEAR_H
#define RAFTKV_TESTS_LIB_LINEAR_H

#include "tests/lib/history.h"

/* The object, sequentially: its state is one number. */
struct linear_object {
	uint64_t initial;
	/* What `operation` makes of `state`; false: it cannot have its result there. One that is open has no result: it
	 * may do what it likes, true if it takes effect. Pure. */
	bool (*step)(const struct history_operation *operation, uint64_t state, uint64_t *next);
};

enum linear_verdict {
	LINEAR,
	NOT_LINEAR,
	LINEAR_UNDECIDED, /* after LINEAR_STEPS_MAX steps */
};

#define LINEAR_STEPS_MAX 2000000u

struct linear_report {
	uint64_t steps;
	/* NOT_LINEAR: of all orders that were tried, the one that explains most: its operations' count, and the first
	 * answered operation that finds no place in it. */
	size_t explained;
	size_t unexplained;
};

enum linear_verdict linear_check(
	const struct linear_object *object, const struct history *history, struct linear_report *report);

#endif
