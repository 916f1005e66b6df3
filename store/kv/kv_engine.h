/*
 * kv_engine.h: the engine of the applied state, an ordered map of bytes (the EK of TiKV's RaftKV).
 *
 * Implementations: kv_rocksdb (RocksDB without a WAL, one column family) kv_rocksdb_overlay (for inspection) and, for
 * the simulator, an ordered map whose flushes and losses its seed decides. tests/conform runs one suite on the first
 * and the last.
 *
 * Durability. A written batch is atomic and visible at once, and durable once flushed. After a crash the engine has a
 * prefix of its batches, at least up to the last completed flush. It flushes by itself as well, so the prefix may end
 * behind any batch. An engine that is opened with `manual_flush` does not: the prefix ends where the last completed
 * flush was fixed, or a later flush that had not completed. KV_TIER_PERSISTED reads flushed state. The raft log replays
 * the rest: there is no other log. Memory holds what is not flushed: with `manual_flush` the caller limits it.
 *
 * Threads. All calls on any thread; one thread at a time uses an iterator or a batch. Calls with KV_TIER_CACHE never
 * wait for a disk. `write` may stall when flushing lags, so it is called on apply threads or workers; loops try_write.
 * `flush` and reads of other tiers block.
 *
 * Errors. 0, STATUS_NOT_FOUND, STATUS_WOULD_BLOCK (KV_TIER_CACHE: not in memory), STATUS_CORRUPT, or -errno. A failed
 * write or flush is final: the engine refuses every later write and flush, and the store stops. With `manual_flush` no
 * batch becomes durable from then on, neither by itself nor by `close`, but those of a flush that is being completed.
 */
#ifndef RAFTKV_STORE_KV_KV_ENGINE_H
#define RAFTKV_STORE_KV_KV_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/status.h"

enum kv_tier {
	KV_TIER_ALL, /* may read the disk */
	KV_TIER_CACHE, /* memory only */
	KV_TIER_PERSISTED, /* the state that a crash now would leave; only for `get`, without a snapshot */
};

/* A value pinned in the engine's memory until it is closed. Zero is empty. */
struct kv_value {
	struct slice data;
	void *pin;
	void (*release)(void *pin);
};

static inline void kv_value_close(struct kv_value *value)
{
	if (value->release)
		value->release(value->pin);
	*value = (struct kv_value){0};
}

struct kv_engine {
	const struct kv_engine_ops *ops;
};

struct kv_snapshot; /* a point in time; reads through it do not see later batches */
struct kv_iterator;
struct kv_batch;

struct kv_memory {
	uint64_t memtable; /* bytes */
	uint64_t cache;
	uint64_t table_readers;
};

struct kv_engine_ops {
	/* Flushes, unless the engine has failed or was opened with `manual_flush`, and frees; no snapshot, iterator or batch
	 * may be left. */
	void (*close)(struct kv_engine *engine);

	struct kv_snapshot *(*snapshot_new)(struct kv_engine *engine); /* NULL: out of memory */
	void (*snapshot_free)(struct kv_engine *engine, struct kv_snapshot *snapshot);

	/* `snapshot` may be NULL: the newest state. `value` is always set; empty on an error. */
	int (*get)(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier,
		struct slice key, struct kv_value *value);

	/* Over [low, high); an empty `high` is no bound. Both are copied; `snapshot` outlives the iterator, and NULL
	 * is the state now. Not KV_TIER_PERSISTED. Not positioned until `seek`. */
	int (*iterator_new)(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier,
		struct slice low, struct slice high, struct kv_iterator **iterator);
	void (*iterator_free)(struct kv_engine *engine, struct kv_iterator *iterator);
	/* `seek` goes to the first key >= `key`; `next`, after a 0, to the next key. 0, STATUS_NOT_FOUND (the end),
	 * STATUS_WOULD_BLOCK, … */
	int (*seek)(struct kv_iterator *iterator, struct slice key);
	int (*next)(struct kv_iterator *iterator);
	/* The row at the iterator, borrowed until it moves. */
	void (*row)(const struct kv_iterator *iterator, struct slice *key, struct slice *value);

	struct kv_batch *(*batch_new)(struct kv_engine *engine); /* NULL: out of memory */
	void (*batch_free)(struct kv_batch *batch);
	void (*batch_clear)(struct kv_batch *batch);
	void (*batch_put)(struct kv_batch *batch, struct slice key, struct slice value);
	void (*batch_delete)(struct kv_batch *batch, struct slice key);
	/* Deletes [low, high); nothing if low >= high. */
	void (*batch_delete_range)(struct kv_batch *batch, struct slice low, struct slice high);
	size_t (*batch_size)(const struct kv_batch *batch); /* bytes */
	/* Writes the batch atomically. The batch keeps its content. */
	int (*write)(struct kv_engine *engine, struct kv_batch *batch);
	/* As `write`, but where that would stall: STATUS_WOULD_BLOCK, nothing is written, and nothing has failed. */
	int (*try_write)(struct kv_engine *engine, struct kv_batch *batch);

	/*
	 * Makes every batch written before the call durable; blocks. `fixed` may be NULL. It is called once, on the
	 * calling thread, when it is settled which batches the flush takes; not if the flush has failed before. It may
	 * read and write, but not flush. With `manual_flush` the flush takes no batch whose write begins after that
	 * call.
	 */
	int (*flush)(struct kv_engine *engine, void (*fixed)(void *argument), void *argument);
	/* Approximate bytes written and not yet flushed. */
	uint64_t (*unflushed_size)(struct kv_engine *engine);
	void (*memory)(struct kv_engine *engine, struct kv_memory *memory);
	/* Approximate bytes on disk of the rows in [low, high). */
	uint64_t (*range_size)(struct kv_engine *engine, struct slice low, struct slice high);
};

#endif
