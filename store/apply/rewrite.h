/*
 * rewrite.h: rewrites the small payloads of applied entries at start (recover.h, step 2).
 *
 * Units are collected and written many at a time, on a loop that runs only for these writes.
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
	struct rewrite_unit *units; /* collected, not yet written */
	uint32_t count;
	uint32_t pending;
	struct env_loop *loop; /* while writing */
};

/* Collects the units of the entry's small payloads that are still mapped to this entry, and writes when there are
 * many. */
int rewrite_entry(struct rewrite *rewrite, const struct raft_entry *entry);
/* Writes the remaining units. Does not sync. */
int rewrite_finish(struct rewrite *rewrite);

#endif
