#include "store/flush/flush.h"

#include <errno.h>
#include <stdlib.h>

#include <uthash.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/time_units.h"
#include "store/route/route.h"
#include "store/rows/rows.h"

#define TICK_MS		  1000
#define FLUSH_AGE_FULL_MS 1000 /* while room is needed */
#define ROUND_PAUSE_MS	  100 /* between a round and the next that was asked for */
#define ROUNDS_HELD_MAX	  64

struct flush_region {
	UT_hash_handle hh;
	struct flush *flush;
	uint64_t region;
	uint64_t index; /* A: applied and visible */
	bool has_deferred;
	struct log_mark mark;
	uint8_t value[8];
	struct log_write write;
};

struct flush_round {
	struct flush_round *next;
	struct flush_region *regions; /* hash */
	uint64_t generation; /* of extents freed by its entries */
	uint64_t size; /* bytes of log */
};

static void free_regions(struct flush_region **regions)
{
	struct flush_region *each, *next;

	HASH_ITER (hh, *regions, each, next) {
		HASH_DELETE(hh, *regions, each);
		free(each);
	}
}

/* ---- Notes of the apply threads --------------------------------------------------------------------------------- */

uint64_t flush_enter(struct flush *flush)
{
	pthread_mutex_lock(&flush->lock);
	return flush->generation;
}

void flush_leave(struct flush *flush)
{
	uint64_t size = flush->noted_size + flush->round_size;
	uint64_t limit = flush->options->log_size_max;

	pthread_mutex_unlock(&flush->lock);
	if (size > limit)
		flush_request(flush);
	if (size > 2 * limit)
		atomic_store(&flush->is_throttling, true);
}

uint64_t flush_mark(struct flush *flush)
{
	uint64_t mark = flush_enter(flush);

	flush_leave(flush);
	return mark;
}

int flush_note(struct flush *flush, uint64_t region, uint64_t index, uint64_t size, bool has_deferred)
{
	struct flush_region *found;

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
	return 0;
}

/* ---- A round ---------------------------------------------------------------------------------------------------- */

static struct flush *flush_of_work(struct env_work *work)
{
	return container_of(work, struct flush, work);
}

static void free_round(struct flush_round *round)
{
	if (!round)
		return;
	free_regions(&round->regions);
	free(round);
}

/* Step 1. */
static void take_list(struct env_work *work)
{
	struct flush *flush = flush_of_work(work);
	struct flush_round *round = flush->round;

	/* They would keep extents from being reused. */
	router_visit(flush->router, route_snapshot_forget);
	pthread_mutex_lock(&flush->lock);
	round->regions = flush->regions;
	flush->regions = NULL;
	round->size = flush->round_size = flush->noted_size;
	flush->noted_size = 0;
	round->generation = flush->generation++;
	pthread_mutex_unlock(&flush->lock);
}

static int check_state(struct kv_engine *kv, const struct flush_region *each)
{
	struct kv_value value = {0};
	struct apply_state state = {0};
	struct key key;
	int status;

	key_apply_state(&key, each->region);
	status = kv->ops->get(kv, NULL, KV_TIER_PERSISTED, key_slice(&key), &value);
	if (status == 0)
		status = apply_state_decode(value.data, &state);
	kv_value_close(&value);
	if (status == 0 && state.index < each->index)
		status = STATUS_CORRUPT;
	return status;
}

/* One that is not there: the replica was destroyed, or a snapshot is taking the place of its rows, or it is lost. */
static int check_persisted(const struct flush *flush, const struct flush_region *each)
{
	const struct route *route = router_find(flush->router, each->region);
	struct kv_engine *kv = flush->engines->kv;
	int status = check_state(kv, each);
	struct kv_value value = {0};
	struct key key;

	if (status != STATUS_NOT_FOUND || (route && atomic_load(&route->is_installing)))
		return status == STATUS_NOT_FOUND ? 0 : status;
	key_apply_state(&key, each->region);
	status = kv->ops->get(kv, NULL, KV_TIER_ALL, key_slice(&key), &value);
	kv_value_close(&value);
	if (status == STATUS_NOT_FOUND)
		return 0;
	/* A snapshot that was installed meanwhile has flushed its own. */
	return check_state(kv, each) == 0 ? 0 : STATUS_CORRUPT;
}

