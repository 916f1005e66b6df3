/*
 * raftkv.h: the store's face to the layer above.
 *
 * A `raftkv` is one store: a data directory with three engines (kv_engine.h, log_engine.h, blocks.h), some regions'
 * replicas, and the shards (loops) that run them. Operations are written with raftkv_async_write and state is read
 * with raftkv_async_snapshot; each calls back exactly once.
 *
 *  write: evaluate on the region's leader -> propose -> log -> commit -> apply -> `done` with the evaluator's reply.
 *         When `done` gets 0 the operation is durable on a majority and visible to every later snapshot.
 *  read:  a snapshot that sees every operation finished before the call: by the leader's lease, by a ReadIndex round
 *         (consensus.md § ReadIndex), without entering the peer's loop when the lease is valid.
 *
 * Threads: every call here may be made on any thread; callbacks come on the loop named in the request. Requests are
 * embedded in their owners and belong to the store until `done` begins.
 *
 * Errors given to `done`: STATUS_NOT_LEADER, STATUS_EPOCH_NOT_MATCH, STATUS_REGION_NOT_FOUND, STATUS_STALE_COMMAND
 * (outcome unknown; retry with the same slot), STATUS_LIMIT (too much queued: wait and retry), -ENOSPC,
 * STATUS_SESSION_UNKNOWN, -EALREADY (a later request has used the slot), STATUS_STOPPING (outcome unknown), or what the
 * evaluator returned.
 */
#ifndef RAFTKV_STORE_RAFTKV_H
#define RAFTKV_STORE_RAFTKV_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/histogram.h"
#include "store/blocks/blocks.h"
#include "store/disk/data_dir.h"
#include "store/kv/view.h"
#include "store/log/log_engine.h"
#include "store/log/log_tail.h"
#include "store/options.h"
#include "store/requests.h"

struct raftkv;

/* Opens and recovers; blocks. A new directory becomes a store with one region (id 1) over the whole key space, unless
 * the options say otherwise. Afterwards the shards' loops may run; a sole voter campaigns at once. On an error `status`
 * names the cause: another process holds the directory, another format, another cluster or store, damage. */
int raftkv_open(const struct raftkv_options *options, struct raftkv **raftkv, struct status *status);
/* Ends every request (STATUS_STOPPING), flushes, and calls back on `loop` (one of the shards, still running). Then
 * stop the loops, and raftkv_free. */
void raftkv_stop(
	struct raftkv *raftkv, struct env_loop *loop, void (*stopped)(void *argument), void *argument);
void raftkv_free(struct raftkv *raftkv);

/* The cluster's id, the store's id, its incarnation and its lives. Any thread. */
struct ident raftkv_ident(const struct raftkv *raftkv);

/* ---- Requests --------------------------------------------------------------------------------------------------- */

void raftkv_async_write(struct raftkv *raftkv, struct raftkv_write *write);
void raftkv_async_snapshot(struct raftkv *raftkv, struct raftkv_read *read);
/* The LocalReader: a snapshot now, on the calling thread, when the leader's lease allows; otherwise
 * STATUS_WOULD_BLOCK (use raftkv_async_snapshot) or another error. */
int raftkv_local_snapshot(
	struct raftkv *raftkv, uint64_t region, uint64_t epoch_version, struct raftkv_snapshot **snapshot);

/* The state applied here, however old, whichever replica leads. Correct only for questions whose answer never changes
 * once it is there. STATUS_REGION_NOT_FOUND, -ENOMEM. */
int raftkv_stale_snapshot(struct raftkv *raftkv, uint64_t region, struct raftkv_snapshot **snapshot);

/* The region that holds a key of KEY_DATA, as far as this store knows. STATUS_REGION_NOT_FOUND. */
int raftkv_find_region(struct raftkv *raftkv, struct slice key, uint64_t *region, struct region_epoch *epoch);

