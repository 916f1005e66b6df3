/*
 * kv_flush.h: makes applied state durable, then releases the logs and extents that are no longer needed: the middle rows
 * of storage.md § What must be durable before what.
 *
 * One round runs at a time. The log's size, the rows' size in memory, age, a shortage of space or a stop begins it:
 *
 *   1  forget the shared snapshots of readers, take the list of regions with their applied index A, and end the
 *      generation G of freed extents                                                                  (a worker)
 *   2  wait for the deferred writes of entries up to A, and until the log has what was answered early; sync the block files
 *   3  flush the KV engine; read the apply states back at the persisted tier: each is at least A
 *   4  record blocks_synced = A of each region that wrote small payloads                     (durable log writes)
 *   5  release the logs up to A: rows and payloads no longer need them                                (a worker)
 *   6  release the extents freed in generations up to G: their unmapping is flushed, their replacements are synced,
 *      and the log records that named them are released
 *   7  let the log engine reclaim its segments
 *
 * Steps 5 and 6 of a round wait while another replica may still need its entries (route->shared_index) and their
 * payloads. They do not wait when more than half of the log's limit waits, or when space is short: then a replica that
 * is so far behind gets a snapshot. Rounds are released in their order.
 *
 * Once a second the disk's space is looked up and blocks_maintain runs. Apply threads note what they made visible;
 * everything else runs on the first shard's loop and on workers.
 */
#ifndef RAFTKV_STORE_FLUSH_KV_FLUSH_H
#define RAFTKV_STORE_FLUSH_KV_FLUSH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"
#include "store/engines.h"
#include "store/options.h"
#include "store/route/route.h"

#define FLUSH_MARK_SYNCED "blocks_synced" /* a region's mark in the log engine: u64le A */

struct kv_flush_region; /* kv_flush_internal.h */
struct kv_flush_round;

struct kv_flush {
	struct engines *engines;
	struct router *router;
	const struct raftkv_options *options; /* log_size_max, rows_unflushed_max, flush_age_ms */
	struct env_loop *loop;
	/* Set by the owner, called on the loop: space was freed, or throttling has ended, so waiting writes may
	 * continue. */
	void (*resume)(void *argument);
	void *resume_argument;
	pthread_mutex_t lock; /* guards the next five */
	struct kv_flush_region *regions; /* hash: regions with entries applied since the last round began */
	uint64_t noted_size; /* bytes of log applied since then */
	uint64_t generation; /* the mark for extents that are freed now */
	uint32_t unlooked_count; /* batches since the size of unflushed rows was looked up */
	uint64_t unlooked_size; /* bytes of log in them */

	/* The members below belong to the loop. */
	struct env_timer timer;
	struct env_mail request_mail;
	atomic_bool is_requested;
	struct env_work maintenance;
	struct env_mail maintain_mail;
	bool is_maintaining;
	bool is_maintenance_due; /* asked for while running */
	bool is_running; /* a round */
	bool is_due; /* asked for while running */
	uint64_t started; /* when the last round began */
	struct kv_flush_round *round; /* the running one */
	struct kv_flush_round *held; /* durable and not released, oldest first */
	uint64_t held_size; /* bytes of log */
	uint64_t round_size; /* under the lock */
	int round_status;
	uint32_t marks_pending;
	struct env_work work;
	struct blocks_drain drain;
	struct log_tail_wait tail_wait;
	bool holds_tail; /* nothing is answered early (log_tail.h) */
	struct log_reclaim reclaim;
	void (*finished)(struct kv_flush *flush); /* kv_flush_finish's callback; NULL: not stopping */
	bool is_last_begun; /* the last round */
	/* Evaluations wait, because unflushed log or rows are far over their limit. */
	atomic_bool is_throttling;
	_Atomic uint64_t rounds;
};

/* On the first of the options' shards. `engines`, `router` and `options` outlive it. 0 or -errno. */
int kv_flush_init(struct kv_flush *flush, struct engines *engines, struct router *router,
	const struct raftkv_options *options);
/* Begins rounds and maintenance. Earlier requests are kept until then. */
void kv_flush_start(struct kv_flush *flush);
void kv_flush_close(struct kv_flush *flush);

/* An apply thread that has made a batch visible enters, notes every region of the batch, frees extents with the mark
 * that kv_flush_enter returns, and leaves. A round takes all notes and extents of a batch, or none. */
uint64_t kv_flush_enter(struct kv_flush *flush);
/* Notes that entries up to `index`, `size` bytes of log, are visible. `has_deferred`: they wrote small payloads. 0 or
 * -ENOMEM. */
int kv_flush_note(struct kv_flush *flush, uint64_t region, uint64_t index, uint64_t size, bool has_deferred);
void kv_flush_leave(struct kv_flush *flush);
/* The present mark, for extents freed outside of a batch. Any thread. */
uint64_t kv_flush_mark(struct kv_flush *flush);
/* Any thread: requests a round. */
void kv_flush_request(struct kv_flush *flush);
/* Any thread: requests maintenance of the block store and the log. */
void kv_flush_maintain(struct kv_flush *flush);
/* The region's blocks_synced mark. 0: none, so the small payloads of all entries in the log must be written again. */
uint64_t kv_flush_synced_index(struct log_engine *log, uint64_t region);
/* Runs a last round, then calls `finished` on the loop. */
void kv_flush_finish(struct kv_flush *flush, void (*finished)(struct kv_flush *flush));

#endif
