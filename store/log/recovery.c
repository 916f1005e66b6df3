/*
 * recovery.c: rebuilds the index and the end of the log from segment files.
 *
 * All segments are read once, in order, a few MiB at a time. Batches are adjacent and their numbers grow by one. Where
 * the next batch is missing, the reader searches the rest of the log, block by block. If it finds a later batch, the
 * part between is damaged: acknowledged records are lost. If not, the log ends here: nothing was written there, or a
 * crash tore the last batch, which was never acknowledged.
 *
 * The torn remains are zeroed, so that no later crash can complete them by chance. The last batch is written again
 * before it is trusted. If it was in flight when the process died, it may be in the page cache alone, where a failed
 * write leaves clean pages that a sync does not write. Earlier batches are durable, since only one batch is in flight
 * at a time.
 */
#include "store/log/raft_log_engine_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"

#define AHEAD_SIZE	  (4u << 20)
#define NAMED_REGIONS_MAX 16 /* regions named in one sentence */
#define HOLE_MIN	  (1u << 22)

/* A place in the log. */
struct place {
	uint64_t segment;
	uint64_t offset;
};

struct log_recovery {
	struct raft_log_engine *engine;
	struct log_window window;
	uint64_t expected; /* number of the next batch; 0: no batch was found yet */
	uint64_t oldest; /* `oldest` of the last batch */
	bool has_ended; /* no batch at `end` */
	struct place last; /* the last batch */
	uint32_t last_size; /* size of the last batch; 0: none was found */
	struct place end; /* where the next batch should be */
	struct place damage; /* the first damaged place */
	uint64_t damage_count;
	uint64_t lost_batches;
	bool damages_any; /* the damaged regions cannot be named */
	uint64_t damages_any_before; /* regions destroyed in this batch or later are not damaged */
	uint64_t batches;
	uint64_t records;
	uint64_t size;
};

static const uint8_t *bytes_at(struct log_recovery *recovery, const struct log_segment *segment,
	uint64_t offset, size_t size, int *status)
{
	struct slice bytes = {0};

	*status = log_window_read(
		&recovery->window, &recovery->engine->segments, segment, offset, size, AHEAD_SIZE, &bytes);
	return bytes.data;
}

/* ---- Damage ----------------------------------------------------------------------------------------------------- */

