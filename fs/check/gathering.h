/*
 * gathering.h: the rows of all regions of a cluster that is in use, in a KV engine, for check_run: one reading of it. Who
 * has the cluster asks the pages (row_page.h), one after the other.
 *
 * Regions are read in the order of their ranges: where one ends, the next one begins. The pages of a region are of one
 * version. When it has been split meanwhile, what was read of it is deleted, and it is read again: so no row is missed,
 * and none is there twice. Pages are of different moments; what follows from that is the business of suspects.h.
 *
 * The engine gets a region's state, with one replica on one store that is said to be this one, as in a store that is alone.
 */
#ifndef RAFTKV_FS_CHECK_GATHERING_H
#define RAFTKV_FS_CHECK_GATHERING_H

#include "fs/schema/keys.h"
#include "fs/schema/row_page.h"
#include "store/open/inspect.h"

#define GATHERING_RESTARTS_MAX 64u /* of one region, because it was split */

struct gathering {
	struct inspect inspect; /* of the engine and the regions that have been read; for check_run */
	struct kv_batch *batch;
	bool is_complete; /* the last region has been read */
	struct fs_key key; /* where the region begins that the next page is asked of */
	struct buf *cursor; /* of the next page; NULL: empty */
	/* Of the region that is being read: */
	uint64_t region; /* 0: none of its pages has come */
	uint64_t version;
	uint32_t restarts;
};

/* Shares the engine, which is empty and outlives the gathering. -ENOMEM. */
int gathering_init(struct gathering *gathering, struct kv_engine *kv);
void gathering_close(struct gathering *gathering);

/* Takes the answer to a page from gathering->cursor on, of the region that has gathering->key. Not when it is complete.
 * 0; STATUS_MALFORMED: no correct store answers so; -EAGAIN: the region has been split too often; -ENOMEM; or an error of
 * the KV engine. */
int gathering_take(struct gathering *gathering, const struct row_page *page);

/* How much has been read: 0 to 1, by the place in the key space. */
double gathering_done(const struct gathering *gathering);

#endif
