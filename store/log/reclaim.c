/*
 * reclaim.c: reclaims the oldest segments.
 *
 * Segments are reclaimed in the order in which they were written, so that a record is removed before the record that
 * replaced it (a destroy, a newer entry). The oldest one is emptied: its live entries, and the states of regions that
 * depend on it, are written again in pieces, each as an atomic part of one batch. Then a batch that names the next
 * segment as the oldest is made durable. Only then the file is renamed to become a spare.
 *
 * A run is a chain of steps. A step runs on a worker and asks for another step, for a move, which the writer writes, or
 * for the end. One run at a time; no state is kept between runs.
 */
#include "store/log/raft_log_engine_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/log/log_records.h"

#define MOVE_SIZE_MAX	 (256u << 10) /* bytes of entries in one move, which a write may have to wait for */
#define MOVE_ENTRIES_MAX 4096
#define MOVE_REGIONS_MAX 256

static void step_run(struct env_work *work);
static void step_done(struct env_work *work);
static void moved(struct env_mail *mail);

static void victim_clear(struct log_reclaimer *reclaimer)
{
	free(reclaimer->candidates);
	free(reclaimer->regions);
	reclaimer->candidates = NULL;
	reclaimer->regions = NULL;
	reclaimer->candidate_count = reclaimer->candidate_next = 0;
	reclaimer->region_count = reclaimer->region_next = 0;
	reclaimer->victim = 0;
	reclaimer->retired = false;
}

/* ---- Choosing --------------------------------------------------------------------------------------------------- */

/* Whether to empty the oldest segment: little of it is live, or the log is more than twice as large as its live
 * records. */
static bool is_worthwhile(const struct raft_log_engine *engine)
{
	const struct log_segments *segments = &engine->segments;
	const struct log_segment *oldest = segments->items[0];
	uint64_t used = engine->writer.active->sequence - oldest->sequence + 1;
	uint64_t live_size = 0;

	if (oldest == engine->writer.active)
		return false;
	for (size_t i = 0; i < used; i++)
		live_size += segments->items[i]->live_size;
	return oldest->live_size <= segments->segment_size / 4 ||
	       (used - 2) * segments->segment_size > 2 * live_size;
}

/* Whether a record of the region's state is in `victim`, or a released base must be written before `victim` is
 * recycled. */
static bool needs_restating(const struct log_region *region, uint64_t victim)
{
	if (region->base_index > 0 && region->base_segment <= victim)
		return true;
	if (region->hard_state_segment > 0 && region->hard_state_segment <= victim)
		return true;
	for (const struct log_region_mark *mark = region->marks; mark; mark = mark->next)
		if (mark->segment <= victim)
			return true;
	return false;
}

static int compare_candidates(const void *a, const void *b)
{
	const struct log_candidate *left = a, *right = b;

	return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static int gather_entries(struct log_reclaimer *reclaimer, const struct log_region *region, size_t *capacity)
{
	for (uint32_t i = 0; i < region->count; i++) {
		const struct log_position *place = &region->positions[region->head + i];

		if (place->segment != reclaimer->victim)
			continue;
		if (reclaimer->candidate_count == *capacity) {
			size_t more = *capacity > 0 ? *capacity * 2 : 64;
			struct log_candidate *candidates =
				realloc(reclaimer->candidates, more * sizeof(*candidates));

			if (!candidates)
				return -ENOMEM;
			reclaimer->candidates = candidates;
			*capacity = more;
		}
		reclaimer->candidates[reclaimer->candidate_count++] =
			(struct log_candidate){region->id, region->first + i, place->offset};
	}
	return 0;
}

/* Under the lock: collects the entries that must be moved out of the victim. */
static int gather(struct raft_log_engine *engine)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;
	bool has_entries = engine->segments.items[0]->live_size > 0;
	const struct log_region *region;
	size_t capacity = 0;
	int status = 0;

	for (region = engine->memory.index.regions; region && status == 0; region = region->hh.next) {
		/* The next start must see the damage until the region is destroyed. */
		if (region->damaged)
			return STATUS_CORRUPT;
		if (has_entries)
			status = gather_entries(reclaimer, region, &capacity);
	}
	if (reclaimer->candidate_count > 0)
		qsort(reclaimer->candidates, reclaimer->candidate_count, sizeof(*reclaimer->candidates),
			compare_candidates);
	return status;
}

