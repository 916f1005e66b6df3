/*
 * load_stores.h: reads the records of the cluster's stores from this store's own replica of region 1, before the loops
 * run.
 *
 * The records may be stale. But incarnations only grow, and a store that was removed stays removed. So stale records
 * are enough to refuse an old copy of a store's directory, or a directory that was made anew, before region 1 has a
 * leader.
 */
#ifndef RAFTKV_FS_REGIONS_LOAD_STORES_H
#define RAFTKV_FS_REGIONS_LOAD_STORES_H

#include "fs/regions/reporter.h"

/* Calls `each` for each store on record. Blocks. 0, also where this store has no replica of region 1; a negative
 * status. */
int load_stores(struct raftkv *raftkv, void (*each)(void *argument, const struct reporter_store *store),
	void *argument);

#endif
