/*
 * log_engine.h: the raft logs of all regions of a store, in one stream (the ER of TiKV's RaftKV).
 *
 * Implementations: raft_log_engine (segment files of our own; the default) and raft_rocksdb
 * (raft-engine.enable = false). tests/conform runs one suite on both. What they share is in the files that begin with
 * log_: what a write says as records (log_record.h, log_records.h), and what memory knows of them (log_index.h,
 * log_cache.h, log_memory.h). Neither engine includes what is the other's; the segment engine's own are batch.h,
 * segment.h, plan.h and raft_log_engine_internal.h.
 *
 * A region's log holds its entries [first_index, last_index], its hard state, and a few small named *marks* (such as
 * Applying, Tombstone and blocks_synced; under region 0 those of the store itself, such as the lives of other stores). One
 * write carries any of these for one region and is atomic; writes of one region become durable in the order submitted.
 *
 * Threads. Any; a region's writes come from one thread at a time. Completions are mailed to the loop named in the
 * write. Reads see what is durable. Calls marked *blocks* may read the disk and belong on a worker or at start.
 *
 * Errors. A failed device write or sync is final and reaches `options.failed` once: the store stops; nothing is
 * retried, and every write from then on gets that status. Full disk: space is reserved ahead, and a write that would
 * need more gets -ENOSPC before anything of it is written; writes without entries (hard states, marks, resets,
 * destroys) and reclaim go on, from a reserve. A write larger than a segment gets STATUS_LIMIT. What a region submits
 * behind a refused write gets the same status until the refusal's `done` has begun, destroys excepted. Bytes that fail
 * their checksum are STATUS_CORRUPT, never data.
 *
 * Damage. Opening refuses a log that lost something acknowledged, with STATUS_CORRUPT and a sentence that names the
 * file, the offset and the regions; unless `options.damaged` is given: it is then told each region concerned, and the
 * engine opens. Reads and writes of a damaged region get STATUS_CORRUPT until it is destroyed: the store does that,
 * and rebuilds it from other replicas.
 */
#ifndef RAFTKV_STORE_LOG_LOG_ENGINE_H
#define RAFTKV_STORE_LOG_LOG_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/env.h"
#include "proto/histogram.h"
#include "raft/raft.h"

struct log_engine {
	const struct log_engine_ops *ops;
};

struct log_engine_options {
	struct env *env;
	const struct logger *logger;
	const char *path; /* the directory, created if absent */
	uint64_t segment_size; /* bytes [64 MiB] */
	uint64_t cache_size; /* bytes of recent entries kept in memory, all regions together [128 MiB] */
	uint64_t batch_size_max; /* bytes of one device write [4 MiB] */
	bool is_read_only; /* of files that are not reached through `env` (RocksDB's): nothing is changed */
	void (*failed)(void *argument, int status, const char *sentence); /* once; on any thread */
	/* A `reclaim` would help: the log has used up a segment since the last one began. On any thread, from inside the
	 * engine: post, do not call back. May be NULL. */
	void (*reclaim_wanted)(void *argument);
	/* In `open`, for each region that lost something; LOG_REGION_ANY first if regions that the log no longer knows
	 * may be among them. NULL: damage refuses to open. */
	void (*damaged)(void *argument, uint64_t region);
	void *argument; /* of all three */
};

#define LOG_REGION_ANY UINT64_MAX

#define LOG_MARK_NAME_MAX 15

struct log_mark {
	const char *name; /* 1 … LOG_MARK_NAME_MAX bytes */
	struct slice value; /* size 0 removes the mark */
};

struct log_write;
typedef void (*log_write_cb)(struct log_write *write, int status);