/* Collects the regions whose states must be written again. It runs once no entry of the victim is live: an earlier
 * release of such an entry is then a base to write, and a later release concerns entries of other segments. */
static int gather_regions(struct raft_log_engine *engine)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;
	const struct log_region *region;

	log_memory_lock(&engine->memory);
	check(engine->segments.items[0]->live_size == 0);
	reclaimer->regions =
		malloc((HASH_COUNT(engine->memory.index.regions) + 1) * sizeof(*reclaimer->regions));
	for (region = engine->memory.index.regions; region && reclaimer->regions; region = region->hh.next)
		if (needs_restating(region, reclaimer->victim))
			reclaimer->regions[reclaimer->region_count++] = region->id;
	log_memory_unlock(&engine->memory);
	return reclaimer->regions ? 0 : -ENOMEM;
}

static enum log_reclaim_next choose(struct raft_log_engine *engine)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;
	enum log_reclaim_next next = LOG_RECLAIM_END;

	log_memory_lock(&engine->memory);
	reclaimer->reclaim->status = engine->failure;
	if (reclaimer->reclaim->status == 0 && is_worthwhile(engine)) {
		reclaimer->victim = engine->segments.items[0]->sequence;
		reclaimer->reclaim->status = gather(engine);
		next = LOG_RECLAIM_STEP;
	}
	log_memory_unlock(&engine->memory);
	return reclaimer->reclaim->status < 0 ? LOG_RECLAIM_END : next;
}

/* ---- Moving ----------------------------------------------------------------------------------------------------- */

static int move_reserve(struct log_move *move)
{
	if (!move->entries)
		move->entries = calloc(MOVE_ENTRIES_MAX, sizeof(*move->entries));
	if (!move->places)
		move->places = calloc(MOVE_ENTRIES_MAX, sizeof(*move->places));
	move->entry_count = move->region_count = 0;
	return move->entries && move->places ? 0 : -ENOMEM;
}

/* The present position of a candidate. False: it is no longer needed. */
static bool find_candidate(
	struct raft_log_engine *engine, const struct log_candidate *candidate, struct log_position *place)
{
	const struct log_region *region;
	bool found;

	log_memory_lock(&engine->memory);
	region = log_index_find(&engine->memory.index, candidate->region);
	found = region && region->count > 0 && candidate->index >= region->first &&
		candidate->index <= log_region_last(region);
	if (found)
		*place = *log_region_position(region, candidate->index);
	log_memory_unlock(&engine->memory);
	return found && place->segment == engine->reclaimer.victim && place->offset == candidate->offset;
}

/* Reads entries into the move while they fit into one window. */
static int read_entries(struct raft_log_engine *engine, struct log_segment *segment)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;
	struct log_window *window = &reclaimer->window;
	struct log_move *move = &reclaimer->move;

	for (; reclaimer->candidate_next < reclaimer->candidate_count; reclaimer->candidate_next++) {
		const struct log_candidate *candidate = &reclaimer->candidates[reclaimer->candidate_next];
		struct log_record *record = &move->entries[move->entry_count];
		struct log_position place;
		struct slice bytes;
		int status;

		if (!find_candidate(engine, candidate, &place))
			continue;
		if (move->entry_count == MOVE_ENTRIES_MAX)
			break;
		if (move->entry_count > 0 &&
			(uint64_t)place.offset + place.size > window->offset + window->size)
			break;
		status = log_window_read(
			window, &engine->segments, segment, place.offset, place.size, MOVE_SIZE_MAX, &bytes);
		if (status == 0)
			status = log_record_decode(bytes, segment->sequence, record);
		if (status == 0 && (record->region != candidate->region || record->index != candidate->index))
			status = STATUS_CORRUPT;
		if (status < 0)
			return status;
		record->kind = LOG_RECORD_MOVED_ENTRY;
		move->places[move->entry_count++] = place;
	}
	return 0;
}

