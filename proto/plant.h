/*
 * Planted bugs: mistakes that the checkers of tests/ must catch. They exist only in builds made with PLANT=1; in every
 * other build planted() is the constant false and no trace of them is left in the code.
 *
 * A bug is planted on lines of its own: if (planted("raft:vote_twice")) …
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

#endif
