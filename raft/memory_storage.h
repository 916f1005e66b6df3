/*
 * memory_storage: a raft_storage that keeps everything in memory, for tests and benches. It is as strict as a real
 * one: it refuses gaps, ranges that were compacted, and snapshots that are not newer than its own.
 *
 * The callbacks in `storage` may be replaced after memory_storage_init, to inject faults or to give other snapshots.
 */
#ifndef RAFTKV_RAFT_MEMORY_STORAGE_H
#define RAFTKV_RAFT_MEMORY_STORAGE_H

#include "raft/raft.h"

struct memory_storage {
	struct raft_storage storage; /* first: for raw_node_new */
	struct raft_hard_state hard_state;
	struct raft_snapshot snapshot; /* the newest one made or applied */
	struct raft_entries entries; /* entries.items[i] has the index compacted_index + 1 + i */
	uint64_t compacted_index; /* of the last entry that was dropped */
	uint64_t compacted_term; /* of that entry */
};

void memory_storage_init(struct memory_storage *memory);
void memory_storage_close(struct memory_storage *memory);

/* Appends entries that follow the log or replace its tail; skips those that are compacted already. Shares the bufs.
 * 0, -ENOMEM, or STATUS_MALFORMED for a gap. */
int memory_storage_append(struct memory_storage *memory, const struct raft_entry *entries, size_t count);
void memory_storage_set_hard_state(struct memory_storage *memory, const struct raft_hard_state *state);
/* Replaces everything by a leader's snapshot. 0, -ENOMEM or STATUS_SNAPSHOT_OUT_OF_DATE. */
int memory_storage_apply_snapshot(struct memory_storage *memory, const struct raft_snapshot *snapshot);
/* Makes the newest snapshot at `index`; `conf` NULL keeps the previous snapshot's. Shares `data`. 0, -ENOMEM,
 * STATUS_SNAPSHOT_OUT_OF_DATE, STATUS_COMPACTED or STATUS_UNAVAILABLE. */
int memory_storage_create_snapshot(
	struct memory_storage *memory, uint64_t index, const struct raft_conf_state *conf, struct buf *data);
/* Drops the entries up to and including `index`. 0, STATUS_COMPACTED or STATUS_UNAVAILABLE. */
int memory_storage_compact(struct memory_storage *memory, uint64_t index);
/* Step 3 of the contract in raft.h: takes over snapshot, entries and hard state of `ready`. Errors as above. */
int memory_storage_save_ready(struct memory_storage *memory, const struct raft_ready *ready);
/* The same with a MsgStorageAppend. */
int memory_storage_save_message(struct memory_storage *memory, const struct raft_message *message);

#endif
