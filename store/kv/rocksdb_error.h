/*
 * rocksdb_error.h: RocksDB's errors in our terms. The engines that sit on RocksDB (kv_rocksdb, raft_rocksdb) translate
 * every `char **errptr` here and nowhere else.
 */
#ifndef RAFTKV_STORE_KV_ROCKSDB_ERROR_H
#define RAFTKV_STORE_KV_ROCKSDB_ERROR_H

#include "proto/status.h"

/* Takes `error`, which RocksDB allocated (NULL: success), and leaves its sentence in `status` (may be NULL).
 * 0, STATUS_WOULD_BLOCK (not in memory, asked for memory only), STATUS_CORRUPT, -ENOSPC, -EIO, or another -errno. */
int rocksdb_error_take(char *error, struct status *status);

#endif
