#include "fs/schema/ino_set.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/status.h"

#define SIZE_MIN   64u
#define MULTIPLIER UINT64_C(0x9e3779b97f4a7c15) /* 2^64 by the golden ratio */

/* Where `ino` is, or where it belongs. */
static uint64_t *find(uint64_t *inos, uint32_t size, uint64_t ino)
{
	uint32_t i = (uint32_t)(ino * MULTIPLIER >> 32) & (size - 1);

	while (inos[i] != 0 && inos[i] != ino)
		i = (i + 1) & (size - 1);
	return &inos[i];
}

static int grow(struct ino_set *set)
{
	uint32_t size = set->size > 0 ? set->size * 2 : SIZE_MIN;
	uint64_t *inos = calloc(size, sizeof *inos);

	if (!inos)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->size; i++)
		if (set->inos[i] != 0)
			*find(inos, size, set->inos[i]) = set->inos[i];
	free(set->inos);
	set->inos = inos;
	set->size = size;
	return 0;
}

int ino_set_add(struct ino_set *set, uint64_t ino, uint32_t count_max)
{
	if (set->size > 0 && *find(set->inos, set->size, ino) == ino)
		return 0;
	if (set->count >= count_max)
		return STATUS_LIMIT;
	if (set->count >= set->size / 4 * 3 && grow(set) < 0)
		return -ENOMEM;
	*find(set->inos, set->size, ino) = ino;
	set->count++;
	return 1;
}

void ino_set_close(struct ino_set *set)
{
	free(set->inos);
	*set = (struct ino_set){0};
}
