/*
 * recover.h: a store comes to life from what its engines hold. Blocks; before any loop runs.
 *
 * The KV engine stands at some prefix of its batches: each region's apply state says how much of the log it has (P).
 *
 *  0  Snapshots that were being installed are installed again (recover_snapshots.h).
 *  1  A unit of the block store is in use if an extent row names it, or an entry above P names it as its payload. What
 *     entries up to P name lies in the rows or was freed. No unit may be named twice.
 *  2  RocksDB may have flushed rows by itself before the small payloads they name were synced. So for the entries in
 *     (blocks_synced, P] that payload is written again, where the row still names the entry.
 *  3  Entries above P are replayed by Raft itself, once they are known to be committed.
 */
#ifndef RAFTKV_STORE_OPEN_RECOVER_H
#define RAFTKV_STORE_OPEN_RECOVER_H

#include "proto/status.h"

struct raftkv;

/* Makes the regions of a new store, none of one that joins, and makes them durable; may be repeated after a crash. A
 * store that holds rows is not new: STATUS_CORRUPT. */
int recover_bootstrap(struct raftkv *raftkv, struct status *status);
/* Starts the peers, and the block store. */
int recover_regions(struct raftkv *raftkv, struct status *status);

#endif
