#include "fs/transact/sweeper.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/transact/region_set.h"
#include "fs/transact/strays.h"
#include "fs/transact/transactions_internal.h"
#include "proto/container.h"
#include "proto/hash.h"
#include "proto/plant.h"

#define HURRY_NS	(20 * NS_PER_MS) /* intents that end by themselves have ended then, mostly */
#define HURRIED_MAX	64u
#define REGIONS_A_TURN	64u
#define RESOLUTIONS_MAX 256u /* under way; committed records beyond them wait for the next round */

/* An attempt that a scan has found, with the places of its intents in the region, or of all (`is_record`). */
struct swept {
	struct attempt attempt; /* the key */
	bool is_record;
	struct writer places;
	UT_hash_handle hh;
};

/* A scan of one region. */
struct sweep {
	uint64_t region;
	bool is_hurried;
	struct raftkv_snapshot *snapshot;
	struct swept *intents, *records; /* uthash */
	uint32_t rows;
	int status;
	struct env_work work;
};

/* An attempt whose intents have been seen in a region. */
struct sighting {
	struct sighting_key {
		uint64_t region;
		struct attempt attempt;
	} key;
	uint64_t since; /* env_now */
	uint64_t round; /* in which it was seen first */
	uint64_t scan; /* the last that saw it */
	UT_hash_handle hh;
};

struct sweep_target {
	uint64_t region;
	bool is_hurried;
};

struct sweeper {
	struct transactions *transactions;
	struct env_timer timer; /* of rounds */
	struct env_timer turn; /* the next regions of a round, or hurried ones */
	uint64_t round, scan; /* counts */
	uint64_t
		looked; /* raftkv_each_changed_region: what changed before was looked at; 0: the next round looks at all */
	struct region_set
		unfinished; /* something is left in them, or they could not be read: each round looks again */
	struct sweep_target *queue; /* the next one is the last */
	uint32_t queue_count, queue_size;
	uint64_t hurried[HURRIED_MAX];
	uint32_t hurried_count;
	struct sweep sweep;
	bool is_working; /* `sweep` is on a worker */
	struct sighting *sightings; /* uthash */
	struct strays strays;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* ---- A scan ---- */

static void sweep_clear(struct swept **list)
{
	struct swept *swept, *next;

	HASH_ITER (hh, *list, swept, next) {
		HASH_DEL(*list, swept);
		writer_close(&swept->places);
		free(swept);
	}
}

static struct swept *sweep_take(struct swept **list, const struct attempt *attempt)
{
	struct swept *swept;

	HASH_FIND(hh, *list, attempt, sizeof *attempt, swept);
	if (swept)
		return swept;
	swept = calloc(1, sizeof *swept);
	if (!swept)
		return NULL;
	swept->attempt = *attempt;
	swept->places = writer_growing(INTENTS_SIZE_MAX);
	HASH_ADD(hh, *list, attempt, sizeof swept->attempt, swept);
	return swept;
}

static int on_intent_row(void *argument, struct slice key, struct slice value)
{
	struct sweep *sweep = argument;
	struct intent_place place;
	struct attempt attempt;
	struct swept *swept;

	(void)value;
	if (fs_key_parse_intent(key, &place.ino, &attempt, &place.index) < 0)
		return STATUS_CORRUPT;
	swept = sweep_take(&sweep->intents, &attempt);
	if (!swept)
		return -ENOMEM;
	intent_place_encode(&place, &swept->places);
	return ++sweep->rows < SWEEP_ROWS_MAX ? 0 : 1;
}

static int on_committed_row(void *argument, struct slice key, struct slice value)
{
	struct sweep *sweep = argument;
	struct attempt attempt;
	struct slice places;
	struct swept *swept;
	int status = committed_record_decode(key, value, &attempt, &places);

	if (status < 0)
		return status;
	swept = sweep_take(&sweep->records, &attempt);
	if (!swept)
		return -ENOMEM;
	writer_bytes(&swept->places, places.data, places.size);
	return ++sweep->rows < SWEEP_ROWS_MAX ? 0 : 1;
}

static int scan_rows(struct sweep *sweep, struct view *view, const struct fs_key *prefix, view_row_cb row)
{
	struct fs_key end = fs_key_after(prefix);
	int status;

	sweep->rows = 0;
	status = view_scan(view, KEY_LOCAL, fs_key_slice(prefix), fs_key_slice(&end), row, sweep);
	return status > 0 ? 0 : status;
}

static void sweep_scan(struct sweep *sweep, bool may_block)
{
	struct view *view = raftkv_snapshot_view(sweep->snapshot, may_block);
	struct fs_key intents = fs_key_intents_all(), records = fs_key_committed_all();

	sweep_clear(&sweep->intents);
	sweep_clear(&sweep->records);
	sweep->status = scan_rows(sweep, view, &intents, on_intent_row);
	if (sweep->status == 0)
		sweep->status = scan_rows(sweep, view, &records, on_committed_row);
}

/* ---- Sightings ---- */

/* NULL: no memory. */
static struct sighting *sight(struct sweeper *sweeper, uint64_t region, const struct attempt *attempt)
{
	const struct sighting_key key = {region, *attempt};
	struct sighting *sighting;

