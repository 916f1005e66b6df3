/*
 * heap.h: an intrusive binary min-heap on 64-bit keys: deadlines of timers and of Raft groups.
 *
 * The owner embeds a heap_node; the heap holds pointers alone, so that adding, moving and removing cost O(log n) and
 * removing needs no search. Equal keys leave in the order in which they were last set.
 */
#ifndef RAFTKV_PROTO_HEAP_H
#define RAFTKV_PROTO_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	uint64_t key;
	uint64_t order; /* the heap's: breaks ties */
	size_t place; /* the heap's: 1 + position; 0: in no heap */
};

/* Zero is an empty heap. */
struct heap {
	struct heap_node **items;
	size_t count;
	size_t capacity;
	uint64_t orders;
};

/* Inserts with `key`, or moves a node that is in the heap. 0 or -ENOMEM (never for a move). */
int heap_set(struct heap *heap, struct heap_node *node, uint64_t key);
void heap_remove(struct heap *heap, struct heap_node *node); /* of a node in no heap: nothing */
struct heap_node *heap_first(const struct heap *heap); /* the smallest key; NULL when empty */
void heap_close(struct heap *heap); /* frees the array; nodes are forgotten */

static inline bool heap_has(const struct heap_node *node)
{
	return node->place != 0;
}

#endif
