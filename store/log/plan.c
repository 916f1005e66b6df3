#include "store/log/plan.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "store/log/log_records.h"

/* ---- The buffer ------------------------------------------------------------------------------------------------- */

/* Walks the records of a move in its present state. */
static int each_of_move(
	const struct log_index *index, const struct log_move *move, log_record_cb each, void *argument)
{
	int status = 0;

	for (size_t i = 0; i < move->entry_count && status == 0; i++)
		if (move->entries[i].kind)
			status = each(argument, &move->entries[i], NULL);
	for (size_t i = 0; i < move->region_count && status == 0; i++) {
		const struct log_region *region = log_index_find(index, move->regions[i]);

		if (region)
			status = log_records_of_region(region, each, argument);
	}
	return status;
}

static int add_size(void *argument, const struct log_record *record, const struct raft_entry *entry)
{
	uint64_t *size = argument;

	(void)entry;
	*size += log_record_size(record);
	return 0;
}

int log_plan_encode(void *argument, const struct log_record *record, const struct raft_entry *entry)
{
	struct log_writer *writer = argument;
	size_t at = LOG_BATCH_HEADER_SIZE + writer->batch.records_size;

	(void)entry;
	check(at + log_record_size(record) <= writer->buffer_size);
	log_record_encode(writer->buffer + at, record, writer->batch.segment);
	writer->batch.records_size += (uint32_t)log_record_size(record);
	writer->batch.record_count++;
	return 0;
}

static int buffer_reserve(struct log_writer *writer, uint64_t size)
{
	uint8_t *buffer;

	if (size <= writer->buffer_size)
		return 0;
	buffer = aligned_alloc(ENV_DIRECT_ALIGNMENT, log_padded(size));
	if (!buffer)
		return -ENOMEM;
	free(writer->buffer);
	writer->buffer = buffer;
	writer->buffer_size = log_padded(size);
	return 0;
}

/* ---- Space ------------------------------------------------------------------------------------------------------ */

/* What was promised may use the reserve, as a write without entries may. */
static bool needs_spare(const struct log_write *write)
{
	PLANT("early:promise_refused", return write->entry_count > 0);
	return write->entry_count > 0 && !write->is_promised;
}

uint64_t log_writer_spares(const struct raft_log_engine *engine)
{
	return log_segments_last(&engine->segments) - engine->writer.active->sequence;
}

/* Finds room for `size` bytes in the active segment or goes to the next. */
static enum log_plan find_room(struct raft_log_engine *engine, uint64_t size, bool needs_one)
{
	struct log_writer *writer = &engine->writer;
	uint64_t spares = log_writer_spares(engine);
	bool fits = log_padded(size) <= engine->segments.segment_size - writer->end;

	if (spares >= (uint64_t)(needs_one ? 1 : 0) + (fits ? 0 : 1)) {
		if (!fits) {
			writer->active = log_segments_find(&engine->segments, writer->active->sequence + 1);
			writer->end = 0;
			if (engine->options.reclaim_wanted)
				engine->options.reclaim_wanted(engine->options.argument);
		}
		return LOG_PLAN_BATCH;
	}
	if (engine->segments.making) {
		writer->waits_for_maker = true;
		return LOG_PLAN_WAIT;
	}
	engine->segments.making = true;
	return LOG_PLAN_MAKE;
}

/* A segment could not be made: refuses writes with entries, and a move that does not fit. */
static void refuse_for_space(struct raft_log_engine *engine, int status, struct log_write_queue *finished)
{
	struct log_write_queue queued = engine->writer.queued;

	engine->writer.queued = (struct log_write_queue){0};
	while (queued.first) {
		struct log_write *write = log_queue_pop(&queued);
		struct log_region *region = log_index_find(&engine->memory.index, write->region);

		if (needs_spare(write) || (region && region->refusals > 0 && !write->destroy))
			log_memory_refuse(&engine->memory, write, status, finished);
		else
			log_queue_push(&engine->writer.queued, write);
	}
}

/* Leaves out moved entries that have been replaced or released since they were read. */
static void filter_move(struct raft_log_engine *engine, struct log_move *move)
{
	for (size_t i = 0; i < move->entry_count; i++) {
		struct log_record *record = &move->entries[i];
		const struct log_region *region = log_index_find(&engine->memory.index, record->region);
		const struct log_position *now = NULL;

		if (planted("log:rewrite_race"))
			continue;
		if (region && region->count > 0 && record->index >= region->first &&
			record->index <= log_region_last(region))
			now = log_region_position(region, record->index);
		if (!now || now->segment != move->places[i].segment || now->offset != move->places[i].offset)
			record->kind = 0;
	}
}