static int damage_region(struct log_recovery *recovery, uint64_t id)
{
	struct log_region *region = log_index_get(&recovery->engine->memory.index, id);

	if (!region)
		return -ENOMEM;
	region->damaged = true;
	return 0;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* Walks the records of one damaged batch in [offset, limit) by their own headers. `*end` is the offset of the next
 * batch; 0: the walk failed, and records of unknown regions are lost. */
static int walk_damaged_batch(struct log_recovery *recovery, const struct log_segment *segment,
	uint64_t offset, uint64_t limit, uint64_t *end)
{
	int status;
	const uint8_t *bytes = bytes_at(recovery, segment, offset, (size_t)(limit - offset), &status);
	uint64_t size = limit - offset, at = LOG_BATCH_HEADER_SIZE, count = 0;
	struct log_batch batch;
	bool has_header;

	*end = 0;
	if (status < 0)
		return status;
	has_header = log_batch_peek(bytes, segment->sequence, (uint32_t)offset, limit, &batch);
	while (at < size && status == 0) {
		struct log_record record;

		log_record_decode(slice_of(bytes + at, size - at), segment->sequence, &record);
		if (!record.kind)
			break;
		status = damage_region(recovery, record.region);
		at += log_record_size(&record);
		count++;
	}
	uint64_t block_end = (at + LOG_BLOCK_SIZE - 1) / LOG_BLOCK_SIZE * LOG_BLOCK_SIZE;
	bool is_whole = count > 0 && is_zero(bytes + at, block_end - at) &&
			(!has_header || count == batch.record_count);

	if (is_whole)
		*end = offset + block_end;
	return status;
}

/* Acknowledged batches between `end` and a valid batch at `to` are lost: finds their regions. */
static int on_damage(struct log_recovery *recovery, struct place to, uint64_t number)
{
	struct place at = recovery->end;
	const struct log_segment *segment = log_segments_find(&recovery->engine->segments, at.segment);
	int status = 0;

	if (recovery->damage_count++ == 0)
		recovery->damage = at;
	recovery->lost_batches += recovery->expected > 0 ? number - recovery->expected : 1;
	recovery->engine->memory.index.lossy = true;
	while (at.segment == to.segment && at.offset > 0 && at.offset < to.offset && status == 0)
		status = walk_damaged_batch(recovery, segment, at.offset, to.offset, &at.offset);
	if (at.segment != to.segment || at.offset != to.offset) {
		recovery->damages_any = true;
		recovery->damages_any_before = number;
	}
	return status;
}

/* Writes the damaged regions, known once everything is read, as text. */
static void name_regions(const struct log_recovery *recovery, char *text, size_t size)
{
	const struct log_region *region;
	size_t used = 0;
	uint64_t count = 0;

	if (recovery->damages_any) {
		snprintf(text, size, "which regions is not known");
		return;
	}
	text[0] = 0;
	for (region = recovery->engine->memory.index.regions; region; region = region->hh.next) {
		if (!region->damaged)
			continue;
		if (count++ < NAMED_REGIONS_MAX && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%" PRIu64,
				count == 1 ? "of region " : ", ", region->id);
	}
	if (count > NAMED_REGIONS_MAX && used < size)
		snprintf(text + used, size - used, " and %" PRIu64 " more", count - NAMED_REGIONS_MAX);
}

static int refuse_damage(const struct log_recovery *recovery, struct status *status)
{
	char name[LOG_SEGMENT_NAME_SIZE], regions[96];

	log_segment_name(recovery->damage.segment, name);
	name_regions(recovery, regions, sizeof(regions));
	return status_set(status, STATUS_CORRUPT,
		"raft log: %s/%s is damaged from offset %" PRIu64 " on, below valid batches; %" PRIu64
		" lost, %s",
		recovery->engine->path, name, recovery->damage.offset, recovery->lost_batches, regions);
}

/* Calls options.damaged for the regions to rebuild. */
static void report_damage(struct log_recovery *recovery)
{
	struct raft_log_engine *engine = recovery->engine;
	const struct log_region *region;

	if (recovery->damages_any)
		engine->options.damaged(engine->options.argument, LOG_REGION_ANY);
	for (region = engine->memory.index.regions; region; region = region->hh.next)
		if (region->damaged)
			engine->options.damaged(engine->options.argument, region->id);
}

/* ---- Batches ---------------------------------------------------------------------------------------------------- */

static int bad_record(
	const struct log_recovery *recovery, const struct log_batch *batch, int code, struct status *status)
{
	char name[LOG_SEGMENT_NAME_SIZE];

	log_segment_name(batch->segment, name);
	return status_set(status, code, "raft log: %s/%s: the batch at offset %u holds a record %s",
		recovery->engine->path, name, batch->offset,
		code == -EPROTONOSUPPORT ? "of a newer version of raftkv"
		: code == -ENOMEM	 ? "for which there is no memory"
					 : "that no writer leaves there");
}

static int log_recovery_apply_batch(struct log_recovery *recovery, const struct log_batch *batch,
	const uint8_t *bytes, struct status *status)
{
	struct log_index *index = &recovery->engine->memory.index;
	uint32_t at = LOG_BATCH_HEADER_SIZE, end = LOG_BATCH_HEADER_SIZE + batch->records_size;

	index->batch = batch->number;
	for (uint32_t i = 0; i < batch->record_count; i++) {
		struct log_record record;
		int code = log_record_decode(slice_of(bytes + at, end - at), batch->segment, &record);

		if (code == 0)
			code = log_index_apply(
				index, &record, (uint32_t)batch->segment, batch->offset + at, NULL);
		if (code < 0)
			return bad_record(recovery, batch, code, status);
		at += (uint32_t)log_record_size(&record);
	}
	if (at != end)
		return bad_record(recovery, batch, STATUS_CORRUPT, status);
	recovery->batches++;
	recovery->records += batch->record_count;
	recovery->size += batch->size;
	recovery->expected = batch->number + 1;
	recovery->oldest = batch->oldest;
	recovery->last = (struct place){batch->segment, batch->offset};
	recovery->last_size = batch->size;
	return 0;
}

/* Whether a valid batch is at this place, and is the next one or a later one: 1 or 0, or an error. */
static int batch_at(struct log_recovery *recovery, const struct log_segment *segment, uint64_t offset,
	struct log_batch *batch, const uint8_t **bytes)
{
	uint64_t segment_size = recovery->engine->segments.segment_size;
	int status;

	*bytes = bytes_at(recovery, segment, offset, LOG_BLOCK_SIZE, &status);
	if (status < 0)
		return status;
	if (!log_batch_peek(*bytes, segment->sequence, (uint32_t)offset, segment_size, batch))
		return 0;
	*bytes = bytes_at(recovery, segment, offset, batch->size, &status);
	if (status < 0)
		return status;
	status = log_batch_verify(*bytes, batch);
	if (status < 0)
		return status == STATUS_CORRUPT ? 0 : status;
	PLANT("log:stale_accepted", return 1);
	return batch->number >= recovery->expected;
}

/* A batch was found at `at`. Nothing is lost if it follows the one before it: it is at `end`, or it has the next number
 * and begins the next segment, to which the writer goes when a batch does not fit. */
static int on_batch(struct log_recovery *recovery, struct place at, const struct log_batch *batch,
	const uint8_t *bytes, struct status *status)
{
	bool follows = !recovery->has_ended || (batch->number == recovery->expected && at.offset == 0 &&
						       at.segment == recovery->end.segment + 1);
	bool is_gap = !recovery->has_ended && recovery->expected > 0 && batch->number != recovery->expected;
	int code = 0;

	PLANT("log:stale_accepted", follows = true; is_gap = false);
	if (is_gap) {
		recovery->end = at;
		follows = false;
	}
	if (!follows) {
		code = on_damage(recovery, at, batch->number);
		/* on_damage has moved the window. */
		if (code == 0)
			bytes = bytes_at(recovery, log_segments_find(&recovery->engine->segments, at.segment),
				at.offset, batch->size, &code);
	}
	recovery->has_ended = false;
	return code < 0 ? code : log_recovery_apply_batch(recovery, batch, bytes, status);
}

static int read_segment(
	struct log_recovery *recovery, const struct log_segment *segment, struct status *status)
{
	uint64_t offset = 0;

	while (offset < recovery->engine->segments.segment_size) {
		struct log_batch batch;
		const uint8_t *bytes;
		char name[LOG_SEGMENT_NAME_SIZE];
		int found = batch_at(recovery, segment, offset, &batch, &bytes);

		log_segment_name(segment->sequence, name);
		if (found < 0)
			return status_set(status, found,
				"raft log: cannot read %s/%s at offset %" PRIu64 ": %s",
				recovery->engine->path, name, offset,
				found == -EPROTONOSUPPORT ? "it is of a newer version of raftkv"
							  : status_name(found));
		if (found > 0) {
			int code = on_batch(
				recovery, (struct place){segment->sequence, offset}, &batch, bytes, status);

			if (code < 0)
				return code;
			offset += batch.size;
			continue;
		}
		if (!recovery->has_ended)
			recovery->end = (struct place){segment->sequence, offset};
		recovery->has_ended = true;
		offset += LOG_BLOCK_SIZE;
	}
	if (!recovery->has_ended)
		recovery->end = (struct place){segment->sequence, offset};
	recovery->has_ended = true;
	return 0;
}

/* ---- The whole -------------------------------------------------------------------------------------------------- */

static int check_whole(struct log_recovery *recovery, struct status *status)
{
	struct raft_log_engine *engine = recovery->engine;
	struct log_region *region;
	uint64_t id;
	int code;

	if (recovery->batches > 0 && recovery->oldest < engine->segments.items[0]->sequence)
		return status_set(status, STATUS_CORRUPT,
			"raft log: segments before %016" PRIx64 ".log are missing in %s",
			engine->segments.items[0]->sequence, engine->path);
	if (recovery->damages_any)
		for (region = engine->memory.index.regions; region; region = region->hh.next)
			if (log_region_exists(region) &&
				region->destroyed_batch < recovery->damages_any_before)
				region->damaged = true;
	code = log_index_finish(&engine->memory.index, &id);
	if (code < 0)
		return status_set(status, code, "raft log: in %s the log of region %" PRIu64 " has a hole",
			engine->path, id);
	if (recovery->damage_count > 0 && !engine->options.damaged)
		return refuse_damage(recovery, status);
	if (recovery->damage_count > 0)
		report_damage(recovery);
	return 0;
}

/* Writes of a segment's file are durable (ENV_OPEN_DSYNC). */
static int write_last_again(struct log_recovery *recovery)
{
	const struct log_segment *segment =
		log_segments_find(&recovery->engine->segments, recovery->last.segment);
	const uint8_t *bytes;
	void *copy;
	int status;

	PLANT("log:tail_believed", return 0);
	if (recovery->last_size == 0)
		return 0;
	bytes = bytes_at(recovery, segment, recovery->last.offset, recovery->last_size, &status);
	if (status < 0)
		return status;
	copy = aligned_alloc(ENV_DIRECT_ALIGNMENT, recovery->last_size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, recovery->last_size);
	status = env_file_write(segment->file, recovery->last.offset, copy, recovery->last_size);
	free(copy);
	return status;
}

/* Zeroes the torn remains, and writes the last batch again. */
static int settle(struct log_recovery *recovery)
{
	struct log_segments *segments = &recovery->engine->segments;
	void *zeroes = aligned_alloc(ENV_DIRECT_ALIGNMENT, LOG_BLOCK_SIZE);
	struct place at = recovery->end;
	struct log_segment *segment = log_segments_find(segments, at.segment);
	int status = zeroes ? write_last_again(recovery) : -ENOMEM;

	if (zeroes)
		memset(zeroes, 0, LOG_BLOCK_SIZE);
	while (segment && status == 0) {
		if (at.offset < segments->segment_size) {
			const uint8_t *bytes =
				bytes_at(recovery, segment, at.offset, LOG_BLOCK_SIZE, &status);

			if (status == 0 && !is_zero(bytes, LOG_BLOCK_SIZE))
				status = env_file_write(segment->file, at.offset, zeroes, LOG_BLOCK_SIZE);
		}
		at = (struct place){at.segment + 1, 0};
		segment = log_segments_find(segments, at.segment);
	}
	free(zeroes);
	return status;
}

static void say_what_was_found(const struct log_recovery *recovery)
{
	const struct raft_log_engine *engine = recovery->engine;
	char name[LOG_SEGMENT_NAME_SIZE];

	log_segment_name(recovery->end.segment, name);
	log_info(engine->options.logger,
		"raft log: %s: %zu segments, %" PRIu64 " batches with %" PRIu64
		" records of %u regions, %" PRIu64 " bytes; the log ends in %s at %" PRIu64,
		engine->path, engine->segments.count, recovery->batches, recovery->records,
		HASH_COUNT(engine->memory.index.regions), recovery->size, name, recovery->end.offset);
	if (recovery->damage_count > 0)
		log_error(engine->options.logger,
			"raft log: %s: damaged in %" PRIu64 " places, %" PRIu64 " batches are lost",
			engine->path, recovery->damage_count, recovery->lost_batches);
}

static int run(struct log_recovery *recovery, struct status *status)
{
	struct raft_log_engine *engine = recovery->engine;
	struct log_segments *segments = &engine->segments;
	int code;

	engine->memory.index.recovering = true;
	/* Missing entries are in later segments, or were released; the released ones may be more than the files hold
	 * now. */
	engine->memory.index.hole_max =
		HOLE_MIN + segments->count * segments->segment_size / LOG_RECORD_HEADER_SIZE;
	for (size_t i = 0; i < segments->count; i++) {
		code = read_segment(recovery, segments->items[i], status);
		if (code < 0)
			return code;
	}
	code = check_whole(recovery, status);
	if (code < 0)
		return code;
	code = settle(recovery);
	if (code < 0)
		return status_set(status, code, "raft log: cannot settle the end of %s: %s", engine->path,
			status_name(code));
	engine->writer.active = log_segments_find(segments, recovery->end.segment);
	engine->writer.end = (uint32_t)recovery->end.offset;
	engine->writer.next_number = recovery->expected > 0 ? recovery->expected : 1;
	engine->writer.oldest = segments->items[0]->sequence;
	say_what_was_found(recovery);
	return 0;
}

int log_recovery_run(struct raft_log_engine *engine, struct status *status)
{
	struct log_recovery recovery = {.engine = engine};
	int code = run(&recovery, status);

	log_window_close(&recovery.window);
	return code;
}
