/*
 * Planted bugs: mistakes that the checkers of tests/ must catch. They exist only in builds made with PLANT=1; in every
 * other build planted() is the constant false and no trace of them is left in the code.
 *
 * A place that plants one stands on a line of its own, and does not change how the lines around it read:
 *
 *	PLANT("raft:vote_twice", has_voted = false);
 */
#ifndef RAFTKV_PROTO_PLANT_H
#define RAFTKV_PROTO_PLANT_H

#include <stdbool.h>

#ifdef RAFTKV_PLANT

/* Chooses the one bug of this process, before any thread starts; NULL or "" is none. `name` must stay valid. */
void plant_choose(const char *name);
bool planted(const char *name);

#else

#define planted(name) false

#endif

/* Does what the mistake is, a statement or several; neither `break` nor `continue`. */
#define PLANT(name, ...)                                                                                     \
	do {                                                                                                 \
		if (planted(name)) {                                                                         \
			__VA_ARGS__;                                                                         \
		}                                                                                            \
	} while (0)

#endif
