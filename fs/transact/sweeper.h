/*
 * sweeper.h: looks in the regions that this store leads for intents and committed records that have been left
 * (transactions.h).
 *
 *   every SWEEP_MS, each region:  a committed record without an owner here -> its intents are resolved, and it is deleted
 *                                 an intent that was there in an earlier round -> strays.h
 *   a change waits in a region:   its intents -> strays.h, soon
 *
 * A round looks at the regions that have changed since the one before (raftkv_each_changed_region), and at those in which a
 * scan has found something, or has failed. The others have nothing: only a change makes an intent or a record.
 *
 * It reads the state that is applied here, however old: whoever resolves an intent that is not there does nothing. So a
 * round wakes no region. All on one loop; a scan that needs the disk is on a worker.
 */
#ifndef RAFTKV_FS_TRANSACT_SWEEPER_H
#define RAFTKV_FS_TRANSACT_SWEEPER_H

#include "fs/transact/transactions.h"

#define SWEEP_ROWS_MAX 4096u /* of one region in one round */

struct sweeper;

struct sweeper *sweeper_new(struct transactions *transactions); /* NULL: no memory */
void sweeper_start(struct sweeper *sweeper);
/* Looks at the region's intents soon, whatever their age. */
void sweeper_hurry(struct sweeper *sweeper, uint64_t region);
/* `stopped` may come from inside the call. */
void sweeper_stop(struct sweeper *sweeper, void (*stopped)(void *argument), void *argument);
void sweeper_free(struct sweeper *sweeper); /* may be NULL */
void sweeper_read_oldest(const struct sweeper *sweeper, struct transactions_oldest *oldest);

#endif
