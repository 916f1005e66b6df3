#include "fs/schema/split_key.h"

#include <string.h>

#include "proto/check.h"

/* The greatest dirid of which the first key is not above `key`. */
static uint64_t dirid_at(struct slice key)
{
	struct fs_key prefix = fs_key_dirid(0);

	if (key.size > 0)
		memcpy(prefix.bytes, key.data, key.size < prefix.size ? key.size : prefix.size);
	return fs_key_get_dirid(fs_key_slice(&prefix));
}

void fs_dirids_within(struct slice start, struct slice bound, uint64_t *first, uint64_t *end)
{
	struct fs_key least;

	*first = dirid_at(start);
	least = fs_key_dirid(*first);
	if (slice_compare(fs_key_slice(&least), start) < 0 || *first == 0)
		(*first)++;
	*end = bound.size > 0 ? dirid_at(bound) : FS_DIRID_END;
}

struct fs_key fs_split_key_of_dirid(uint64_t dirid)
{
	check(dirid > 0);
	check(dirid < FS_DIRID_END);
	return fs_key_dirid(dirid);
}

bool fs_split_key_is_valid(struct slice key)
{
	uint64_t dirid = fs_key_get_dirid(key);

	return key.size == fs_key_dirid(0).size && dirid > 0 && dirid < FS_DIRID_END;
}

static bool is_wide_enough(struct slice start, struct slice bound)
{
	uint64_t first, end;

	fs_dirids_within(start, bound, &first, &end);
	return first < end && end - first >= FS_SPLIT_DIRIDS_MIN;
}

bool fs_split_is_wide_enough(struct slice start, struct slice end, struct slice key)
{
	return fs_split_key_is_valid(key) && is_wide_enough(start, key) && is_wide_enough(key, end);
}
