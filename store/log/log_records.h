/*
 * log_records.h: the records of a write, in the order in which they take effect. Sizing, encoding and applying a write
 * use the same walk, so they cannot disagree.
 */
#ifndef RAFTKV_STORE_LOG_LOG_RECORDS_H
#define RAFTKV_STORE_LOG_LOG_RECORDS_H

#include "store/log/log_index.h"

/* `entry` is the write's entry for a LOG_RECORD_ENTRY, else NULL. A nonzero return ends the walk. */
typedef int (*log_record_cb)(void *argument, const struct log_record *record, const struct raft_entry *entry);

int log_records_of_write(const struct log_write *write, log_record_cb each, void *argument);
/* The records that repeat a region's state without its entries: base, hard state and marks. */
int log_records_of_region(const struct log_region *region, log_record_cb each, void *argument);

/* Sizes of these records, in bytes. */
uint64_t log_records_size_of_write(const struct log_write *write);
uint64_t log_records_size_of_region(const struct log_region *region);

#endif
