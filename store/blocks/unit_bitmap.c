#include "store/blocks/unit_bitmap.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"

#define WORD_BITS 64u

int unit_bitmap_init(struct unit_bitmap *bitmap, uint64_t units)
{
	*bitmap = (struct unit_bitmap){.units = units};
	bitmap->words = calloc(units / WORD_BITS + 1, sizeof *bitmap->words);
	return bitmap->words ? 0 : -ENOMEM;
}

void unit_bitmap_close(struct unit_bitmap *bitmap)
{
	free(bitmap->words);
	*bitmap = (struct unit_bitmap){0};
}

uint64_t unit_bitmap_find(const struct unit_bitmap *bitmap, uint64_t from, uint64_t end, bool is_used)
{
	check(end <= bitmap->units);
	while (from < end) {
		uint64_t word = bitmap->words[from / WORD_BITS];
		uint64_t rest = (is_used ? word : ~word) >> from % WORD_BITS;

		if (rest != 0) {
			from += (uint64_t)__builtin_ctzll(rest);
			return from < end ? from : end;
		}
		from += WORD_BITS - from % WORD_BITS;
	}
	return end;
}

bool unit_bitmap_set(struct unit_bitmap *bitmap, uint64_t first, uint64_t count)
{
	if (unit_bitmap_find(bitmap, first, first + count, true) < first + count)
		return false;
	for (uint64_t unit = first; unit < first + count; unit++)
		bitmap->words[unit / WORD_BITS] |= UINT64_C(1) << unit % WORD_BITS;
	return true;
}
