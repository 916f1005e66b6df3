/*
 * writer.c: writes queued writes to the disk as batches.
 *
 * One batch is in flight at a time. Writes that may wait stay in the queue, in their order, until somebody urges. Each
 * step ends in log_writer_advance(): under the lock it plans the next batch, if any write is queued that may not wait
 * any longer; without the lock it calls the owners of finished writes and sends the batch. After the last owner's
 * `done` a step does not touch the engine, because that owner may close it.
 */
#include "store/log/raft_log_engine_internal.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "store/log/plan.h"
#include "store/log/log_records.h"

static void make_run(struct env_work *work);
static void make_done(struct env_work *work);
static void written(struct env_file_request *request);

#define WAITING_MAX 64u /* writes that may wait, at once */

#define engine_of(pointer, member) container_of(pointer, struct raft_log_engine, member)

/* ---- Telling ---------------------------------------------------------------------------------------------------- */

static void log_writer_deliver(struct env_mail *mail)
{
	struct log_write *write = (struct log_write *)mail;

	if (write->engine)
		log_memory_settle((struct log_memory *)write->engine, write);
	write->done(write, write->status);
}

static void tell(struct log_write_queue *finished, struct log_move *move)
{
	while (finished->first) {
		struct log_write *write = log_queue_pop(finished);

		env_post(write->loop, &write->mail, log_writer_deliver);
	}
	if (move)
		env_post(move->loop, &move->mail, move->done);
}

/* ---- Sending ---------------------------------------------------------------------------------------------------- */

/* The loop for the batch's completion: the current loop, if a write of the batch completes there, so that no other
 * thread is woken. Else NULL: the I/O thread that wrote the batch continues with the next one. */
static struct env_loop *loop_here(const struct log_writer *writer)
{
	for (const struct log_write *write = writer->writing.first; write; write = write->next)
		if (env_loop_is_current(write->loop))
			return write->loop;
	return NULL;
}

/* Without the lock: encodes the planned writes and sends the batch. */
static void send_batch(struct raft_log_engine *engine)
{
	struct log_writer *writer = &engine->writer;
	size_t used;

	for (struct log_write *write = writer->writing.first; write; write = write->next)
		log_records_of_write(write, log_plan_encode, writer);
	used = LOG_BATCH_HEADER_SIZE + writer->batch.records_size;
	writer->batch.size = (uint32_t)log_padded(used);
	memset(writer->buffer + used, 0, writer->batch.size - used);
	log_batch_seal(writer->buffer, &writer->batch);
	writer->vector = (struct iovec){writer->buffer, writer->batch.size};
	writer->request = (struct env_file_request){
		.file = writer->active->file,
		.operation = ENV_FILE_WRITE,
		.offset = writer->batch.offset,
		.vector = &writer->vector,
		.vector_count = 1,
		.loop = loop_here(writer),
		.done = written,
	};
	writer->begun = env_now(engine->options.env);
	env_file_submit(&writer->request);
}

/* Under the lock. */
static bool may_begin(const struct raft_log_engine *engine)
{
	const struct log_writer *writer = &engine->writer;

	return writer->move_queued || (writer->queued.first && writer->is_urged) || engine->failure < 0;
}

/* While `busy` is set: calls the owners of `finished` and `move` (may be NULL), and continues with the queue. */
static void log_writer_advance(
	struct raft_log_engine *engine, struct log_write_queue *finished, struct log_move *move)
{
	struct log_writer *writer = &engine->writer;
	struct log_move *unmoved = NULL;
	struct env_loop *loop = NULL;
	enum log_plan plan = LOG_PLAN_NOTHING;

	log_memory_lock(&engine->memory);
	if (may_begin(engine))
		plan = log_plan_next(engine, finished, &unmoved);
	if (!writer->queued.first) {
		writer->is_urged = false;
		writer->waiting = 0;
	}
	if (plan == LOG_PLAN_NOTHING)
		writer->busy = false;
	if (plan == LOG_PLAN_MAKE)
		loop = writer->move_queued ? writer->move_queued->loop : writer->queued.first->loop;
	log_memory_unlock(&engine->memory);
	tell(finished, move);
	if (unmoved)
		env_post(unmoved->loop, &unmoved->mail, unmoved->done);
	if (plan == LOG_PLAN_BATCH)
		send_batch(engine);
	else if (plan == LOG_PLAN_MAKE)
		env_work_submit(loop, &writer->work, make_run, make_done);
}

static void start(struct raft_log_engine *engine)
{
	struct log_writer *writer = &engine->writer;
	struct log_write_queue finished = {0};
	bool begin;

	log_memory_lock(&engine->memory);
	begin = !writer->busy && may_begin(engine);
	if (begin)
		writer->busy = true;
	log_memory_unlock(&engine->memory);
	if (begin)
		log_writer_advance(engine, &finished, NULL);
}

void log_writer_submit(struct log_engine *base, struct log_write *write)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	struct log_writer *writer = &engine->writer;

	for (size_t i = 0; i < write->entry_count; i++)
		check(write->entries[i].index == write->entries[0].index + i);
	write->engine = NULL;
	write->replaces = false;
	write->status = 0;
	log_memory_lock(&engine->memory);
	log_queue_push(&writer->queued, write);
	if (!write->may_wait || ++writer->waiting == WAITING_MAX)
		writer->is_urged = true;
	log_memory_unlock(&engine->memory);
	start(engine);
}

