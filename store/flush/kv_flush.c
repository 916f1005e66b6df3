#include "store/flush/kv_flush_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define TICK_MS		  1000
#define FLUSH_AGE_FULL_MS 1000 /* the age limit while room is needed */
#define ROUND_PAUSE_MS	  100 /* between a round and the next requested one */

/* The size of unflushed rows is looked up after so many batches, or so large a part of its limit in log. */
#define LOOK_BATCHES 64
#define LOOK_PART    16

/* ---- Notes of the apply threads --------------------------------------------------------------------------------- */

uint64_t kv_flush_enter(struct kv_flush *flush)
{
	pthread_mutex_lock(&flush->lock);
	return flush->generation;
}

static void kv_flush_limit(struct kv_flush *flush, uint64_t size, uint64_t limit)
{
	/* Before the request: so a round begins after it, whose end takes it back. */
	if (size > 2 * limit)
		atomic_store(&flush->is_throttling, true);
	if (size > limit)
		kv_flush_request(flush);
}

/* Whether to look up the size of unflushed rows. Under the lock. */
static bool count_batch(struct kv_flush *flush)
{
	if (++flush->unlooked_count < LOOK_BATCHES &&
		flush->unlooked_size <= flush->options->rows_unflushed_max / LOOK_PART)
		return false;
	flush->unlooked_count = 0;
	flush->unlooked_size = 0;
	PLANT("flush:rows_not_limited", return false);
	return true;
}

void kv_flush_leave(struct kv_flush *flush)
{
	uint64_t size = flush->noted_size + flush->round_size;
	struct kv_engine *kv = flush->engines->kv;
	bool is_look_due = count_batch(flush);

	pthread_mutex_unlock(&flush->lock);
	kv_flush_limit(flush, size, flush->options->log_size_max);
	if (is_look_due)
		kv_flush_limit(flush, kv->ops->unflushed_size(kv), flush->options->rows_unflushed_max);
}

uint64_t kv_flush_mark(struct kv_flush *flush)
{
	uint64_t mark = kv_flush_enter(flush);

	kv_flush_leave(flush);
	return mark;
}

int kv_flush_note(struct kv_flush *flush, uint64_t region, uint64_t index, uint64_t size, bool has_deferred)
{
	struct kv_flush_region *found;

	HASH_FIND(hh, flush->regions, &region, sizeof region, found);
	if (!found) {
		found = calloc(1, sizeof *found);
		if (!found)
			return -ENOMEM;
		found->flush = flush;
		found->region = region;
		HASH_ADD(hh, flush->regions, region, sizeof found->region, found);
	}
	check(index >= found->index);
	found->index = index;
	found->has_deferred = found->has_deferred || has_deferred;
	flush->noted_size += size;
	flush->unlooked_size += size;
	return 0;
}

/* ---- When ------------------------------------------------------------------------------------------------------- */

bool kv_flush_is_room_needed(struct engines *engines)
{
	struct blocks_stats stats;

	if (space_is_short(&engines->space))
		return true;
	blocks_stats(engines->blocks, &stats);
	PLANT("room:kept_for_followers", return false);
	return stats.waiting_units > stats.total_units - stats.used_units;
}

static bool has_notes(struct kv_flush *flush)
{
	bool has;

	pthread_mutex_lock(&flush->lock);
	has = flush->regions != NULL;
	pthread_mutex_unlock(&flush->lock);
	return has;
}

static bool is_log_large(struct kv_flush *flush)
{
	struct log_engine_stats stats;

	flush->engines->log->ops->stats(flush->engines->log, &stats);
	return stats.live_size > flush->options->log_size_max;
}

static void consider(struct kv_flush *flush)
{
	struct engines *engines = flush->engines;
	uint64_t age_ms = (env_now(engines->env) - flush->started) / NS_PER_MS;
	uint64_t age_max_ms =
		kv_flush_is_room_needed(flush->engines) ? FLUSH_AGE_FULL_MS : flush->options->flush_age_ms;

	if (flush->is_running || flush->finished)
		return;
	if (flush->is_due ? age_ms >= ROUND_PAUSE_MS
			  : (has_notes(flush) && (age_ms >= age_max_ms || is_log_large(flush))) ||
				    (flush->held && age_ms >= age_max_ms))
		kv_flush_round_begin(flush);
}

static void kv_flush_set_timer(struct kv_flush *flush);

static void kv_flush_on_timer(struct env_timer *timer)
{
	struct kv_flush *flush = container_of(timer, struct kv_flush, timer);

	kv_flush_maintain(flush);
	consider(flush);
	kv_flush_set_timer(flush);
}

