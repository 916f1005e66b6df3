/*
 * The data directory of a store: who owns it, and that it is what it seems to be.
 *
 *   LOCK     held by the one process that uses the directory
 *   IDENT    cluster id, store id, incarnation, lives, kind of log, format version; its presence says that the store has
 *            been made
 *   kv/ raft/ blocks/ snap/
 *
 * IDENT is written last when a store is made, and anew, by an atomic rename, at each open, before anybody hears of it:
 * with a higher incarnation and a *life*, a number that is drawn and was never seen before. A copy of the directory counts
 * the same incarnations as the directory does, but draws other lives: lives.h tells them apart. A directory without IDENT
 * is empty or was left by a store that never came to life, which data_dir_open makes again.
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
	uint64_t incarnation; /* one more with each open, but for lives that nobody wanted */
	uint64_t
		directory_id; /* drawn when the directory became this store: one that was made anew is another; 0: it is old */
	bool log_is_rocksdb; /* the raft log: as the store was made */
	bool is_refused; /* nobody has wanted the last life: the next one takes its place */
	uint32_t life_count; /* ≤ IDENT_LIVES_MAX */
	uint64_t lives[IDENT_LIVES_MAX]; /* that of `incarnation`, the one before it, and so on */
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
/* The next life, and the id of a directory that has none yet; in memory. A directory that is refused again and again
 * does not forget the lives that show why. */
void ident_begin_life(struct ident *ident, struct env *env);
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
