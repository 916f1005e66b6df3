#include "store/queues/read_index_queue.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/status.h"

enum batch_state { BATCH_OPEN, BATCH_SENT, BATCH_ANSWERED };

struct read_index_batch {
	struct read_index_batch *next;
	enum batch_state state;
	uint64_t id;
	uint64_t sent; /* when its first request left: a lease counts from here */
	uint64_t tried; /* when its last request left */
	uint64_t index;
	struct read_index_request *reads;
	struct read_index_request **reads_end;
};

static struct read_index_batch *open_batch(struct read_index_queue *queue)
{
	struct read_index_batch *batch = queue->last;

	if (batch && batch->state == BATCH_OPEN)
		return batch;
	batch = calloc(1, sizeof *batch);
	if (!batch)
		return NULL;
	batch->id = ++queue->last_id;
	batch->reads_end = &batch->reads;
	if (queue->last)
		queue->last->next = batch;
	else
		queue->first = batch;
	queue->last = batch;
	queue->batch_count++;
	return batch;
}

int read_index_queue_push(struct read_index_queue *queue, struct read_index_request *request)
{
	struct read_index_batch *batch;

	if (queue->read_count >= READ_INDEX_QUEUE_MAX)
		return STATUS_LIMIT;
	batch = open_batch(queue);
	if (!batch)
		return -ENOMEM;
	request->next = NULL;
	*batch->reads_end = request;
	batch->reads_end = &request->next;
	queue->read_count++;
	return 0;
}

bool read_index_queue_send(struct read_index_queue *queue, uint64_t now, uint64_t *id)
{
	struct read_index_batch *batch = queue->last;

	if (!batch || batch->state != BATCH_OPEN)
		return false;
	batch->state = BATCH_SENT;
	batch->sent = now;
	batch->tried = now;
	*id = batch->id;
	return true;
}

int read_index_queue_begin(struct read_index_queue *queue, uint64_t now, uint64_t *id)
{
	struct read_index_batch *batch = open_batch(queue);

	if (!batch)
		return -ENOMEM;
	batch->state = BATCH_SENT;
	batch->sent = now;
	batch->tried = now;
	*id = batch->id;
	return 0;
}

static struct read_index_batch *find(struct read_index_queue *queue, uint64_t id)
{
	struct read_index_batch *batch = queue->first;

	while (batch && batch->id != id)
		batch = batch->next;
	return batch && batch->state != BATCH_OPEN ? batch : NULL;
}

uint64_t read_index_queue_answer(struct read_index_queue *queue, uint64_t id, uint64_t index)
{
	struct read_index_batch *answered = find(queue, id);

	if (!answered)
		return 0;
	for (struct read_index_batch *batch = queue->first;; batch = batch->next) {
		batch->state = BATCH_ANSWERED;
		if (index > batch->index)
			batch->index = index;
		if (batch == answered)
			return answered->sent;
	}
}

static void remove_first(struct read_index_queue *queue)
{
	struct read_index_batch *batch = queue->first;

	queue->first = batch->next;
	if (!queue->first)
		queue->last = NULL;
	queue->batch_count--;
	free(batch);
}

static struct read_index_batch *first_answered(struct read_index_queue *queue, uint64_t applied)
{
	struct read_index_batch *batch = queue->first;

	while (batch && batch->state == BATCH_ANSWERED && !batch->reads) {
		remove_first(queue);
		batch = queue->first;
	}
	return batch && batch->state == BATCH_ANSWERED && batch->index <= applied ? batch : NULL;
}

struct read_index_request *read_index_queue_serve(struct read_index_queue *queue, uint64_t applied)
{
	struct read_index_batch *batch = first_answered(queue, applied);
	struct read_index_request *request;

	if (!batch || batch->reads->index > applied)
		return NULL;
	request = batch->reads;
	batch->reads = request->next;
	queue->read_count--;
	if (!batch->reads)
		remove_first(queue);
	return request;
}

void read_index_queue_retry(struct read_index_queue *queue, uint64_t before, uint64_t now,
	void (*resend)(void *argument, uint64_t id), void *argument)
{
	for (struct read_index_batch *batch = queue->first; batch; batch = batch->next) {
		if (batch->state != BATCH_SENT || batch->tried > before)
			continue;
		batch->tried = now;
		resend(argument, batch->id);
	}
}

bool read_index_queue_has_unanswered(const struct read_index_queue *queue)
{
	return queue->last && queue->last->state != BATCH_ANSWERED;
}

/* Unlinks the batches to end. Answered batches are at the front, so the unanswered ones are a tail. */
static struct read_index_batch *detach(struct read_index_queue *queue, bool all)
{
	struct read_index_batch **link = &queue->first;
	struct read_index_batch *last = NULL;
	struct read_index_batch *tail;

	while (!all && *link && (*link)->state == BATCH_ANSWERED) {
		last = *link;
		link = &last->next;
	}
	tail = *link;
	*link = NULL;
	queue->last = last;
	for (struct read_index_batch *batch = tail; batch; batch = batch->next) {
		queue->batch_count--;
		for (struct read_index_request *read = batch->reads; read; read = read->next)
			queue->read_count--;
	}
	return tail;
}

void read_index_queue_fail(struct read_index_queue *queue, bool all, int status)
{
	struct read_index_batch *batch = detach(queue, all);

	while (batch) {
		struct read_index_batch *next_batch = batch->next;
		struct read_index_request *read = batch->reads;

		while (read) {
			struct read_index_request *next = read->next;

			read->done(read, status);
			read = next;
		}
		free(batch);
		batch = next_batch;
	}
}

void read_index_queue_close(struct read_index_queue *queue)
{
	while (queue->first)
		remove_first(queue);
	queue->read_count = 0;
}
