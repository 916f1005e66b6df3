/*
 * Grows the arrays of raft.h and any other struct with `items`, `count` and `capacity`.
 */
#ifndef RAFTKV_RAFT_ARRAY_H
#define RAFTKV_RAFT_ARRAY_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* The capacity to give an array of `capacity` items so that `needed` fit: at least doubled, at least four. */
static inline size_t array_next_capacity(size_t capacity, size_t needed)
{
	size_t next = capacity ? capacity * 2 : 4;

	return next < needed ? needed : next;
}

/* Moves the items to where `needed` of them fit. NULL: out of memory, and nothing changed. */
static inline void *array_grow(void *items, size_t *capacity, size_t needed, size_t item_size)
{
	size_t next = array_next_capacity(*capacity, needed);
	void *grown = reallocarray(items, next, item_size);

	if (grown)
		*capacity = next;
	return grown;
}

/* Makes room for `extra` more items in `array`, whose capacity is a size_t. 0 or -ENOMEM. */
#define array_reserve(array, extra)                                                                          \
	({                                                                                                   \
		size_t needed_ = (array)->count + (extra);                                                   \
		void *grown_ = (array)->items;                                                               \
                                                                                                             \
		if (needed_ > (array)->capacity)                                                             \
			grown_ = array_grow(                                                                 \
				(array)->items, &(array)->capacity, needed_, sizeof *(array)->items);        \
		if (grown_)                                                                                  \
			(array)->items = grown_;                                                             \
		grown_ || needed_ == 0 ? 0 : -ENOMEM;                                                        \
	})

#endif
