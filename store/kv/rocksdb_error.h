/*
 * rocksdb_error.h: translates RocksDB's errors to statuses. The engines on RocksDB (kv_rocksdb, kv_rocksdb_overlay,
 * raft_rocksdb) translate every `char **errptr` here and nowhere else.
 */
#ifndef RAFTKV_STORE_KV_ROCKSDB_ERROR_H
#define RAFTKV_STORE_KV_ROCKSDB_ERROR_H

#include "proto/status.h"

/* Takes `error`, which RocksDB allocated (NULL: success), and sets its sentence in `status` (may be NULL). 0,
 * STATUS_WOULD_BLOCK (not in memory, and the read was of memory only), STATUS_CORRUPT, -ENOSPC, -EIO, or another
 * -errno. */
int rocksdb_error_take(char *error, struct status *status);

#endif
