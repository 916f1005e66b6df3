/*
 * reader.c: reads entries from the cache and from segments.
 *
 * A run of entries that are not cached is read without the lock, with its segments pinned. Changes of the log meanwhile
 * are seen at the look-up of the next run.
 */
#include "store/log/raft_log_engine_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"

#define RUN_MAX	   64 /* entries looked up at once */
#define AHEAD_SIZE (256 << 10)

/* ---- Windows ---------------------------------------------------------------------------------------------------- */

int log_window_read(struct log_window *window, const struct log_segments *segments,
	const struct log_segment *segment, uint64_t offset, size_t size, size_t ahead, struct slice *bytes)
{
	uint64_t begin = offset / LOG_BLOCK_SIZE * LOG_BLOCK_SIZE;
	uint64_t end = offset + (size > ahead ? size : ahead);
	int status;

	check(offset + size <= segments->segment_size);
	if (window->sequence != segment->sequence || offset < window->offset ||
		offset + size > window->offset + window->size) {
		end = (end + LOG_BLOCK_SIZE - 1) / LOG_BLOCK_SIZE * LOG_BLOCK_SIZE;
		if (end > segments->segment_size)
			end = segments->segment_size;
		window->sequence = 0;
		if (end - begin > window->capacity) {
			free(window->bytes);
			window->capacity = 0;
			window->bytes = aligned_alloc(ENV_DIRECT_ALIGNMENT, end - begin);
			if (!window->bytes)
				return -ENOMEM;
			window->capacity = end - begin;
		}
		status = env_file_read(segment->file, begin, window->bytes, end - begin);
		if (status < 0)
			return status;
		window->sequence = segment->sequence;
		window->offset = begin;
		window->size = end - begin;
	}
	*bytes = slice_of(window->bytes + (offset - window->offset), size);
	return 0;
}

void log_window_close(struct log_window *window)
{
	free(window->bytes);
	*window = (struct log_window){0};
}

/* ---- Runs ------------------------------------------------------------------------------------------------------- */

struct run {
	struct log_position places[RUN_MAX];
	struct log_segment *segments[RUN_MAX]; /* pinned */
	size_t count;
};

static int find_region(struct raft_log_engine *engine, uint64_t id, uint64_t low, uint64_t high,
	const struct log_region **found)
{
	const struct log_region *region = log_index_find(&engine->memory.index, id);

	if (!region || !log_region_exists(region))
		return STATUS_NOT_FOUND;
	if (region->damaged)
		return STATUS_CORRUPT;
	if (low <= region->base_index)
		return STATUS_COMPACTED;
	if (high > log_region_last(region) + 1)
		return STATUS_UNAVAILABLE;
	*found = region;
	return 0;
}

/* Under the lock: pins the segments of the uncached entries from `low` on, as far as the call may want them. */
static void run_begin(struct raft_log_engine *engine, const struct log_region *region, uint64_t low,
	uint64_t high, uint64_t budget, struct run *run)
{
	uint64_t size = 0;

	run->count = 0;
	while (low < high && run->count < RUN_MAX && (run->count == 0 || size < budget)) {
		const struct log_position *place = log_region_position(region, low++);

		if (place->cached)
			break;
		run->places[run->count] = *place;
		run->segments[run->count] = log_segments_find(&engine->segments, place->segment);
		run->segments[run->count]->readers++;
		run->count++;
		size += place->size;
	}
}

static void run_end(struct raft_log_engine *engine, struct run *run)
{
	log_memory_lock(&engine->memory);
	for (size_t i = 0; i < run->count; i++)
		run->segments[i]->readers--;
	log_memory_unlock(&engine->memory);
	run->count = 0;
}

/* Reads and verifies the record at place `i` of a run. */
static int run_read(struct raft_log_engine *engine, const struct run *run, size_t i,
	struct log_window *window, size_t ahead, uint64_t region, uint64_t index, struct log_record *record)
{
	const struct log_position *place = &run->places[i];
	struct slice bytes;
	int status = log_window_read(
		window, &engine->segments, run->segments[i], place->offset, place->size, ahead, &bytes);

	if (status == 0)
		status = log_record_decode(bytes, place->segment, record);
	if (status == 0 && (record->region != region || record->index != index ||
				   record->term != place->term || log_record_size(record) != place->size))
		status = STATUS_CORRUPT;
	return status;
}

/* ---- Entries ---------------------------------------------------------------------------------------------------- */

