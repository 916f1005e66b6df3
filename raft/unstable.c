#include "raft/unstable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "raft/array.h"

void unstable_init(struct unstable *unstable, uint64_t offset)
{
	*unstable = (struct unstable){.offset = offset, .in_progress = offset};
}

static void snapshot_free(struct raft_snapshot *snapshot)
{
	if (snapshot)
		raft_snapshot_close(snapshot);
	free(snapshot);
}

/* Drops the entries at positions [from, to) counted from the first. */
static void unref_range(struct unstable *unstable, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		buf_unref(unstable->items[unstable->head + i].data);
		buf_unref(unstable->items[unstable->head + i].payload);
	}
}

static void drop_all(struct unstable *unstable)
{
	unref_range(unstable, 0, unstable->count);
	unstable->head = 0;
	unstable->count = 0;
}

void unstable_close(struct unstable *unstable)
{
	drop_all(unstable);
	free(unstable->items);
	snapshot_free(unstable->snapshot);
	*unstable = (struct unstable){0};
}

const struct raft_entry *unstable_entry(const struct unstable *unstable, uint64_t index)
{
	if (index < unstable->offset || index - unstable->offset >= unstable->count)
		return NULL;
	return &unstable->items[unstable->head + (index - unstable->offset)];
}

bool unstable_term(const struct unstable *unstable, uint64_t index, uint64_t *term)
{
	const struct raft_entry *entry = unstable_entry(unstable, index);

	if (entry) {
		*term = entry->term;
		return true;
	}
	if (unstable->snapshot && unstable->snapshot->index == index) {
		*term = unstable->snapshot->term;
		return true;
	}
	return false;
}

uint64_t unstable_end(const struct unstable *unstable)
{
	return unstable->offset + unstable->count;
}

const struct raft_entry *unstable_next_entries(const struct unstable *unstable, size_t *count)
{
	*count = unstable_end(unstable) - unstable->in_progress;
	return *count ? unstable_entry(unstable, unstable->in_progress) : NULL;
}

const struct raft_snapshot *unstable_next_snapshot(const struct unstable *unstable)
{
	return unstable->snapshot_in_progress ? NULL : unstable->snapshot;
}

void unstable_accept(struct unstable *unstable)
{
	unstable->in_progress = unstable_end(unstable);
	unstable->snapshot_in_progress = unstable->snapshot != NULL;
}

void unstable_stable_to(struct unstable *unstable, uint64_t index, uint64_t term)
{
	const struct raft_entry *entry = unstable_entry(unstable, index);
	uint32_t dropped;

	if (!entry || entry->term != term)
		return;
	dropped = (uint32_t)(index + 1 - unstable->offset);
	unref_range(unstable, 0, dropped);
	unstable->count -= dropped;
	unstable->head = unstable->count ? unstable->head + dropped : 0;
	unstable->offset = index + 1;
	if (unstable->in_progress < unstable->offset)
		unstable->in_progress = unstable->offset;
}

void unstable_stable_snapshot_to(struct unstable *unstable, uint64_t index)
{
	if (!unstable->snapshot || unstable->snapshot->index != index)
		return;
	snapshot_free(unstable->snapshot);
	unstable->snapshot = NULL;
	unstable->snapshot_in_progress = false;
}

int unstable_reserve(struct unstable *unstable, size_t count)
{
	size_t needed = unstable->count + count;
	size_t capacity = array_next_capacity(unstable->capacity, needed);
	struct raft_entry *items;

	if (unstable->head + needed <= unstable->capacity)
		return 0;
	if (needed > UINT32_MAX / 2)
		return -ENOMEM;
	if (needed <= unstable->capacity / 2) { /* many entries have left at the front: use their room */
		memmove(unstable->items, unstable->items + unstable->head, unstable->count * sizeof *items);
		unstable->head = 0;
		return 0;
	}
	items = reallocarray(NULL, capacity, sizeof *items);
	if (!items)
		return -ENOMEM;
	if (unstable->count)
		memcpy(items, unstable->items + unstable->head, unstable->count * sizeof *items);
	free(unstable->items);
	unstable->items = items;
	unstable->head = 0;
	unstable->capacity = (uint32_t)capacity;
	return 0;
}

int unstable_replace_from(struct unstable *unstable, const struct raft_entry *items, size_t count)
{
	uint64_t from = items[0].index;
	int rc = unstable_reserve(unstable, count);

	if (rc)
		return rc;
	check(from <= unstable_end(unstable));
	if (from <= unstable->offset && from != unstable_end(unstable)) {
		drop_all(unstable);
		unstable->offset = from;
	} else {
		uint32_t kept = (uint32_t)(from - unstable->offset);

		unref_range(unstable, kept, unstable->count);
		unstable->count = kept;
	}
	if (unstable->in_progress > from)
		unstable->in_progress = from;
	for (size_t i = 0; i < count; i++) {
		struct raft_entry *entry = &unstable->items[unstable->head + unstable->count++];

		*entry = items[i];
		buf_ref(entry->data);
		buf_ref(entry->payload);
	}
	return 0;
}

void unstable_restore(struct unstable *unstable, struct raft_snapshot *snapshot)
{
	drop_all(unstable);
	snapshot_free(unstable->snapshot);
	unstable->snapshot = snapshot;
	unstable->snapshot_in_progress = false;
	unstable->offset = snapshot->index + 1;
	unstable->in_progress = unstable->offset;
}

void unstable_trim(struct unstable *unstable)
{
	if (unstable->count)
		return;
	free(unstable->items);
	unstable->items = NULL;
	unstable->head = 0;
	unstable->capacity = 0;
}