static int sync_blocks(struct flush *flush)
{
	PLANT("store:release_before_sync", return 0);
	return blocks_sync(flush->engines->blocks);
}

static int flush_rows(struct flush *flush)
{
	struct kv_engine *kv = flush->engines->kv;
	struct flush_region *each, *next;
	int status;

	PLANT("store:release_before_flush", return 0);
	status = kv->ops->flush(kv);
	HASH_ITER (hh, flush->round->regions, each, next)
		if (status == 0)
			status = check_persisted(flush, each);
	return status;
}

/* Steps 2 and 3. */
static void make_durable(struct env_work *work)
{
	struct flush *flush = flush_of_work(work);
	int status = sync_blocks(flush);

	flush->round_status = status == 0 ? flush_rows(flush) : status;
}

/* Whether what rounds keep from reuse is more than what is left. */
static bool is_room_needed(struct engines *engines)
{
	struct blocks_stats stats;

	if (space_is_short(&engines->space))
		return true;
	blocks_stats(engines->blocks, &stats);
	PLANT("room:kept_for_followers", return false);
	return stats.waiting_units > stats.total_units - stats.used_units;
}

/* Whether some replica may still need entries of the round. */
static bool is_wanted(struct flush *flush, const struct flush_round *round)
{
	const struct flush_region *each, *next;

	PLANT("members:log_not_kept", return false);
	if (flush->held_size > flush->options->log_size_max / 2 || is_room_needed(flush->engines))
		return false;
	HASH_ITER (hh, round->regions, each, next) {
		const struct route *route = router_find(flush->router, each->region);

		if (route && atomic_load(&route->shared_index) < each->index)
			return true;
	}
	return false;
}

/* A replica that was destroyed meanwhile has no log, or a new one that is shorter. */
static int release_log(struct log_engine *log, const struct flush_region *region)
{
	int status = log->ops->release(log, region->region, region->index);

	return status == STATUS_NOT_FOUND || status == STATUS_UNAVAILABLE ? 0 : status;
}

static int let_go(struct flush *flush, struct flush_round *round)
{
	struct engines *engines = flush->engines;
	struct flush_region *each, *next;
	int status = 0;

	HASH_ITER (hh, round->regions, each, next)
		if (status == 0)
			status = release_log(engines->log, each);
	if (status == 0)
		blocks_release(engines->blocks, round->generation);
	return status;
}

/* The older of the two is let go of when the younger may be. Frees `round`. */
static void merge(struct flush_round *into, struct flush_round *round)
{
	struct flush_region *each, *next, *found;

	HASH_ITER (hh, round->regions, each, next) {
		HASH_DELETE(hh, round->regions, each);
		HASH_FIND(hh, into->regions, &each->region, sizeof each->region, found);
		if (found)
			found->index = each->index;
		else
			HASH_ADD(hh, into->regions, region, sizeof each->region, each);
		if (found)
			free(each);
	}
	into->generation = round->generation;
	into->size += round->size;
	free(round);
}

static void hold(struct flush *flush, struct flush_round *round)
{
	struct flush_round *last = flush->held;
	uint32_t count = 1;

	for (; last && last->next; last = last->next)
		count++;
	flush->held_size += round->size;
	if (!last)
		flush->held = round;
	else if (!round->regions || count >= ROUNDS_HELD_MAX)
		merge(last, round);
	else
		last->next = round;
}

/* Steps 5 and 6. */
static void release(struct env_work *work)
{
	struct flush *flush = flush_of_work(work);
	int status = 0;

	hold(flush, flush->round);
	flush->round = NULL;
	while (flush->held && status == 0 && !is_wanted(flush, flush->held)) {
		struct flush_round *round = flush->held;

		status = let_go(flush, round);
		flush->held = round->next;
		flush->held_size -= round->size;
		free_round(round);
	}
	flush->round_status = status;
}

static void begin_round(struct flush *flush);

/* Waits for what is under way, makes the last round, and is done. */
static void go_on_finishing(struct flush *flush)
{
	if (flush->is_running || flush->is_maintaining)
		return;
	if (flush->is_last_begun) {
		flush->finished(flush);
		return;
	}
	flush->is_last_begun = true;
	begin_round(flush);
}