	HASH_FIND(hh, sweeper->sightings, &key, sizeof key, sighting);
	if (!sighting) {
		sighting = calloc(1, sizeof *sighting);
		if (!sighting)
			return NULL;
		sighting->key = key;
		sighting->since = env_now(sweeper->transactions->env);
		sighting->round = sweeper->round;
		HASH_ADD(hh, sweeper->sightings, key, sizeof sighting->key, sighting);
	}
	sighting->scan = sweeper->scan;
	return sighting;
}

static void sighting_delete(struct sweeper *sweeper, struct sighting *sighting)
{
	HASH_DEL(sweeper->sightings, sighting);
	free(sighting);
}

/* Deletes those of the region that the scan has not seen; `region` 0: those of regions that others lead. */
static void forget_sightings(struct sweeper *sweeper, uint64_t region)
{
	struct raftkv *raftkv = sweeper->transactions->options.raftkv;
	struct sighting *sighting, *next;

	HASH_ITER (hh, sweeper->sightings, sighting, next) {
		uint64_t of = sighting->key.region;

		if (region > 0 ? of == region && sighting->scan != sweeper->scan
			       : raftkv_leader_term(raftkv, of) == 0)
			sighting_delete(sweeper, sighting);
	}
}

void sweeper_read_oldest(const struct sweeper *sweeper, struct transactions_oldest *oldest)
{
	uint64_t now = env_now(sweeper->transactions->env);
	const struct sighting *sighting;

	*oldest = (struct transactions_oldest){0};
	PLANT("transactions:oldest_untold", return );
	for (sighting = sweeper->sightings; sighting; sighting = sighting->hh.next)
		if (sighting->round < sweeper->round && now - sighting->since > oldest->age)
			*oldest = (struct transactions_oldest){.age = now - sighting->since,
				.region = sighting->key.region,
				.attempt = sighting->key.attempt};
}

/* ---- Regions that are looked at again ---- */

/* Without memory the next round looks at all regions. */
static void add_unfinished(struct sweeper *sweeper, uint64_t region)
{
	PLANT("transactions:unfinished_forgotten", return );
	if (region_set_add(&sweeper->unfinished, region) < 0)
		sweeper->looked = 0;
}

/* A region without an intent or a committed record gets one by a change alone, which a round sees. */
static void note_unfinished(struct sweeper *sweeper, const struct sweep *sweep)
{
	if (sweep->status < 0 || sweep->intents || sweep->records)
		add_unfinished(sweeper, sweep->region);
	else
		region_set_remove(&sweeper->unfinished, sweep->region);
}

/* ---- What a scan has found ---- */

/* This store goes on with the attempt in that region's place, as its leader. */
static void take_record(struct sweeper *sweeper, struct swept *swept)
{
	struct transactions *transactions = sweeper->transactions;
	struct buf *places;

	PLANT("transactions:records_left", return );
	if (attempt_table_has_owner(&transactions->table, &swept->attempt) ||
		transactions->resolution_count >= RESOLUTIONS_MAX || writer_take(&swept->places, &places) < 0)
		return;
	if (attempt_table_own(&transactions->table, &swept->attempt) == 0)
		resolutions_begin(transactions, &swept->attempt, RESOLUTION_COMMITS, places, NULL, NULL);
	buf_unref(places);
}

static void take_intents(struct sweeper *sweeper, struct swept *swept)
{
	const struct sweep *sweep = &sweeper->sweep;
	const struct sighting *sighting = sight(sweeper, sweep->region, &swept->attempt);
	struct buf *places;

	PLANT("transactions:strays_left", return );
	if (!sighting || (!sweep->is_hurried && sighting->round == sweeper->round) ||
		attempt_table_has_owner(&sweeper->transactions->table, &swept->attempt) ||
		writer_take(&swept->places, &places) < 0)
		return;
	strays_add(&sweeper->strays, sweep->region, &swept->attempt, places);
	buf_unref(places);
}

static void on_scanned(struct sweeper *sweeper)
{
	struct sweep *sweep = &sweeper->sweep;
	struct swept *swept, *next;
	bool is_whole = sweep->status == 0;

	raftkv_snapshot_free(sweep->snapshot);
	sweep->snapshot = NULL;
	sweeper->scan++;
	note_unfinished(sweeper, sweep);
	if (!is_whole)
		log_warn(sweeper->transactions->options.logger,
			"msg=\"the intents of a region cannot be read\" region=%llu reason=\"%s\"",
			(unsigned long long)sweep->region, status_name(sweep->status));
	HASH_ITER (hh, sweep->records, swept, next) {
		if (is_whole && !sweeper->transactions->is_stopping)
			take_record(sweeper, swept);
	}
	HASH_ITER (hh, sweep->intents, swept, next) {
		if (is_whole && !sweeper->transactions->is_stopping)
			take_intents(sweeper, swept);
	}
	if (is_whole)
		forget_sightings(sweeper, sweep->region);
	/* They went before the change began to wait for them. */
	if (is_whole && sweep->is_hurried && !sweep->intents && !sweeper->transactions->is_stopping)
		transactions_wake(sweeper->transactions, sweep->region);
	sweep_clear(&sweep->records);
	sweep_clear(&sweep->intents);
}

/* ---- Regions, one after another ---- */

static void sweeper_go(struct sweeper *sweeper);

static void sweeper_on_worker(struct env_work *work)
{
	sweep_scan(container_of(work, struct sweep, work), true);
}

static void sweeper_on_worker_done(struct env_work *work)
{
	struct sweeper *sweeper = container_of(work, struct sweeper, sweep.work);

	sweeper->is_working = false;
	on_scanned(sweeper);
	if (sweeper->stopped)
		sweeper->stopped(sweeper->stopped_argument);
	else
		sweeper_go(sweeper);
}

static void sweep_begin(struct sweeper *sweeper, const struct sweep_target *target)
{
	const struct transactions_options *options = &sweeper->transactions->options;
	struct sweep *sweep = &sweeper->sweep;

	sweep->region = target->region;
	sweep->is_hurried = target->is_hurried;
	if (raftkv_leader_term(options->raftkv, target->region) == 0)
		return; /* it has changed when it leads again */
	if (raftkv_stale_snapshot(options->raftkv, target->region, &sweep->snapshot) < 0) {
		add_unfinished(sweeper, target->region);
		return;
	}
	sweep_scan(sweep, false);
	if (sweep->status != STATUS_WOULD_BLOCK) {
		on_scanned(sweeper);
		return;
	}
	sweeper->is_working = true;
	env_work_submit(options->loop, &sweep->work, sweeper_on_worker, sweeper_on_worker_done);
}

static void sweeper_on_turn(struct env_timer *timer)
{
	sweeper_go(container_of(timer, struct sweeper, turn));
}

static void sweeper_turn_at(struct sweeper *sweeper, uint64_t time)
{
	env_timer_start(&sweeper->turn, sweeper->transactions->options.loop, time, sweeper_on_turn);
}

/* Without memory the region is left out, and the next round looks at all. */
static void sweeper_queue(struct sweeper *sweeper, uint64_t region, bool is_hurried)
{
	if (sweeper->queue_count == sweeper->queue_size) {
		uint32_t size = sweeper->queue_size > 0 ? 2 * sweeper->queue_size : 64;
		struct sweep_target *queue = realloc(sweeper->queue, size * sizeof *queue);

		if (!queue) {
			sweeper->looked = 0;
			return;
		}
		sweeper->queue = queue;
		sweeper->queue_size = size;
	}
	sweeper->queue[sweeper->queue_count++] = (struct sweep_target){region, is_hurried};
}

static void sweeper_go(struct sweeper *sweeper)
{
	if (sweeper->is_working)
		return;
	while (sweeper->hurried_count > 0)
		sweeper_queue(sweeper, sweeper->hurried[--sweeper->hurried_count], true);
	for (uint32_t i = 0; i < REGIONS_A_TURN && sweeper->queue_count > 0 && !sweeper->is_working; i++) {
		struct sweep_target target = sweeper->queue[--sweeper->queue_count];

		sweep_begin(sweeper, &target);
	}
	strays_ask(&sweeper->strays);
	if (sweeper->queue_count > 0 && !sweeper->is_working)
		sweeper_turn_at(sweeper, env_now(sweeper->transactions->env));
}

void sweeper_hurry(struct sweeper *sweeper, uint64_t region)
{
	for (uint32_t i = 0; i < sweeper->hurried_count; i++)
		if (sweeper->hurried[i] == region)
			return;
	if (sweeper->hurried_count == HURRIED_MAX)
		return;
	sweeper->hurried[sweeper->hurried_count++] = region;
	if (!env_timer_is_running(&sweeper->turn))
		sweeper_turn_at(sweeper, env_now(sweeper->transactions->env) + HURRY_NS);
}

static void queue_changed(void *argument, const struct region *region, uint64_t term)
{
	struct sweeper *sweeper = argument;

	if (term > 0 && !region_set_has(&sweeper->unfinished, region->id))
		sweeper_queue(sweeper, region->id, false);
}

/* A region that others lead now has changed when it is led here again. */
static bool queue_unfinished(void *argument, uint64_t region)
{
	struct sweeper *sweeper = argument;

	if (raftkv_leader_term(sweeper->transactions->options.raftkv, region) == 0)
		return false;
	sweeper_queue(sweeper, region, false);
	return true;
}

static void queue_round(struct sweeper *sweeper)
{
	uint64_t since = sweeper->looked;

	sweeper->looked = UINT64_MAX;
	region_set_filter(&sweeper->unfinished, queue_unfinished, sweeper);
	since = raftkv_each_changed_region(
		sweeper->transactions->options.raftkv, since, queue_changed, sweeper);
	if (sweeper->looked > 0) /* there was memory for all */
		sweeper->looked = since;
}

static void sweeper_on_round(struct env_timer *timer)
{
	struct sweeper *sweeper = container_of(timer, struct sweeper, timer);
	struct transactions *transactions = sweeper->transactions;

	transactions_on_round(transactions);
	if (sweeper->queue_count == 0 && !sweeper->is_working) {
		sweeper->round++;
		forget_sightings(sweeper, 0);
		queue_round(sweeper);
		sweeper_go(sweeper);
	}
	env_timer_start(timer, transactions->options.loop, env_now(transactions->env) + SWEEP_MS * NS_PER_MS,
		sweeper_on_round);
}

/* ---- Life ---- */

struct sweeper *sweeper_new(struct transactions *transactions)
{
	struct sweeper *sweeper = calloc(1, sizeof *sweeper);

	if (!sweeper)
		return NULL;
	sweeper->transactions = transactions;
	sweeper->strays.transactions = transactions;
	return sweeper;
}

void sweeper_start(struct sweeper *sweeper)
{
	sweeper_on_round(&sweeper->timer);
}

void sweeper_stop(struct sweeper *sweeper, void (*stopped)(void *argument), void *argument)
{
	env_timer_stop(&sweeper->timer);
	env_timer_stop(&sweeper->turn);
	strays_stop(&sweeper->strays);
	sweeper->stopped = stopped;
	sweeper->stopped_argument = argument;
	if (!sweeper->is_working)
		stopped(argument);
}

void sweeper_free(struct sweeper *sweeper)
{
	struct sighting *sighting, *next;

	if (!sweeper)
		return;
	region_set_close(&sweeper->unfinished);
	HASH_ITER (hh, sweeper->sightings, sighting, next) {
		sighting_delete(sweeper, sighting);
	}
	free(sweeper->queue);
	free(sweeper);
}