static void kv_flush_set_timer(struct kv_flush *flush)
{
	uint64_t delay_ms = flush->is_due && !flush->is_running ? ROUND_PAUSE_MS : TICK_MS;

	if (!flush->finished)
		env_timer_start(&flush->timer, flush->loop,
			env_now(flush->engines->env) + delay_ms * NS_PER_MS, kv_flush_on_timer);
}

static void on_request(struct env_mail *mail)
{
	struct kv_flush *flush = container_of(mail, struct kv_flush, request_mail);

	flush->is_due = true;
	consider(flush);
	kv_flush_set_timer(flush);
}

/* A round clears `is_requested` when it begins. It may begin without a request, so the mail may then still be on its
 * way. */
void kv_flush_request(struct kv_flush *flush)
{
	if (!atomic_exchange(&flush->is_requested, true))
		env_post_once(flush->loop, &flush->request_mail, on_request);
}

/* ---- Ending ------------------------------------------------------------------------------------------------------ */

/* The store stops, and a round or maintenance has ended: waits for the rest, runs the last round, then finishes. */
static void go_on_finishing(struct kv_flush *flush)
{
	if (flush->is_running || flush->is_maintaining)
		return;
	if (flush->is_last_begun) {
		flush->finished(flush);
		return;
	}
	flush->is_last_begun = true;
	kv_flush_round_begin(flush);
}

/* What was requested while a round ran: until another one begins, no further request is heard. */
void kv_flush_on_round_ended(struct kv_flush *flush)
{
	if (flush->finished) {
		go_on_finishing(flush);
	} else if (flush->is_due) {
		consider(flush);
		kv_flush_set_timer(flush);
	}
}

/* ---- Housekeeping ----------------------------------------------------------------------------------------------- */

static void maintain(struct env_work *work)
{
	struct kv_flush *flush = container_of(work, struct kv_flush, maintenance);
	struct engines *engines = flush->engines;
	int status = space_look(&engines->space, engines->env, engines->dir.path);

	if (status < 0)
		log_warn(engines->logger, "the free space of %s is unknown: %s", engines->dir.path,
			status_name(status));
	blocks_maintain(engines->blocks);
}

static void on_maintained(struct env_work *work);

static void start_maintenance(struct kv_flush *flush)
{
	flush->is_maintenance_due = flush->is_maintaining;
	if (flush->is_maintaining)
		return;
	flush->is_maintaining = true;
	env_work_submit(flush->loop, &flush->maintenance, maintain, on_maintained);
}

static void on_maintained(struct env_work *work)
{
	struct kv_flush *flush = container_of(work, struct kv_flush, maintenance);

	flush->is_maintaining = false;
	if (flush->finished)
		go_on_finishing(flush);
	else if (flush->is_maintenance_due)
		start_maintenance(flush);
}

static void on_maintain(struct env_mail *mail)
{
	struct kv_flush *flush = container_of(mail, struct kv_flush, maintain_mail);

	if (!flush->finished)
		start_maintenance(flush);
}

void kv_flush_maintain(struct kv_flush *flush)
{
	env_post_once(flush->loop, &flush->maintain_mail, on_maintain);
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

int kv_flush_init(struct kv_flush *flush, struct engines *engines, struct router *router,
	const struct raftkv_options *options)
{
	int status = -pthread_mutex_init(&flush->lock, NULL);

	if (status < 0)
		return status;
	flush->engines = engines;
	flush->router = router;
	flush->options = options;
	flush->loop = options->shards[0];
	flush->generation = 1;
	return 0;
}

void kv_flush_start(struct kv_flush *flush)
{
	flush->started = env_now(flush->engines->env);
	kv_flush_set_timer(flush);
	kv_flush_maintain(flush);
}

void kv_flush_close(struct kv_flush *flush)
{
	if (!flush->engines)
		return;
	kv_flush_regions_free(&flush->regions);
	kv_flush_round_free(flush->round);
	while (flush->held) {
		struct kv_flush_round *round = flush->held;

		flush->held = round->next;
		kv_flush_round_free(round);
	}
	pthread_mutex_destroy(&flush->lock);
}

void kv_flush_finish(struct kv_flush *flush, void (*finished)(struct kv_flush *flush))
{
	flush->finished = finished;
	env_timer_stop(&flush->timer);
	go_on_finishing(flush);
}

uint64_t kv_flush_synced_index(struct log_engine *log, uint64_t region)
{
	struct reader reader;
	struct buf *value;
	uint64_t index;

	if (log->ops->mark(log, region, FLUSH_MARK_SYNCED, &value) < 0)
		return 0;
	reader = reader_of(buf_slice(value));
	index = reader_u64le(&reader);
	buf_unref(value);
	return reader_finish(&reader) == 0 ? index : 0;
}
