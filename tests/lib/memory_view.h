/*
 * memory_view.h: a region's state in memory, for tests of code that reads through a view: rows and objects in one ordered
 * list, changed by applying entries as a replica does. It can answer "would block" at random, as a cold cache does.
 */
#ifndef RAFTKV_TESTS_LIB_MEMORY_VIEW_H
#define RAFTKV_TESTS_LIB_MEMORY_VIEW_H

#include <stdint.h>

#include "raft/raft.h"
#include "store/kv/view.h"

struct memory_view;

struct memory_view *memory_view_new(void);
void memory_view_free(struct memory_view *memory);
struct view *memory_view_get(struct memory_view *memory);

/* One call in `one_in` answers STATUS_WOULD_BLOCK; 0: none does. */
void memory_view_set_blocking(struct memory_view *memory, uint32_t one_in, uint64_t seed);
/* Reads of keys of KEY_DATA outside [start, end) answer STATUS_KEY_NOT_IN_REGION from now on, as a region's view does. An
 * empty `end` is no bound; both are borrowed until the next call. */
void memory_view_set_range(struct memory_view *memory, struct slice start, struct slice end);
/* Applies an entry's mutations in order. 0 or STATUS_CORRUPT. */
int memory_view_apply(struct memory_view *memory, const struct raft_entry *entry);
/* Puts a row as it is: for rows that no operation makes. */
void memory_view_put(struct memory_view *memory, enum key_space space, struct slice key, struct slice value);
/* Deletes the rows of [low, high). */
void memory_view_delete(
	struct memory_view *memory, enum key_space space, struct slice low, struct slice high);

/* Changes, cuts off or takes away something in the value of one row (not of a unit), as `random` says. */
void memory_view_damage(struct memory_view *memory, uint64_t random);

uint64_t memory_view_count_rows(const struct memory_view *memory); /* without units */
uint64_t memory_view_count_units(const struct memory_view *memory); /* of all objects */
/* Each object that has units, and how many. */
void memory_view_each_object(struct memory_view *memory,
	void (*each)(void *argument, struct slice object, uint64_t units), void *argument);

#endif