void log_writer_hurry(struct log_engine *base)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;

	log_memory_lock(&engine->memory);
	engine->writer.is_urged = engine->writer.queued.first != NULL;
	log_memory_unlock(&engine->memory);
	start(engine);
}

void log_writer_submit_move(struct raft_log_engine *engine, struct log_move *move)
{
	log_memory_lock(&engine->memory);
	check(!engine->writer.move_queued);
	engine->writer.move_queued = move;
	log_memory_unlock(&engine->memory);
	start(engine);
}

/* ---- Completing ------------------------------------------------------------------------------------------------- */

struct applying {
	struct raft_log_engine *engine;
	uint32_t offset; /* of the next record in the batch */
};

static int apply(void *argument, const struct log_record *record, const struct raft_entry *entry)
{
	struct applying *applying = argument;
	struct raft_log_engine *engine = applying->engine;
	const struct log_batch *batch = &engine->writer.batch;
	struct log_position *position;
	int status = log_index_apply(&engine->memory.index, record, (uint32_t)batch->segment,
		batch->offset + applying->offset, &position);

	applying->offset += (uint32_t)log_record_size(record);
	if (status == 0 && position && entry)
		log_cache_add(&engine->memory.cache, entry, record->beside, &position->cached);
	return status;
}

/* Applies a move as it was written: the states it was made from may have changed since. */
static int apply_move(struct applying *applying)
{
	struct log_writer *writer = &applying->engine->writer;
	uint32_t end = LOG_BATCH_HEADER_SIZE + writer->moved_size;
	int status = 0;

	while (applying->offset < end && status == 0) {
		struct log_record record;

		status =
			log_record_decode(slice_of(writer->buffer + applying->offset, end - applying->offset),
				writer->batch.segment, &record);
		if (status == 0)
			status = apply(applying, &record, NULL);
	}
	return status;
}

/* The batch is durable: applies it to the index in the order in which it was encoded. */
static int log_writer_apply_batch(struct raft_log_engine *engine)
{
	struct log_writer *writer = &engine->writer;
	struct applying applying = {engine, LOG_BATCH_HEADER_SIZE};
	int status;

	engine->memory.index.batch = writer->batch.number;
	status = apply_move(&applying);
	for (struct log_write *write = writer->writing.first; write && status == 0; write = write->next) {
		status = log_records_of_write(write, apply, &applying);
		if (write->destroy)
			log_memory_sweep(&engine->memory, write->region);
		engine->records++;
	}
	writer->end += writer->batch.size;
	engine->syncs++;
	return status;
}

/* On an I/O thread, or the loop that sent the batch. */
static void written(struct env_file_request *request)
{
	struct raft_log_engine *engine = engine_of(request, writer.request);
	struct log_writer *writer = &engine->writer;
	struct log_write_queue finished = {0};
	struct log_move *move;
	int status = request->status;

	histogram_add(&writer->durations, env_now(engine->options.env) - writer->begun);
	log_memory_lock(&engine->memory);
	if (status == 0)
		status = log_writer_apply_batch(engine);
	log_memory_unlock(&engine->memory);
	if (status < 0)
		raft_log_engine_fail(engine, status, "writing a batch");
	log_memory_lock(&engine->memory);
	for (struct log_write *write = writer->writing.first; write; write = write->next)
		write->status = status;
	log_queue_append(&finished, &writer->writing);
	move = writer->move_writing;
	if (move)
		move->status = status;
	writer->move_writing = NULL;
	log_memory_unlock(&engine->memory);
	log_writer_advance(engine, &finished, move);
}

/* ---- Making a segment ------------------------------------------------------------------------------------------- */

static void make_run(struct env_work *work)
{
	struct raft_log_engine *engine = engine_of(work, writer.work);
	uint64_t sequence;
	int status;

	log_memory_lock(&engine->memory);
	sequence = log_segments_last(&engine->segments) + 1;
	status = log_segments_reserve(&engine->segments);
	log_memory_unlock(&engine->memory);
	if (status == 0)
		status = log_segments_make(&engine->segments, sequence, &engine->writer.made);
	engine->writer.make_result = status;
}

static void make_done(struct env_work *work)
{
	struct raft_log_engine *engine = engine_of(work, writer.work);

	log_memory_lock(&engine->memory);
	engine->segments.making = false;
	if (engine->writer.make_result == 0)
		log_segments_append(&engine->segments, engine->writer.made);
	engine->writer.waits_for_maker = true;
	log_memory_unlock(&engine->memory);
	log_writer_resume(engine, engine->writer.make_result);
}

void log_writer_resume(struct raft_log_engine *engine, int make_status)
{
	struct log_writer *writer = &engine->writer;
	struct log_write_queue finished = {0};
	bool waits;

	if (make_status < 0 && !log_status_is_shortage(make_status))
		raft_log_engine_fail(engine, make_status, "making a segment");
	log_memory_lock(&engine->memory);
	waits = writer->waits_for_maker;
	writer->waits_for_maker = false;
	if (waits)
		writer->make_status = make_status;
	log_memory_unlock(&engine->memory);
	if (waits)
		log_writer_advance(engine, &finished, NULL);
}
