/*
 * PeerStorage: the raft_storage of a peer's raw_node, over the log engine (entries, hard state) and the peer's region
 * and apply state.
 *
 * All calls are made on the peer's loop and never wait for a disk. A read of entries that are not in memory returns
 * STATUS_WOULD_BLOCK and records the range as wanted. The peer fetches it on a worker (peer_storage_fetch), hands it
 * over on its loop (peer_storage_fetched) and repeats the call.
 */
#ifndef RAFTKV_STORE_PEER_PEER_STORAGE_H
#define RAFTKV_STORE_PEER_PEER_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "raft/raft.h"
#include "store/log/log_engine.h"
#include "store/rows/rows.h"

struct entry_range {
	uint64_t low;
	uint64_t high; /* 0: none */
	uint64_t size_max; /* bytes */
};

struct peer_storage {
	struct raft_storage base;
	struct log_engine *log;
	const struct region *region; /* the peer's */
	const struct apply_state *applied; /* the peer's */
	struct entry_range wanted; /* the range of the last call of `entries` that would have blocked */
	struct raft_entries fetched; /* consecutive; empty: none */
	uint64_t forgotten; /* entries up to here cannot be sent: a payload of theirs is lost */
	struct raft_snapshot prepared; /* the answer to raft's next request; index 0: none */
	bool is_snapshot_wanted; /* raft asked for a snapshot and none was prepared */
};

/* `region` and `applied` outlive the storage and change with the peer. */
void peer_storage_init(struct peer_storage *storage, struct log_engine *log, const struct region *region,
	const struct apply_state *applied);
void peer_storage_close(struct peer_storage *storage);

/* True, and the range, if a fetch is due. */
bool peer_storage_wants(struct peer_storage *storage, struct entry_range *range);
/* Reads the range from the log; blocks. `out` is empty. */
int peer_storage_fetch(
	struct log_engine *log, uint64_t region, const struct entry_range *range, struct raft_entries *out);
/* Takes the entries of a fetch. */
void peer_storage_fetched(struct peer_storage *storage, struct raft_entries *entries);
/* True once after raft has asked for a snapshot and none was prepared. */
bool peer_storage_wants_snapshot(struct peer_storage *storage);
/* Takes the snapshot for raft's next request; index 0: none any more. */
void peer_storage_prepared(struct peer_storage *storage, struct raft_snapshot *snapshot);
static inline bool peer_storage_has_prepared(const struct peer_storage *storage)
{
	return storage->prepared.index > 0;
}
/* Entries up to `index`, which is applied, count as compacted from now on. */
void peer_storage_forget(struct peer_storage *storage, uint64_t index);
/* Entries from `index` on have been replaced: drops the fetched ones among them. */
void peer_storage_replaced(struct peer_storage *storage, uint64_t index);

#endif
