/*
 * tombstone.h: which replicas of a region may never be on this store again: those up to an id, the highest of one that
 * was destroyed here. A mark of the region in the log engine; it outlives the region's log.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_TOMBSTONE_H
#define RAFTKV_STORE_SNAPSHOT_TOMBSTONE_H

#include <stdint.h>

#include "store/log/log_engine.h"

#define TOMBSTONE_SIZE 8 /* bytes: the id */

/* 0, and `id` 0 where there is none; STATUS_CORRUPT or the log's error. Any thread. */
int tombstone_read(struct log_engine *log, uint64_t region, uint64_t *id);
/* The mark that says so, which borrows `bytes`. */
struct log_mark tombstone_mark(uint64_t id, uint8_t bytes[TOMBSTONE_SIZE]);

#endif
