/*
 * options.h: what a store is to be, and how large its parts may grow: what raftkv_open is given. Zeroes are defaults,
 * named in brackets; the store's copy has them filled in (open_engines.h).
 */
#ifndef RAFTKV_STORE_OPTIONS_H
#define RAFTKV_STORE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

struct env;
struct env_loop;
struct evaluator; /* evaluator.h */
struct kv_engine;
struct log_engine;
struct log_engine_options;
struct logger;
struct transport; /* transport.h */

/* Opens the KV engine and the log engine of a data directory: the real ones, or a simulator's. */
struct raftkv_engines {
	int (*kv_open)(void *argument, const char *path, struct kv_engine **engine, struct status *status);
	int (*log_open)(void *argument, const struct log_engine_options *options, struct log_engine **engine,
		struct status *status);
	void *argument;
};

struct raftkv_options {
	struct env *env;
	const struct logger *logger;
	/* The data directory: created if absent or empty; refused when it is something else. */
	const char *path;
	struct evaluator *evaluator;
	struct raftkv_engines engines; /* zero: RocksDB and RaftLogEngine */
	struct env_loop **shards; /* loops that run the regions' peers; made, and run, by the caller */
	uint32_t shard_count;
	struct transport *transport; /* of the peers' messages; NULL: the store is alone */
	/*
	 * What the store is to be; an IDENT that says otherwise is refused. Zeroes take what IDENT says, and make a new
	 * store alone: store 1 of a cluster whose id is drawn.
	 */
	uint64_t cluster;
	uint64_t store;
	/* A new store's regions have a voter on each of these stores: replica n on the n-th. Every one of them must be
	 * opened with the same list, for they all make the same regions. 0 stores: this one alone. */
	const uint64_t *initial_stores;
	uint32_t initial_store_count; /* ≤ REGION_PEERS_MAX */
	bool is_joining; /* a new store has no region: it gets its replicas from a cluster that runs */
	bool raft_engine_is_rocksdb; /* a new store keeps its log in RocksDB instead of RaftLogEngine */
	bool lease_is_off; /* every read goes through a ReadIndex round */
	uint32_t
		initial_regions; /* [1] that a new store's key space is cut into, evenly by the first four bytes */
	uint32_t tick_ms; /* [100] one Raft tick */
	uint32_t election_tick; /* [15] */
	uint32_t heartbeat_tick; /* [3] */
	uint64_t kv_cache_size; /* bytes [256 MiB] */
	uint64_t log_size_max; /* bytes of live log that force a flush [disk / 8, ≤ 512 MiB] */
	uint64_t reserve_size; /* bytes of disk kept free [disk / 20, ≤ 256 MiB] */
	uint32_t
		flush_age_ms; /* [20000] after which what has been applied is flushed, whatever the log's size */
	uint64_t block_file_size; /* bytes; blocks_options.file_size [disk / 8, ≤ 1 GiB] */
	uint64_t segment_size; /* bytes; log_engine_options.segment_size [disk / 64, ≤ 64 MiB] */
	uint32_t snapshot_count_max; /* [2] regions' snapshots sent, and as many received, at once */
	uint64_t
		snapshot_rate; /* bytes/s that sending them may take: for whoever makes the transport [64 MiB/s] */
	/* The store can not go on (a failed sync, damage): called once, on any thread; the process should end. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
};

#endif
