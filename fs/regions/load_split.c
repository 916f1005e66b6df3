#include "fs/regions/load_split.h"

#include <stdlib.h>

#include "fs/schema/split_key.h"
#include "proto/compare.h"
#include "proto/plant.h"

struct choice {
	struct slice start, end;
	uint32_t count; /* of the sample, within the range */
	uint64_t best; /* dirid; 0: none yet */
	uint32_t best_half; /* of the sample, in the busier half of a split there */
	uint64_t most; /* the dirid that stands most often */
	uint32_t most_count;
};

static bool is_within(const struct choice *choice, uint64_t dirid)
{
	struct fs_key key;

	if (dirid >= FS_DIRID_END)
		return false;
	key = fs_key_dirid(dirid);
	return slice_compare(choice->start, fs_key_slice(&key)) <= 0 &&
	       (choice->end.size == 0 || slice_compare(fs_key_slice(&key), choice->end) < 0);
}

/* Drops those outside of the range. */
static uint32_t keep_within(const struct choice *choice, uint64_t *dirids, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++)
		if (is_within(choice, dirids[i]))
			dirids[kept++] = dirids[i];
	return kept;
}

/* `below`: how many of the sample are less than the dirid. */
static void weigh(struct choice *choice, uint64_t dirid, uint32_t below)
{
	uint32_t above = choice->count - below, half = below > above ? below : above;
	struct fs_key key;

	PLANT("load:split_at_the_last", half = above);
	if (dirid == 0 || (choice->best > 0 && half >= choice->best_half))
		return;
	key = fs_split_key_of_dirid(dirid);
	if (!fs_split_is_wide_enough(choice->start, choice->end, fs_key_slice(&key)) &&
		!planted("load:narrow_halves"))
		return;
	choice->best = dirid;
	choice->best_half = half;
}

static void note_most(struct choice *choice, uint64_t dirid, uint32_t count)
{
	if (count <= choice->most_count)
		return;
	choice->most = dirid;
	choice->most_count = count;
}

/* A split between two dirids of the sample is at the later one; behind the last one there is none to be at. */
struct load_split load_split_choose(struct slice start, struct slice end, uint64_t *dirids, uint32_t count)
{
	struct choice choice = {.start = start, .end = end};
	bool is_useful;

	count = choice.count = keep_within(&choice, dirids, count);
	if (count > 0)
		qsort(dirids, count, sizeof *dirids, compare_u64);
	for (uint32_t i = 0, next; i < count; i = next) {
		for (next = i + 1; next < count && dirids[next] == dirids[i]; next++)
			;
		note_most(&choice, dirids[i], next - i);
		weigh(&choice, dirids[i], i);
	}
	is_useful =
		choice.best > 0 && (uint64_t)choice.best_half * 100 <= (uint64_t)count * LOAD_SPLIT_HALF_MAX;
	PLANT("load:any_split", is_useful = choice.best > 0);
	return (struct load_split){.may_split = is_useful, .dirid = is_useful ? choice.best : choice.most};
}
