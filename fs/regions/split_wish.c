#include "fs/regions/split_wish.h"

#include "fs/schema/keys.h"
#include "proto/units.h"

enum split_wish_state split_wish_state(struct raftkv *raftkv, uint64_t region, uint64_t dirid, uint64_t age)
{
	struct region range;
	uint64_t end;

	if (raftkv_region_range(raftkv, region, &range) < 0)
		return SPLIT_WISH_OVER;
	end = range.end ? fs_key_get_dirid(buf_slice(range.end)) : FS_DIRID_END;
	region_close(&range);
	if (end <= dirid)
		return SPLIT_WISH_GRANTED;
	return age < SPLIT_WISH_MS * NS_PER_MS ? SPLIT_WISH_STANDS : SPLIT_WISH_OVER;
}