/* Plans and encodes the queued move, if there is one. */
static enum log_plan plan_move(struct raft_log_engine *engine, uint64_t *size, struct log_move **finished)
{
	struct log_writer *writer = &engine->writer;
	struct log_move *move = writer->move_queued;
	enum log_plan plan;

	if (!move)
		return LOG_PLAN_BATCH;
	filter_move(engine, move);
	each_of_move(&engine->memory.index, move, add_size, size);
	move->status = *size > engine->segments.segment_size ? STATUS_LIMIT : buffer_reserve(writer, *size);
	plan = LOG_PLAN_BATCH;
	if (move->status == 0) {
		if (writer->make_status < 0 && log_writer_spares(engine) == 0 &&
			log_padded(*size) > engine->segments.segment_size - writer->end)
			move->status = writer->make_status;
		else
			plan = find_room(engine, *size, false);
	}
	if (plan != LOG_PLAN_BATCH)
		return plan;
	writer->move_queued = NULL;
	if (move->status < 0) {
		*finished = move;
		*size = LOG_BATCH_HEADER_SIZE;
	} else {
		writer->move_writing = move;
	}
	return LOG_PLAN_BATCH;
}

/* Takes the queued writes that fit into a batch that already has `size` bytes. */
static enum log_plan plan_writes(
	struct raft_log_engine *engine, uint64_t size, struct log_write_queue *finished)
{
	struct log_writer *writer = &engine->writer;
	bool is_empty = !writer->move_writing;

	while (writer->queued.first) {
		struct log_write *write = writer->queued.first;
		uint64_t more = log_records_size_of_write(write);
		uint64_t room = engine->segments.segment_size - writer->end;
		int status = 0;

		if (is_empty) {
			status = LOG_BATCH_HEADER_SIZE + more > engine->segments.segment_size
					 ? STATUS_LIMIT
					 : buffer_reserve(writer, size + more);
			if (status == 0) {
				enum log_plan plan = find_room(engine, size + more, needs_spare(write));

				if (plan != LOG_PLAN_BATCH)
					return plan;
			}
		} else if (log_padded(size + more) > room || size + more > engine->options.batch_size_max ||
			   size + more > writer->buffer_size ||
			   (needs_spare(write) && log_writer_spares(engine) == 0)) {
			break;
		}
		if (status == 0)
			status = log_memory_admit(&engine->memory, write, writer->next_number);
		log_queue_pop(&writer->queued);
		if (status < 0) {
			log_memory_refuse(&engine->memory, write, status, finished);
			continue;
		}
		log_queue_push(&writer->writing, write);
		size += more;
		is_empty = false;
	}
	return is_empty ? LOG_PLAN_NOTHING : LOG_PLAN_BATCH;
}

/* Ends all queued writes and the move with the failure. */
static enum log_plan plan_failed(
	struct raft_log_engine *engine, struct log_write_queue *finished, struct log_move **move)
{
	struct log_writer *writer = &engine->writer;

	for (struct log_write *write = writer->queued.first; write; write = write->next)
		write->status = engine->failure;
	log_queue_append(finished, &writer->queued);
	if (writer->move_queued) {
		*move = writer->move_queued;
		(*move)->status = engine->failure;
		writer->move_queued = NULL;
	}
	return LOG_PLAN_NOTHING;
}

enum log_plan log_plan_next(
	struct raft_log_engine *engine, struct log_write_queue *finished, struct log_move **move)
{
	struct log_writer *writer = &engine->writer;
	uint64_t size = LOG_BATCH_HEADER_SIZE;
	enum log_plan plan;

	if (engine->failure < 0)
		return plan_failed(engine, finished, move);
	if (writer->make_status < 0)
		refuse_for_space(engine, writer->make_status, finished);
	plan = plan_move(engine, &size, move);
	writer->make_status = 0;
	if (plan == LOG_PLAN_BATCH)
		plan = plan_writes(engine, size, finished);
	if (plan != LOG_PLAN_BATCH)
		return plan;
	writer->batch = (struct log_batch){
		.segment = writer->active->sequence,
		.number = writer->next_number++,
		.oldest = writer->oldest,
		.offset = writer->end,
	};
	if (writer->move_writing)
		each_of_move(&engine->memory.index, writer->move_writing, log_plan_encode, writer);
	writer->moved_size = writer->batch.records_size;
	return LOG_PLAN_BATCH;
}
