#include "store/blocks/block_waiting.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/plant.h"

static struct waiting_extent *item(const struct waiting_queue *queue, size_t place)
{
	return &queue->items[(queue->first + place) & (queue->capacity - 1)];
}

static int grow(struct waiting_queue *queue)
{
	size_t capacity = queue->capacity ? queue->capacity * 2 : 64;
	struct waiting_extent *items = malloc(capacity * sizeof *items);

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < queue->count; i++)
		items[i] = *item(queue, i);
	free(queue->items);
	*queue = (struct waiting_queue){.items = items, .count = queue->count, .capacity = capacity};
	return 0;
}

static int push(struct waiting_queue *queue, struct waiting_extent added)
{
	size_t place;

	if (queue->count == queue->capacity && grow(queue))
		return -ENOMEM;
	for (place = queue->count++; place > 0 && item(queue, place - 1)->order > added.order; place--)
		*item(queue, place) = *item(queue, place - 1);
	*item(queue, place) = added;
	return 0;
}

static bool block_waiting_pop(struct waiting_queue *queue, uint64_t order_max, struct waiting_extent *taken)
{
	if (queue->count == 0 || item(queue, 0)->order > order_max)
		return false;
	*taken = *item(queue, 0);
	queue->first = (queue->first + 1) & (queue->capacity - 1);
	queue->count--;
	return true;
}

void block_waiting_init(struct block_waiting *waiting)
{
	*waiting = (struct block_waiting){.epoch = 1};
	waiting->readers.next = waiting->readers.previous = &waiting->readers;
}

void block_waiting_close(struct block_waiting *waiting)
{
	check(waiting->readers.next == &waiting->readers);
	free(waiting->marked.items);
	free(waiting->released.items);
}

int block_waiting_add(struct block_waiting *waiting, struct block_extent extent, uint64_t mark)
{
	struct waiting_queue *queue = &waiting->marked;
	struct waiting_extent *last = queue->count ? item(queue, queue->count - 1) : NULL;

	if (last && last->order == mark && last->extent.address + last->extent.count == extent.address &&
		last->extent.count <= UINT32_MAX - extent.count) {
		last->extent.count += extent.count;
	} else if (push(queue, (struct waiting_extent){mark, extent})) {
		return -ENOMEM;
	}
	waiting->units += extent.count;
	return 0;
}

void block_waiting_release(struct block_waiting *waiting, uint64_t mark)
{
	if (mark > waiting->released_mark)
		waiting->released_mark = mark;
}

void block_waiting_enter(struct block_waiting *waiting, struct blocks_reader *reader)
{
	reader->epoch = waiting->epoch;
	reader->next = &waiting->readers;
	reader->previous = waiting->readers.previous;
	reader->previous->next = reader;
	reader->next->previous = reader;
}

void block_waiting_leave(struct block_waiting *waiting, struct blocks_reader *reader)
{
	(void)waiting;
	reader->previous->next = reader->next;
	reader->next->previous = reader->previous;
}

/* Moves the extents whose mark is released to the queue that waits for readers. They get an epoch later than that of
 * every present reader, so the present readers block them. Later readers cannot have seen them and do not block
 * them. */
static void move_released(struct block_waiting *waiting)
{
	uint64_t mark_max = waiting->released_mark;
	struct waiting_extent moved;

	PLANT("blocks:reused_early", mark_max = UINT64_MAX);
	if (waiting->marked.count > 0 && item(&waiting->marked, 0)->order <= mark_max)
		waiting->epoch++;
	while (waiting->marked.count > 0 && item(&waiting->marked, 0)->order <= mark_max) {
		moved = *item(&waiting->marked, 0);
		moved.order = waiting->epoch;
		if (push(&waiting->released, moved))
			return; /* no memory: the rest stays where it is until the next time */
		block_waiting_pop(&waiting->marked, mark_max, &moved);
	}
}

bool block_waiting_take(struct block_waiting *waiting, struct block_extent *extent)
{
	const struct blocks_reader *oldest = waiting->readers.next;
	uint64_t epoch_max = oldest == &waiting->readers ? UINT64_MAX : oldest->epoch;
	struct waiting_extent taken;

	PLANT("blocks:reader_ignored", epoch_max = UINT64_MAX);
	move_released(waiting);
	if (!block_waiting_pop(&waiting->released, epoch_max, &taken))
		return false;
	*extent = taken.extent;
	waiting->units -= extent->count;
	return true;
}
