#include "raft/inflights.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"

void inflights_close(struct inflights *inflights)
{
	free(inflights->items);
	*inflights = (struct inflights){0};
}

void inflights_reset(struct inflights *inflights)
{
	inflights->start = 0;
	inflights->count = 0;
	inflights->size = 0;
}

void inflights_trim(struct inflights *inflights)
{
	if (inflights->count == 0)
		inflights_close(inflights);
}

int inflights_reserve(struct inflights *inflights)
{
	uint32_t capacity = inflights->capacity ? inflights->capacity * 2 : 4;
	struct inflight *items;

	if (inflights->count < inflights->capacity)
		return 0;
	items = malloc(capacity * sizeof *items);
	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < inflights->count; i++)
		items[i] = inflights->items[(inflights->start + i) & (inflights->capacity - 1)];
	free(inflights->items);
	inflights->items = items;
	inflights->capacity = capacity; /* a power of two */
	inflights->start = 0;
	return 0;
}

void inflights_add(struct inflights *inflights, uint64_t index, uint64_t size)
{
	check(inflights->count < inflights->capacity);
	inflights->items[(inflights->start + inflights->count) & (inflights->capacity - 1)] =
		(struct inflight){.index = index, .size = size};
	inflights->count++;
	inflights->size += size;
}

void inflights_free_to(struct inflights *inflights, uint64_t index)
{
	while (inflights->count && inflights->items[inflights->start].index <= index) {
		inflights->size -= inflights->items[inflights->start].size;
		inflights->start = (inflights->start + 1) & (inflights->capacity - 1);
		inflights->count--;
	}
}

bool inflights_is_full(const struct inflights *inflights, const struct inflight_limits *limits)
{
	return inflights->count >= limits->count_max || inflights->size >= limits->size_max;
}
