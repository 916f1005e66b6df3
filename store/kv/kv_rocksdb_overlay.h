/*
 * kv_rocksdb_overlay.h: a KV engine that changes nothing on the disk: RocksDB opened for reading, and what is written on top of
 * it in memory, for as long as the engine is open.
 *
 * For inspection (inspect.h), which lets it catch up with the log. One thread. A put or delete is visible at once, not
 * when its batch is written; there are no snapshots, and what is persisted is what RocksDB has. Memory grows with what
 * is written: bounded by the log's limit.
 */
#ifndef RAFTKV_STORE_KV_KV_ROCKSDB_OVERLAY_H
#define RAFTKV_STORE_KV_KV_ROCKSDB_OVERLAY_H

#include "store/kv/kv_engine.h"

/* Takes no lock. 0, STATUS_CORRUPT or -errno, with a sentence. */
int kv_rocksdb_overlay_open(
	const char *path, uint64_t cache_size, struct kv_engine **engine, struct status *status);

#endif
