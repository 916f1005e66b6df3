/*
 * The data directory of a store: who owns it, and that it is what it seems to be.
 *
 *   LOCK     held by the one process that uses the directory
 *   IDENT    cluster id, store id, incarnation, kind of log, format version; its presence says that the store has been
 *            made
 *   kv/ raft/ blocks/ snap/
 *
 * IDENT is written last when a store is made, and anew, by an atomic rename, with a higher incarnation at each open. A
 * directory without it is empty or was left by a store that never came to life, which data_dir_open makes again.
 */
#ifndef RAFTKV_STORE_DATA_DIR_H
#define RAFTKV_STORE_DATA_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"

struct ident {
	uint64_t cluster;
	uint64_t store;
	uint64_t incarnation; /* grows with each open */
	uint64_t
		birth; /* drawn when the directory became this store: one that was made anew is another; 0: it is old */
	bool log_is_rocksdb; /* the raft log: as the store was made */
};

struct data_dir {
	struct env *env;
	struct env_file *lock;
	bool is_new; /* no IDENT yet */
	struct ident ident;
	char path[PATH_MAX];
};

/* Creates the directory (not its parents) and its folders where absent, takes LOCK, reads IDENT. Refuses, with a
 * sentence: a directory in use by another process (-EBUSY), one with foreign files in it (-ENOTEMPTY), an IDENT that is
 * damaged (STATUS_CORRUPT) or of another format (-EPROTO). Blocks. */
int data_dir_open(struct data_dir *dir, struct env *env, const char *path, struct status *status);
/* Durably writes `dir->ident`: the store exists from now on. Blocks. */
int data_dir_commit(struct data_dir *dir, struct status *status);
/* Gives LOCK back. */
void data_dir_close(struct data_dir *dir);

/* PATH/NAME. */
int data_dir_path(const struct data_dir *dir, const char *name, char path[PATH_MAX]);

/* IDENT as bytes, for data_dir.c and its fuzzer. */
#define IDENT_SIZE 4096
void ident_encode(const struct ident *ident, uint8_t bytes[IDENT_SIZE]);
/* 0, STATUS_CORRUPT or -EPROTO (then `*version` is what was found). */
int ident_decode(const uint8_t bytes[IDENT_SIZE], struct ident *ident, uint32_t *version);

#endif
