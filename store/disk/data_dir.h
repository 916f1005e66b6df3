/*
 * The data directory of a store: its lock and its identity.
 *
 *   LOCK     held by the one process that uses the directory
 *   IDENT    cluster id, store id, incarnation, lives, kind of log, format version; exists once the store has been made
 *   kv/ raft/ blocks/ snap/
 *
 * IDENT is written last when a store is made. Each open replaces it by an atomic rename, before the store sends
 * anything, with a higher incarnation and a new *life*, a random number. A copy of the directory has the same
 * incarnations but other lives: lives.h tells them apart. A directory without IDENT is empty, or its creation was
 * interrupted and is repeated.
 */
#ifndef RAFTKV_STORE_DISK_DATA_DIR_H
#define RAFTKV_STORE_DISK_DATA_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"

#define IDENT_LIVES_MAX 64u

struct ident {
	uint64_t cluster;
	uint64_t store;
	uint64_t incarnation; /* grows by one with each open; a refused life's is used again */
	uint64_t directory_id; /* random, chosen when the directory was made; 0: made by an old version */
	bool log_is_rocksdb; /* whether the raft log is in RocksDB, chosen when the store was made */
	bool is_refused; /* no store has accepted the last life: the next one replaces it */
	uint32_t life_count; /* ≤ IDENT_LIVES_MAX */
	uint64_t lives[IDENT_LIVES_MAX]; /* the life of `incarnation` first, then the earlier ones */
};

struct data_dir {
	struct env *env;
	struct env_file *lock;
	bool is_new; /* no IDENT was found */
	struct ident ident;
	char path[PATH_MAX];
};

/* Creates the directory (not its parents) and its folders where absent, takes LOCK, reads IDENT. Fails, with a
 * sentence, if another process uses the directory (-EBUSY), if it has foreign files (-ENOTEMPTY), or if IDENT is
 * damaged (STATUS_CORRUPT) or of another format (-EPROTO). Blocks. */
int data_dir_open(struct data_dir *dir, struct env *env, const char *path, struct status *status);
/* Sets the next life, and the directory's id if it has none, in memory. The next life replaces a refused one, so that
 * repeated refusals do not push older lives out. */
void ident_begin_life(struct ident *ident, struct env *env);
/* Writes `dir->ident` durably: from now on the store exists. Blocks. */
int data_dir_commit(struct data_dir *dir, struct status *status);
/* Releases LOCK. */
void data_dir_close(struct data_dir *dir);

/* PATH/NAME. */
int data_dir_path(const struct data_dir *dir, const char *name, char path[PATH_MAX]);

/* Encodes IDENT; public for the fuzzer. */
#define IDENT_SIZE 4096
void ident_encode(const struct ident *ident, uint8_t bytes[IDENT_SIZE]);
/* 0, STATUS_CORRUPT, or -EPROTO, which sets `*version`. */
int ident_decode(const uint8_t bytes[IDENT_SIZE], struct ident *ident, uint32_t *version);

#endif