/* One atomic write for one region. Embedded in its owner; the engine's until `done` begins. */
struct log_write {
	struct env_mail mail; /* the engine's */
	struct log_write *next; /* the engine's */
	struct log_engine *engine; /* the engine's */
	uint64_t region;
	/* Entries with consecutive indexes, at most one past the log's end (or STATUS_UNAVAILABLE) and above what was
	 * released (or STATUS_COMPACTED); they replace whatever is there from the first one's index on. Borrowed until `done`; the engine shares the bufs it caches. `payload` is not written:
	 * `beside[i]` (all of `beside` may be NULL) says where it is on this replica; opaque to the engine. */
	const struct raft_entry *entries;
	const struct slice *beside;
	size_t entry_count;
	const struct raft_hard_state *hard_state; /* NULL: unchanged */
	const struct log_mark *marks;
	size_t mark_count;
	/* The log now begins after this snapshot: every entry is dropped, first_index = reset_index + 1. 0: no. */
	uint64_t reset_index;
	uint64_t reset_term;
	/* First of all, drop everything of the region: entries, hard state and marks; the rest of this write is then
	 * what the region has. */
	bool destroy;

	struct env_loop *loop;
	log_write_cb done;
	int status; /* the engine's */
	bool replaces; /* the engine's: some of the log as it will be just before */
};

/* One run of reclaim. Embedded in its owner; the engine's until `done` begins. */
struct log_reclaim {
	struct env_work work; /* the engine's */
	struct log_engine *engine; /* the engine's */
	struct env_loop *loop;
	bool is_last; /* the engine is about to be closed: nothing is made ahead of need */
	void (*done)(struct log_reclaim *reclaim, int status);
	int status; /* the engine's */
};

struct log_engine_stats {
	uint64_t live_size; /* bytes of log that are still needed */
	uint64_t disk_size; /* bytes of files */
	uint64_t cache_size; /* bytes */
	uint64_t syncs; /* device writes so far */
	uint64_t records; /* writes so far */
	struct histogram_sums sync; /* how long the synced writes took */
};

struct log_engine_ops {
	void (*close)(struct log_engine *engine); /* no write and no reclaim in flight */

	/* Errors arrive in `done`. */
	void (*write)(struct log_engine *engine, struct log_write *write);

	/* first_index = last_index + 1 when empty. STATUS_NOT_FOUND, of all reads: nothing is kept of the region. */
	int (*bounds)(
		struct log_engine *engine, uint64_t region, uint64_t *first_index, uint64_t *last_index);
	/* Zeroes when none was written. */
	int (*hard_state)(struct log_engine *engine, uint64_t region, struct raft_hard_state *hard_state);
	/* In [first_index - 1, last_index]; STATUS_COMPACTED, STATUS_UNAVAILABLE. */
	int (*term)(struct log_engine *engine, uint64_t region, uint64_t index, uint64_t *term);
	/* As raft_storage.entries; entries whose payload lies beside have payload NULL and payload_size set.
	 * With `cached_only` never blocks: STATUS_WOULD_BLOCK; otherwise *blocks*. */
	int (*entries)(struct log_engine *engine, uint64_t region, uint64_t low, uint64_t high,
		uint64_t size_max, bool cached_only, struct raft_entries *out);
	/* The bytes given as `beside` of the entry; the caller's reference. STATUS_NOT_FOUND: none. *Blocks.* */
	int (*beside)(struct log_engine *engine, uint64_t region, uint64_t index, struct buf **bytes);
	/* The caller's reference. STATUS_NOT_FOUND. */
	int (*mark)(struct log_engine *engine, uint64_t region, const char *name, struct buf **value);
	/* Every region that has anything, in ascending order; a nonzero return ends it and is returned. */
	int (*regions)(
		struct log_engine *engine, int (*each)(void *argument, uint64_t region), void *argument);

	/* Entries up to and including `index` are not needed any more; first_index = index + 1 from now on. Takes
	 * effect on disk when space is reclaimed; after a crash the log may begin earlier. STATUS_UNAVAILABLE: past
	 * the last; below the first nothing happens. */
	int (*release)(struct log_engine *engine, uint64_t region, uint64_t index);
	/* Moves what keeps old segments alive forward, recycles them, and prepares segments to come; to be called when
	 * `reclaim_wanted` says so and after releases. One at a time. `done` gets 0 or why it stopped early: -ENOSPC,
	 * STATUS_CORRUPT (a damaged region is not destroyed yet, or a record does not read back), or the failure. */
	void (*reclaim)(struct log_engine *engine, struct log_reclaim *reclaim);
	void (*stats)(struct log_engine *engine, struct log_engine_stats *stats);
};

#endif
