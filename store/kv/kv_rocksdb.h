/*
 * kv_rocksdb.h: the KV engine on RocksDB.
 *
 * It has no WAL and one column family, so that a crash always leaves a prefix of the batches written. Memory is bounded
 * by `memory_size`: a quarter for memtables, the rest for one block cache that also holds indexes and filters. Flushes
 * and compactions run on RocksDB's own threads, at most `background_threads` at once.
 */
#ifndef RAFTKV_STORE_KV_KV_ROCKSDB_H
#define RAFTKV_STORE_KV_KV_ROCKSDB_H

#include "store/kv/kv_engine.h"

struct kv_rocksdb_options {
	const char *path; /* the directory, created if absent; its parent exists */
	uint64_t memory_size; /* bytes; at least KV_ROCKSDB_MEMORY_MIN is used [256 MiB] */
	int background_threads; /* [2] */
};

#define KV_ROCKSDB_MEMORY_MIN (8u << 20)

/* 0, -EWOULDBLOCK (another process has it open), STATUS_CORRUPT, -ENOSPC, or -errno; with a sentence. */
int kv_rocksdb_open(
	const struct kv_rocksdb_options *options, struct kv_engine **engine, struct status *status);

#endif
