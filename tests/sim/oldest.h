/*
 * oldest.h: what raftkv health would say of intents that have been left (transactions_oldest), compared with the intents in the
 * rows of the stores: a store that has led a region for long, and has had an intent there all that time, tells of an old one.
 */
#ifndef RAFTKV_TESTS_SIM_OLDEST_H
#define RAFTKV_TESTS_SIM_OLDEST_H

#include "tests/sim/cluster.h"

struct oldest {
	struct cluster *cluster;
	struct oldest_intents *intents[STORES]; /* that each store has had since the looks before */
	uint64_t age_max; /* ns for which a leader has had an intent, at most */
	uint64_t told; /* looks at a store that had to tell of one, and did */
};

void oldest_init(struct oldest *oldest, struct cluster *cluster);
/* Between events, a few times a second. */
void oldest_look(struct oldest *oldest);

#endif
