/*
 * load_stores.h: what the cluster's records said of its stores when this store was last up, from its own replica of region 1,
 * before anybody is heard. It may be old; but lives only grow, and who was removed stays so: that is enough to refuse an
 * old copy of a store, or a directory that was made anew, while nobody leads yet.
 */
#ifndef RAFTKV_FS_SERVER_LOAD_STORES_H
#define RAFTKV_FS_SERVER_LOAD_STORES_H

#include "fs/server/reporter.h"

/* Calls back for each store on record. 0 also where there is no replica of region 1. Blocks. */
int load_stores(struct raftkv *raftkv, void (*each)(void *argument, const struct reporter_store *store),
	void *argument);

#endif