struct collector {
	struct raft_entries *out;
	size_t count_before;
	uint64_t size; /* bytes so far */
	uint64_t size_max;
	bool is_full;
};

static int collect(struct collector *collector, const struct raft_entry *entry)
{
	uint64_t size = raft_entry_size(entry);

	if (collector->out->count > collector->count_before && collector->size + size > collector->size_max) {
		collector->is_full = true;
		return 0;
	}
	collector->size += size;
	return raft_entries_push(collector->out, entry);
}

/* Under the lock: takes cached entries from `*low` on. */
static int collect_cached(
	struct collector *collector, const struct log_region *region, uint64_t *low, uint64_t high)
{
	int status = 0;

	while (*low < high && !collector->is_full && status == 0) {
		const struct log_position *place = log_region_position(region, *low);
		struct raft_entry entry = {.term = place->term, .index = *low};

		if (!place->cached)
			break;
		entry.data = place->cached->data;
		entry.payload_size = place->cached->payload_size;
		entry.type = place->cached->type;
		status = collect(collector, &entry);
		if (!collector->is_full)
			++*low;
	}
	return status;
}

static int collect_read(struct collector *collector, const struct log_record *record)
{
	struct raft_entry entry = {
		.term = record->term,
		.index = record->index,
		.payload_size = record->payload_size,
		.type = record->entry_type,
	};
	int status;

	if (record->data.size > 0 && !(entry.data = buf_copy(record->data.data, record->data.size)))
		return -ENOMEM;
	status = collect(collector, &entry);
	buf_unref(entry.data);
	return status;
}

static int collect_run(struct raft_log_engine *engine, struct collector *collector, struct run *run,
	struct log_window *window, uint64_t region, uint64_t *low)
{
	size_t ahead = 0;
	int status = 0;

	for (size_t i = 0; i < run->count; i++)
		ahead += run->places[i].size;
	if (ahead > AHEAD_SIZE)
		ahead = AHEAD_SIZE;
	for (size_t i = 0; i < run->count && status == 0 && !collector->is_full; i++) {
		struct log_record record;

		status = run_read(engine, run, i, window, ahead, region, *low, &record);
		if (status == 0)
			status = collect_read(collector, &record);
		if (status == 0 && !collector->is_full)
			++*low;
	}
	return status;
}

int log_reader_entries(struct log_engine *base, uint64_t id, uint64_t low, uint64_t high, uint64_t size_max,
	bool cached_only, struct raft_entries *out)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	struct collector collector = {out, out->count, 0, size_max, false};
	struct log_window window = {0};
	struct run run = {.count = 0};
	int status = 0;

	do {
		const struct log_region *region;

		log_memory_lock(&engine->memory);
		status = find_region(engine, id, low, high, &region);
		if (status == 0)
			status = collect_cached(&collector, region, &low, high);
		if (status == 0 && !cached_only && !collector.is_full)
			run_begin(engine, region, low, high, size_max - collector.size, &run);
		log_memory_unlock(&engine->memory);
		if (status == 0 && cached_only && low < high && !collector.is_full)
			status = STATUS_WOULD_BLOCK;
		if (status == 0 && run.count > 0)
			status = collect_run(engine, &collector, &run, &window, id, &low);
		if (run.count > 0)
			run_end(engine, &run);
	} while (status == 0 && low < high && !collector.is_full);
	log_window_close(&window);
	if (status < 0)
		raft_entries_truncate(out, collector.count_before);
	return status;
}

int log_reader_beside(struct log_engine *base, uint64_t id, uint64_t index, struct buf **bytes)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	struct log_window window = {0};
	struct run run = {.count = 0};
	const struct log_region *region;
	struct log_record record;
	int status;

	*bytes = NULL;
	log_memory_lock(&engine->memory);
	status = find_region(engine, id, index, index + 1, &region);
	if (status == 0) {
		const struct log_cached *cached = log_region_position(region, index)->cached;

		if (cached)
			*bytes = buf_ref(cached->beside);
		run_begin(engine, region, index, index + 1, 0, &run);
	}
	log_memory_unlock(&engine->memory);
	if (status == 0 && run.count > 0) {
		status = run_read(engine, &run, 0, &window, 0, id, index, &record);
		if (status == 0 && record.beside.size > 0) {
			*bytes = buf_copy(record.beside.data, record.beside.size);
			status = *bytes ? 0 : -ENOMEM;
		}
		run_end(engine, &run);
	}
	log_window_close(&window);
	return status < 0 || *bytes ? status : STATUS_NOT_FOUND;
}
