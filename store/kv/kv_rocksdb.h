/*
 * kv_rocksdb.h: the KV engine on RocksDB.
 *
 * It has no WAL and one column family, so that a crash always leaves a prefix of the batches written. Memory is bounded
 * by `memory_size`: a quarter for memtables, the rest for one block cache that also holds indexes and filters. With
 * `manual_flush` the caller keeps memtables within their part: they grow until it flushes. Flushes and compactions run
 * on RocksDB's own threads, at most `background_threads` at once.
 */
#ifndef RAFTKV_STORE_KV_KV_ROCKSDB_H
#define RAFTKV_STORE_KV_KV_ROCKSDB_H

#include "store/kv/kv_engine.h"

struct kv_rocksdb_options {
	const char *path; /* the directory, created if absent; its parent exists */
	uint64_t memory_size; /* bytes; at least KV_ROCKSDB_MEMORY_MIN is used [256 MiB] */
	int background_threads; /* [2] */
	bool manual_flush; /* batches become durable by `flush` alone (kv_engine.h) */
};

#define KV_ROCKSDB_MEMORY_MIN (8u << 20)

/* Bytes of memtables that `memory_size` allows. */
static inline uint64_t kv_rocksdb_memtable_size(uint64_t memory_size)
{
	return (memory_size > KV_ROCKSDB_MEMORY_MIN ? memory_size : KV_ROCKSDB_MEMORY_MIN) / 4;
}

/* 0, -EWOULDBLOCK (another process has it open), STATUS_CORRUPT, -ENOSPC, or -errno; with a sentence. */
int kv_rocksdb_open(
	const struct kv_rocksdb_options *options, struct kv_engine **engine, struct status *status);

#endif