static void end_round(struct flush *flush)
{
	pthread_mutex_lock(&flush->lock);
	flush->round_size = 0;
	pthread_mutex_unlock(&flush->lock);
	atomic_fetch_add(&flush->rounds, 1);
	atomic_store(&flush->is_throttling, false);
	flush->is_running = false;
	flush->resume(flush->resume_argument);
	if (flush->finished)
		go_on_finishing(flush);
}

static void fail_round(struct flush *flush)
{
	engines_fail(flush->engines, flush->round_status, "what was applied cannot be made durable");
}

/* A full disk or damage stops the reclaim short; it goes on in a later round. */
static void on_reclaimed(struct log_reclaim *reclaim, int status)
{
	struct flush *flush = container_of(reclaim, struct flush, reclaim);

	if (status < 0)
		log_warn(flush->engines->logger, "the log's space could not be reclaimed: %s",
			status_name(status));
	end_round(flush);
}

static void on_released(struct env_work *work)
{
	struct flush *flush = flush_of_work(work);

	if (flush->round_status < 0) {
		fail_round(flush);
		return;
	}
	flush->reclaim = (struct log_reclaim){
		.loop = flush->loop, .is_last = flush->is_last_begun, .done = on_reclaimed};
	flush->engines->log->ops->reclaim(flush->engines->log, &flush->reclaim);
}

static void on_marked(struct log_write *write, int status)
{
	struct flush_region *region = container_of(write, struct flush_region, write);
	struct flush *flush = region->flush;

	if (status < 0)
		flush->round_status = status;
	if (--flush->marks_pending > 0)
		return;
	if (flush->round_status < 0)
		fail_round(flush);
	else
		env_work_submit(flush->loop, &flush->work, release, on_released);
}

/* Step 4. */
static void write_mark(struct flush *flush, struct flush_region *region)
{
	struct log_engine *log = flush->engines->log;
	struct writer writer = writer_fixed(region->value, sizeof region->value);

	writer_u64le(&writer, region->index);
	region->mark = (struct log_mark){FLUSH_MARK_SYNCED, writer_written(&writer)};
	region->write = (struct log_write){
		.region = region->region,
		.marks = &region->mark,
		.mark_count = 1,
		.loop = flush->loop,
		.done = on_marked,
	};
	flush->marks_pending++;
	log->ops->write(log, &region->write);
}

static void on_durable(struct env_work *work)
{
	struct flush *flush = flush_of_work(work);
	struct flush_region *each, *next;

	if (flush->round_status < 0) {
		fail_round(flush);
		return;
	}
	HASH_ITER (hh, flush->round->regions, each, next)
		if (each->has_deferred)
			write_mark(flush, each);
	if (flush->marks_pending == 0)
		env_work_submit(flush->loop, &flush->work, release, on_released);
}

static void on_drained(struct env_mail *mail)
{
	struct flush *flush = container_of(mail, struct flush, drain.mail);

	env_work_submit(flush->loop, &flush->work, make_durable, on_durable);
}

static void on_taken(struct env_work *work)
{
	struct flush *flush = flush_of_work(work);

	flush->drain = (struct blocks_drain){.loop = flush->loop, .done = on_drained};
	blocks_drain(flush->engines->blocks, &flush->drain);
}

static void begin_round(struct flush *flush)
{
	flush->round = calloc(1, sizeof *flush->round);
	if (!flush->round) {
		engines_fail(flush->engines, -ENOMEM, "out of memory for a flush");
		return;
	}
	flush->is_running = true;
	flush->is_due = false;
	atomic_store(&flush->is_requested, false);
	flush->started = env_now(flush->engines->env);
	env_work_submit(flush->loop, &flush->work, take_list, on_taken);
}

/* ---- When ------------------------------------------------------------------------------------------------------- */

static bool has_notes(struct flush *flush)
{
	bool has;

	pthread_mutex_lock(&flush->lock);
	has = flush->regions != NULL;
	pthread_mutex_unlock(&flush->lock);
	return has;
}

