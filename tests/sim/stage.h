/* stage.h: the state that all actors of a run share, and the outcomes of their operations. */
#ifndef RAFTKV_TESTS_SIM_STAGE_H
#define RAFTKV_TESTS_SIM_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/sim_env.h"

struct stage {
	struct sim_world *world;
	uint64_t clock; /* the last moment (tests/lib/history.h), of all histories */
	uint64_t budget; /* operations that may still begin */
	bool may_be_full; /* a disk is */
	bool is_calm; /* nothing fails in this run: so nothing may take long */
	uint64_t longest; /* ns that an operation took in a calm run */
	bool is_verbose;
	/* Answers, in all. */
	uint64_t done;
	uint64_t never;
	uint64_t open;
	uint64_t undecided; /* histories that took too long to judge */
};

#endif
