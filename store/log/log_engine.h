/*
 * log_engine.h: the raft logs of all regions of a store, in one stream (the ER of TiKV's RaftKV).
 *
 * Implementations: raft_log_engine (its own segment files; the default) and raft_rocksdb (raft-engine.enable = false).
 * tests/conform runs one suite on both. They share the files that begin with log_: the records of a write
 * (log_record.h, log_records.h), and the log's state in memory (log_index.h, log_cache.h, log_memory.h). Neither engine
 * includes the other's files; those of the segment engine are batch.h, segment.h, plan.h and
 * raft_log_engine_internal.h.
 *
 * A region's log holds its entries [first_index, last_index], its hard state, and a few small named *marks* (region
 * markers such as Applying and Tombstone; under region 0 those of the store itself, such as blocks_synced). One write
 * carries any of these for one region and is atomic; writes of one region become durable in the order submitted.
 *
 * Threads. Any; a region's writes come from one thread at a time. Completions are mailed to the loop named in the
 * write. Reads see what is durable. Calls marked *blocks* may read the disk and belong on a worker or at start.
 *
 * Errors. A failed device write or sync is final and is reported once to `options.failed`: the store stops, nothing is
 * retried, and every later write gets that status. Full disk: space is reserved ahead, and a write that would need more
 * gets -ENOSPC before any of it is written. Writes without entries (hard states, marks, resets, destroys) and reclaim
 * continue, from a reserve. A write larger than a segment gets STATUS_LIMIT. Writes of a region behind a refused write
 * get the same status until the refusal's `done` has begun, destroys excepted. Bytes that fail their checksum are
 * STATUS_CORRUPT, never data.
 *
 * Damage. Opening refuses a log that lost something acknowledged, with STATUS_CORRUPT and a sentence that names the
 * file, the offset and the regions; unless `options.damaged` is given: then it is called for each damaged region, and
 * the engine opens. Reads and writes of a damaged region get STATUS_CORRUPT until the region is destroyed. The store
 * destroys it and rebuilds it from other replicas.
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
	bool is_read_only; /* opens RocksDB's files, which bypass `env`, without changing them */
	void (*failed)(void *argument, int status, const char *sentence); /* called once, on any thread */
	/* A `reclaim` is due: the log has filled a segment since the last one began. Called on any thread, from inside
	 * the engine: it must post, not call the engine. May be NULL. */
	void (*reclaim_wanted)(void *argument);
	/* Called during open for each region with lost records; first with LOG_REGION_ANY if regions unknown to the log
	 * may be among them. NULL: a damaged log does not open. */
	void (*damaged)(void *argument, uint64_t region);
	void *argument; /* of the three callbacks */
};

#define LOG_REGION_ANY UINT64_MAX

#define LOG_MARK_NAME_MAX 15

struct log_mark {
	const char *name; /* 1 … LOG_MARK_NAME_MAX bytes */
	struct slice value; /* size 0 removes the mark */
};

struct log_write;
typedef void (*log_write_cb)(struct log_write *write, int status);

/* One atomic write for one region. Embedded in its owner; it belongs to the engine until `done` begins. */
struct log_write {
	struct env_mail mail; /* the engine's */
	struct log_write *next; /* the engine's */
	struct log_engine *engine; /* the engine's */
	uint64_t region;
	/* Entries with consecutive indexes. They replace the log from the first one's index on, which is at most
	 * last_index + 1 (else STATUS_UNAVAILABLE) and above the released ones (else STATUS_COMPACTED). Borrowed until
	 * `done`; the engine shares the bufs it caches. `payload` is not written: `beside[i]` names its place on this
	 * replica and is opaque to the engine. `beside` may be NULL. */
	const struct raft_entry *entries;
	const struct slice *beside;
	size_t entry_count;
	const struct raft_hard_state *hard_state; /* NULL: unchanged */
	const struct log_mark *marks;
	size_t mark_count;
	/* The log now begins after this snapshot: every entry is dropped, first_index = reset_index + 1. 0: no. */
	uint64_t reset_index;
	uint64_t reset_term;
	/* First drop the region's entries, hard state and marks. The rest of this write is then all that the region
	 * has. */
	bool destroy;
	/* Its entries have been answered already (log_tail.h): it is not refused for want of space, but uses the reserve.
	 * Only while the engine is not short; up to a quarter of a segment at a time. */
	bool is_promised;
	/* Nobody waits for it: the engine may keep it, and those before it, until another write comes that may not wait,
	 * until there are many, or until `hurry`. So several become one write of the disk. */
	bool may_wait;

