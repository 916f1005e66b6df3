/*
 * kv_rocksdb_overlay.h: a KV engine that changes nothing on the disk: RocksDB opened for reading, with all writes in
 * memory above it until the engine is closed.
 *
 * For inspection (inspect.h), which applies the log to it. One thread. A put or delete is visible at once, not when its
 * batch is written; an iterator keeps its row meanwhile, and goes on among the changed rows. There are no snapshots. The persisted state is RocksDB's. Memory grows with the writes, which the
 * log's limit bounds.
 */
#ifndef RAFTKV_STORE_KV_KV_ROCKSDB_OVERLAY_H
#define RAFTKV_STORE_KV_KV_ROCKSDB_OVERLAY_H

#include "store/kv/kv_engine.h"

/* Takes no lock. 0, STATUS_CORRUPT or -errno, with a sentence. */
int kv_rocksdb_overlay_open(
	const char *path, uint64_t cache_size, struct kv_engine **engine, struct status *status);

#endif