/* Adds regions to the move while the sum of their states is small. */
static void take_regions(struct raft_log_engine *engine)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;
	struct log_move *move = &reclaimer->move;
	uint64_t size_max = engine->segments.segment_size / 2;
	uint64_t size = 0;

	move->regions = reclaimer->regions + reclaimer->region_next;
	log_memory_lock(&engine->memory);
	while (reclaimer->region_next < reclaimer->region_count) {
		const struct log_region *region =
			log_index_find(&engine->memory.index, reclaimer->regions[reclaimer->region_next]);

		size += region ? log_records_size_of_region(region) : 0;
		if (move->region_count > 0 && size > (size_max < MOVE_SIZE_MAX ? size_max : MOVE_SIZE_MAX))
			break;
		reclaimer->region_next++;
		move->region_count++;
	}
	log_memory_unlock(&engine->memory);
}

/* Prepares the next move out of the victim: entries first, then states. */
static enum log_reclaim_next prepare_move(struct raft_log_engine *engine)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;
	struct log_segment *segment;
	int status = move_reserve(&reclaimer->move);

	log_memory_lock(&engine->memory);
	segment = engine->segments.items[0];
	log_memory_unlock(&engine->memory);
	if (status == 0)
		status = read_entries(engine, segment);
	if (status == 0 && reclaimer->move.entry_count == 0) {
		if (!reclaimer->regions)
			status = gather_regions(engine);
		if (status == 0)
			take_regions(engine);
	}
	reclaimer->reclaim->status = status;
	return status < 0 ? LOG_RECLAIM_END : LOG_RECLAIM_MOVE;
}

/* Prepares the empty batch that names the next segment as the oldest. */
static enum log_reclaim_next retire(struct raft_log_engine *engine)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;

	log_memory_lock(&engine->memory);
	engine->writer.oldest = reclaimer->victim + 1;
	log_memory_unlock(&engine->memory);
	reclaimer->move.entry_count = reclaimer->move.region_count = 0;
	reclaimer->retired = true;
	return LOG_RECLAIM_MOVE;
}

/* ---- Recycling -------------------------------------------------------------------------------------------------- */

/* Sets `making`. False: the writer is making a segment, and this run ends. */
static bool begin_making(struct raft_log_engine *engine)
{
	bool begun;

	log_memory_lock(&engine->memory);
	begun = !engine->segments.making && engine->segments.items[0]->readers == 0;
	if (begun)
		engine->segments.making = true;
	log_memory_unlock(&engine->memory);
	return begun;
}

static void end_making(struct raft_log_engine *engine, int status)
{
	log_memory_lock(&engine->memory);
	engine->segments.making = false;
	log_memory_unlock(&engine->memory);
	log_writer_resume(engine, status);
}

/* Renames the victim to a spare, or removes it if there are enough. */
static enum log_reclaim_next recycle(struct raft_log_engine *engine)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;
	struct log_segments *segments = &engine->segments;
	struct log_segment *segment;
	uint64_t victim = reclaimer->victim;
	uint64_t last;
	bool keep;
	int status;

	victim_clear(reclaimer);
	if (!begin_making(engine))
		return LOG_RECLAIM_END;
	log_memory_lock(&engine->memory);
	keep = log_writer_spares(engine) < LOG_SPARES_MAX;
	last = log_segments_last(segments);
	segment = log_segments_take_first(segments);
	log_memory_unlock(&engine->memory);
	status = keep ? log_segments_rename(segments, victim, last + 1)
		      : log_segments_unlink(segments, victim);
	if (status == 0 && keep) {
		log_memory_lock(&engine->memory);
		segment->sequence = last + 1;
		log_segments_append(segments, segment);
		log_memory_unlock(&engine->memory);
	} else {
		log_segment_free(segment);
	}
	reclaimer->reclaim->status = status;
	if (status < 0)
		raft_log_engine_fail(engine, status, "recycling a segment");
	end_making(engine, status);
	return status < 0 ? LOG_RECLAIM_END : LOG_RECLAIM_STEP;
}

