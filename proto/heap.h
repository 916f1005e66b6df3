/*
 * heap.h: an intrusive binary min-heap on 64-bit keys, for deadlines of timers and of Raft groups.
 *
 * The owner embeds a heap_node, which knows its place, so that adding, moving and removing a node cost O(log n). Nodes
 * with equal keys come in the order in which they were last set.
 */
#ifndef RAFTKV_PROTO_HEAP_H
#define RAFTKV_PROTO_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	uint64_t key;
	uint64_t order; /* the heap's; breaks ties */
	size_t place; /* the heap's; 1 + position, or 0 in no heap */
};

/* Zero is an empty heap. */
struct heap {
	struct heap_node **items;
	size_t count;
	size_t capacity;
	uint64_t orders;
};

/* Inserts `node` with `key`, or moves a node that is in the heap. 0 or -ENOMEM (never for a move). */
int heap_set(struct heap *heap, struct heap_node *node, uint64_t key);
void heap_remove(struct heap *heap, struct heap_node *node); /* does nothing to a node in no heap */
struct heap_node *heap_first(const struct heap *heap); /* the node with the smallest key; NULL: empty */
void heap_close(struct heap *heap); /* frees the array, not the nodes */

static inline bool heap_has(const struct heap_node *node)
{
	return node->place != 0;
}

#endif
