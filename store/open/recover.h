/*
 * recover.h: a store comes to life from what its engines hold. Blocks; before any loop runs.
 *
 * The KV engine stands at some prefix of its batches: each region's apply state says how much of the log it has (P).
 *
 *  0  Snapshots that were being installed are installed again (recover_snapshots.h).
 *  1  A unit of the block store is in use if an extent row names it, or an entry above P names it as its payload. What
 *     entries up to P name lies in the rows or was freed. No unit may be named twice.
 *  2  RocksDB may have flushed rows by itself before the small payloads they name were synced. So for the entries in
 *     (blocks_synced, P] that payload is written again, where the row still names the entry.
 *  3  Entries above P are replayed by Raft itself, once they are known to be committed.
 */
#ifndef RAFTKV_STORE_OPEN_RECOVER_H
#define RAFTKV_STORE_OPEN_RECOVER_H

#include "proto/status.h"
#include "store/engines.h"
#include "store/options.h"
#include "store/rows/rows.h"

/* What is recovered, and for whom. */
struct recovery {
	struct engines *engines;
	const struct raftkv_options *options; /* of a new store: its regions and their replicas */
	/* The owner's: starts replica `id` of the region, which is taken, with rows up to `applied`; gives the place of
	 * the payloads that its log names, which lives on. */
	int (*start)(void *argument, struct region *region, uint64_t id, const struct apply_state *applied,
		struct payload_list **payloads, struct status *status);
	void *argument;
};

/* Makes the regions of a new store, none of one that joins, and makes them durable; may be repeated after a crash. A
 * store that holds rows is not new: STATUS_CORRUPT. */
int recover_bootstrap(const struct recovery *recovery, struct status *status);
/* Starts the replicas, and the block store. Afterwards the owner takes the extents of what is reserved in their
 * payloads (payload_list_reserve). */
int recover_regions(const struct recovery *recovery, struct status *status);

#endif
