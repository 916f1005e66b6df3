/*
 * rewrite.h: writing the small payloads of applied entries again, at start: see recover.h, step 2.
 *
 * Units are gathered and written many at a time, on a loop that runs just for them.
 */
#ifndef RAFTKV_STORE_APPLY_REWRITE_H
#define RAFTKV_STORE_APPLY_REWRITE_H

#include <stdint.h>

#include "raft/raft.h"
#include "store/engines.h"

struct rewrite_unit; /* rewrite.c */

struct rewrite {
	struct engines *engines;
	uint64_t region;
	struct rewrite_unit *units; /* gathered */
	uint32_t count;
	uint32_t pending;
	struct env_loop *loop; /* while writing */
};

/* Gathers the units of the entry's small payloads that rows of that entry name, and writes when there are many. */
int rewrite_entry(struct rewrite *rewrite, const struct raft_entry *entry);
/* Writes what is left. Not synced. */
int rewrite_finish(struct rewrite *rewrite);

#endif
