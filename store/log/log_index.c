#include "store/log/log_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"

#define POSITIONS_MIN 8

/* ---- Regions ---------------------------------------------------------------------------------------------------- */

struct log_region *log_index_find(const struct log_index *index, uint64_t id)
{
	struct log_region *region;

	HASH_FIND(hh, index->regions, &id, sizeof(id), region);
	return region;
}

bool log_region_exists(const struct log_region *region)
{
	return region->count > 0 || region->base_index > 0 || region->hard_state_segment > 0 ||
	       region->marks || region->damaged;
}

struct log_region *log_index_get(struct log_index *index, uint64_t id)
{
	struct log_region *region = log_index_find(index, id);

	if (region)
		return region;
	region = calloc(1, sizeof(*region));
	if (!region)
		return NULL;
	region->id = id;
	HASH_ADD(hh, index->regions, id, sizeof(region->id), region);
	return region;
}

/* ---- Positions -------------------------------------------------------------------------------------------------- */

static void add_live(struct log_index *index, uint32_t segment, int64_t size)
{
	if (segment > 0 && index->on_live)
		index->on_live(index->on_live_argument, segment, size);
}

static void position_clear(struct log_index *index, struct log_position *position)
{
	log_cache_drop(index->cache, &position->cached);
	add_live(index, position->segment, -(int64_t)position->size);
	index->live_size -= position->size;
	*position = (struct log_position){0};
}

static void position_set(
	struct log_index *index, struct log_position *position, const struct log_position *value)
{
	struct log_cached *cached = position->cached;

	/* A moved entry has the same content, so it stays cached. */
	position->cached = NULL;
	position_clear(index, position);
	*position = *value;
	position->cached = cached;
	add_live(index, value->segment, value->size);
	index->live_size += value->size;
}

/* Moves the positions to an array of `capacity`, with `head` free places before them. */
static int positions_resize(struct log_region *region, uint64_t capacity, uint32_t head)
{
	struct log_position *positions = NULL;

	if (capacity > UINT32_MAX)
		return -ENOMEM;
	if (capacity > 0) {
		positions = malloc(capacity * sizeof(*positions));
		if (!positions)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < region->count; i++) {
		positions[head + i] = region->positions[region->head + i];
		log_cache_moved(&positions[head + i].cached);
	}
	free(region->positions);
	region->positions = positions;
	region->capacity = (uint32_t)capacity;
	region->head = head;
	return 0;
}

/* Shrinks an array that is four times as long as its content. Out of memory, it stays as it is. */
static void positions_shrink(struct log_region *region)
{
	if (region->count == 0)
		region->head = 0;
	if (region->capacity > POSITIONS_MIN && region->count < region->capacity / 4)
		(void)positions_resize(region, region->count == 0 ? 0 : region->count + region->count / 2, 0);
}

/* Keeps the first `count` positions. */
static void positions_truncate(struct log_index *index, struct log_region *region, uint32_t count)
{
	while (region->count > count)
		position_clear(index, &region->positions[region->head + --region->count]);
	positions_shrink(region);
}

/* Drops the positions of entries up to `to`. */
static void positions_release(struct log_index *index, struct log_region *region, uint64_t to)
{
	while (region->count > 0 && region->first <= to) {
		position_clear(index, &region->positions[region->head++]);
		region->first++;
		region->count--;
	}
	positions_shrink(region);
}

/* Extends the array to [first, last], which includes its present range; new places are holes. */
static int positions_cover(struct log_region *region, uint64_t first, uint64_t last)
{
	uint64_t before, count;
	int status = 0;

	if (region->count == 0) {
		region->first = first;
		region->head = 0;
	}
	before = region->first - first;
	count = last - first + 1;
	if (before > region->head || region->head - before + count > region->capacity) {
		uint64_t room = count + count / 2 < POSITIONS_MIN ? POSITIONS_MIN : count + count / 2;

		status = positions_resize(region, room, (uint32_t)before);
	}
	if (status < 0)
		return status;
	memset(&region->positions[region->head - before], 0, before * sizeof(struct log_position));
	memset(&region->positions[region->head + region->count], 0,
		(count - before - region->count) * sizeof(struct log_position));
	region->head -= (uint32_t)before;
	region->first = first;
	region->count = (uint32_t)count;
	return 0;
}

