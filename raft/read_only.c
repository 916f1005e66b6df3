#include "raft/read_only.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

void read_queue_init(struct read_queue *queue, uint32_t count_max)
{
	*queue = (struct read_queue){.count_max = count_max};
}

void read_queue_close(struct read_queue *queue)
{
	for (uint32_t i = 0; i < queue->count; i++)
		buf_unref(queue->items[queue->head + i].context);
	free(queue->items);
	*queue = (struct read_queue){0};
}

static int make_room(struct read_queue *queue)
{
	uint32_t capacity = queue->capacity ? queue->capacity * 2 : 4;
	struct read_request *items;

	if (queue->head + queue->count < queue->capacity)
		return 0;
	if (queue->count <= queue->capacity / 2 && queue->capacity) {
		memmove(queue->items, queue->items + queue->head, queue->count * sizeof *items);
		queue->head = 0;
		return 0;
	}
	items = reallocarray(NULL, capacity, sizeof *items);
	if (!items)
		return -ENOMEM;
	if (queue->count)
		memcpy(items, queue->items + queue->head, queue->count * sizeof *items);
	free(queue->items);
	queue->items = items;
	queue->head = 0;
	queue->capacity = capacity;
	return 0;
}

int read_queue_push(struct read_queue *queue, uint64_t from, uint64_t index, struct buf *context)
{
	int rc;

	if (queue->count >= queue->count_max)
		return STATUS_LIMIT;
	rc = make_room(queue);
	if (rc)
		return rc;
	queue->items[queue->head + queue->count++] =
		(struct read_request){.from = from, .index = index, .context = buf_ref(context)};
	if (index)
		queue->is_round_due = true;
	return 0;
}

struct read_request read_queue_pop(struct read_queue *queue)
{
	struct read_request request;

	check(queue->count > 0);
	request = queue->items[queue->head];
	queue->count--;
	queue->head = queue->count ? queue->head + 1 : 0;
	queue->confirmed++;
	queue->is_round_due &= queue->count > 0;
	return request;
}

uint64_t read_queue_newest(const struct read_queue *queue)
{
	return queue->confirmed + queue->count;
}

void read_queue_release(struct read_queue *queue, uint64_t index)
{
	for (uint32_t i = 0; i < queue->count; i++) {
		struct read_request *request = &queue->items[queue->head + i];

		if (request->index)
			break;
		request->index = index;
		queue->is_round_due = true;
	}
}

void read_queue_reset(struct read_queue *queue)
{
	check(queue->count == 0);
	queue->confirmed = 0;
	queue->is_round_due = false;
}
