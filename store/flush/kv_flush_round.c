/* One flush round: the steps of kv_flush.h in order, each on a worker or in an engine. */
#include "store/flush/kv_flush_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/codec.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/rows/rows.h"

#define ROUNDS_HELD_MAX 64

/* ---- Memory ----------------------------------------------------------------------------------------------------- */

void kv_flush_regions_free(struct kv_flush_region **regions)
{
	struct kv_flush_region *each, *next;

	HASH_ITER (hh, *regions, each, next) {
		HASH_DELETE(hh, *regions, each);
		free(each);
	}
}

void kv_flush_round_free(struct kv_flush_round *round)
{
	if (!round)
		return;
	kv_flush_regions_free(&round->regions);
	free(round);
}

/* ---- Steps ------------------------------------------------------------------------------------------------------ */

static struct kv_flush *flush_of_work(struct env_work *work)
{
	return container_of(work, struct kv_flush, work);
}

/* Step 1. */
static void take_list(struct env_work *work)
{
	struct kv_flush *flush = flush_of_work(work);
	struct kv_flush_round *round = flush->round;

	/* Shared snapshots would keep extents from being reused. */
	router_visit(flush->router, route_snapshot_forget);
	pthread_mutex_lock(&flush->lock);
	round->regions = flush->regions;
	flush->regions = NULL;
	round->size = flush->round_size = flush->noted_size;
	flush->noted_size = 0;
	round->generation = flush->generation++;
	pthread_mutex_unlock(&flush->lock);
}

static int check_state(struct kv_engine *kv, const struct kv_flush_region *each)
{
	struct apply_state state = {0};
	int status = apply_state_get(kv, NULL, KV_TIER_PERSISTED, each->region, &state);

	if (status == 0 && state.index < each->index)
		status = STATUS_CORRUPT;
	return status;
}

/* A missing apply state: the replica was destroyed, a snapshot is replacing its rows, or the state is lost. */
static int check_persisted(const struct kv_flush *flush, const struct kv_flush_region *each)
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
	/* If a snapshot was installed meanwhile, its state was flushed: the second look finds it. */
	return check_state(kv, each) == 0 ? 0 : STATUS_CORRUPT;
}

static int sync_blocks(struct kv_flush *flush)
{
	PLANT("store:release_before_sync", return 0);
	return blocks_sync(flush->engines->blocks);
}

/* The rows that are flushed are of durable entries; what is applied from now on may be ahead of the log again. */
static void let_early(void *argument)
{
	struct kv_flush *flush = argument;

	if (flush->holds_tail)
		log_tail_resume(flush->engines->tail);
	flush->holds_tail = false;
}

static int flush_rows(struct kv_flush *flush)
{
	struct kv_engine *kv = flush->engines->kv;
	struct kv_flush_region *each, *next;
	int status;

	PLANT("store:release_before_flush", return 0);
	status = kv->ops->flush(kv, let_early, flush);
	HASH_ITER (hh, flush->round->regions, each, next)
		if (status == 0)
			status = check_persisted(flush, each);
	return status;
}

/* Steps 2 and 3. */
static void make_durable(struct env_work *work)
{
	struct kv_flush *flush = flush_of_work(work);
	int status = sync_blocks(flush);

	flush->round_status = status == 0 ? flush_rows(flush) : status;
	let_early(flush);
}

/* Whether another replica may still need entries of the round. */
static bool is_wanted(struct kv_flush *flush, const struct kv_flush_round *round)
{
	const struct kv_flush_region *each, *next;

	PLANT("members:log_not_kept", return false);
	if (flush->held_size > flush->options->log_size_max / 2 || kv_flush_is_room_needed(flush->engines))
		return false;
	HASH_ITER (hh, round->regions, each, next) {
		const struct route *route = router_find(flush->router, each->region);

		if (route && atomic_load(&route->shared_index) < each->index)
			return true;
	}
	return false;
}

