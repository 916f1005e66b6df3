#include "store/rows/region_view.h"

static int region_view_admit(const struct region *region, enum key_space space, struct slice key)
{
	if (key.size > MUTATIONS_KEY_MAX)
		return STATUS_MALFORMED;
	if (space == KEY_DATA && !region_has_key(region, key))
		return STATUS_KEY_NOT_IN_REGION;
	return 0;
}

int region_view_key(const struct region *region, enum key_space space, struct slice row, struct key *key)
{
	int status = region_view_admit(region, space, row);

	if (status == 0)
		key_row(key, region->id, space, row);
	return status;
}

int region_view_range(const struct region *region, enum key_space space, struct slice low, struct slice high,
	struct key *from, struct key *to)
{
	struct slice end = buf_slice(region->end);
	int status = region_view_admit(region, space, low);

	if (status < 0)
		return status;
	if (high.size > MUTATIONS_KEY_MAX)
		return STATUS_MALFORMED;
	if (space == KEY_DATA && end.size > 0 && (high.size == 0 || slice_compare(end, high) < 0))
		high = end;
	key_row(from, region->id, space, low);
	key_row_bound(to, region->id, space, high);
	return 0;
}

int region_view_object(const struct region *region, struct slice object)
{
	return region_view_admit(region, KEY_DATA, object);
}
