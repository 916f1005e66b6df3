#include "store/blocks/deferred_writes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

#define FIRST_CAPACITY 64

void deferred_writes_close(struct deferred_writes *writes)
{
	free(writes->items);
	*writes = (struct deferred_writes){0};
}

/* The first one that begins after `address`. */
static size_t after(const struct deferred_writes *writes, uint64_t address)
{
	size_t low = 0, high = writes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (writes->items[middle].extent.address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int deferred_writes_add(struct deferred_writes *writes, struct block_extent extent, const uint8_t *bytes)
{
	size_t at = after(writes, extent.address);

	if (writes->count == writes->capacity) {
		size_t capacity = writes->capacity ? 2 * writes->capacity : FIRST_CAPACITY;
		struct deferred_write *items = realloc(writes->items, capacity * sizeof *items);

		if (!items)
			return -ENOMEM;
		writes->items = items;
		writes->capacity = capacity;
	}
	memmove(&writes->items[at + 1], &writes->items[at], (writes->count - at) * sizeof *writes->items);
	writes->items[at] = (struct deferred_write){extent, ++writes->begun, bytes};
	writes->count++;
	return 0;
}

void deferred_writes_remove(struct deferred_writes *writes, uint64_t address)
{
	size_t next = after(writes, address);

	check(next > 0);
	check(writes->items[next - 1].extent.address == address);
	memmove(&writes->items[next - 1], &writes->items[next],
		(writes->count - next) * sizeof *writes->items);
	writes->count--;
}

const uint8_t *deferred_writes_find(const struct deferred_writes *writes, uint64_t address, uint32_t *count)
{
	size_t next = after(writes, address);
	const struct deferred_write *write = next > 0 ? &writes->items[next - 1] : NULL;
	uint64_t limit = UINT64_MAX;
	const uint8_t *bytes = NULL;

	if (write && address - write->extent.address < write->extent.count) {
		limit = write->extent.address + write->extent.count - address;
		bytes = write->bytes + (address - write->extent.address) * BLOCK_UNIT_SIZE;
	} else if (next < writes->count) {
		limit = writes->items[next].extent.address - address;
	}
	if (*count > limit)
		*count = (uint32_t)limit;
	return bytes;
}

uint64_t deferred_writes_oldest(const struct deferred_writes *writes)
{
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < writes->count; i++)
		if (writes->items[i].number < oldest)
			oldest = writes->items[i].number;
	return oldest;
}