/* ---- What a record does ----------------------------------------------------------------------------------------- */

/* The record cannot follow the earlier ones. In a log known to be damaged, this damages its region. */
static int misfit(struct log_index *index, struct log_region *region)
{
	if (!index->lossy)
		return STATUS_CORRUPT;
	region->damaged = true;
	positions_truncate(index, region, 0);
	return 0;
}

static int apply_entry(struct log_index *index, struct log_region *region, uint64_t at)
{
	int status = 0;

	if (at <= region->base_index)
		status = misfit(index, region);
	else if (region->count > 0 && at > log_region_last(region) + 1)
		/* Missing entries were in a recycled segment: they are released, or moved to a later segment. */
		status = index->recovering && at - log_region_last(region) < index->hole_max
				 ? 0
				 : misfit(index, region);
	else if (region->count > 0 && at <= region->first)
		positions_truncate(index, region, 0);
	else if (region->count > 0 && at <= log_region_last(region))
		positions_truncate(index, region, (uint32_t)(at - region->first));
	else if (region->count == 0 && !index->recovering && at != region->base_index + 1)
		status = misfit(index, region);
	if (status < 0)
		return status;
	return positions_cover(region, region->count > 0 ? region->first : at, at);
}

static int apply_moved_entry(struct log_index *index, struct log_region *region, uint64_t at)
{
	uint64_t first = region->count > 0 ? region->first : at;
	uint64_t last = region->count > 0 ? log_region_last(region) : at;

	if (region->count > 0 && at >= first && at <= last)
		return 0;
	if ((at < first && first - at >= index->hole_max) || (at > last && at - last >= index->hole_max))
		return STATUS_CORRUPT;
	return positions_cover(region, at < first ? at : first, at > last ? at : last);
}

/* Sets an entry's position; does nothing if the entry is no longer needed. */
static int apply_position(struct log_index *index, struct log_region *region, const struct log_record *record,
	uint32_t segment, uint32_t offset, struct log_position **position)
{
	struct log_position value = {
		.term = record->term,
		.segment = segment,
		.offset = offset,
		.size = (uint32_t)log_record_size(record),
	};
	struct log_position *place;
	int status;

	if (record->kind == LOG_RECORD_MOVED_ENTRY) {
		if (record->index <= region->base_index ||
			(!index->recovering &&
				(region->count == 0 || record->index > log_region_last(region))))
			return 0;
		status = apply_moved_entry(index, region, record->index);
	} else {
		status = apply_entry(index, region, record->index);
	}
	if (status < 0)
		return status;
	place = log_region_position(region, record->index);
	position_set(index, place, &value);
	if (position)
		*position = place;
	return 0;
}

static int apply_hard_state(struct log_region *region, const struct log_record *record, uint32_t segment)
{
	struct reader reader = reader_of(record->data);

	region->hard_state = (struct raft_hard_state){
		.term = record->term,
		.vote = reader_u64le(&reader),
		.commit = record->index,
	};
	region->hard_state_segment = segment;
	return 0;
}

static int apply_base(
	struct log_index *index, struct log_region *region, const struct log_record *record, uint32_t segment)
{
	if (record->index < region->base_index)
		return 0;
	positions_release(index, region, record->index);
	region->base_index = record->index;
	region->base_term = record->term;
	region->base_segment = segment;
	return 0;
}

static int apply_reset(
	struct log_index *index, struct log_region *region, const struct log_record *record, uint32_t segment)
{
	positions_truncate(index, region, 0);
	region->base_index = record->index;
	region->base_term = record->term;
	region->base_segment = segment;
	return 0;
}

struct log_region_mark *log_region_mark(const struct log_region *region, struct slice name)
{
	for (struct log_region_mark *mark = region->marks; mark; mark = mark->next)
		if (strlen(mark->name) == name.size && memcmp(mark->name, name.data, name.size) == 0)
			return mark;
	return NULL;
}

