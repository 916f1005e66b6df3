#include "proto/heap.h"

#include <errno.h>
#include <stdlib.h>

static bool precedes(const struct heap_node *a, const struct heap_node *b)
{
	return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void put(struct heap *heap, size_t position, struct heap_node *node)
{
	heap->items[position] = node;
	node->place = position + 1;
}

static void sift_up(struct heap *heap, struct heap_node *node)
{
	size_t position = node->place - 1;

	while (position > 0) {
		size_t parent = (position - 1) / 2;

		if (!precedes(node, heap->items[parent]))
			break;
		put(heap, position, heap->items[parent]);
		position = parent;
	}
	put(heap, position, node);
}

static void sift_down(struct heap *heap, struct heap_node *node)
{
	size_t position = node->place - 1;

	for (;;) {
		size_t child = 2 * position + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count && precedes(heap->items[child + 1], heap->items[child]))
			child++;
		if (!precedes(heap->items[child], node))
			break;
		put(heap, position, heap->items[child]);
		position = child;
	}
	put(heap, position, node);
}

static int grow(struct heap *heap)
{
	size_t capacity = heap->capacity ? heap->capacity * 2 : 16;
	struct heap_node **items = realloc(heap->items, capacity * sizeof *items);

	if (!items)
		return -ENOMEM;
	heap->items = items;
	heap->capacity = capacity;
	return 0;
}

int heap_set(struct heap *heap, struct heap_node *node, uint64_t key)
{
	if (!heap_has(node)) {
		int status = heap->count == heap->capacity ? grow(heap) : 0;

		if (status < 0)
			return status;
		put(heap, heap->count++, node);
	}
	node->key = key;
	node->order = heap->orders++;
	sift_up(heap, node);
	sift_down(heap, node);
	return 0;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	struct heap_node *last;

	if (!heap_has(node))
		return;
	last = heap->items[--heap->count];
	if (last != node) {
		put(heap, node->place - 1, last);
		sift_up(heap, last);
		sift_down(heap, last);
	}
	node->place = 0;
}

struct heap_node *heap_first(const struct heap *heap)
{
	return heap->count > 0 ? heap->items[0] : NULL;
}

void heap_close(struct heap *heap)
{
	free(heap->items);
	*heap = (struct heap){0};
}
