/*
 * options.h: the options of raftkv_open: a store's identity, its environment and the limits of its parts. Zero means
 * the default, named in brackets. open_fill_options and open_engines (open_engines.h) fill the defaults in.
 */
#ifndef RAFTKV_STORE_OPTIONS_H
#define RAFTKV_STORE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/status.h"

struct env;
struct env_loop;
struct evaluator; /* evaluator.h */
struct kv_engine;
struct log_engine;
struct log_engine_options;
struct logger;
struct transport; /* transport.h */

/* Opens the KV engine and the log engine of a data directory: RocksDB and RaftLogEngine, or a simulator's. */
struct raftkv_engines {
	int (*kv_open)(void *argument, const char *path, struct kv_engine **engine, struct status *status);
	int (*log_open)(void *argument, const struct log_engine_options *options, struct log_engine **engine,
		struct status *status);
	void *argument;
};

struct raftkv_options {
	struct env *env;
	const struct logger *logger;
	/* The data directory. Created if absent; refused if it holds foreign files. */
	const char *path;
	struct evaluator *evaluator;
	struct raftkv_engines engines; /* zero: RocksDB and RaftLogEngine */
	struct env_loop **shards; /* loops that run the regions' peers; the caller makes and runs them */
	uint32_t shard_count;
	struct transport *transport; /* carries the peers' messages; NULL: the store is alone */
	/*
	 * The ids of the cluster and of the store; an IDENT with other ids is refused. Zeroes accept the ids of an
	 * existing IDENT. For a new store zeroes mean store 1 of a cluster with a random id.
	 */
	uint64_t cluster;
	uint64_t store;
	/* A new store's regions have a voter on each of these stores: replica n on the n-th. Every store of the list
	 * must be opened with the same list, because each creates the same regions. Empty: this store alone. */
	const uint64_t *initial_stores;
	uint32_t initial_store_count; /* ≤ REGION_PEERS_MAX */
	bool is_joining; /* a new store creates no region; a running cluster gives it its replicas */
	bool raft_engine_is_rocksdb; /* a new store keeps its log in RocksDB instead of RaftLogEngine */
	bool early; /* a sole replica answers before its log is durable (store/log/log_tail.h) */
	bool lease_is_off; /* every read goes through a ReadIndex round */
	bool hibernation_is_off; /* regions with several replicas do not sleep when they are idle */
	uint32_t initial_regions; /* [1] of a new store */
	/* Where those after the first one begin, ascending, one less than `initial_regions`; for the call of raftkv_open.
	 * NULL: they divide the values of a key's first four bytes evenly. */
	const struct slice *initial_bounds;
	uint32_t tick_ms; /* [100] one Raft tick */
	uint32_t election_tick; /* [15] */
	uint32_t heartbeat_tick; /* [3] */
	uint32_t idle_ms; /* [two election timeouts] without work, after which a region sleeps */
	uint64_t kv_cache_size; /* bytes [256 MiB] */
	uint64_t log_size_max; /* bytes of live log that force a flush [disk / 8, ≤ 512 MiB] */
	/* bytes of rows in memory that force a flush [memtables' quarter of kv_cache_size, 2 MiB … 8 GiB] */
	uint64_t rows_unflushed_max;
	uint64_t reserve_size; /* bytes of disk kept free [disk / 20, ≤ 256 MiB] */
	/* [20000] maximal age of applied entries before a flush, whatever the log's size */
	uint32_t flush_age_ms;
	uint64_t block_file_size; /* bytes; blocks_options.file_size [disk / 8, ≤ 1 GiB] */
	uint64_t tail_size; /* bytes; log_tail_options.size [segment_size / 4] */
	uint64_t segment_size; /* bytes; log_engine_options.segment_size [disk / 64, ≤ 64 MiB] */
	/* [2] limit of region snapshots sent at once, and of those received at once */
	uint32_t snapshot_count_max;
	/* bytes/s of all snapshots sent; read by the program that makes the transport [64 MiB/s] */
	uint64_t snapshot_rate;
	/* Called once, on any thread, when the store cannot go on (a failed sync, damage). The process should then
	 * end. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
};

#endif
