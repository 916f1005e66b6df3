/*
 * Splitters: each asks for one split at a time, of a region that leads here, at a key inside its range. An id is asked
 * for once, whatever became of it. What the answers say must be true for ever: a region that was made is there, one
 * whose split was refused is not.
 */
#ifndef RAFTKV_TESTS_STORE_CRASH_SPLITTER_H
#define RAFTKV_TESTS_STORE_CRASH_SPLITTER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/store_crash/client.h"

#define SPLITTERS	  2u
#define SPLIT_REGIONS_MAX 16u

struct splitters;

struct splitter {
	struct splitters *splitters;
	/* Of this process. */
	struct env_loop *loop;
	struct env_timer timer;
	struct raftkv_split split;
	struct region_epoch epoch; /* of the region when it was asked for */
	bool is_waiting; /* for `split` */
	bool is_calling;
};

enum split_outcome {
	SPLIT_OPEN, /* not known, and perhaps never */
	SPLIT_MADE,
	SPLIT_REFUSED,
};

struct asked_split {
	enum split_outcome outcome;
	uint8_t key[4];
	uint32_t key_size; /* bytes; 0: not asked for */
};

struct splitters {
	struct clients *clients;
	struct splitter each[SPLITTERS];
	struct asked_split asked[REGION_IDS_MAX]; /* by the id of the new region */
	uint64_t next_region; /* the first id that was never asked for */
	uint32_t budget; /* splits that may be asked for */
	bool may_crash; /* power may fail right after a request */
	uint64_t made;
};

void splitters_init(struct splitters *splitters, struct clients *clients, uint64_t initial_regions);
/* A new process: to be called before its loops run. */
void splitters_enter(struct splitters *splitters, uint32_t budget, bool may_crash);
/* Some request is with the store. */
bool splitters_are_asking(const struct splitters *splitters);
/* Nothing is with the store or the loops. */
bool splitters_are_gone(const struct splitters *splitters);
/* Nothing more is to be asked for, and every region that was made is there and leads. */
bool splitters_are_idle(const struct splitters *splitters);
/* Of a store that leads all its regions: they divide the key space, and are those that were made. */
void splitters_check(const struct splitters *splitters);

#endif
