#include "fs/regions/region_sizes.h"

#include <stdlib.h>
#include <string.h>

/* The index of the region, or that where it would stand. */
static uint32_t index_of(const struct region_sizes *sizes, uint64_t region)
{
	uint32_t low = 0, high = sizes->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (sizes->items[middle].region < region)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct region_size *region_sizes_find(const struct region_sizes *sizes, uint64_t region)
{
	uint32_t index = index_of(sizes, region);

	return index < sizes->count && sizes->items[index].region == region ? &sizes->items[index] : NULL;
}

bool region_sizes_has(const struct region_sizes *sizes, uint64_t region, uint64_t version)
{
	const struct region_size *size = region_sizes_find(sizes, region);

	return size && size->version == (uint32_t)version;
}

static bool reserve(struct region_sizes *sizes)
{
	uint32_t capacity = sizes->capacity == 0 ? 16 : sizes->capacity * 2;
	struct region_size *items;

	if (sizes->count < sizes->capacity)
		return true;
	items = realloc(sizes->items, capacity * sizeof *items);
	if (!items)
		return false;
	sizes->items = items;
	sizes->capacity = capacity;
	return true;
}

void region_sizes_put(struct region_sizes *sizes, uint64_t region, uint64_t version, uint64_t bytes)
{
	uint32_t index = index_of(sizes, region);

	if (index == sizes->count || sizes->items[index].region != region) {
		if (!reserve(sizes))
			return;
		memmove(&sizes->items[index + 1], &sizes->items[index],
			(sizes->count - index) * sizeof *sizes->items);
		sizes->count++;
	}
	sizes->items[index] = (struct region_size){
		.region = region, .bytes = bytes, .version = (uint32_t)version, .round = sizes->round};
}

void region_sizes_begin_round(struct region_sizes *sizes)
{
	sizes->round++;
}

void region_sizes_end_round(struct region_sizes *sizes)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < sizes->count; i++)
		if (sizes->items[i].round == sizes->round)
			sizes->items[kept++] = sizes->items[i];
	sizes->count = kept;
}

void region_sizes_close(struct region_sizes *sizes)
{
	free(sizes->items);
	*sizes = (struct region_sizes){0};
}
