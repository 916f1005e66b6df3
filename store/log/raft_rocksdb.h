/*
 * raft_rocksdb.h: the log engine on RocksDB, with its write-ahead log and synced writes; see store/log/log_engine.h.
 * Chosen by raft-engine.enable = false.
 *
 * Each entry, hard state, base and mark is a row. The key names it; the value is one record of log_record.h. The state
 * in memory is shared with the segment engine (log_memory.h).
 */
#ifndef RAFTKV_STORE_LOG_RAFT_ROCKSDB_H
#define RAFTKV_STORE_LOG_RAFT_ROCKSDB_H

#include "store/log/log_engine.h"

/* Opens and recovers the directory. *Blocks.* `segment_size` is ignored. STATUS_CORRUPT, -EWOULDBLOCK (it is open
 * elsewhere) or another -errno. `options.damaged` is not called: RocksDB cannot name the lost records, so a damaged log
 * never opens. */
int raft_rocksdb_open(
	const struct log_engine_options *options, struct log_engine **engine, struct status *status);

#endif
