/*
 * moments.h: the steps of operations across regions, and of splits, so that a fault or a split can come at one of them.
 * Whoever wants that owns a struct moment; the cluster looks at it after each event, and stops its run when the step has
 * come.
 */
#ifndef RAFTKV_TESTS_SIM_MOMENTS_H
#define RAFTKV_TESTS_SIM_MOMENTS_H

#include "tests/sim/store.h"

enum moment_kind {
	MOMENT_ATTEMPT, /* an attempt begins: it asks for rows, and prepares its intents */
	MOMENT_RESOLUTION, /* an attempt has ended, and its intents are to be resolved */
	MOMENT_WAIT, /* a change waits for the end of another's attempt */
	MOMENT_SPLIT, /* the leader of a region is told to split it (splits.h) */
	MOMENT_KINDS,
};

enum moment_state {
	MOMENT_IS_OUT, /* nobody wants one */
	MOMENT_IS_AWAITED,
	MOMENT_HAS_COME,
	MOMENT_IS_OVER, /* it came a little while ago */
};

struct moment {
	enum moment_state state;
	enum moment_kind kind;
	bool is_of_split; /* it is the moment for a split, which awaits no other one */
	uint32_t store; /* at which it came, from 0; STORES: none came */
	uint64_t seen[STORES]; /* what was counted */
};

void moment_init(struct moment *moment, bool is_of_split);
/* After an event. True: it has come. */
bool moment_look(struct moment *moment, const struct store *stores);
/* Has a split come last? */
bool moment_is_split(const struct moment *moment);
/* What was to be done at `*next` (world time): is it to be done now? Half of it waits for a moment first, but not for ever,
 * and then a little: so `*next` changes. */
bool moment_is_due(struct moment *moment, struct store *stores, uint64_t *next);

#endif
