/*
 * raft_rocksdb.h: the raft logs of a store in RocksDB with its write-ahead log and synced writes; see
 * store/log/log_engine.h. Chosen by raft-engine.enable = false.
 *
 * A row per entry, hard state, base and mark: the key tells which, the value is one record of
 * log_record.h. What memory answers is shared with the segment engine (log_memory.h).
 */
#ifndef RAFTKV_STORE_LOG_RAFT_ROCKSDB_H
#define RAFTKV_STORE_LOG_RAFT_ROCKSDB_H

#include "store/log/log_engine.h"

/* Recovers what the directory holds. *Blocks.* `segment_size` is of no use here. STATUS_CORRUPT, -EWOULDBLOCK (it is
 * open elsewhere) or another -errno; `options.damaged` is not called: RocksDB cannot tell what it lost, so damage
 * always refuses. */
int raft_rocksdb_open(
	const struct log_engine_options *options, struct log_engine **engine, struct status *status);

#endif
