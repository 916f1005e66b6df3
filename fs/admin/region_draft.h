/*
 * region_draft.h: the message that describes a region to administrators (OverviewRegion), and all that it points to. The
 * draft may not be moved once its members are set.
 */
#ifndef RAFTKV_FS_ADMIN_REGION_DRAFT_H
#define RAFTKV_FS_ADMIN_REGION_DRAFT_H

#include "proto/raftkv.pb-c.h"
#include "store/requests.h"
#include "store/rows/region.h"

struct region_draft {
	Raftkv__OverviewRegion message;
	/* Private: */
	Raftkv__Epoch epoch;
	struct region range; /* only its range */
	struct draft_member *members;
	Raftkv__OverviewMember **pointers;
};

void region_draft_init(struct region_draft *draft, uint64_t region);
void region_draft_close(struct region_draft *draft);
/* Takes over references to the bounds of `region`, which is then empty. */
void region_draft_take_range(struct region_draft *draft, struct region *region);
/* Once. 0 or -ENOMEM. */
int region_draft_set_members(struct region_draft *draft, struct region_epoch epoch,
	const struct region_member *members, uint32_t count);

#endif
