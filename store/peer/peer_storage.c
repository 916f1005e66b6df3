#include "store/peer/peer_storage.h"

#include "proto/check.h"

static struct peer_storage *storage_of(struct raft_storage *base)
{
	return (struct peer_storage *)base; /* the first member */
}

/* Applied entries are committed, even if the hard state on disk has a lower commit index: a new commit index alone is
 * not written. */
static int initial_state(
	struct raft_storage *base, struct raft_hard_state *hard, struct raft_conf_state *conf)
{
	struct peer_storage *storage = storage_of(base);
	int status = storage->log->ops->hard_state(storage->log, storage->region->id, hard);

	if (status < 0 && status != STATUS_NOT_FOUND)
		return status;
	if (hard->commit < storage->applied->index)
		hard->commit = storage->applied->index;
	return region_conf_state(storage->region, conf);
}

/* Appends the fetched entries of [low, high). False: the entry at `low` was not fetched. */
static bool take_fetched(const struct raft_entries *fetched, uint64_t low, uint64_t high, uint64_t size_max,
	struct raft_entries *out, int *status)
{
	uint64_t first = fetched->count > 0 ? fetched->items[0].index : 0;
	uint64_t size = 0;
	size_t begin, count = 0;

	if (fetched->count == 0 || low < first || low >= first + fetched->count)
		return false;
	begin = (size_t)(low - first);
	while (begin + count < fetched->count && low + count < high) {
		size += raft_entry_size(&fetched->items[begin + count]);
		if (count > 0 && size > size_max)
			break;
		count++;
	}
	*status = raft_entries_append(out, &fetched->items[begin], count);
	return true;
}

static int entries(
	struct raft_storage *base, uint64_t low, uint64_t high, uint64_t size_max, struct raft_entries *out)
{
	struct peer_storage *storage = storage_of(base);
	int status;

	if (low <= storage->forgotten)
		return STATUS_COMPACTED;
	if (take_fetched(&storage->fetched, low, high, size_max, out, &status))
		return status;
	status =
		storage->log->ops->entries(storage->log, storage->region->id, low, high, size_max, true, out);
	if (status == STATUS_WOULD_BLOCK)
		storage->wanted = (struct entry_range){low, high, size_max};
	return status;
}

static int term(struct raft_storage *base, uint64_t index, uint64_t *out)
{
	struct peer_storage *storage = storage_of(base);

	int status = storage->log->ops->term(storage->log, storage->region->id, index, out);

	if (status != STATUS_NOT_FOUND)
		return status;
	*out = 0;
	return index == 0 ? 0 : STATUS_UNAVAILABLE;
}

/* A replica that a message created has no log before its first write. */
static int bounds(const struct peer_storage *storage, uint64_t *first, uint64_t *last)
{
	int status = storage->log->ops->bounds(storage->log, storage->region->id, first, last);

	if (status != STATUS_NOT_FOUND)
		return status;
	*first = 1;
	*last = 0;
	return 0;
}

static int first_index(struct raft_storage *base, uint64_t *index)
{
	struct peer_storage *storage = storage_of(base);
	uint64_t last;
	int status = bounds(storage, index, &last);

	if (status == 0 && *index <= storage->forgotten)
		*index = storage->forgotten + 1;
	return status;
}

static int last_index(struct raft_storage *base, uint64_t *index)
{
	struct peer_storage *storage = storage_of(base);
	uint64_t first;

	return bounds(storage, &first, index);
}

/* A prepared snapshot is given once, because its content is read for one follower. The log must reach back to its
 * index. */
static int snapshot(struct raft_storage *base, struct raft_snapshot *out)
{
	struct peer_storage *storage = storage_of(base);
	uint64_t first;
	int status = first_index(base, &first);

	if (status < 0)
		return status;
	if (storage->prepared.index == 0 || storage->prepared.index + 1 < first) {
		raft_snapshot_close(&storage->prepared);
		storage->is_snapshot_wanted = true;
		return STATUS_SNAPSHOT_UNAVAILABLE;
	}
	*out = storage->prepared;
	storage->prepared = (struct raft_snapshot){0};
	return 0;
}

void peer_storage_init(struct peer_storage *storage, struct log_engine *log, const struct region *region,
	const struct apply_state *applied)
{
	*storage = (struct peer_storage){
		.base = {initial_state, entries, term, first_index, last_index, snapshot},
		.log = log,
		.region = region,
		.applied = applied,
	};
}

void peer_storage_close(struct peer_storage *storage)
{
	raft_entries_close(&storage->fetched);
	raft_snapshot_close(&storage->prepared);
}

bool peer_storage_wants(struct peer_storage *storage, struct entry_range *range)
{
	*range = storage->wanted;
	storage->wanted = (struct entry_range){0};
	return range->high > 0;
}

int peer_storage_fetch(
	struct log_engine *log, uint64_t region, const struct entry_range *range, struct raft_entries *out)
{
	return log->ops->entries(log, region, range->low, range->high, range->size_max, false, out);
}

void peer_storage_fetched(struct peer_storage *storage, struct raft_entries *fetched)
{
	raft_entries_close(&storage->fetched);
	storage->fetched = *fetched;
	*fetched = (struct raft_entries){0};
}

bool peer_storage_wants_snapshot(struct peer_storage *storage)
{
	bool is_wanted = storage->is_snapshot_wanted;

	storage->is_snapshot_wanted = false;
	return is_wanted;
}

void peer_storage_prepared(struct peer_storage *storage, struct raft_snapshot *prepared)
{
	raft_snapshot_close(&storage->prepared);
	storage->prepared = *prepared;
	*prepared = (struct raft_snapshot){0};
}

void peer_storage_forget(struct peer_storage *storage, uint64_t index)
{
	if (index > storage->forgotten)
		storage->forgotten = index;
}

void peer_storage_replaced(struct peer_storage *storage, uint64_t index)
{
	struct raft_entries *fetched = &storage->fetched;

	if (fetched->count == 0)
		return;
	if (index <= fetched->items[0].index)
		raft_entries_close(fetched);
	else if (index - fetched->items[0].index < fetched->count)
		raft_entries_truncate(fetched, (size_t)(index - fetched->items[0].index));
}
