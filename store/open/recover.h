/*
 * recover.h: recovers a store from its engines. Blocks; before any loop runs.
 *
 * The KV engine has a prefix of its batches. Each region's apply state gives the last log index that the rows include
 * (P).
 *
 *  0  Interrupted installs of snapshots are repeated (recover_snapshots.h).
 *  1  A unit of the block store is in use if an extent row names it, or an entry above P names it as its payload. Units
 *     named by entries up to P are in the rows or were freed. No unit may be named twice.
 *  2  RocksDB may have flushed rows by itself before their small payloads were synced. So the small payloads of the
 *     entries in (blocks_synced, P] are written again where the row still names the entry.
 *  3  Raft replays the entries above P once they are known to be committed.
 *  4  A region may have a log and no rows: it was split off another, and the batch of that split was not flushed. The
 *     units that its log names are in use. Its rows come when the split is applied again; until then it has no replica.
 */
#ifndef RAFTKV_STORE_OPEN_RECOVER_H
#define RAFTKV_STORE_OPEN_RECOVER_H

#include "proto/status.h"
#include "store/engines.h"
#include "store/options.h"
#include "store/rows/rows.h"

/* The input of a recovery. */
struct recovery {
	struct engines *engines;
	const struct raftkv_options *options; /* a new store's regions and their replicas */
	/* Set by the owner: starts replica `id` of the region, which is taken, with rows up to `applied`. Sets
	 * `*payloads` to the list for the payloads that its log names; the list outlives the recovery. */
	int (*start)(void *argument, struct region *region, uint64_t id, const struct apply_state *applied,
		struct payload_list **payloads, struct status *status);
	/* Set by the owner: the region's replica will be started by a split. Sets `*payloads` as `start` does. */
	int (*await)(void *argument, uint64_t region, struct payload_list **payloads, struct status *status);
	void *argument;
};

/* Makes the regions of a new store durably; none if it joins. May be repeated after a crash. STATUS_CORRUPT: the store
 * has rows, so it is not new. */
int recover_bootstrap(const struct recovery *recovery, struct status *status);
/* Starts the replicas and the block store. Afterwards the owner allocates the extents of the replicas' reserves
 * (payload_list_reserve). */
int recover_regions(const struct recovery *recovery, struct status *status);

#endif