static bool is_log_large(struct flush *flush)
{
	struct log_engine_stats stats;

	flush->engines->log->ops->stats(flush->engines->log, &stats);
	return stats.live_size > flush->options->log_size_max;
}

static void consider(struct flush *flush)
{
	struct engines *engines = flush->engines;
	uint64_t age_ms = (env_now(engines->env) - flush->started) / NS_PER_MS;
	uint64_t age_max_ms =
		is_room_needed(flush->engines) ? FLUSH_AGE_FULL_MS : flush->options->flush_age_ms;

	if (flush->is_running || flush->finished)
		return;
	if (flush->is_due ? age_ms >= ROUND_PAUSE_MS
			  : (has_notes(flush) && (age_ms >= age_max_ms || is_log_large(flush))) ||
				    (flush->held && age_ms >= age_max_ms))
		begin_round(flush);
}

static void flush_set_timer(struct flush *flush);

static void flush_on_timer(struct env_timer *timer)
{
	struct flush *flush = container_of(timer, struct flush, timer);

	flush_maintain(flush);
	consider(flush);
	flush_set_timer(flush);
}

static void flush_set_timer(struct flush *flush)
{
	uint64_t delay_ms = flush->is_due && !flush->is_running ? ROUND_PAUSE_MS : TICK_MS;

	if (!flush->finished)
		env_timer_start(&flush->timer, flush->loop,
			env_now(flush->engines->env) + delay_ms * NS_PER_MS, flush_on_timer);
}

static void on_request(struct env_mail *mail)
{
	struct flush *flush = container_of(mail, struct flush, request_mail);

	flush->is_due = true;
	consider(flush);
	flush_set_timer(flush);
}

/* `is_requested` is cleared when a round begins, which needs no request: the mail may still be on its way then. */
void flush_request(struct flush *flush)
{
	if (!atomic_exchange(&flush->is_requested, true))
		env_post_once(flush->loop, &flush->request_mail, on_request);
}

/* ---- Housekeeping ----------------------------------------------------------------------------------------------- */

static void maintain(struct env_work *work)
{
	struct flush *flush = container_of(work, struct flush, maintenance);
	struct engines *engines = flush->engines;
	int status = space_look(&engines->space, engines->env, engines->dir.path);

	if (status < 0)
		log_warn(engines->logger, "the free space of %s is unknown: %s", engines->dir.path,
			status_name(status));
	blocks_maintain(engines->blocks);
}

static void on_maintained(struct env_work *work);

static void start_maintenance(struct flush *flush)
{
	flush->is_maintenance_due = flush->is_maintaining;
	if (flush->is_maintaining)
		return;
	flush->is_maintaining = true;
	env_work_submit(flush->loop, &flush->maintenance, maintain, on_maintained);
}

static void on_maintained(struct env_work *work)
{
	struct flush *flush = container_of(work, struct flush, maintenance);

	flush->is_maintaining = false;
	if (flush->finished)
		go_on_finishing(flush);
	else if (flush->is_maintenance_due)
		start_maintenance(flush);
}

static void on_maintain(struct env_mail *mail)
{
	struct flush *flush = container_of(mail, struct flush, maintain_mail);

	if (!flush->finished)
		start_maintenance(flush);
}

void flush_maintain(struct flush *flush)
{
	env_post_once(flush->loop, &flush->maintain_mail, on_maintain);
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

int flush_init(struct flush *flush, struct engines *engines, struct router *router,
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

void flush_start(struct flush *flush)
{
	flush->started = env_now(flush->engines->env);
	flush_set_timer(flush);
	flush_maintain(flush);
}

void flush_close(struct flush *flush)
{
	if (!flush->engines)
		return;
	free_regions(&flush->regions);
	free_round(flush->round);
	while (flush->held) {
		struct flush_round *round = flush->held;

		flush->held = round->next;
		free_round(round);
	}
	pthread_mutex_destroy(&flush->lock);
}

void flush_finish(struct flush *flush, void (*finished)(struct flush *flush))
{
	flush->finished = finished;
	env_timer_stop(&flush->timer);
	go_on_finishing(flush);
}

uint64_t flush_synced_index(struct log_engine *log, uint64_t region)
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