/* If the replica was destroyed meanwhile, its log is gone, or is a new and shorter one. */
static int release_log(struct log_engine *log, const struct kv_flush_region *region)
{
	int status = log->ops->release(log, region->region, region->index);

	return status == STATUS_NOT_FOUND || status == STATUS_UNAVAILABLE ? 0 : status;
}

static int let_go(struct kv_flush *flush, struct kv_flush_round *round)
{
	struct engines *engines = flush->engines;
	struct kv_flush_region *each, *next;
	int status = 0;

	HASH_ITER (hh, round->regions, each, next)
		if (status == 0)
			status = release_log(engines->log, each);
	if (status == 0)
		blocks_release(engines->blocks, round->generation);
	return status;
}

/* Merges two rounds: the older is released together with the younger. Frees `round`. */
static void merge(struct kv_flush_round *into, struct kv_flush_round *round)
{
	struct kv_flush_region *each, *next, *found;

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

static void hold(struct kv_flush *flush, struct kv_flush_round *round)
{
	struct kv_flush_round *last = flush->held;
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
	struct kv_flush *flush = flush_of_work(work);
	int status = 0;

	hold(flush, flush->round);
	flush->round = NULL;
	while (flush->held && status == 0 && !is_wanted(flush, flush->held)) {
		struct kv_flush_round *round = flush->held;

		status = let_go(flush, round);
		flush->held = round->next;
		flush->held_size -= round->size;
		kv_flush_round_free(round);
	}
	flush->round_status = status;
}

static void end_round(struct kv_flush *flush)
{
	pthread_mutex_lock(&flush->lock);
	flush->round_size = 0;
	pthread_mutex_unlock(&flush->lock);
	atomic_fetch_add(&flush->rounds, 1);
	atomic_store(&flush->is_throttling, false);
	flush->is_running = false;
	flush->resume(flush->resume_argument);
	kv_flush_on_round_ended(flush);
}

static void fail_round(struct kv_flush *flush)
{
	engines_fail(flush->engines, flush->round_status, "what was applied cannot be made durable");
}

/* A full disk or damage ends the reclaim early. A later round continues it. */
static void on_reclaimed(struct log_reclaim *reclaim, int status)
{
	struct kv_flush *flush = container_of(reclaim, struct kv_flush, reclaim);

	if (status < 0)
		log_warn(flush->engines->logger, "the log's space could not be reclaimed: %s",
			status_name(status));
	end_round(flush);
}

static void on_released(struct env_work *work)
{
	struct kv_flush *flush = flush_of_work(work);

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
	struct kv_flush_region *region = container_of(write, struct kv_flush_region, write);
	struct kv_flush *flush = region->flush;

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
static void write_mark(struct kv_flush *flush, struct kv_flush_region *region)
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
	struct kv_flush *flush = flush_of_work(work);
	struct kv_flush_region *each, *next;

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

static void on_held(struct log_tail_wait *wait)
{
	struct kv_flush *flush = container_of(wait, struct kv_flush, tail_wait);

	env_work_submit(flush->loop, &flush->work, make_durable, on_durable);
}

static void on_drained(struct env_mail *mail)
{
	struct kv_flush *flush = container_of(mail, struct kv_flush, drain.mail);

	flush->tail_wait = (struct log_tail_wait){.loop = flush->loop, .done = on_held};
	flush->holds_tail = flush->engines->tail != NULL;
	PLANT("early:flush_ahead_of_log", flush->holds_tail = false);
	if (flush->holds_tail)
		log_tail_hold(flush->engines->tail, &flush->tail_wait);
	else
		on_held(&flush->tail_wait);
}

static void on_taken(struct env_work *work)
{
	struct kv_flush *flush = flush_of_work(work);

	flush->drain = (struct blocks_drain){.loop = flush->loop, .done = on_drained};
	blocks_drain(flush->engines->blocks, &flush->drain);
}

void kv_flush_round_begin(struct kv_flush *flush)
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