static void mark_remove(struct log_region *region, struct log_region_mark *mark)
{
	struct log_region_mark **link = &region->marks;

	while (*link != mark)
		link = &(*link)->next;
	*link = mark->next;
	buf_unref(mark->value);
	free(mark);
}

static int apply_mark(struct log_region *region, const struct log_record *record, uint32_t segment)
{
	struct log_region_mark *mark = log_region_mark(region, record->data);
	struct buf *value;

	if (record->beside.size == 0) {
		if (mark)
			mark_remove(region, mark);
		return 0;
	}
	value = buf_copy(record->beside.data, record->beside.size);
	if (!value)
		return -ENOMEM;
	if (!mark) {
		mark = calloc(1, sizeof(*mark));
		if (!mark) {
			buf_unref(value);
			return -ENOMEM;
		}
		memcpy(mark->name, record->data.data, record->data.size);
		mark->next = region->marks;
		region->marks = mark;
	}
	buf_unref(mark->value);
	mark->value = value;
	mark->segment = segment;
	return 0;
}

static void region_clear(struct log_index *index, struct log_region *region)
{
	positions_truncate(index, region, 0);
	while (region->marks)
		mark_remove(region, region->marks);
	region->base_index = region->base_term = 0;
	region->base_segment = region->hard_state_segment = 0;
	region->hard_state = (struct raft_hard_state){0};
	region->damaged = false;
}

static int apply_destroy(struct log_index *index, struct log_region *region)
{
	region_clear(index, region);
	region->destroyed_batch = index->batch;
	return 0;
}

int log_index_apply(struct log_index *index, const struct log_record *record, uint32_t segment,
	uint32_t offset, struct log_position **position)
{
	struct log_region *region = log_index_get(index, record->region);

	if (position)
		*position = NULL;
	if (!region)
		return -ENOMEM;
	switch (record->kind) {
	case LOG_RECORD_ENTRY:
	case LOG_RECORD_MOVED_ENTRY:
		return apply_position(index, region, record, segment, offset, position);
	case LOG_RECORD_HARD_STATE:
		return apply_hard_state(region, record, segment);
	case LOG_RECORD_BASE:
		return apply_base(index, region, record, segment);
	case LOG_RECORD_RESET:
		return apply_reset(index, region, record, segment);
	case LOG_RECORD_DESTROY:
		return apply_destroy(index, region);
	case LOG_RECORD_MARK:
		return apply_mark(region, record, segment);
	}
	return STATUS_CORRUPT;
}

/* ---- The whole -------------------------------------------------------------------------------------------------- */

void log_index_remove(struct log_index *index, struct log_region *region)
{
	region_clear(index, region);
	free(region->positions);
	HASH_DEL(index->regions, region);
	free(region);
}

static bool region_has_hole(const struct log_region *region)
{
	for (uint32_t i = 0; i < region->count; i++)
		if (region->positions[region->head + i].segment == 0)
			return true;
	return region->count > 0 && region->first != region->base_index + 1;
}

int log_index_finish(struct log_index *index, uint64_t *id)
{
	struct log_region *region, *next;

	HASH_ITER (hh, index->regions, region, next) {
		if (region_has_hole(region)) {
			*id = region->id;
			if (misfit(index, region) < 0)
				return STATUS_CORRUPT;
		}
		if (!log_region_exists(region))
			log_index_remove(index, region);
		else
			positions_shrink(region);
	}
	index->recovering = false;
	index->lossy = false;
	return 0;
}

int log_index_release(struct log_index *index, struct log_region *region, uint64_t to)
{
	if (to <= region->base_index)
		return 0;
	if (to > log_region_last(region))
		return STATUS_UNAVAILABLE;
	region->base_term = log_region_position(region, to)->term;
	positions_release(index, region, to);
	region->base_index = to;
	region->base_segment = 0;
	return 0;
}

void log_index_close(struct log_index *index)
{
	struct log_region *region, *next;

	HASH_ITER (hh, index->regions, region, next)
		log_index_remove(index, region);
}
