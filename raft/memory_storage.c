#include "raft/memory_storage.h"

#include "proto/check.h"

static struct memory_storage *of(struct raft_storage *storage)
{
	return (struct memory_storage *)storage; /* its first member */
}

static uint64_t last_index(const struct memory_storage *memory)
{
	return memory->compacted_index + memory->entries.count;
}

/* ---- What the node reads ---------------------------------------------------------------------------------------- */

static int read_initial_state(
	struct raft_storage *storage, struct raft_hard_state *hard, struct raft_conf_state *conf)
{
	*hard = of(storage)->hard_state;
	return raft_conf_state_copy(conf, &of(storage)->snapshot.conf_state);
}

static int read_entries(struct raft_storage *storage, uint64_t low, uint64_t high, uint64_t size_max,
	struct raft_entries *out)
{
	struct memory_storage *memory = of(storage);
	const struct raft_entry *items;
	uint64_t size = 0;
	size_t count = 0;

	if (low <= memory->compacted_index)
		return STATUS_COMPACTED;
	if (high > last_index(memory) + 1)
		return STATUS_UNAVAILABLE;
	items = &memory->entries.items[low - memory->compacted_index - 1];
	while (low + count < high) {
		size += raft_entry_size(&items[count]);
		if (size > size_max && count > 0)
			break;
		count++;
	}
	return raft_entries_append(out, items, count);
}

static int read_term(struct raft_storage *storage, uint64_t index, uint64_t *term)
{
	struct memory_storage *memory = of(storage);

	if (index < memory->compacted_index)
		return STATUS_COMPACTED;
	if (index > last_index(memory))
		return STATUS_UNAVAILABLE;
	*term = index == memory->compacted_index
			? memory->compacted_term
			: memory->entries.items[index - memory->compacted_index - 1].term;
	return 0;
}

static int read_first_index(struct raft_storage *storage, uint64_t *index)
{
	*index = of(storage)->compacted_index + 1;
	return 0;
}

static int read_last_index(struct raft_storage *storage, uint64_t *index)
{
	*index = last_index(of(storage));
	return 0;
}

static int read_snapshot(struct raft_storage *storage, struct raft_snapshot *out)
{
	return raft_snapshot_copy(out, &of(storage)->snapshot);
}

/* ---- What the caller writes ------------------------------------------------------------------------------------- */

void memory_storage_init(struct memory_storage *memory)
{
	*memory = (struct memory_storage){
		.storage =
			{
				.initial_state = read_initial_state,
				.entries = read_entries,
				.term = read_term,
				.first_index = read_first_index,
				.last_index = read_last_index,
				.snapshot = read_snapshot,
			},
	};
}

void memory_storage_close(struct memory_storage *memory)
{
	raft_entries_close(&memory->entries);
	raft_snapshot_close(&memory->snapshot);
}

int memory_storage_append(struct memory_storage *memory, const struct raft_entry *entries, size_t count)
{
	struct raft_entries old;
	size_t keep;
	int rc;

	while (count > 0 && entries[0].index <= memory->compacted_index) {
		entries++;
		count--;
	}
	if (count == 0)
		return 0;
	if (entries[0].index > last_index(memory) + 1)
		return STATUS_MALFORMED;
	keep = entries[0].index - memory->compacted_index - 1;
	if (keep == memory->entries.count)
		return raft_entries_append(&memory->entries, entries, count);
	/* A new array, so that a failure leaves the old tail. */
	old = memory->entries;
	memory->entries = (struct raft_entries){0};
	rc = raft_entries_append(&memory->entries, old.items, keep);
	if (!rc)
		rc = raft_entries_append(&memory->entries, entries, count);
	if (rc) {
		raft_entries_close(&memory->entries);
		memory->entries = old;
		return rc;
	}
	raft_entries_close(&old);
	return 0;
}

void memory_storage_set_hard_state(struct memory_storage *memory, const struct raft_hard_state *state)
{
	memory->hard_state = *state;
}

int memory_storage_apply_snapshot(struct memory_storage *memory, const struct raft_snapshot *snapshot)
{
	int rc;

	if (memory->snapshot.index >= snapshot->index)
		return STATUS_SNAPSHOT_OUT_OF_DATE;
	rc = raft_snapshot_copy(&memory->snapshot, snapshot);
	if (rc)
		return rc;
	raft_entries_truncate(&memory->entries, 0);
	memory->compacted_index = snapshot->index;
	memory->compacted_term = snapshot->term;
	return 0;
}

int memory_storage_create_snapshot(
	struct memory_storage *memory, uint64_t index, const struct raft_conf_state *conf, struct buf *data)
{
	uint64_t term;
	int rc;

	if (index <= memory->snapshot.index)
		return STATUS_SNAPSHOT_OUT_OF_DATE;
	rc = read_term(&memory->storage, index, &term);
	if (!rc && conf)
		rc = raft_conf_state_copy(&memory->snapshot.conf_state, conf);
	if (rc)
		return rc;
	buf_ref(data);
	buf_unref(memory->snapshot.data);
	memory->snapshot.data = data;
	memory->snapshot.index = index;
	memory->snapshot.term = term;
	return 0;
}

int memory_storage_compact(struct memory_storage *memory, uint64_t index)
{
	struct raft_entries *entries = &memory->entries;
	size_t count;

	if (index <= memory->compacted_index)
		return STATUS_COMPACTED;
	if (index > last_index(memory))
		return STATUS_UNAVAILABLE;
	count = index - memory->compacted_index;
	memory->compacted_term = entries->items[count - 1].term;
	memory->compacted_index = index;
	for (size_t i = 0; i < count; i++) {
		buf_unref(entries->items[i].data);
		buf_unref(entries->items[i].payload);
	}
	entries->count -= count;
	for (size_t i = 0; i < entries->count; i++)
		entries->items[i] = entries->items[i + count];
	return 0;
}

int memory_storage_save_ready(struct memory_storage *memory, const struct raft_ready *ready)
{
	int rc = 0;

	if (ready->snapshot.index)
		rc = memory_storage_apply_snapshot(memory, &ready->snapshot);
	if (!rc)
		rc = memory_storage_append(memory, ready->entries.items, ready->entries.count);
	if (!rc && ready->has_hard_state)
		memory->hard_state = ready->hard_state;
	return rc;
}

int memory_storage_save_message(struct memory_storage *memory, const struct raft_message *message)
{
	int rc = 0;

	check(message->type == RAFT_MSG_STORAGE_APPEND);
	if (message->snapshot)
		rc = memory_storage_apply_snapshot(memory, message->snapshot);
	if (!rc)
		rc = memory_storage_append(memory, message->entries.items, message->entries.count);
	if (!rc && message->term)
		memory->hard_state = (struct raft_hard_state){
			.term = message->term, .vote = message->vote, .commit = message->commit};
	return rc;
}