/* Administration of a cluster. requests.h lists the statuses that `done` gets. */
void raftkv_change_peers(struct raftkv *raftkv, struct raftkv_change *change);
void raftkv_split(struct raftkv *raftkv, struct raftkv_split *split);
void raftkv_region_status(struct raftkv *raftkv, struct raftkv_region_status *request);
/* Asks the region's leader, if it is here, to hand over to the voter on that store. raftkv_region_status shows the
 * outcome. 0, STATUS_REGION_NOT_FOUND, -ENOMEM. */
int raftkv_transfer_leader(struct raftkv *raftkv, uint64_t region, uint64_t store);

/* ---- What is durable -------------------------------------------------------------------------------------------- */

/* Waits until all that was answered before the call is durable: with raftkv_options.early it may not be yet. Embedded in
 * its owner; it belongs to the store until `done` begins. */
struct raftkv_sync {
	struct log_tail_wait wait; /* the store's */
	struct env_loop *loop; /* of `done` */
	void (*done)(struct raftkv_sync *sync);
};
/* False: it is durable, and `done` will not come. */
bool raftkv_sync(struct raftkv *raftkv, struct raftkv_sync *sync);
/* With raftkv_options.early: whether changes are answered early from now on. */
void raftkv_set_early(struct raftkv *raftkv, bool is_early);

/* ---- Looking inside --------------------------------------------------------------------------------------------- */

struct raftkv_stats {
	uint64_t regions;
	uint64_t leaders;
	uint64_t asleep; /* replicas that sleep (peer/hibernation.h) */
	uint64_t reads_lease; /* by LocalReader */
	uint64_t reads_read_index; /* through the peer's loop */
	uint64_t reads_follower; /* part of reads_read_index: served by a follower */
	uint64_t writes; /* logged writes */
	uint64_t evaluations_parked; /* evaluations that waited for a row to be read from the disk */
	uint64_t writes_throttled; /* held back because flushing lags behind its limits */
	uint64_t flushes; /* completed rounds */
	uint64_t snapshots_sent, snapshots_received, snapshots_failed; /* region snapshots between stores */
	uint64_t snapshot_sent_size, snapshot_received_size; /* bytes */
	/* The stages of a change on its leader: to its proposal; to its commit; until it is visible. */
	struct histogram_sums proposing, committing, applying;
	struct log_engine_stats log;
	struct log_tail_stats tail; /* of what was answered before the log was durable */
	struct blocks_stats blocks;
	struct kv_memory memory;
	uint64_t space_total; /* bytes of the disk */
	uint64_t space_available;
	bool is_full; /* less than half of the reserve is left for data: writes get -ENOSPC now or soon */
};
void raftkv_stats(struct raftkv *raftkv, struct raftkv_stats *stats);
/* Calls `each` for each region with a replica here. `region` has only its id, range and epoch. A lock is held, so
 * `each` must be brief. `term` is the leader's term if this replica leads and serves, else 0. */
void raftkv_each_region(struct raftkv *raftkv,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument);
/* The same for the region that holds `key` and those after it, in their order, `limit` at most. */
void raftkv_each_region_from(struct raftkv *raftkv, struct slice key, uint32_t limit,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument);
/* The same, unordered, for the regions that have changed since the call that returned `since` (0: for all): in range, epoch,
 * term, or in what is applied here. One without a replica here any more is among them: its epoch and term are 0. Returns
 * what the next call is to be given. */
uint64_t raftkv_each_changed_region(struct raftkv *raftkv, uint64_t since,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument);
/* The leader's term if the replica here leads and serves, else 0. */
uint64_t raftkv_leader_term(struct raftkv *raftkv, uint64_t region);
/* Fills in the id, range and epoch of a region with a replica here. The caller closes `range`. 0 or
 * STATUS_REGION_NOT_FOUND. */
int raftkv_region_range(struct raftkv *raftkv, uint64_t region, struct region *range);

#endif
