/* Arrays of log entries, and the sizes of entries. */
#include "raft/raft.h"

#include <errno.h>
#include <stdlib.h>

#include "raft/array.h"

static void entry_close(struct raft_entry *entry)
{
	buf_unref(entry->data);
	buf_unref(entry->payload);
}

int raft_entries_push(struct raft_entries *entries, const struct raft_entry *entry)
{
	return raft_entries_append(entries, entry, 1);
}

int raft_entries_append(struct raft_entries *entries, const struct raft_entry *items, size_t count)
{
	int rc = array_reserve(entries, count);

	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++) {
		struct raft_entry *entry = &entries->items[entries->count++];

		*entry = items[i];
		buf_ref(entry->data);
		buf_ref(entry->payload);
	}
	return 0;
}

void raft_entries_truncate(struct raft_entries *entries, size_t count)
{
	while (entries->count > count)
		entry_close(&entries->items[--entries->count]);
}

void raft_entries_close(struct raft_entries *entries)
{
	raft_entries_truncate(entries, 0);
	free(entries->items);
	*entries = (struct raft_entries){0};
}

/* Bytes of a varint. */
static uint64_t varint_size(uint64_t value)
{
	uint64_t bits = 64 - (uint64_t)__builtin_clzll(value | 1);

	return (bits + 6) / 7;
}

uint64_t raft_entry_size(const struct raft_entry *entry)
{
	/* Type, term and index are always encoded, each after a tag of one byte; data only if there is any. */
	uint64_t size = 3 + varint_size(entry->type) + varint_size(entry->term) + varint_size(entry->index);

	if (entry->data)
		size += 1 + varint_size(entry->data->size) + entry->data->size;
	return size + entry->payload_size;
}

uint64_t raft_entry_payload_size(const struct raft_entry *entry)
{
	return (entry->data ? entry->data->size : 0) + entry->payload_size;
}
