/*
 * view.h: the view of a region for an evaluation or a read: ordered rows, and objects made of 4 KiB units.
 *
 * Implementations: the leader's overlay over the KV engine (evaluations), and a snapshot (reads). Keys are those of the
 * layer above: the store adds its own prefixes. A view belongs to one thread for the time of one evaluation or read.
 *
 * Every call returns 0, STATUS_NOT_FOUND, STATUS_CORRUPT, -EIO, -ENOMEM, or STATUS_WOULD_BLOCK: the answer is not in
 * memory and this view may not block. An evaluation that gets STATUS_WOULD_BLOCK returns it at once; the store fetches
 * the data and evaluates again.
 */
#ifndef RAFTKV_STORE_KV_VIEW_H
#define RAFTKV_STORE_KV_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "store/kv/kv_engine.h"

enum key_space {
	KEY_DATA, /* rows of the one key space that regions divide */
	KEY_LOCAL, /* rows of this region alone, such as sessions */
};

struct view_ops;

struct view {
	const struct view_ops *ops;
};

/* Key and value are borrowed for the call. 0 continues; any other value ends the scan and is its result (1: enough). */
typedef int (*view_row_cb)(void *argument, struct slice key, struct slice value);

struct view_ops {
	int (*get)(struct view *view, enum key_space space, struct slice key, struct kv_value *value);
	/* Rows of [low, high) in ascending order; an empty `high` is no bound. */
	int (*scan)(struct view *view, enum key_space space, struct slice low, struct slice high,
		view_row_cb row, void *argument);
	/* The content of units [first, first + count) of an object, holes as zeroes, checksums verified. `object` is
	 * the key prefix of its extent map. */
	int (*read)(struct view *view, struct slice object, uint64_t first, uint32_t count, void *bytes);
	/* How many of units [first, first + count) are mapped. */
	int (*mapped)(
		struct view *view, struct slice object, uint64_t first, uint64_t count, uint64_t *mapped);
	/* The first unit >= `first` that is mapped (`data`) or not; UINT64_MAX when there is no mapped one. */
	int (*next)(struct view *view, struct slice object, uint64_t first, bool data, uint64_t *unit);
};

static inline int view_get(struct view *view, enum key_space space, struct slice key, struct kv_value *value)
{
	return view->ops->get(view, space, key, value);
}

static inline int view_scan(struct view *view, enum key_space space, struct slice low, struct slice high,
	view_row_cb row, void *argument)
{
	return view->ops->scan(view, space, low, high, row, argument);
}

static inline int view_read(
	struct view *view, struct slice object, uint64_t first, uint32_t count, void *bytes)
{
	return view->ops->read(view, object, first, count, bytes);
}

static inline int view_mapped(
	struct view *view, struct slice object, uint64_t first, uint64_t count, uint64_t *mapped)
{
	return view->ops->mapped(view, object, first, count, mapped);
}

static inline int view_next(struct view *view, struct slice object, uint64_t first, bool data, uint64_t *unit)
{
	return view->ops->next(view, object, first, data, unit);
}

#endif