	struct env_loop *loop;
	log_write_cb done;
	int status; /* the engine's */
	bool replaces; /* the engine's: the write replaces entries of the log */
};

/* One run of reclaim. Embedded in its owner; it belongs to the engine until `done` begins. */
struct log_reclaim {
	struct env_work work; /* the engine's */
	struct log_engine *engine; /* the engine's */
	struct env_loop *loop;
	bool is_last; /* the engine is about to be closed: no spare segments are made */
	void (*done)(struct log_reclaim *reclaim, int status);
	int status; /* the engine's */
};

struct log_engine_stats {
	uint64_t live_size; /* bytes of entries' records that are still needed */
	uint64_t disk_size; /* bytes of files */
	uint64_t cache_size; /* bytes */
	uint64_t syncs; /* device writes so far */
	uint64_t records; /* writes so far */
	struct histogram_sums sync; /* how long the synced writes took */
};

struct log_engine_ops {
	void (*close)(struct log_engine *engine); /* no write and no reclaim may be in flight */

	/* Errors arrive in `done`. */
	void (*write)(struct log_engine *engine, struct log_write *write);
	/* Begins with the writes that are waiting. Any thread. */
	void (*hurry)(struct log_engine *engine);

	/* first_index = last_index + 1 when empty. Every read returns STATUS_NOT_FOUND if nothing of the region is
	 * kept. */
	int (*bounds)(
		struct log_engine *engine, uint64_t region, uint64_t *first_index, uint64_t *last_index);
	/* Zeroes if none was written. */
	int (*hard_state)(struct log_engine *engine, uint64_t region, struct raft_hard_state *hard_state);
	/* In [first_index - 1, last_index]; STATUS_COMPACTED, STATUS_UNAVAILABLE. */
	int (*term)(struct log_engine *engine, uint64_t region, uint64_t index, uint64_t *term);
	/* As raft_storage.entries; entries whose payload lies beside have payload NULL and payload_size set.
	 * With `cached_only` never blocks: STATUS_WOULD_BLOCK; otherwise *blocks*. */
	int (*entries)(struct log_engine *engine, uint64_t region, uint64_t low, uint64_t high,
		uint64_t size_max, bool cached_only, struct raft_entries *out);
	/* The entry's `beside`; the caller gets a reference. STATUS_NOT_FOUND: none. *Blocks.* */
	int (*beside)(struct log_engine *engine, uint64_t region, uint64_t index, struct buf **bytes);
	/* The mark's value; the caller gets a reference. STATUS_NOT_FOUND: none. */
	int (*mark)(struct log_engine *engine, uint64_t region, const char *name, struct buf **value);
	/* Calls `each` for every region of which anything is kept, in ascending order; a nonzero return ends the walk
	 * and is returned. */
	int (*regions)(
		struct log_engine *engine, int (*each)(void *argument, uint64_t region), void *argument);

	/* Releases the entries up to and including `index`: first_index = index + 1 from now on. It takes effect on
	 * disk when space is reclaimed; after a crash the log may begin earlier. STATUS_UNAVAILABLE: past last_index.
	 * Below first_index nothing happens. */
	int (*release)(struct log_engine *engine, uint64_t region, uint64_t index);
	/* Moves the live records of old segments forward, recycles these segments, and makes spare ones. To be called
	 * after `reclaim_wanted` and after releases. One at a time. `done` gets 0 or the reason why it stopped early:
	 * -ENOSPC, STATUS_CORRUPT (a damaged region is not destroyed yet, or a record does not read back), or the
	 * failure. */
	void (*reclaim)(struct log_engine *engine, struct log_reclaim *reclaim);
	/* Whether nothing may be promised: there is no room in reserve, or the engine cannot tell. */
	bool (*is_short)(struct log_engine *engine);
	void (*stats)(struct log_engine *engine, struct log_engine_stats *stats);
};

#endif
