/*
 * tombstone.h: the highest id of a region's replicas that were destroyed on this store. No replica up to that id may
 * ever be here again. It is a mark of the region in the log engine and outlives the region's log.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_TOMBSTONE_H
#define RAFTKV_STORE_SNAPSHOT_TOMBSTONE_H

#include <stdint.h>

#include "store/log/log_engine.h"

#define TOMBSTONE_SIZE 8 /* bytes: the id */

/* Sets `*id`, to 0 if there is no tombstone. 0, STATUS_CORRUPT or the log's error. Any thread. */
int tombstone_read(struct log_engine *log, uint64_t region, uint64_t *id);
/* The mark for `id`, which borrows `bytes`. */
struct log_mark tombstone_mark(uint64_t id, uint8_t bytes[TOMBSTONE_SIZE]);

#endif