/* Makes spares up to their target number. A full disk ends the run. */
static void make_spares(struct raft_log_engine *engine)
{
	struct log_segments *segments = &engine->segments;
	int status = 0;

	while (status == 0 && begin_making(engine)) {
		struct log_segment *segment;
		uint64_t last, spares;

		log_memory_lock(&engine->memory);
		last = log_segments_last(segments);
		spares = log_writer_spares(engine);
		status = log_segments_reserve(segments);
		log_memory_unlock(&engine->memory);
		if (status == 0 && spares < LOG_SPARES)
			status = log_segments_make(segments, last + 1, &segment);
		if (status == 0 && spares < LOG_SPARES) {
			log_memory_lock(&engine->memory);
			log_segments_append(segments, segment);
			log_memory_unlock(&engine->memory);
		}
		end_making(engine, status);
		if (spares >= LOG_SPARES)
			break;
	}
	if (engine->reclaimer.reclaim->status == 0)
		engine->reclaimer.reclaim->status = status;
}

/* ---- The chain -------------------------------------------------------------------------------------------------- */

static void step_run(struct env_work *work)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)((struct log_reclaim *)work)->engine;
	struct log_reclaimer *reclaimer = &engine->reclaimer;
	bool is_retired = reclaimer->retired;

	PLANT("log:recycle_early", is_retired = true);
	if (reclaimer->victim == 0)
		reclaimer->next = choose(engine);
	else if (!reclaimer->regions || reclaimer->region_next < reclaimer->region_count)
		reclaimer->next = prepare_move(engine);
	else if (!is_retired)
		reclaimer->next = retire(engine);
	else
		reclaimer->next = recycle(engine);
	if (reclaimer->next == LOG_RECLAIM_END && !reclaimer->reclaim->is_last)
		make_spares(engine);
}

static void step(struct raft_log_engine *engine)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;

	env_work_submit(reclaimer->reclaim->loop, &reclaimer->reclaim->work, step_run, step_done);
}

static void log_reclaimer_end(struct raft_log_engine *engine, int status)
{
	struct log_reclaimer *reclaimer = &engine->reclaimer;
	struct log_reclaim *reclaim = reclaimer->reclaim;

	victim_clear(reclaimer);
	log_window_close(&reclaimer->window);
	reclaimer->reclaim = NULL;
	reclaim->done(reclaim, status);
}

static void step_done(struct env_work *work)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)((struct log_reclaim *)work)->engine;
	struct log_reclaimer *reclaimer = &engine->reclaimer;

	switch (reclaimer->next) {
	case LOG_RECLAIM_STEP:
		step(engine);
		break;
	case LOG_RECLAIM_MOVE:
		reclaimer->move.loop = reclaimer->reclaim->loop;
		reclaimer->move.done = moved;
		reclaimer->move.engine = engine;
		log_writer_submit_move(engine, &reclaimer->move);
		break;
	case LOG_RECLAIM_END:
		log_reclaimer_end(engine, reclaimer->reclaim->status);
		break;
	}
}

static void moved(struct env_mail *mail)
{
	struct log_move *move = container_of(mail, struct log_move, mail);
	struct raft_log_engine *engine = move->engine;

	if (move->status < 0)
		log_reclaimer_end(engine, move->status);
	else
		step(engine);
}

void log_reclaimer_start(struct log_engine *base, struct log_reclaim *reclaim)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;

	check(!engine->reclaimer.reclaim);
	engine->reclaimer.reclaim = reclaim;
	reclaim->engine = base;
	engine->reclaimer.reclaim->status = 0;
	step(engine);
}

void log_reclaimer_close(struct log_reclaimer *reclaimer)
{
	victim_clear(reclaimer);
	log_window_close(&reclaimer->window);
	free(reclaimer->move.entries);
	free(reclaimer->move.places);
}
