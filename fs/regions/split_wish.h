/*
 * split_wish.h: a store wishes that a region that it leads is split at a dirid. The wish is told until the region ends
 * there, or until nobody has made it true for SPLIT_WISH_MS, or until the region has gone to other stores.
 */
#ifndef RAFTKV_FS_REGIONS_SPLIT_WISH_H
#define RAFTKV_FS_REGIONS_SPLIT_WISH_H

#include "store/raftkv.h"

#define SPLIT_WISH_MS 60000u

enum split_wish_state {
	SPLIT_WISH_STANDS,
	SPLIT_WISH_GRANTED, /* the region ends at the dirid, or before it */
	SPLIT_WISH_OVER,
};

/* Of a wish that is `age` nanoseconds old. */
enum split_wish_state split_wish_state(struct raftkv *raftkv, uint64_t region, uint64_t dirid, uint64_t age);

#endif
