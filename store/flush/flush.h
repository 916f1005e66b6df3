/*
 * flush.h: what makes applied state durable and lets go of what is no longer needed: the middle rows of
 * storage.md § What must be durable before what.
 *
 * One round at a time, begun by the log's size, by age, by a shortage of space or by stop:
 *
 *   1  forget the snapshots that readers share, take the list of regions with their applied index A, and end the
 *      generation G of freed extents                                                                  (a worker)
 *   2  wait for the small payloads of entries up to A that are on their way to the disk; sync the block files
 *   3  flush the KV engine; read the apply states back at the persisted tier: each is at least A
 *   4  record blocks_synced = A of each region that wrote small payloads                     (durable log writes)
 *   5  release the logs up to A: rows and payloads no longer need them                                (a worker)
 *   6  release the extents freed in generations up to G: their unmapping is flushed, what replaced them is synced, and
 *      the records that named them are released
 *   7  let the log engine reclaim its segments
 *
 * Steps 5 and 6 of a round wait while another replica may still have to be sent its entries (route->shared_index), and
 * the payloads that they name; but not when more than half of the log's limit waits, or space is short: then a replica
 * that is so far behind gets a snapshot. Rounds are let go of in their order.
 *
 * Once a second the disk's space is looked at and the block store's housekeeping is done. Apply threads report what
 * they made visible; the rest runs on the first shard's loop and on workers.
 */
#ifndef RAFTKV_STORE_FLUSH_FLUSH_H
#define RAFTKV_STORE_FLUSH_FLUSH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"
#include "store/engines.h"
#include "store/options.h"
#include "store/route/route.h"

#define FLUSH_MARK_SYNCED "blocks_synced" /* a region's mark in the log engine: u64le A */

struct flush_region; /* flush_internal.h */
struct flush_round;

struct flush {
	struct engines *engines;
	struct router *router;
	const struct raftkv_options *options; /* log_size_max, flush_age_ms */
	struct env_loop *loop;
	/* The owner's: space was freed, and nobody has to wait any more; on the loop. */
	void (*resume)(void *argument);
	void *resume_argument;
	pthread_mutex_t lock; /* of the next three */
	struct flush_region *regions; /* hash: what was applied since the last round took the list */
	uint64_t noted_size; /* bytes of log applied since then */
	uint64_t generation; /* the mark of extents freed now */

	/* The rest is the loop's. */
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
	struct flush_round *round; /* the one that runs */
	struct flush_round *held; /* made durable and not let go of, oldest first */
	uint64_t held_size; /* bytes of log */
	uint64_t round_size; /* under the lock */
	int round_status;
	uint32_t marks_pending;
	struct env_work work;
	struct blocks_drain drain;
	struct log_reclaim reclaim;
	void (*finished)(struct flush *flush); /* of flush_finish; NULL: not stopping */
	bool is_last_begun; /* the last round */
	atomic_bool is_throttling; /* writers wait: applied log is far over its limit and not yet flushed */
	_Atomic uint64_t rounds;
};

/* On the first of the options' shards; all three outlive it. 0 or -errno. */
int flush_init(struct flush *flush, struct engines *engines, struct router *router,
	const struct raftkv_options *options);
/* Begins the rounds and the housekeeping. Before it, requests are kept. */
void flush_start(struct flush *flush);
void flush_close(struct flush *flush);

/* An apply thread, after it has made a batch visible: enter, note every region of the batch, and leave. A round takes
 * all of a batch's notes and of the extents freed with the mark that enter gives, or none. */
uint64_t flush_enter(struct flush *flush);
/* Entries up to `index` are visible, `size` bytes of log; `has_deferred`: with small payloads among them.
 * 0 or -ENOMEM. */
int flush_note(struct flush *flush, uint64_t region, uint64_t index, uint64_t size, bool has_deferred);
void flush_leave(struct flush *flush);
/* The mark for extents that no row names. Any thread. */
uint64_t flush_mark(struct flush *flush);
/* Any thread: a round, soon. */
void flush_request(struct flush *flush);
/* Any thread: the block store, or the log, wants its housekeeping done soon. */
void flush_maintain(struct flush *flush);
/* What the mark of a region says: A, or 0: small payloads of all that the log still has are to be written again. */
uint64_t flush_synced_index(struct log_engine *log, uint64_t region);
/* A last round, and no other; then `finished` on the loop. */
void flush_finish(struct flush *flush, void (*finished)(struct flush *flush));

#endif
